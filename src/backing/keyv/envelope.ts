import { crc32 } from "../../base/index.ts";
import { decodeRecord, encodeRecord, recordBytes, sealRecord } from "../../record/index.ts";
import { required } from "../system.ts";
import type { BackingKey, StoredEntry } from "../types.ts";

/**
 * What a store has under a key: base64 text, since that is what every store of Keyv takes, of
 *
 *   byte  0   uint32   magic, "ZBV2"
 *         4   uint32   number of the backing store that wrote it, drawn when that was made
 *         8   float64  when it was written, in ms since 1970
 *        16   the record, as in record-format.ts; its checksum begins with the CRC-32 of bytes 0 to 15
 */
const HEAD_BYTES = 16;
const MAGIC = 0x32_56_42_5a;
/** Longer names stand in the key by their SHA-256; the record has them whole. */
const PREFIX_IN_KEY_MAX = 96;

/** A value that was read. */
export interface Envelope {
  readonly writer: number;
  readonly writtenAt: number;
  readonly sequence: number;
  readonly record: StoredEntry;
}

export function seal(record: StoredEntry, sequence: number, writer: number, writtenAt: number): string {
  const size = recordBytes(record);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + size);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(writer, 4);
  bytes.writeDoubleLE(writtenAt, 8);
  encodeRecord(record, sequence, bytes, HEAD_BYTES);
  sealRecord(bytes, HEAD_BYTES, size, crc32(bytes.subarray(0, HEAD_BYTES)));
  return bytes.toString("base64");
}

/**
 * Null: this is not a value as it was written.
 *
 * @param maxBytes - of a record; a longer value is not even decoded.
 */
export function unseal(value: unknown, maxBytes: number): Envelope | null {
  const isText = typeof value === "string";
  if ((!isText && !(value instanceof Uint8Array)) || value.length > valueBytes(maxBytes)) return null;
  const text = isText ? value : Buffer.from(value).toString("latin1");
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC) return null;
  // Memory of its own: small Buffers share theirs.
  const own = Buffer.allocUnsafeSlow(bytes.length - HEAD_BYTES);
  bytes.copy(own, 0, HEAD_BYTES);
  const decoded = decodeRecord(own, crc32(bytes.subarray(0, HEAD_BYTES)));
  const writtenAt = bytes.readDoubleLE(8);
  // Not a number is not before anything, so it would outlive every clear().
  if (decoded === null || !Number.isFinite(writtenAt)) return null;
  return { writer: bytes.readUInt32LE(4), writtenAt, ...decoded };
}

/** The most characters that a record of these bytes takes as a value. */
export function valueBytes(bytes: number): number {
  return 4 * Math.ceil((HEAD_BYTES + bytes) / 3);
}

/** The key under which a record is kept: letters, digits, `:`, `.`, `-`, `_` and `#`; no longer than 200. */
export function nameOf(namespace: string, { k0, k1, prefix }: BackingKey): string {
  const words = `${namespace}:${hex(k0)}${hex(k1)}`;
  if (prefix.length === 0) return words;
  const bytes = Buffer.from(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  if (prefix.length <= PREFIX_IN_KEY_MAX) return `${words}.${bytes.toString("base64url")}`;
  const digest = required<typeof import("node:crypto")>("node:crypto", "a keyv store")
    .createHash("sha256")
    .update(bytes)
    .digest("base64url");
  return `${words}#${digest}`;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
