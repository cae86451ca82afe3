import { builtin } from "./builtin.ts";
import { noteFallback } from "./fallbacks.ts";

/** The polynomial of zlib, PNG and gzip, its bits reversed. */
const POLYNOMIAL = 0xedb8_8320;

/** CRC-32 (of zlib, PNG, gzip) of bytes, going on from an earlier one. */
export function crc32(bytes: Uint8Array, before = 0): number {
  // Looked up once: asking for the module costs more than the checksum of a small record.
  fastest ??= fastestOf();
  return fastest(bytes, before);
}

function fastestOf(): (bytes: Uint8Array, before: number) => number {
  const native = builtin<typeof import("node:zlib")>("node:zlib")?.crc32;
  if (native === undefined) noteFallback("crc32");
  return native ?? crc32ByTables;
}

let fastest: ((bytes: Uint8Array, before: number) => number) | undefined;
let tables: Int32Array | undefined;

/** {@link crc32} where the platform has none: some 1 GB/s. */
export function crc32ByTables(bytes: Uint8Array, before = 0): number {
  tables ??= makeTables();
  const table = tables;
  let crc = ~before;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc =
      table[768 + (crc & 255)] ^
      table[512 + ((crc >>> 8) & 255)] ^
      table[256 + ((crc >>> 16) & 255)] ^
      table[crc >>> 24];
  }
  for (; at < bytes.length; at++) crc = table[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** `tables[256 * k + b]`: what byte b makes of the checksum when k zero bytes follow it. */
function makeTables(): Int32Array {
  const made = new Int32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * POLYNOMIAL);
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const crc = made[at - 256];
    made[at] = (crc >>> 8) ^ made[crc & 255];
  }
  return made;
}
