import type { Backing, BackingKey, BackingRecord } from "../backing/index.ts";
import { ownBytes, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import type { FoundEntry } from "../engine/index.ts";
import { Counter } from "./control.ts";
import type { CacheCore, StoredEntry } from "./core.ts";
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES, readEntry, writeEntry } from "./entry-bytes.ts";
import type { EncodedKey } from "./key.ts";
import { codecWith } from "./learn.ts";
import { DICTIONARY_SLOT, mayBeDictionary, takesDictionary } from "./options.ts";
import { TAG_BYTES } from "./tags.ts";

/** Begins the names of records that hold dictionaries: no key's bytes begin so. */
const DICTIONARY_NAME = 0xfd;
/** Codecs of other caches' dictionaries that are kept: each has memory of its own. */
const FOREIGN_MAX = 8;
/** A version is `run * 2^31 + stamp`. */
const STAMPS = 2 ** 31;

/** A value that came back from the second tier, or that somebody put into memory meanwhile. */
export type Fetched<V> = { entry: StoredEntry; value: V } | "changed" | null;

/**
 * The second tier: where evicted entries go, and come back from.
 *
 * No value that was overwritten or deleted is ever read from it, because
 *  - an entry is handed over while its shard is locked, so a set or delete of its key comes before that, or
 *    after; and it tells the tier afterwards. The tier keeps the order of calls for a key, a file that of all threads,
 *    a server only that of each (docs/backing.md says what the others may find meanwhile);
 *  - an entry that comes back is put into memory only if nobody touched its key since the read began
 *    (the engine's epoch);
 *  - what `clear` and `deleteByTag` removed is told by stamps: a record notes the stamp of its eviction. Another
 *    cache, after this one or in another process, does not know them: to it an entry with tags is a miss.
 */
export class Tier<V> {
  readonly #core: CacheCore<V>;
  readonly #backing: Backing;
  readonly #foreign: Map<number, Codec | null> = new Map();
  /** Name of this cache's dictionary, once it is in the tier. */
  #dictionary = 0;
  readonly #writing: Set<Promise<void>> = new Set();

  constructor(core: CacheCore<V>, backing: Backing) {
    this.#core = core;
    this.#backing = backing;
  }

  /**
   * Takes an entry that is being evicted. Its shard is locked, so nothing here waits or throws.
   *
   * @returns true: it may go, whatever becomes of the copy. A cache that cannot write evicts all the same.
   */
  evict(entry: FoundEntry): boolean {
    if (entry.clean) return true;
    const { control } = this.#core;
    try {
      const record = this.#recordOf(entry);
      const { key, version } = record;
      const records = [record];
      if (entry.codec === DICTIONARY_SLOT && this.#dictionary === 0)
        records.unshift(this.#dictionaryRecord());
      this.#track(this.#backing.write(records), () => this.#dropLate(key, version));
    } catch {
      control.count(Counter.tierWritesFailed);
    }
    return true;
  }

  /**
   * A key was set or deleted: what the tier has of it, or is being given, is out of date.
   *
   * @returns whether it is known to have had something.
   */
  drop(key: EncodedKey): boolean {
    const name = nameOf(key);
    const had = this.#backing.has(name) === true;
    // Also if there is nothing yet: a write of the key may be under way.
    this.#backing.delete(name);
    return had;
  }

  /** Drops all. The stamp that `clear` left keeps what is under way from being read. */
  clear(): void {
    this.#dictionary = 0;
    this.#track(
      this.#backing.clear().then(
        () => [],
        () => [new ZbudError("EIO", "the second tier could not be cleared")],
      ),
    );
  }

  /**
   * Reads a key's record and puts it into memory.
   *
   * @returns `"changed"` if somebody set or deleted the key meanwhile: then memory knows better.
   * @throws the signal's reason. A tier that fails is a miss.
   */
  async fetch(key: EncodedKey, signal: AbortSignal | undefined): Promise<Fetched<V>> {
    const core = this.#core;
    const { engine, control } = core;
    const name = nameOf(key);
    const epoch = engine.epoch(name.k0, name.k1);
    let record: BackingRecord | null;
    let value: V;
    let entry: StoredEntry;
    try {
      record = await this.#backing.read(name, { signal });
      if (record === null) return this.#miss();
      entry = entryOf(record, name);
      const codec = entry.sameFilled || entry.codec === 0 ? null : await this.#codecOf(record, entry, signal);
      if (codec === null && !entry.sameFilled && entry.codec !== 0) return this.#miss();
      // Before it is put into memory: what cannot be decoded would be found there again and again.
      value = core.valueOf(entry, codec);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      if (error instanceof ZbudError && error.code === "ECLOSED") throw error;
      control.count(Counter.tierReadsFailed);
      return this.#miss();
    }
    const now = core.clock();
    if ((entry.expiresAt !== 0 && entry.expiresAt <= now) || this.#isOutdated(record, entry)) {
      this.#backing.delete(name);
      return this.#miss();
    }
    if (entry.headLength > 0 && !this.#isOwn(record)) {
      // Which tags were deleted in the cache that evicted it is not known here.
      if (this.#isOrdered) this.#backing.delete(name);
      return this.#miss();
    }
    // A value with another cache's dictionary stays where it is.
    if (record.codec >>> 8 === 0 || record.codec >>> 8 === this.#dictionary) {
      if (core.putStored({ ...entry, clean: true }, now, epoch) === "stale") return "changed";
    } else if (engine.epoch(name.k0, name.k1) !== epoch) return "changed";
    control.count(Counter.tierHits);
    return { entry, value };
  }

  /** Waits for what was handed over. */
  async flush(): Promise<void> {
    await Promise.all(this.#writing);
    await this.#backing.flush();
  }

  #miss(): null {
    this.#core.control.count(Counter.tierMisses);
    return null;
  }

  /** A file keeps the order of all threads' calls, and no other process has it. */
  get #isOrdered(): boolean {
    return "share" in this.#backing;
  }

  /**
   * A record was written. If its key was deleted since the eviction, by another thread whose delete may have come to
   * the server before this write, it goes now.
   */
  #dropLate(key: BackingKey, version: number): void {
    if (this.#isOrdered || !this.#core.control.invalidatedSince(version % STAMPS, key.k0)) return;
    try {
      this.#backing.delete(key);
    } catch {
      // Closed meanwhile.
    }
  }

  #track(written: Promise<unknown[]>, then: () => void = () => {}): void {
    const { control } = this.#core;
    const done = written.then((outcomes) => {
      then();
      for (const outcome of outcomes) {
        control.count(
          outcome === "ok" || outcome === "ECANCELED" ? Counter.tierWrites : Counter.tierWritesFailed,
        );
      }
      this.#writing.delete(done);
    });
    this.#writing.add(done);
  }

  #recordOf(entry: FoundEntry): BackingRecord {
    const rest = entry.headLength + entry.storedLength;
    const bytes = ownBytes(ENTRY_HEADER_BYTES + entry.prefixLength + rest);
    writeEntry(entry, new DataView(bytes.buffer), 0);
    const prefix = bytes.slice(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + entry.prefixLength);
    bytes.copyWithin(ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + entry.prefixLength);
    const { control } = this.#core;
    const dictionary = entry.codec === DICTIONARY_SLOT ? this.#nameOfOwnDictionary() : 0;
    return {
      key: { k0: entry.k0, k1: entry.k1, prefix },
      bytes: bytes.subarray(0, ENTRY_HEADER_BYTES + rest),
      codec: dictionary * 256 + entry.codec,
      length: entry.length,
      version: control.run * STAMPS + control.stamp(),
      // The engine's time is when it is gone; the tier's is the last moment at which it is there, or later.
      expiresAt: Math.ceil(entry.expiresAt),
    };
  }

  #dictionaryRecord(): BackingRecord {
    this.#dictionary = this.#nameOfOwnDictionary();
    const bytes = this.#core.dictionary.learner.dictionary()?.slice() ?? new Uint8Array(0);
    return {
      key: dictionaryName(this.#dictionary),
      bytes,
      codec: this.#core.codecId,
      length: bytes.length,
      version: 0,
      expiresAt: 0,
    };
  }

  #nameOfOwnDictionary(): number {
    if (this.#dictionary !== 0) return this.#dictionary;
    return dictionaryHash(this.#core.dictionary.learner.dictionary()?.slice() ?? new Uint8Array(0));
  }

  async #codecOf(
    record: BackingRecord,
    entry: StoredEntry,
    signal: AbortSignal | undefined,
  ): Promise<Codec | null> {
    const core = this.#core;
    if (entry.codec !== DICTIONARY_SLOT) return core.codecOfSlot(entry.codec);
    const dictionary = record.codec >>> 8;
    if (core.dictionary.learner.dictionary() !== null && dictionary === this.#nameOfOwnDictionary()) {
      this.#dictionary ||= dictionary;
      return core.codecOfSlot(DICTIONARY_SLOT);
    }
    const known = this.#foreign.get(dictionary);
    if (known !== undefined) return known;
    const found = await this.#backing.read(dictionaryName(dictionary), { signal });
    if (found === null || !mayBeDictionary(found.bytes.length, core.settings.maxBytes)) return null;
    if (dictionaryHash(found.bytes) !== dictionary || !takesDictionary(found.codec)) return null;
    const codec = codecWith(codecById(found.codec).name, found.bytes);
    const [oldest] = this.#foreign.keys();
    if (this.#foreign.size === FOREIGN_MAX) this.#foreign.delete(oldest);
    this.#foreign.set(dictionary, codec);
    return codec;
  }

  /** Whether this cache evicted it, not another one before it or in another process. */
  #isOwn(record: BackingRecord): boolean {
    return Math.floor(record.version / STAMPS) === this.#core.control.run;
  }

  /** Whether the cache was cleared, or one of the entry's tags deleted, after it was evicted. */
  #isOutdated(record: BackingRecord, entry: StoredEntry): boolean {
    const { control, tags } = this.#core;
    // Another run's stamps say nothing to this one: what was deleted here at all counts as deleted since.
    const stamp = this.#isOwn(record) ? record.version % STAMPS : 0;
    if (control.clearedSince(stamp)) return true;
    if (tags === null) return false;
    const start = entry.prefixLength;
    for (let at = start; at < start + entry.headLength; at += TAG_BYTES) {
      if (control.invalidatedSince(stamp, tags.hashAt(entry.bytes, at))) return true;
    }
    return false;
  }
}

function nameOf(key: EncodedKey): BackingKey {
  return { k0: key.k0, k1: key.k1, prefix: key.bytes.slice(0, key.length) };
}

/**
 * The entry in a record: its prefix is the record's name.
 *
 * @throws {ZbudError} `EBADMSG` if it is none.
 */
function entryOf(record: BackingRecord, { prefix }: BackingKey): StoredEntry {
  if (record.bytes.length > ENTRY_BYTES_MAX) {
    throw new ZbudError("EBADMSG", `the second tier has ${record.bytes.length} bytes, too long for an entry`);
  }
  const bytes = ownBytes(record.bytes.length + prefix.length);
  bytes.set(record.bytes.subarray(0, ENTRY_HEADER_BYTES));
  bytes.set(prefix, ENTRY_HEADER_BYTES);
  bytes.set(record.bytes.subarray(ENTRY_HEADER_BYTES), ENTRY_HEADER_BYTES + prefix.length);
  const entry = readEntry(bytes);
  if (entry.codec !== (record.codec & 0xff)) throw new ZbudError("EBADMSG", "its record has another codec");
  return entry;
}

function dictionaryName(dictionary: number): BackingKey {
  const prefix = Uint8Array.of(DICTIONARY_NAME, dictionary, dictionary >> 8, dictionary >> 16);
  return { k0: dictionary, k1: DICTIONARY_NAME, prefix };
}

/** 24 bits, never 0. */
function dictionaryHash(dictionary: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (const byte of dictionary) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return (hash ^ (hash >>> 24)) & 0xff_ffff || 1;
}
