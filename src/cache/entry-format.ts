import { ZbudError } from "../base/index.ts";
import type { FoundEntry } from "../engine/index.ts";
import { auxOf, kindOf, ttlOf } from "./expiry.ts";
import { isKey, KEY_BYTES_MAX } from "./key.ts";
import { VALUE_BYTES_MAX } from "./options.ts";
import type { StoredEntry } from "./stored-entry.ts";
import { TAG_BYTES, TAGS_MAX } from "./tags.ts";
import { VALUE_KIND_MAX, ValueKind } from "./values.ts";

/*
 * An entry as bytes, for files and for the second tier; little-endian:
 *
 *   0 prefixLength u16 · 2 headLength u16 · 4 length u32 · 8 storedLength u32 · 12 codec u8 · 13 flags u8 · 14 –
 *   16 expiresAt f64 · 24 aux i32 (`expiry.ts`) · 28 window of staleness i32 · 32 fill0 i32 · 36 fill1 i32 · 40 prefix, head, stored bytes
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
  // A thread that died while it changed an entry's time may have left these as of another time.
  const isEndless = entry.expiresAt === 0;
  target.setInt32(at + 24, isEndless ? kindOf(entry.aux) : entry.aux, true);
  target.setInt32(at + 28, isEndless ? 0 : entry.aux2, true);
  target.setInt32(at + 32, entry.fill0, true);
  target.setInt32(at + 36, entry.fill1, true);
  const length = entry.prefixLength + entry.headLength + entry.storedLength;
  const bytes = new Uint8Array(target.buffer, target.byteOffset + at + ENTRY_HEADER_BYTES, length);
  bytes.set(entry.bytes.subarray(0, length));
}

/**
 * Reads an entry that came from outside, and believes nothing of it: what this gives could have been written by
 * `writeEntry`, but for its stored bytes, which only its codec can judge.
 *
 * @param bytes - exactly one entry.
 * @throws {ZbudError} `EBADMSG` naming what cannot be.
 */
export function readEntry(bytes: Uint8Array): StoredEntry {
  if (bytes.length < ENTRY_HEADER_BYTES) throw damaged(`only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint8(13);
  const entry: StoredEntry = {
    bytes: bytes.subarray(ENTRY_HEADER_BYTES),
    prefixLength: view.getUint16(0, true),
    headLength: view.getUint16(2, true),
    length: view.getUint32(4, true),
    storedLength: view.getUint32(8, true),
    codec: view.getUint8(12),
    sameFilled: flags === SAME_FILLED,
    expiresAt: view.getFloat64(16, true),
    aux: view.getInt32(24, true),
    aux2: view.getInt32(28, true),
    fill0: view.getInt32(32, true),
    fill1: view.getInt32(36, true),
    clean: false,
  };
  if (flags > SAME_FILLED || view.getUint16(14, true) !== 0) throw damaged(`unknown flags ${flags}`);
  checkLengths(entry);
  checkTimes(entry);
  checkTags(entry);
  if (!isKey(entry.bytes, entry.prefixLength)) throw damaged("a key that is none");
  return entry;
}

function checkLengths(entry: StoredEntry): void {
  const { prefixLength, headLength, storedLength, length, codec, sameFilled } = entry;
  const kind = kindOf(entry.aux);
  const total = prefixLength + headLength + storedLength;
  if (total !== entry.bytes.length) throw damaged("lengths that do not add up");
  if (length > VALUE_BYTES_MAX) throw damaged(`a value of ${length} bytes`);
  if (sameFilled) {
    // Such an entry is words of its row and no bytes, so it has no name but the empty one.
    if (total !== 0 || codec !== 0 || (length !== 0 && length < 8))
      throw damaged(`${total} bytes, codec ${codec} and length ${length}, and one word that fills its value`);
  } else if (total === 0) throw damaged("no bytes at all");
  else if (codec === 0 ? storedLength !== length : storedLength === 0 || storedLength >= length)
    throw damaged(`${storedLength} bytes of codec ${codec} for a value of ${length}`);
  if (kind > VALUE_KIND_MAX) throw damaged(`a value of the unknown kind ${kind}`);
  if (kind === ValueKind.units && length % 2 !== 0) throw damaged("half of a character");
}

function checkTimes({ expiresAt, aux, aux2 }: StoredEntry): void {
  // Not a number is neither more nor less than anything.
  if (!(expiresAt >= 0 && expiresAt < Number.POSITIVE_INFINITY))
    throw damaged(`${expiresAt} as the time of its end`);
  const ttl = ttlOf(aux);
  if ((ttl === 0) !== (expiresAt === 0) || auxOf(kindOf(aux), ttl) !== aux)
    throw damaged(`a ttl of ${ttl} ms, and ${expiresAt} as the time of its end`);
  if (aux2 < 0 || (aux2 > 0 && expiresAt === 0)) throw damaged(`a window of staleness of ${aux2} ms`);
}

/** Hashes of tags, each once. */
function checkTags({ bytes, prefixLength, headLength }: StoredEntry): void {
  if (headLength % TAG_BYTES !== 0 || headLength > TAGS_MAX * TAG_BYTES)
    throw damaged(`${headLength} bytes of tags`);
  const end = prefixLength + headLength;
  for (let at = prefixLength; at < end; at += TAG_BYTES) {
    for (let other = at + TAG_BYTES; other < end; other += TAG_BYTES) {
      let same = 0;
      while (same < TAG_BYTES && bytes[at + same] === bytes[other + same]) same++;
      if (same === TAG_BYTES) throw damaged("a tag twice");
    }
  }
}

function damaged(what: string): ZbudError {
  return new ZbudError("EBADMSG", `a saved entry has ${what}`);
}
