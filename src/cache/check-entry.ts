import { ZbudError } from "../base/index.ts";
import type { EntryAttributes } from "../engine/index.ts";
import {
  checkTable,
  isInBlocks,
  RECORD_HEADER_BYTES,
  type StoredEntry,
  VALUE_BYTES_MAX,
} from "../record/index.ts";
import { auxOf, kindOf, ttlOf } from "./expiry.ts";
import { type EncodedKey, isKey, KEY_BYTES_MAX } from "./key.ts";
import { TAG_BYTES, TAGS_MAX } from "./tags.ts";
import { VALUE_KIND_MAX, ValueKind } from "./values.ts";

/** The longest record of an entry: a value that does not compress is kept as it is, so nothing is longer than that. */
export const ENTRY_BYTES_MAX: number =
  RECORD_HEADER_BYTES + KEY_BYTES_MAX + TAGS_MAX * TAG_BYTES + VALUE_BYTES_MAX + 1024;

/** Makes an entry of the engine, in its own record, one that {@link checkEntry} lets pass. */
export function mendTimes(entry: StoredEntry): void {
  // A thread that died while it changed an entry's time may have left these as of another time.
  if (entry.expiresAt !== 0) return;
  entry.aux = kindOf(entry.aux);
  entry.aux2 = 0;
}

/**
 * Judges an entry that came from outside, and believes nothing of it: what passes could have been written by this
 * library, but for its stored bytes, which only its codec can judge, and the words of its name, which the key gives.
 *
 * @param entry - with numbers that a record can have; its codec is the number of one.
 * @throws {ZbudError} `EBADMSG` naming what cannot be.
 */
export function checkEntry(entry: StoredEntry): void {
  checkLengths(entry);
  checkTimes(entry);
  checkTags(entry);
  if (!isKey(entry.bytes, entry.prefixLength)) throw damaged("a key that is none");
}

function checkLengths(entry: StoredEntry): void {
  const { prefixLength, headLength, storedLength, length, codec, sameFilled } = entry;
  const kind = kindOf(entry.aux);
  const total = prefixLength + headLength + storedLength;
  if (codec > 0xff) throw damaged(`codec ${codec}`);
  if (length > VALUE_BYTES_MAX) throw damaged(`a value of ${length} bytes`);
  if (sameFilled) {
    // Such an entry is words of its row and no bytes, so it has no name but the empty one.
    if (total !== 0 || codec !== 0 || (length !== 0 && length < 8))
      throw damaged(`${total} bytes, codec ${codec} and length ${length}, and one word that fills its value`);
  } else if (total === 0) throw damaged("no bytes at all");
  else if (codec === 0 ? storedLength !== length : storedLength === 0 || storedLength >= length)
    throw damaged(`${storedLength} bytes of codec ${codec} for a value of ${length}`);
  if (isInBlocks(entry)) checkTable(entry.bytes, prefixLength + headLength, length, storedLength);
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

/** Makes a stored entry's name, times and tags those of what is put next. Of a cache without tags it loses them. */
export function takeAttributes(
  entry: StoredEntry,
  key: EncodedKey,
  attributes: EntryAttributes,
  hasTags: boolean,
): void {
  key.take(entry.bytes, entry.prefixLength);
  for (let i = 0; i < entry.headLength; i++) attributes.head[i] = entry.bytes[entry.prefixLength + i];
  attributes.prefixLength = key.length;
  attributes.headLength = hasTags ? entry.headLength : 0;
  attributes.expiresAt = entry.expiresAt;
  attributes.aux = entry.aux;
  attributes.aux2 = entry.aux2;
}
