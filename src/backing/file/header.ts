import { crc32 } from "../record.ts";
import { HEADER_BYTES, type SlotGeometry, slotGeometryOf } from "./layout.ts";

/**
 * A header block of the file; all numbers are little-endian. There are two, at byte 0 and 4096, written in
 * turn: number n at 4096 · (n mod 2). The one with the higher number counts.
 *
 *   byte  0   8 bytes  "zbudfile"
 *         8   uint32   version of the format, 1
 *        12   uint32   the store's number, drawn when the file was made: all checksums of it begin with it
 *        16   float64  number of this header: one more than that of the other block
 *        24   uint32   1: the file was closed well, and the index has all records; 0: it is or was in use
 *        28   uint32   index area, 0 or 1
 *        32   uint32   entries in it
 *        36   uint32   CRC-32 of these entries
 *        40   float64  the highest sequence of a record
 *        48   uint32   bytes of a unit
 *        52   uint32   units
 *        56   uint32   records at most
 *        60   uint32   CRC-32 of bytes 0 to 59
 *        64   zeros to 4096
 */
export interface FileHeader {
  readonly storeNumber: number;
  readonly number: number;
  readonly isClean: boolean;
  readonly area: 0 | 1;
  readonly entries: number;
  readonly entriesCrc: number;
  readonly sequence: number;
  readonly geometry: SlotGeometry;
}

const MAGIC = "zbudfile";
const VERSION = 1;
const AT_CRC = 60;

export function encodeHeader(header: FileHeader): Buffer {
  const block = Buffer.alloc(HEADER_BYTES);
  block.write(MAGIC, 0, "latin1");
  block.writeUInt32LE(VERSION, 8);
  block.writeUInt32LE(header.storeNumber, 12);
  block.writeDoubleLE(header.number, 16);
  block.writeUInt32LE(header.isClean ? 1 : 0, 24);
  block.writeUInt32LE(header.area, 28);
  block.writeUInt32LE(header.entries, 32);
  block.writeUInt32LE(header.entriesCrc, 36);
  block.writeDoubleLE(header.sequence, 40);
  block.writeUInt32LE(header.geometry.unitBytes, 48);
  block.writeUInt32LE(header.geometry.unitCount, 52);
  block.writeUInt32LE(header.geometry.rowsMax, 56);
  block.writeUInt32LE(crc32(block.subarray(0, AT_CRC)), AT_CRC);
  return block;
}

/** Where a header of this number lies. */
export function headerOffset(number: number): number {
  return HEADER_BYTES * (number % 2);
}

/** What a block says; `"foreign"` if it is none of ours, `"damaged"` if it was one. */
export function decodeHeader(block: Buffer): FileHeader | "foreign" | "damaged" | "newer" {
  if (block.length < HEADER_BYTES || block.toString("latin1", 0, MAGIC.length) !== MAGIC) return "foreign";
  if (crc32(block.subarray(0, AT_CRC)) !== block.readUInt32LE(AT_CRC)) return "damaged";
  if (block.readUInt32LE(8) !== VERSION) return "newer";
  const geometry = slotGeometryOf(block.readUInt32LE(48), block.readUInt32LE(52), block.readUInt32LE(56));
  const number = block.readDoubleLE(16);
  const area = block.readUInt32LE(28);
  const entries = block.readUInt32LE(32);
  if (geometry === null || !Number.isSafeInteger(number) || area > 1 || entries > geometry.rowsMax) {
    return "damaged";
  }
  return {
    storeNumber: block.readUInt32LE(12),
    number,
    isClean: block.readUInt32LE(24) === 1,
    area: area === 0 ? 0 : 1,
    entries,
    entriesCrc: block.readUInt32LE(36),
    sequence: block.readDoubleLE(40),
    geometry,
  };
}
