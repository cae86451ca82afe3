import type { BackingKey, TagName } from "../../backing/index.ts";
import { crc32 } from "../../base/index.ts";
import { decodeRecord, encodeRecord, recordBytes, type StoredEntry, sealRecord } from "../../record/index.ts";

/*
 * Keys on the server are the prefix of all, then
 *
 *   the name of a record as it is: of a cache the key's text as UTF-8, or 0xFE and the 8 bytes of a number, or 0xFF and bytes
 *   0xFA, 16 digits    a record whose name is its two words, as those of a page store are
 *   0xFB "tag:" …      the version of a tag, 16 digits of its hash
 *   0xFB "clear"       the version of all
 *   0xFB "lock:" …     who loads a record
 *   0xFB "fence:" …    ids of writes of a key that may not take effect any more
 *
 * No UTF-8 begins with 0xFA to 0xFF. What stands beside a key lies on the same server of a cluster, whose place a part in
 * braces alone decides, if there is one: so `…` is
 *
 *   {key}       of a key without braces
 *   {part}key   of one with a part in braces
 *   {digits}key of any other one: a number whose place is that of the key
 *
 * A record's value is
 *
 *   byte  0   uint32   magic, "ZBS1"
 *         4   uint8    how many tags it has; 3 bytes 0
 *         8   8 bytes  the version of all when it was written
 *        16   of each tag 16 bytes: its hash (int32 × 2), and its version when the record was written (8 bytes)
 *         …   the record, as in record-format.ts; its checksum begins with the CRC-32 of all before it
 */
const MAGIC = 0x31_53_42_5a;
const HEAD_BYTES = 16;
const TAG_BYTES = 16;
const TAGS_MAX = 8;
const VERSION_BYTES = 8;
/** In a record: see record-format.ts. */
const AT_EXPIRES = 40;
const AT_STAMP = 48;
const RECORD_HEAD_BYTES = 64;

const OPEN = 0x7b;
const CLOSE = 0x7d;
const CLOSING = Buffer.of(CLOSE);
/** Places of keys in a cluster. */
const SLOTS = 16_384;

const WORDS = 0xfa;
const SERVICE = 0xfb;
/** Begins the names of dictionaries, which stay when all is cleared: what others write needs them. */
const DICTIONARY = 0xfd;

/** What a key on the server is. */
export type Told =
  | { kind: "key"; prefix: Uint8Array }
  | { kind: "tag"; tag: TagName }
  | { kind: "clear" }
  | { kind: "none" };

export class Names {
  readonly prefix: Buffer;
  readonly clear: Buffer;
  readonly #lock: Buffer;
  readonly #fence: Buffer;

  constructor(prefix: string) {
    this.prefix = Buffer.from(prefix);
    this.clear = this.#service("clear");
    this.#lock = this.#service("lock:{");
    this.#fence = this.#service("fence:{");
  }

  /** The key of a record. */
  record({ k0, k1, prefix }: BackingKey): Buffer {
    if (prefix.length > 0) return Buffer.concat([this.prefix, prefix]);
    return Buffer.concat([this.prefix, Buffer.of(WORDS), Buffer.from(hex(k0) + hex(k1))]);
  }

  tag({ k0, k1 }: TagName): Buffer {
    return this.#service(`tag:${hex(k0)}${hex(k1)}`);
  }

  /** The key of a record's lock. */
  lock(record: Buffer): Buffer {
    return beside(this.#lock, record);
  }

  /** The key of what is refused of a key. */
  fence(key: Buffer): Buffer {
    return beside(this.#fence, key);
  }

  /** A key that the server told of. */
  told(key: Buffer): Told {
    const name = key.subarray(this.prefix.length);
    // A cache's only such name is that of the key without characters.
    if (name[0] === WORDS) return { kind: "key", prefix: new Uint8Array(0) };
    if (name[0] !== SERVICE) return { kind: "key", prefix: new Uint8Array(name) };
    const text = name.subarray(1).toString("latin1");
    if (text === "clear") return { kind: "clear" };
    const tag = /^tag:([\da-f]{8})([\da-f]{8})$/.exec(text);
    if (tag === null) return { kind: "none" };
    return { kind: "tag", tag: { k0: Number.parseInt(tag[1], 16) | 0, k1: Number.parseInt(tag[2], 16) | 0 } };
  }

  /** Whether a key is of something that a clear takes away. */
  isCleared(key: Buffer): boolean {
    const first = key[this.prefix.length];
    return first !== SERVICE && first !== DICTIONARY;
  }

  #service(name: string): Buffer {
    return Buffer.concat([this.prefix, Buffer.of(SERVICE), Buffer.from(name)]);
  }
}

/** Whether a record holds a dictionary. */
export function isDictionary(name: Uint8Array): boolean {
  return name[0] === DICTIONARY;
}

/** A key on the server of a cluster that another one is on. */
function beside(what: Buffer, key: Buffer): Buffer {
  const from = key.indexOf(OPEN);
  const to = key.indexOf(CLOSE, from + 1);
  if (from < 0 && to < 0) return Buffer.concat([what, key, CLOSING]);
  const place = from >= 0 && to > from + 1 ? key.subarray(from + 1, to) : numberAt(slotOf(key));
  return Buffer.concat([what, place, CLOSING, key]);
}

/** Numbers as texts, by their place. All of them are among the first 200,000. */
const numbers: Map<number, Buffer> = new Map();
let tried = 0;

/** The first number, as a text, that has this place. */
function numberAt(slot: number): Buffer {
  for (;;) {
    const found = numbers.get(slot);
    if (found !== undefined) return found;
    const text = Buffer.from(String(tried++));
    const place = slotOf(text);
    if (!numbers.has(place)) numbers.set(place, text);
  }
}

/** Of all of a key: CRC-16, as a Redis cluster takes it. */
function slotOf(key: Buffer): number {
  let crc = 0;
  for (const byte of key) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % SLOTS;
}

/** A tag with the version that it had. */
export interface TagVersion {
  readonly tag: TagName;
  readonly version: string;
}

/** What stands before a record: versions are 8 bytes each, as latin1. */
export interface Versions {
  readonly clear: string;
  readonly tags: readonly TagVersion[];
}

/** Room for a record and its versions, of which {@link stampVersions} writes the latter. */
export function sealed(record: StoredEntry, sequence: number, tags: number): Buffer {
  const start = HEAD_BYTES + TAG_BYTES * tags;
  const bytes = Buffer.allocUnsafe(start + recordBytes(record));
  encodeRecord(record, sequence, bytes, start);
  return bytes;
}

/** Writes the versions in front of a record, and its checksum. */
export function stampVersions(bytes: Buffer, { clear, tags }: Versions): void {
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(tags.length, 4);
  bytes.write(clear, 8, "latin1");
  let at = HEAD_BYTES;
  for (const { tag, version } of tags) {
    bytes.writeInt32LE(tag.k0, at);
    bytes.writeInt32LE(tag.k1, at + 4);
    bytes.write(version, at + 8, "latin1");
    at += TAG_BYTES;
  }
  sealRecord(bytes, at, bytes.length - at, crc32(bytes.subarray(0, at)));
}

/** The versions in front of a record, and where it begins; null for what is no value of this library. */
function versionsIn(bytes: Buffer): (Versions & { readonly at: number }) | null {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(0) !== MAGIC) return null;
  const count = bytes.readUInt32LE(4);
  const at = HEAD_BYTES + TAG_BYTES * count;
  if (count > TAGS_MAX || bytes.length < at + RECORD_HEAD_BYTES) return null;
  const tags = Array.from({ length: count }, (_, i) => {
    const from = HEAD_BYTES + TAG_BYTES * i;
    const tag = { k0: bytes.readInt32LE(from), k1: bytes.readInt32LE(from + 4) };
    return { tag, version: bytes.toString("latin1", from + 8, from + 8 + VERSION_BYTES) };
  });
  return { clear: bytes.toString("latin1", 8, 8 + VERSION_BYTES), tags, at };
}

/** A record that was read, with its versions. */
export interface Unsealed extends Versions {
  readonly record: StoredEntry;
}

/** Null: these bytes are not what was written. */
export function unseal(bytes: Buffer, maxBytes: number): Unsealed | null {
  const versions = versionsIn(bytes);
  if (versions === null || bytes.length - versions.at > maxBytes) return null;
  const decoded = decodeRecord(bytes.subarray(versions.at), crc32(bytes.subarray(0, versions.at)));
  return decoded === null ? null : { ...versions, record: decoded.record };
}

/** The same of the first {@link headBytes}; null also if it has more tags. */
export function unsealHead(
  bytes: Buffer,
): (Versions & { readonly stamp: number; readonly expiresAt: number }) | null {
  const versions = versionsIn(bytes);
  if (versions === null) return null;
  const { at } = versions;
  return {
    ...versions,
    stamp: bytes.readDoubleLE(at + AT_STAMP),
    expiresAt: bytes.readDoubleLE(at + AT_EXPIRES),
  };
}

/** Bytes that come before a record's name. */
export function headBytes(tags: number): number {
  return versionsBytes(tags) + RECORD_HEAD_BYTES;
}

/** Bytes that a record's versions take. */
export function versionsBytes(tags: number): number {
  return HEAD_BYTES + TAG_BYTES * tags;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
