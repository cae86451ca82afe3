import { copyBytes, fillWith, wordAt, ZbudError } from "../base/index.ts";

/*
 * A value of more than 1 MiB, if a codec made anything of it smaller, is stored as blocks of 1 MiB each, the last one
 * of what is left, each compressed by itself:
 *
 *   the table   for each block a uint32, low byte first: its stored bytes, and in the two highest bits its kind
 *   the blocks  one after the other
 *
 * How many there are follows from the length of the value, so the table says nothing else.
 */

/** Bytes of a block before compression: the longest value that is stored in one piece, and what every codec takes. */
export const BLOCK_BYTES: number = 2 ** 20;
/** The longest value. */
export const VALUE_BYTES_MAX: number = 2 ** 26;

/** How a block is stored. */
export const BlockKind = {
  /** As the codec of the value made it. */
  packed: 0,
  /** As it is. */
  raw: 1,
  /** As the word of 8 bytes that fills it. */
  filled: 2,
} as const;

const KIND_SHIFT = 30;
const BYTES_MASK = 0x3fff_ffff;
const WORD_BYTES = 4;
const FILL_BYTES = 8;

/** What says how a value is stored. */
interface Stored {
  readonly length: number;
  readonly codec: number;
  readonly sameFilled: boolean;
}

/** Whether a value is stored as blocks with a table. */
export function isInBlocks({ length, codec, sameFilled }: Stored): boolean {
  return length > BLOCK_BYTES && codec !== 0 && !sameFilled;
}

export function blockCount(length: number): number {
  return Math.ceil(length / BLOCK_BYTES);
}

/** Bytes of one block of a value before compression. */
export function blockLength(length: number, block: number): number {
  return Math.min(BLOCK_BYTES, length - block * BLOCK_BYTES);
}

export function tableBytes(length: number): number {
  return WORD_BYTES * blockCount(length);
}

/** Notes a block in a table that begins at byte 0 of `table`. */
export function setBlock(table: Uint8Array, block: number, kind: number, bytes: number): void {
  const word = (kind << KIND_SHIFT) | bytes;
  for (let i = 0; i < WORD_BYTES; i++) table[WORD_BYTES * block + i] = word >>> (8 * i);
}

export function kindOfBlock(table: Uint8Array, at: number, block: number): number {
  return wordAt(table, at + WORD_BYTES * block) >>> KIND_SHIFT;
}

export function bytesOfBlock(table: Uint8Array, at: number, block: number): number {
  return wordAt(table, at + WORD_BYTES * block) & BYTES_MASK;
}

/**
 * Makes sure that a table is one of a value of this length, before anything of it is believed.
 *
 * @param bytes - the table begins at `at`.
 * @throws {ZbudError} `EBADMSG`.
 */
export function checkTable(bytes: Uint8Array, at: number, length: number, storedLength: number): void {
  let sum = tableBytes(length);
  const isThere = sum <= storedLength && at + sum <= bytes.length;
  for (let block = 0; isThere && block < blockCount(length); block++) {
    const stored = bytesOfBlock(bytes, at, block);
    const plain = blockLength(length, block);
    const kind = kindOfBlock(bytes, at, block);
    const isRight =
      kind === BlockKind.packed
        ? stored > 0 && stored < plain
        : kind === BlockKind.raw
          ? stored === plain
          : kind === BlockKind.filled && stored === FILL_BYTES && plain >= FILL_BYTES;
    if (!isRight) throw damaged(`block ${block} of ${plain} bytes has the kind ${kind} and ${stored} bytes`);
    sum += stored;
  }
  if (!isThere || sum !== storedLength)
    throw damaged(`${storedLength} bytes are stored, and its table says ${sum}`);
}

/** What {@link decodeBlocks} needs of a codec. */
interface Decompressor {
  decompress(source: Uint8Array, target: Uint8Array): number;
}

/**
 * Decompresses a value that is stored as blocks, one after the other, straight to where it is wanted.
 *
 * @param from - its stored bytes begin at `at`.
 * @param target - at least `length` bytes; nothing behind them is touched.
 * @throws {ZbudError} `EBADMSG` if these are not the bytes of such a value.
 */
export function decodeBlocks(
  from: Uint8Array,
  at: number,
  storedLength: number,
  codec: Decompressor,
  target: Uint8Array,
  length: number,
): void {
  checkTable(from, at, length, storedLength);
  let start = at + tableBytes(length);
  for (let block = 0; block < blockCount(length); block++) {
    const stored = bytesOfBlock(from, at, block);
    const plainAt = block * BLOCK_BYTES;
    const plain = target.subarray(plainAt, plainAt + blockLength(length, block));
    decodeBlock(from, start, stored, kindOfBlock(from, at, block), codec, plain);
    start += stored;
  }
}

/**
 * Decompresses one block.
 *
 * @param plain - of exactly the block's length.
 * @throws {ZbudError} `EBADMSG` if these are not its bytes.
 */
function decodeBlock(
  from: Uint8Array,
  start: number,
  stored: number,
  kind: number,
  codec: Decompressor,
  plain: Uint8Array,
): void {
  if (kind === BlockKind.raw) {
    copyBytes(from, start, start + stored, plain, 0);
  } else if (kind === BlockKind.filled) {
    fillWith(plain, plain.length, wordAt(from, start), wordAt(from, start + WORD_BYTES));
  } else {
    const written = codec.decompress(from.subarray(start, start + stored), plain);
    if (written !== plain.length)
      throw damaged(`a block of ${plain.length} bytes decompressed to ${written}`);
  }
}

function damaged(what: string): ZbudError {
  return new ZbudError("EBADMSG", `a value of several blocks is damaged: ${what}`);
}
