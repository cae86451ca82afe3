import { crc32 } from "../../base/index.ts";
import { HEADER_BYTES, type IndexGeometry, indexGeometryOf } from "./index-words.ts";

/**
 * A header block of the file; all numbers are little-endian. There are two, at byte 0 and 4096, written in
 * turn: number n at 4096 · (n mod 2). The one with the higher number counts.
 *
 *   byte  0   8 bytes  "zbudfile"
 *         8   uint32   version of the format, 4
 *        12   uint32   the store's number, drawn when the file was made: all checksums of it begin with it
 *        16   float64  number of this header: one more than that of the other block
 *        24   uint8    1: the file was closed well, and the index has all records; 0: it is or was in use
 *        25   uint8    whose records it has: 0 nobody's yet, 1 a page store's, 2 a cache's
 *        28   uint32   index area, 0 or 1
 *        32   uint32   entries in it
 *        36   uint32   CRC-32 of these entries
 *        40   float64  the highest sequence of a record
 *        48   uint32   bytes of a unit
 *        52   uint32   units
 *        56   uint32   records at most
 *        60   uint32   the generation: 0, or drawn when the records of a flush were taken up after an unclean end
 *        64   uint32   drawn for this header, so that two of one number are told apart
 *        68   uint32   CRC-32 of bytes 0 to 67
 *        72   zeros to 4096
 */
export interface FileHeader {
  readonly storeNumber: number;
  readonly number: number;
  readonly isClean: boolean;
  readonly area: 0 | 1;
  readonly entries: number;
  readonly entriesCrc: number;
  readonly sequence: number;
  readonly geometry: IndexGeometry;
  readonly generation: number;
  /** Whose records it has, see {@link USERS}. */
  readonly user: number;
  readonly draw: number;
}

/** Whose records a file has, by the number in its header. */
export const USERS: readonly string[] = ["nobody", "page store", "cache"];

const MAGIC: Uint8Array = new TextEncoder().encode("zbudfile");
const VERSION = 4;
const AT_CRC = 68;
/** What is higher was never counted to. The rest to 2^53 is room to count on. */
const NUMBER_MAX = 2 ** 52;

export function encodeHeader(header: FileHeader): Uint8Array {
  const block = new Uint8Array(HEADER_BYTES);
  block.set(MAGIC);
  const view = new DataView(block.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.storeNumber, true);
  view.setFloat64(16, header.number, true);
  view.setUint8(24, header.isClean ? 1 : 0);
  view.setUint8(25, header.user);
  view.setUint32(28, header.area, true);
  view.setUint32(32, header.entries, true);
  view.setUint32(36, header.entriesCrc, true);
  view.setFloat64(40, header.sequence, true);
  view.setUint32(48, header.geometry.unitBytes, true);
  view.setUint32(52, header.geometry.unitCount, true);
  view.setUint32(56, header.geometry.maxRows, true);
  view.setUint32(60, header.generation, true);
  view.setUint32(64, header.draw, true);
  view.setUint32(AT_CRC, crc32(block.subarray(0, AT_CRC)), true);
  return block;
}

/** Where a header of this number lies. */
export function headerOffset(number: number): number {
  return HEADER_BYTES * (number % 2);
}

/** Whether a number can go on: that of each later header, and of each later record, is higher. */
function canGrow(number: number, from: number): boolean {
  return Number.isInteger(number) && number >= from && number <= NUMBER_MAX;
}

/** What a block says; `"foreign"` if it is none of ours, `"damaged"` if it was one. */
export function decodeHeader(block: Uint8Array): FileHeader | "foreign" | "damaged" | "other version" {
  if (block.length < HEADER_BYTES || MAGIC.some((byte, at) => block[at] !== byte)) return "foreign";
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (crc32(block.subarray(0, AT_CRC)) !== view.getUint32(AT_CRC, true)) return "damaged";
  if (view.getUint32(8, true) !== VERSION) return "other version";
  const geometry = indexGeometryOf(
    view.getUint32(48, true),
    view.getUint32(52, true),
    view.getUint32(56, true),
  );
  const number = view.getFloat64(16, true);
  const area = view.getUint32(28, true);
  const entries = view.getUint32(32, true);
  const sequence = view.getFloat64(40, true);
  const isClean = view.getUint8(24);
  const user = view.getUint8(25);
  if (geometry === null || area > 1 || isClean > 1 || entries > geometry.maxRows) return "damaged";
  if (user >= USERS.length) return "damaged";
  if (!canGrow(number, 1) || !canGrow(sequence, 0)) return "damaged";
  return {
    storeNumber: view.getUint32(12, true),
    number,
    isClean: isClean === 1,
    area: area === 0 ? 0 : 1,
    entries,
    entriesCrc: view.getUint32(36, true),
    sequence,
    geometry,
    generation: view.getUint32(60, true),
    user,
    draw: view.getUint32(64, true),
  };
}
