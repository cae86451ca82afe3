import { checkBytes, show, ZbudError } from "../base/index.ts";
import { required } from "./system.ts";
import type { BackingKey, BackingRecord } from "./types.ts";

/**
 * A record as bytes, in a file and inside a server's value. All numbers are little-endian.
 *
 *   byte  0   uint32   magic, "ZBR1"
 *         4   uint32   CRC-32 of everything behind it, begun with the store's number
 *         8   uint32 × 2   sequence, low and high half: grows with each write of a store
 *        16   int32    k0
 *        20   int32    k1
 *        24   uint32   bytes of the prefix
 *        28   uint32   bytes of the payload
 *        32   uint32   codec
 *        36   uint32   bytes of the value before compression
 *        40   float64  version
 *        48   float64  expiresAt
 *        56   the prefix, then the payload
 *
 * The CRC begins with the number of the store, so that what an earlier store left in the same place is not
 * taken for its own.
 */
export const RECORD_HEADER_BYTES = 56;
/** The most bytes of a key's prefix. */
export const PREFIX_BYTES_MAX = 65_535;

const MAGIC = 0x31_52_42_5a;
const AT_CRC = 4;
const AT_SEQUENCE = 8;
const AT_K0 = 16;
const AT_K1 = 20;
const AT_PREFIX = 24;
const AT_PAYLOAD = 28;
const AT_CODEC = 32;
const AT_LENGTH = 36;
const AT_VERSION = 40;
const AT_EXPIRES = 48;

const UINT32 = 0x1_0000_0000;

/** CRC-32 (of zlib, PNG, gzip) of bytes, going on from an earlier one. */
export function crc32(bytes: Uint8Array, before = 0): number {
  // Looked up once: asking for the module costs more than the checksum of a small record.
  native ??= required<typeof import("node:zlib")>("node:zlib", "a checksum").crc32;
  return native(bytes, before);
}

let native: ((bytes: Uint8Array, before: number) => number) | undefined;

/** Bytes of a record with its header. */
export function recordBytes(record: BackingRecord): number {
  return RECORD_HEADER_BYTES + record.key.prefix.length + record.bytes.length;
}

/**
 * Makes sure that something is a key.
 *
 * @throws {ZbudError} `EINVAL`.
 */
export function checkKey(key: BackingKey): void {
  const { k0, k1, prefix } = key ?? {};
  if ((k0 | 0) !== k0 || (k1 | 0) !== k1) {
    throw new ZbudError("EINVAL", `k0 and k1 of a key are int32 numbers, not ${show(k0)} and ${show(k1)}`);
  }
  checkBytes(prefix);
  if (prefix.length > PREFIX_BYTES_MAX) {
    throw new ZbudError(
      "EINVAL",
      `a key's prefix has at most ${PREFIX_BYTES_MAX} bytes, not ${prefix.length}`,
    );
  }
}

/**
 * Makes sure that something is a record.
 *
 * @throws {ZbudError} `EINVAL`.
 */
export function checkRecord(record: BackingRecord): void {
  if (typeof record !== "object" || record === null) {
    throw new ZbudError("EINVAL", `a record is an object, not ${show(record)}`);
  }
  checkKey(record.key);
  checkBytes(record.bytes);
  const { codec, length, version, expiresAt } = record;
  if (codec >>> 0 !== codec) throw new ZbudError("EINVAL", `codec is a uint32, not ${show(codec)}`);
  if (length >>> 0 !== length) throw new ZbudError("EINVAL", `length is a uint32, not ${show(length)}`);
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new ZbudError("EINVAL", `version is an integer from 0 to 2^53 - 1, not ${show(version)}`);
  }
  if (typeof expiresAt !== "number" || !(expiresAt >= 0 && expiresAt < Number.POSITIVE_INFINITY)) {
    throw new ZbudError("EINVAL", `expiresAt is a time in ms, or 0 for never, not ${show(expiresAt)}`);
  }
}

/** Writes a record at a place of a buffer, all but its checksum. */
export function encodeRecord(record: BackingRecord, sequence: number, into: Buffer, at: number): void {
  const { key, bytes, codec, length, version, expiresAt } = record;
  into.writeUInt32LE(MAGIC, at);
  into.writeUInt32LE(sequence % UINT32, at + AT_SEQUENCE);
  into.writeUInt32LE(Math.floor(sequence / UINT32), at + AT_SEQUENCE + 4);
  into.writeInt32LE(key.k0, at + AT_K0);
  into.writeInt32LE(key.k1, at + AT_K1);
  into.writeUInt32LE(key.prefix.length, at + AT_PREFIX);
  into.writeUInt32LE(bytes.length, at + AT_PAYLOAD);
  into.writeUInt32LE(codec, at + AT_CODEC);
  into.writeUInt32LE(length, at + AT_LENGTH);
  into.writeDoubleLE(version, at + AT_VERSION);
  into.writeDoubleLE(expiresAt, at + AT_EXPIRES);
  into.set(key.prefix, at + RECORD_HEADER_BYTES);
  into.set(bytes, at + RECORD_HEADER_BYTES + key.prefix.length);
}

/** Puts the checksum into a record of `size` bytes with its header. */
export function sealRecord(into: Buffer, at: number, size: number, storeNumber: number): void {
  into.writeUInt32LE(crc32(into.subarray(at + AT_SEQUENCE, at + size), storeNumber), at + AT_CRC);
}

/** A record that was read, with the sequence that its header has. */
export interface DecodedRecord {
  record: BackingRecord;
  sequence: number;
}

/**
 * Reads the record that fills `from`, or null if these are not the bytes of one record of this store as it was
 * written. What it returns are views of `from`.
 */
export function decodeRecord(from: Buffer, storeNumber: number): DecodedRecord | null {
  if (from.length < RECORD_HEADER_BYTES || from.readUInt32LE(0) !== MAGIC) return null;
  const prefixBytes = from.readUInt32LE(AT_PREFIX);
  if (RECORD_HEADER_BYTES + prefixBytes + from.readUInt32LE(AT_PAYLOAD) !== from.length) return null;
  if (from.readUInt32LE(AT_CRC) !== crc32(from.subarray(AT_SEQUENCE), storeNumber)) return null;
  const payloadAt = RECORD_HEADER_BYTES + prefixBytes;
  return {
    sequence: from.readUInt32LE(AT_SEQUENCE) + from.readUInt32LE(AT_SEQUENCE + 4) * UINT32,
    record: {
      key: {
        k0: from.readInt32LE(AT_K0),
        k1: from.readInt32LE(AT_K1),
        prefix: plain(from.subarray(RECORD_HEADER_BYTES, payloadAt)),
      },
      bytes: plain(from.subarray(payloadAt)),
      codec: from.readUInt32LE(AT_CODEC),
      length: from.readUInt32LE(AT_LENGTH),
      version: from.readDoubleLE(AT_VERSION),
      expiresAt: from.readDoubleLE(AT_EXPIRES),
    },
  };
}

/** The same bytes as a Uint8Array: a Buffer's `slice` is not an array's. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether two keys are the same name. */
export function sameKey(one: BackingKey, other: BackingKey): boolean {
  if (one.k0 !== other.k0 || one.k1 !== other.k1 || one.prefix.length !== other.prefix.length) return false;
  for (let i = 0; i < one.prefix.length; i++) if (one.prefix[i] !== other.prefix[i]) return false;
  return true;
}
