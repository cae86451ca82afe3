import { checkBytes, show, ZbudError } from "../base/index.ts";
import { crc32 } from "./crc32.ts";
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
/** The most bytes of a record in a file, whatever the file's size. */
export const RECORD_BYTES_MAX: number = 2 ** 26;
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
  const { codec, length } = record;
  if (codec >>> 0 !== codec) throw new ZbudError("EINVAL", `codec is a uint32, not ${show(codec)}`);
  if (length >>> 0 !== length) throw new ZbudError("EINVAL", `length is a uint32, not ${show(length)}`);
  if (!isVersion(record.version)) {
    throw new ZbudError("EINVAL", `version is an integer from 0 to 2^53 - 1, not ${show(record.version)}`);
  }
  if (!isTime(record.expiresAt)) {
    throw new ZbudError("EINVAL", `expiresAt is a time in ms, or 0 for never, not ${show(record.expiresAt)}`);
  }
}

function isVersion(version: number): boolean {
  return Number.isSafeInteger(version) && version >= 0;
}

function isTime(time: number): boolean {
  return typeof time === "number" && time >= 0 && time < Number.POSITIVE_INFINITY;
}

/** Writes a record at a place of a buffer, all but its checksum. */
export function encodeRecord(record: BackingRecord, sequence: number, into: Uint8Array, at: number): void {
  const { key, bytes, codec, length, version, expiresAt } = record;
  const view = viewOf(into);
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + AT_SEQUENCE, sequence % UINT32, true);
  view.setUint32(at + AT_SEQUENCE + 4, Math.floor(sequence / UINT32), true);
  view.setInt32(at + AT_K0, key.k0, true);
  view.setInt32(at + AT_K1, key.k1, true);
  view.setUint32(at + AT_PREFIX, key.prefix.length, true);
  view.setUint32(at + AT_PAYLOAD, bytes.length, true);
  view.setUint32(at + AT_CODEC, codec, true);
  view.setUint32(at + AT_LENGTH, length, true);
  view.setFloat64(at + AT_VERSION, version, true);
  view.setFloat64(at + AT_EXPIRES, expiresAt, true);
  into.set(key.prefix, at + RECORD_HEADER_BYTES);
  into.set(bytes, at + RECORD_HEADER_BYTES + key.prefix.length);
}

/** Puts the checksum into a record of `size` bytes with its header. */
export function sealRecord(into: Uint8Array, at: number, size: number, storeNumber: number): void {
  const crc = crc32(into.subarray(at + AT_SEQUENCE, at + size), storeNumber);
  viewOf(into).setUint32(at + AT_CRC, crc, true);
}

/** A record that was read, with the sequence that its header has. */
export interface DecodedRecord {
  record: BackingRecord;
  sequence: number;
}

/**
 * Reads the record that fills `from`, or null if these are not the bytes of one record of this store as it was
 * written, or of one that {@link checkRecord} would refuse: whoever can write there can make checksums too. What it
 * returns are views of `from`.
 */
export function decodeRecord(from: Uint8Array, storeNumber: number): DecodedRecord | null {
  if (from.length < RECORD_HEADER_BYTES) return null;
  const view = viewOf(from);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const prefixBytes = view.getUint32(AT_PREFIX, true);
  if (prefixBytes > PREFIX_BYTES_MAX) return null;
  if (RECORD_HEADER_BYTES + prefixBytes + view.getUint32(AT_PAYLOAD, true) !== from.length) return null;
  if (view.getUint32(AT_CRC, true) !== crc32(from.subarray(AT_SEQUENCE), storeNumber)) return null;
  const payloadAt = RECORD_HEADER_BYTES + prefixBytes;
  const sequence = view.getUint32(AT_SEQUENCE, true) + view.getUint32(AT_SEQUENCE + 4, true) * UINT32;
  const version = view.getFloat64(AT_VERSION, true);
  const expiresAt = view.getFloat64(AT_EXPIRES, true);
  if (!isVersion(sequence) || !isVersion(version) || !isTime(expiresAt)) return null;
  return {
    sequence,
    record: {
      key: {
        k0: view.getInt32(AT_K0, true),
        k1: view.getInt32(AT_K1, true),
        prefix: plain(from.subarray(RECORD_HEADER_BYTES, payloadAt)),
      },
      bytes: plain(from.subarray(payloadAt)),
      codec: view.getUint32(AT_CODEC, true),
      length: view.getUint32(AT_LENGTH, true),
      version,
      expiresAt,
    },
  };
}

/** The same bytes as a Uint8Array: a Buffer's `slice` is not an array's. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether two keys are the same name. */
export function sameKey(one: BackingKey, other: BackingKey): boolean {
  if (one.k0 !== other.k0 || one.k1 !== other.k1 || one.prefix.length !== other.prefix.length) return false;
  for (let i = 0; i < one.prefix.length; i++) if (one.prefix[i] !== other.prefix[i]) return false;
  return true;
}
