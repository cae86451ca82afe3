import { checkBytes, copyBytes, crc32, show, ZbudError } from "../base/index.ts";
import { VALUE_BYTES_MAX } from "./blocks.ts";
import { type BackingKey, contentBytes, type StoredEntry } from "./stored-entry.ts";

/**
 * A record as bytes: in a file, inside a server's value, in a saved cache. All numbers are little-endian.
 *
 *   byte  0   uint32   magic, "ZBR2"
 *         4   uint32   CRC-32 of everything behind it, begun with the store's number
 *         8   uint32, uint24   sequence, low and high part: grows with each write of a store
 *        15   uint8    1: the value is same-filled; else 0
 *        16   int32    k0
 *        20   int32    k1
 *        24   uint16   bytes of the prefix
 *        26   uint16   bytes of the head
 *        28   uint32   bytes of the value as it is stored; if it is same-filled, fill0
 *        32   uint32   bytes of the value before compression
 *        36   uint32   codec; if it is same-filled, fill1
 *        40   float64  expiresAt
 *        48   float64  stamp
 *        56   int32    aux
 *        60   int32    aux2
 *        64   the prefix, the head, the value as it is stored
 *
 * The CRC begins with the number of the store, so that what an earlier store left in the same place is not
 * taken for its own.
 */
export const RECORD_HEADER_BYTES = 64;
/** The most bytes of a record in a file, whatever the file's size: of the longest value, with the longest key and head. */
export const RECORD_BYTES_MAX: number = VALUE_BYTES_MAX + 2 ** 18;

/** The most bytes of a key's prefix, and of a head. */
const PREFIX_BYTES_MAX = 65_535;
const MAGIC = 0x32_52_42_5a;
const AT_CRC = 4;
const AT_SEQUENCE = 8;
const AT_K0 = 16;
const AT_K1 = 20;
const AT_PREFIX = 24;
const AT_HEAD = 26;
const AT_STORED = 28;
const AT_LENGTH = 32;
const AT_CODEC = 36;
const AT_EXPIRES = 40;
const AT_STAMP = 48;
const AT_AUX = 56;
const AT_AUX2 = 60;

const UINT32 = 0x1_0000_0000;
/** In the word of the sequence's high part. */
const SAME_FILLED = 0x100_0000;

/** Where a header is put together before it is copied, so that no view of what it goes to is needed. */
const header: Uint8Array = new Uint8Array(RECORD_HEADER_BYTES);
const headerView: DataView = new DataView(header.buffer);

/** Bytes of a record with its header. */
export function recordBytes(record: StoredEntry): number {
  return RECORD_HEADER_BYTES + contentBytes(record);
}

/**
 * Makes sure that something is a key.
 *
 * @throws {ZbudError} `EINVAL`.
 */
export function checkKey(key: BackingKey): void {
  const { k0, k1, prefix } = key ?? {};
  checkWords(k0, k1);
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
export function checkRecord(record: StoredEntry): void {
  if (typeof record !== "object" || record === null) {
    throw new ZbudError("EINVAL", `a record is an object, not ${show(record)}`);
  }
  checkWords(record.k0, record.k1);
  checkBytes(record.bytes);
  checkLengths(record);
  const { codec, fill0, fill1, aux, aux2 } = record;
  if (codec >>> 0 !== codec) throw new ZbudError("EINVAL", `codec is a uint32, not ${show(codec)}`);
  if (record.sameFilled && codec !== 0) {
    throw new ZbudError("EINVAL", `a same-filled record has the codec 0, not ${codec}`);
  }
  if ((fill0 | 0) !== fill0 || (fill1 | 0) !== fill1) {
    throw new ZbudError("EINVAL", `fill0 and fill1 are int32 numbers, not ${show(fill0)} and ${show(fill1)}`);
  }
  if ((aux | 0) !== aux || (aux2 | 0) !== aux2) {
    throw new ZbudError("EINVAL", `aux and aux2 are int32 numbers, not ${show(aux)} and ${show(aux2)}`);
  }
  if (!isCount(record.stamp)) {
    throw new ZbudError("EINVAL", `stamp is an integer from 0 to 2^53 - 1, not ${show(record.stamp)}`);
  }
  if (!isTime(record.expiresAt)) {
    throw new ZbudError("EINVAL", `expiresAt is a time in ms, or 0 for never, not ${show(record.expiresAt)}`);
  }
}

function checkWords(k0: number, k1: number): void {
  if ((k0 | 0) !== k0 || (k1 | 0) !== k1) {
    throw new ZbudError("EINVAL", `k0 and k1 of a key are int32 numbers, not ${show(k0)} and ${show(k1)}`);
  }
}

function checkLengths(record: StoredEntry): void {
  const { bytes, prefixLength, headLength, storedLength, length, sameFilled } = record;
  if ((prefixLength & 0xffff) !== prefixLength || (headLength & 0xffff) !== headLength) {
    throw new ZbudError(
      "EINVAL",
      `prefixLength and headLength are 0 to ${PREFIX_BYTES_MAX}, not ${show(prefixLength)} and ${show(headLength)}`,
    );
  }
  if (storedLength >>> 0 !== storedLength || length >>> 0 !== length) {
    throw new ZbudError(
      "EINVAL",
      `storedLength and length are uint32 numbers, not ${show(storedLength)} and ${show(length)}`,
    );
  }
  if (typeof sameFilled !== "boolean" || (sameFilled && storedLength !== 0)) {
    throw new ZbudError(
      "EINVAL",
      `sameFilled is true or false, and with true storedLength is 0; not ${show(sameFilled)} and ${storedLength}`,
    );
  }
  if (contentBytes(record) > bytes.length) {
    throw new ZbudError(
      "EINVAL",
      `a record of ${contentBytes(record)} bytes needs as many in its array, which has ${bytes.length}`,
    );
  }
}

function isCount(count: number): boolean {
  return Number.isSafeInteger(count) && count >= 0;
}

function isTime(time: number): boolean {
  return typeof time === "number" && time >= 0 && time < Number.POSITIVE_INFINITY;
}

/** Writes a record at a place of a buffer, all but its checksum: its bytes are copied once. Makes no object. */
export function encodeRecord(record: StoredEntry, sequence: number, into: Uint8Array, at: number): void {
  const { sameFilled } = record;
  const view = headerView;
  view.setUint32(0, MAGIC, true);
  view.setUint32(AT_SEQUENCE, sequence % UINT32, true);
  view.setUint32(AT_SEQUENCE + 4, Math.floor(sequence / UINT32) + (sameFilled ? SAME_FILLED : 0), true);
  view.setInt32(AT_K0, record.k0, true);
  view.setInt32(AT_K1, record.k1, true);
  view.setUint16(AT_PREFIX, record.prefixLength, true);
  view.setUint16(AT_HEAD, record.headLength, true);
  view.setUint32(AT_STORED, sameFilled ? record.fill0 : record.storedLength, true);
  view.setUint32(AT_LENGTH, record.length, true);
  view.setUint32(AT_CODEC, sameFilled ? record.fill1 : record.codec, true);
  view.setFloat64(AT_EXPIRES, record.expiresAt, true);
  view.setFloat64(AT_STAMP, record.stamp, true);
  view.setInt32(AT_AUX, record.aux, true);
  view.setInt32(AT_AUX2, record.aux2, true);
  copyBytes(header, 0, RECORD_HEADER_BYTES, into, at);
  copyBytes(record.bytes, 0, contentBytes(record), into, at + RECORD_HEADER_BYTES);
}

/** Puts the checksum into a record of `size` bytes with its header. */
export function sealRecord(into: Uint8Array, at: number, size: number, storeNumber: number): void {
  const crc = crc32(into.subarray(at + AT_SEQUENCE, at + size), storeNumber);
  for (let i = 0; i < 4; i++) into[at + AT_CRC + i] = crc >>> (8 * i);
}

/** A record that was read, with the sequence that its header has. */
export interface DecodedRecord {
  record: StoredEntry;
  sequence: number;
}

/** Bytes of the record, with its header, that this header begins; 0 if it is none. At least {@link RECORD_HEADER_BYTES}. */
export function recordBytesAt(from: Uint8Array): number {
  const view = viewOf(from);
  if (view.getUint32(0, true) !== MAGIC) return 0;
  const isFilled = view.getUint32(AT_SEQUENCE + 4, true) >= SAME_FILLED;
  const named = view.getUint16(AT_PREFIX, true) + view.getUint16(AT_HEAD, true);
  return RECORD_HEADER_BYTES + named + (isFilled ? 0 : view.getUint32(AT_STORED, true));
}

/**
 * Reads the record that fills `from`, or null if these are not the bytes of one record of this store as it was
 * written, or of one that {@link checkRecord} would refuse: whoever can write there can make checksums too. What it
 * returns has a view of `from`.
 */
export function decodeRecord(from: Uint8Array, storeNumber: number): DecodedRecord | null {
  if (from.length < RECORD_HEADER_BYTES || recordBytesAt(from) !== from.length) return null;
  const view = viewOf(from);
  if (view.getUint32(AT_CRC, true) !== crc32(from.subarray(AT_SEQUENCE), storeNumber)) return null;
  const high = view.getUint32(AT_SEQUENCE + 4, true);
  const sameFilled = high >= SAME_FILLED;
  const sequence = view.getUint32(AT_SEQUENCE, true) + (high % SAME_FILLED) * UINT32;
  const stamp = view.getFloat64(AT_STAMP, true);
  const expiresAt = view.getFloat64(AT_EXPIRES, true);
  if (high >= 2 * SAME_FILLED || !isCount(sequence) || !isCount(stamp) || !isTime(expiresAt)) return null;
  return {
    sequence,
    record: {
      k0: view.getInt32(AT_K0, true),
      k1: view.getInt32(AT_K1, true),
      // Not a subarray: of a Buffer that would be a Buffer, whose `slice` is not an array's.
      bytes: new Uint8Array(
        from.buffer,
        from.byteOffset + RECORD_HEADER_BYTES,
        from.length - RECORD_HEADER_BYTES,
      ),
      prefixLength: view.getUint16(AT_PREFIX, true),
      headLength: view.getUint16(AT_HEAD, true),
      storedLength: sameFilled ? 0 : view.getUint32(AT_STORED, true),
      length: view.getUint32(AT_LENGTH, true),
      codec: sameFilled ? 0 : view.getUint32(AT_CODEC, true),
      sameFilled,
      fill0: sameFilled ? view.getInt32(AT_STORED, true) : 0,
      fill1: sameFilled ? view.getInt32(AT_CODEC, true) : 0,
      expiresAt,
      aux: view.getInt32(AT_AUX, true),
      aux2: view.getInt32(AT_AUX2, true),
      stamp,
    },
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
