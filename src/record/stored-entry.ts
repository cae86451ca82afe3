import { fillWith, ZbudError } from "../base/index.ts";
import { decodeBlocks, isInBlocks } from "./blocks.ts";

/**
 * Names a record: two words that the layer above chose (the halves of a page's index, or of a key's hash),
 * and bytes that are compared exactly where the words alone do not tell two names apart.
 */
export interface BackingKey {
  /** An int32. */
  readonly k0: number;
  /** An int32. */
  readonly k1: number;
  /** The exact name behind a hash; empty where k0 and k1 say all. At most 65,535 bytes. */
  readonly prefix: Uint8Array;
}

/**
 * A compressed value with all that belongs to it: what an engine gives away and takes back, what a backing store keeps,
 * and what a saved cache is a row of. It has one form as bytes, of `record-format.ts`.
 */
export interface StoredEntry {
  /** The words of its name; see {@link BackingKey}. */
  k0: number;
  k1: number;
  /** From 0 on, one after the other: the name's prefix, the head, and what the codec made. There may be more behind. */
  bytes: Uint8Array;
  /** Bytes of the name's prefix, 0 to 65,535. */
  prefixLength: number;
  /** Bytes that are kept uncompressed, for the layer above, 0 to 65,535. */
  headLength: number;
  /** Bytes of the value as it is stored, with the table of its blocks if it has any; 0 if it is same-filled. */
  storedLength: number;
  /** Bytes of the value before compression: a uint32. */
  length: number;
  /**
   * Which codec made the stored bytes, in the low 8 bits; 0: they are the value itself. The other 24 are the layer above's:
   * by them a cache names a dictionary. 0 if it is same-filled.
   */
  codec: number;
  /** One word of 8 bytes fills the value, and nothing is stored for it but these two halves. */
  sameFilled: boolean;
  /** Int32 numbers, which count only if it is same-filled. */
  fill0: number;
  fill1: number;
  /** When it ends, in ms since 1970, or 0: never. At that time it is gone. */
  expiresAt: number;
  /** Two words (int32) for the layer above. */
  aux: number;
  aux2: number;
  /** A number of the layer above that its copy in a backing store has: an integer in [0, 2^53). */
  stamp: number;
}

/** A record with nothing in it, to be filled. */
export function emptyRecord(): StoredEntry {
  return {
    k0: 0,
    k1: 0,
    bytes: new Uint8Array(0),
    prefixLength: 0,
    headLength: 0,
    storedLength: 0,
    length: 0,
    codec: 0,
    sameFilled: false,
    fill0: 0,
    fill1: 0,
    expiresAt: 0,
    aux: 0,
    aux2: 0,
    stamp: 0,
  };
}

/** The bytes that belong to a record, of those that its array has. */
export function contentBytes(record: StoredEntry): number {
  return record.prefixLength + record.headLength + record.storedLength;
}

/** Whether a record has this name. */
export function hasName(record: StoredEntry, { k0, k1, prefix }: BackingKey): boolean {
  if (record.k0 !== k0 || record.k1 !== k1 || record.prefixLength !== prefix.length) return false;
  const { bytes } = record;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** What {@link decodeValue} needs of a codec. */
export interface Decompressor {
  decompress(source: Uint8Array, target: Uint8Array): number;
}

/**
 * Decompresses a record's value.
 *
 * @param codec - the record's; null if its bytes are the value itself, or one word fills it.
 * @param target - room for exactly the value.
 * @throws {ZbudError} `EBADMSG` if the bytes are not what the codec made of a value of this length.
 */
export function decodeValue(record: StoredEntry, codec: Decompressor | null, target: Uint8Array): void {
  if (record.sameFilled) {
    fillWith(target, target.length, record.fill0, record.fill1);
    return;
  }
  const start = record.prefixLength + record.headLength;
  if (codec !== null && isInBlocks(record) && target.length === record.length) {
    decodeBlocks(record.bytes, start, record.storedLength, codec, target, target.length);
    return;
  }
  const stored = record.bytes.subarray(start, start + record.storedLength);
  const fits = codec === null ? stored.length === target.length : target.length > 0;
  const written = !fits ? -1 : codec === null ? stored.length : codec.decompress(stored, target);
  if (written !== target.length) {
    throw new ZbudError(
      "EBADMSG",
      `${stored.length} stored bytes are not those of a value of ${target.length} bytes`,
    );
  }
  if (codec === null) target.set(stored);
}
