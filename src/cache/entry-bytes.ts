import { ZbudError } from "../base/index.ts";
import type { FoundEntry } from "../engine/index.ts";
import { KEY_BYTES_MAX } from "./key.ts";
import { VALUE_BYTES_MAX } from "./options.ts";
import type { StoredEntry } from "./stored.ts";
import { TAG_BYTES, TAGS_MAX } from "./tags.ts";

/*
 * An entry as bytes, for files and for the second tier; little-endian:
 *
 *   0 prefixLength u16 · 2 headLength u16 · 4 length u32 · 8 storedLength u32 · 12 codec u8 · 13 flags u8 · 14 –
 *   16 expiresAt f64 · 24 aux i32 · 28 aux2 i32 · 32 fill0 i32 · 36 fill1 i32 · 40 prefix, head, stored bytes
 */
export const ENTRY_HEADER_BYTES = 40;
/** The longest entry: a value that does not compress is kept as it is, so nothing is longer than that. */
export const ENTRY_BYTES_MAX: number =
  ENTRY_HEADER_BYTES + KEY_BYTES_MAX + TAGS_MAX * TAG_BYTES + VALUE_BYTES_MAX + 1024;
const SAME_FILLED = 1;

export function entryBytes(entry: FoundEntry): number {
  return ENTRY_HEADER_BYTES + entry.prefixLength + entry.headLength + entry.storedLength;
}

/** Writes an entry whose bytes are there (in a hook, or after `readRow`) at `at` of `target`. */
export function writeEntry(entry: FoundEntry, target: DataView<ArrayBuffer>, at: number): void {
  target.setUint16(at, entry.prefixLength, true);
  target.setUint16(at + 2, entry.headLength, true);
  target.setUint32(at + 4, entry.length, true);
  target.setUint32(at + 8, entry.storedLength, true);
  target.setUint8(at + 12, entry.codec);
  target.setUint8(at + 13, entry.sameFilled ? SAME_FILLED : 0);
  target.setUint16(at + 14, 0, true);
  target.setFloat64(at + 16, entry.expiresAt, true);
  target.setInt32(at + 24, entry.aux, true);
  target.setInt32(at + 28, entry.aux2, true);
  target.setInt32(at + 32, entry.fill0, true);
  target.setInt32(at + 36, entry.fill1, true);
  const length = entry.prefixLength + entry.headLength + entry.storedLength;
  const bytes = new Uint8Array(target.buffer, target.byteOffset + at + ENTRY_HEADER_BYTES, length);
  bytes.set(entry.bytes.subarray(0, length));
}

/**
 * @param bytes - exactly one entry.
 * @throws {ZbudError} `EBADMSG` if its lengths cannot be.
 */
export function readEntry(bytes: Uint8Array): StoredEntry {
  if (bytes.length < ENTRY_HEADER_BYTES) throw damaged(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entry: StoredEntry = {
    bytes: bytes.subarray(ENTRY_HEADER_BYTES),
    prefixLength: view.getUint16(0, true),
    headLength: view.getUint16(2, true),
    length: view.getUint32(4, true),
    storedLength: view.getUint32(8, true),
    codec: view.getUint8(12),
    sameFilled: view.getUint8(13) === SAME_FILLED,
    expiresAt: view.getFloat64(16, true),
    aux: view.getInt32(24, true),
    aux2: view.getInt32(28, true),
    fill0: view.getInt32(32, true),
    fill1: view.getInt32(36, true),
    clean: false,
  };
  if (entry.prefixLength + entry.headLength + entry.storedLength !== entry.bytes.length) {
    throw damaged("lengths that do not add up");
  }
  if (entry.prefixLength > KEY_BYTES_MAX || entry.headLength > TAGS_MAX * TAG_BYTES)
    throw damaged("a long key");
  if (entry.length > VALUE_BYTES_MAX) throw damaged(`a value of ${entry.length} bytes`);
  return entry;
}

function damaged(what: string): ZbudError {
  return new ZbudError("EBADMSG", `a saved entry has ${what}`);
}
