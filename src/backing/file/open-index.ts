import { show, ZbudError } from "../../base/index.ts";
import { faultOf } from "../system.ts";
import { decodeHeader, encodeHeader, type FileHeader, headerOffset } from "./header.ts";
import { readIndex } from "./index-file.ts";
import { IndexTable } from "./index-table.ts";
import {
  createIndexWords,
  F_BUDGET,
  F_BUDGET_AT,
  F_HEADER,
  F_SEQUENCE,
  HEADER_BYTES,
  type IndexGeometry,
  type IndexWords,
  indexGeometry,
  sameGeometry,
  W_AREA,
  W_DROPS,
  W_PINS,
  W_RECORDS,
  W_STORE_NUMBER,
} from "./index-words.ts";
import { type RecordIo, readAll, writeAll } from "./io.ts";
import type { OpenSettings } from "./options.ts";

/** What was found when a file was opened. */
export interface OpenedFile {
  /**
   * `"new"`: there was none; `"clean"`: it was closed well, and its records are there; `"flushed"`: it was not,
   * and those of the last flush are; `"empty"`: it was not, and it begins anew; `"damaged"`: its index is not
   * what was written, and it begins anew.
   */
  readonly found: "new" | "clean" | "flushed" | "empty" | "damaged";
  /** Records that were found. */
  readonly records: number;
}

/**
 * Opens or makes the file; the caller owns it already.
 *
 * @param size - the file's length, 0 for a new one.
 */
export async function openIndex(
  path: string,
  file: number,
  io: RecordIo,
  size: number,
  options: OpenSettings,
): Promise<{ words: IndexWords; opened: OpenedFile }> {
  const geometry = indexGeometry(options.maxBytes, options.unitBytes, options.averageBytes);
  const last = size === 0 ? null : await lastHeader(path, file, io);
  if (last !== null && last.header !== null && !sameGeometry(last.header.geometry, geometry)) {
    throw new ZbudError("EINVAL", differs(path, last.header.geometry, geometry));
  }
  let found: OpenedFile["found"] = "new";
  let words: IndexWords | null = null;
  if (last !== null) {
    found = "damaged";
    if (last.header !== null) {
      const isClean = last.isWhole && last.header.isClean;
      if (isClean) found = "clean";
      else found = options.unclean === "empty" ? "empty" : "flushed";
      if (found !== "empty") {
        words = await restore(file, io, last.header, geometry);
        if (words === null) found = "damaged";
      }
    }
  }
  const header = last?.header ?? null;
  // What was begun anew has a new number, so that records of before do not pass for its own.
  const isKept = words !== null;
  words ??= createIndexWords(geometry);
  await prepare(file, io, words, isKept ? header : null, header?.number ?? 0, options);
  return { words, opened: { found, records: words.header[W_RECORDS] } };
}

function differs(path: string, has: IndexGeometry, wanted: IndexGeometry): string {
  const show = (it: IndexGeometry): string =>
    `${it.fileBytes} bytes in units of ${it.unitBytes} for ${it.maxRows} records`;
  return `${path} was made with other sizes (${show(has)}) than the options say (${show(wanted)}); open it with maxBytes, unitBytes and averageBytes as before, or remove it`;
}

interface LastHeader {
  /** Null: both are damaged. */
  header: FileHeader | null;
  /** Whether both blocks are as they were written. If not, the one that is may be older than the records. */
  isWhole: boolean;
}

async function lastHeader(path: string, file: number, io: RecordIo): Promise<LastHeader | null> {
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
  // It was being made when its process ended.
  if (blocks.every((byte) => byte === 0)) return null;
  if (both[0] === "foreign" && both[1] === "foreign") {
    throw new ZbudError(
      "EBADMSG",
      `${path} is not a file of this library, and is left as it is; give another path, or remove it`,
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

async function restore(
  file: number,
  io: RecordIo,
  header: FileHeader,
  geometry: IndexGeometry,
): Promise<IndexWords | null> {
  const words = createIndexWords(geometry);
  return (await readIndex(io, file, new IndexTable(words), geometry, header.area, header)) ? words : null;
}

/** Says in the file that it is in use, before anything in it is changed. */
async function prepare(
  file: number,
  io: RecordIo,
  words: IndexWords,
  kept: FileHeader | null,
  lastNumber: number,
  options: OpenSettings,
): Promise<void> {
  const { header, numbers, geometry } = words;
  header[W_DROPS] = options.whenFull === "drop" ? 1 : 0;
  header[W_PINS] = options.unclean === "flushed" ? 1 : 0;
  numbers[F_BUDGET] = options.maxWriteBytesPerSecond;
  numbers[F_BUDGET_AT] = options.clock();
  const [drawn] = globalThis.crypto.getRandomValues(new Uint32Array(1));
  const base: Omit<FileHeader, "number"> = {
    storeNumber: kept?.storeNumber ?? drawn,
    isClean: false,
    area: kept?.area ?? 0,
    entries: kept?.entries ?? 0,
    entriesCrc: kept?.entriesCrc ?? 0,
    sequence: kept?.sequence ?? 0,
    geometry,
  };
  header[W_STORE_NUMBER] = base.storeNumber | 0;
  header[W_AREA] = base.area;
  // Records that were written after the last flush have higher sequences than it knows of.
  numbers[F_SEQUENCE] = base.sequence + (kept === null || kept.isClean ? 0 : 2 ** 32);
  if (header[W_PINS] === 1) words.pins[base.area].set(words.used);
  if (kept === null) await io.truncate(file, geometry.fileBytes);
  // Anew, both blocks are written; else one, and the other still says how the file was left.
  const numbersToWrite = kept === null ? [lastNumber + 1, lastNumber + 2] : [lastNumber + 1];
  for (const number of numbersToWrite) {
    await writeAll(io, file, encodeHeader({ ...base, number }), headerOffset(number));
    numbers[F_HEADER] = number;
  }
  await io.sync(file);
}

/** @throws {ZbudError} with the path in it. */
export function openFailed(path: string, cause: unknown): ZbudError {
  return faultOf(`the file ${show(path)} cannot be opened`, cause);
}

/** Of a path that the system does not open: says more if its folder is the reason. */
export function notOpened(path: string, cause: unknown): ZbudError {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (code === "EISDIR") {
    const what = "it is a folder; give the path of a file in it";
    return new ZbudError("EINVAL", `the file ${show(path)} cannot be opened: ${what}`, { cause });
  }
  if (code !== "ENOENT" && code !== "ENOTDIR") return openFailed(path, cause);
  const what =
    code === "ENOENT"
      ? "the folder of this path is not there; make it first (mkdir with recursive: true)"
      : "a part of this path is a file, and not a folder; give another path";
  return new ZbudError("ENOENT", `the file ${show(path)} cannot be opened: ${what}`, { cause });
}
