import { show, ZbudError } from "../../base/index.ts";
import { decodeHeader, encodeHeader, type FileHeader, headerOffset } from "./header.ts";
import {
  F_HEADER,
  F_PENDING,
  HEADER_BYTES,
  type IndexWords,
  W_AREA,
  W_HEADER_DRAW,
  W_PENDING_DRAW,
} from "./index-words.ts";
import { type RecordIo, readAll, writeAll } from "./io.ts";

/** Bytes that are looked at in one go for something other than zeros. */
const BLANK_PIECE = 2 ** 18;

/** What the two header blocks of a file say. */
export interface LastHeader {
  /** Null: both are damaged. */
  readonly header: FileHeader | null;
  /** Whether both blocks are as they were written. If not, the one that is may be older than the records. */
  readonly isWhole: boolean;
}

/**
 * The header of a file that counts; null for a file that was being made when its process ended: all of it is zeros.
 *
 * @throws {ZbudError} `ENOTSUP` if another version made it; `EBADMSG` if it is something else's. The system's error.
 */
export async function lastHeader(path: string, file: number, io: RecordIo): Promise<LastHeader | null> {
  const blocks = new Uint8Array(2 * HEADER_BYTES);
  await readAll(io, file, blocks, 0);
  const both = [0, 1].map((which) =>
    decodeHeader(blocks.subarray(which * HEADER_BYTES, (which + 1) * HEADER_BYTES)),
  );
  if (both.includes("other version")) {
    throw new ZbudError(
      "ENOTSUP",
      `${path} was made by another version of zbud; use that, or remove the file`,
    );
  }
  if (blocks.every(isZero) && (await isBlank(io, file))) return null;
  if (both[0] === "foreign" && both[1] === "foreign") {
    throw new ZbudError(
      "EBADMSG",
      `${show(path)} is not a file of this library, and is left as it is; give another path, or remove it`,
    );
  }
  // A block that lies where its number does not is none.
  const headers = both.filter((one, which): one is FileHeader => {
    return typeof one === "object" && headerOffset(one.number) === which * HEADER_BYTES;
  });
  if (headers.length === 0) return { header: null, isWhole: false };
  headers.sort((one, other) => other.number - one.number);
  const isPair = headers.length === 2 && headers[0].number === headers[1].number + 1;
  return { header: headers[0], isWhole: isPair && headers[0].storeNumber === headers[1].storeNumber };
}

/** Whether a file has nothing but zeros. Images of disks and of memory begin with many, and are somebody's. */
async function isBlank(io: RecordIo, file: number): Promise<boolean> {
  const piece = new Uint8Array(BLANK_PIECE);
  for (let at = 0; ; at += piece.length) {
    const length = await readAll(io, file, piece, at);
    if (!piece.subarray(0, length).every(isZero)) return false;
    if (length < piece.length) return true;
  }
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/**
 * Writes the next header, waits for the disk, and notes it in the index. A thread that dies in here leaves a note of
 * which header it was writing, for {@link settleHeader}.
 *
 * @throws the system's error: what is on the disk is the header before, or this one.
 */
export async function writeHeader(
  io: RecordIo,
  file: number,
  words: IndexWords,
  header: Omit<FileHeader, "draw">,
): Promise<void> {
  const { numbers } = words;
  const [draw] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  words.header[W_PENDING_DRAW] = draw | 0;
  numbers[F_PENDING] = header.number;
  try {
    await writeAll(io, file, encodeHeader({ ...header, draw }), headerOffset(header.number));
    await io.sync(file);
  } catch (error) {
    // The next one has the same number and area: on the disk the one before may still count.
    numbers[F_PENDING] = 0;
    throw error;
  }
  note(words, { ...header, draw });
}

/** Finds out whether a header that a thread was writing when it died is in the file. */
export async function settleHeader(io: RecordIo, file: number, words: IndexWords): Promise<void> {
  const { numbers } = words;
  const number = numbers[F_PENDING];
  if (number === 0) return;
  const block = new Uint8Array(HEADER_BYTES);
  await readAll(io, file, block, headerOffset(number));
  const header = decodeHeader(block);
  const isThere =
    typeof header === "object" &&
    header.number === number &&
    header.draw === words.header[W_PENDING_DRAW] >>> 0;
  if (!isThere) {
    numbers[F_PENDING] = 0;
    return;
  }
  // Before anything is written where the header before it points to.
  await io.sync(file);
  note(words, header);
}

/** In an order that may be cut off: what is pending goes last, and this is done again. */
function note(words: IndexWords, { number, draw, area }: FileHeader): void {
  words.numbers[F_HEADER] = number;
  words.header[W_HEADER_DRAW] = draw | 0;
  words.header[W_AREA] = area;
  words.numbers[F_PENDING] = 0;
}
