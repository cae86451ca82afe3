import type { BackingKey, BackingRecord } from "../backing/index.ts";
import { fillWith, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import type { FoundEntry, StoredValue } from "../engine/index.ts";

const EMPTY: Uint8Array = new Uint8Array(0);
/** In a record's codec: its bytes are the word that fills the page. */
const SAME_FILLED = 0x100;

export function keyOf(k0: number, k1: number): BackingKey {
  return { k0, k1, prefix: EMPTY };
}

/** The record of an entry. Its bytes are those of `entry.bytes`, to be copied before the hook returns. */
export function recordOf(entry: FoundEntry): BackingRecord {
  return {
    key: keyOf(entry.k0, entry.k1),
    bytes: entry.sameFilled ? fillBytes(entry) : entry.bytes.subarray(0, entry.storedLength),
    codec: entry.sameFilled ? SAME_FILLED : entry.codec,
    length: entry.length,
    version: 0,
    expiresAt: 0,
  };
}

/** The record of a page that is kept as it is. */
export function rawRecord(k0: number, k1: number, page: Uint8Array): BackingRecord {
  return { key: keyOf(k0, k1), bytes: page, codec: 0, length: page.length, version: 0, expiresAt: 0 };
}

/**
 * What a record holds.
 *
 * @throws {ZbudError} `EBADMSG` if it is not of a page of this size.
 */
export function pageIn(record: BackingRecord, pageSize: number): StoredValue {
  const { bytes, codec, length } = record;
  const sameFilled = codec === SAME_FILLED;
  if (length !== pageSize || codec > SAME_FILLED || (sameFilled && bytes.length !== 8)) {
    throw new ZbudError(
      "EBADMSG",
      `the backing store holds no page of ${pageSize} bytes here but ${bytes.length} bytes of codec ${codec} for ${length}; open it with the options that it was filled with`,
    );
  }
  const words = sameFilled ? new DataView(bytes.buffer, bytes.byteOffset, 8) : null;
  return {
    bytes,
    bytesLength: bytes.length,
    length,
    codec: sameFilled ? 0 : codec,
    sameFilled,
    fill0: words?.getInt32(0, true) ?? 0,
    fill1: words?.getInt32(4, true) ?? 0,
    clean: true,
  };
}

/**
 * Decompresses what a record holds without an engine.
 *
 * @param own - a codec that need not be registered.
 * @throws {ZbudError} `EBADMSG` if it is not that page; `ENOENT` for an unknown codec.
 */
export function decodeAlone(value: StoredValue, target: Uint8Array, own: Codec | null): void {
  const { bytes, codec, length } = value;
  if (value.sameFilled) {
    fillWith(target, length, value.fill0, value.fill1);
    return;
  }
  const by = own?.id === codec ? own : codec === 0 ? null : codecById(codec);
  const written = by === null ? bytes.length : by.decompress(bytes, target);
  if (written !== length) {
    throw new ZbudError("EBADMSG", `a page of ${length} bytes decompressed to ${written}`);
  }
  if (by === null) target.set(bytes);
}

function fillBytes(entry: FoundEntry): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, entry.fill0, true);
  view.setInt32(4, entry.fill1, true);
  return bytes;
}
