import { type Backing, type BackingKey, checkSameBacking } from "../backing/index.ts";
import { ownBytes, show, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import type { FoundEntry, Guard, PutResult } from "../engine/index.ts";
import { checkRecord, decodeValue, emptyRecord, hasName, type StoredEntry } from "../record/index.ts";
import { checkEntry, mendTimes } from "./check-entry.ts";
import { codecWith } from "./dictionary-codec.ts";
import type { DictionaryUse } from "./dictionary-use.ts";
import { freshUntil, kindOf } from "./expiry.ts";
import type { EncodedKey } from "./key.ts";
import type { Lease, Leases } from "./leases.ts";
import { type CacheSettings, DICTIONARY_CODEC, mayBeDictionary, takesDictionary } from "./options.ts";
import { Counter, type SharedState } from "./shared-state.ts";
import { hashAt, TAG_BYTES, type TagLists } from "./tags.ts";
import type { ValueCodec } from "./values.ts";
import { WritesUnderWay } from "./writes-under-way.ts";

/** Begins the names of records that hold dictionaries: no key's bytes begin so. */
const DICTIONARY_NAME = 0xfd;
/** Codecs of other caches' dictionaries that are kept: each has memory of its own. */
const FOREIGN_MAX = 8;
/** For the engine: put unless there is one. */
const UNLESS_THERE = -2;
/** The outcome of a `clear`. */
const CLEARED = "cleared";
/** The stamp of a record is `run * 2^31 + stamp`: which cache evicted it, and when in that one's time. */
const STAMPS = 2 ** 31;

/** A value that came back from the second tier; `"changed"`: somebody changed the key meanwhile. */
export type Fetched<V> = { value: V; freshUntil: number } | "changed" | null;

/** The part of a cache that its second tier needs. */
export interface TieredCache<V> {
  readonly sharedState: SharedState;
  readonly leases: Leases;
  readonly settings: CacheSettings;
  readonly values: ValueCodec<V>;
  readonly tags: TagLists | null;
  readonly dictionary: DictionaryUse;
  readonly clock: () => number;
  /** Of the codec that new values get. */
  readonly codecId: number;
  codecNumbered(number: number): Codec | null;
  putStored(entry: StoredEntry, clean: boolean, now: number, epoch: number, guard: Guard): PutResult;
}

/** An entry that was read, the name of the dictionary that it needs, or 0, and its value. */
interface Read<V> {
  readonly entry: StoredEntry;
  readonly dictionary: number;
  readonly value: V;
}

/**
 * The second tier: where evicted entries go, and come back from.
 *
 * No value that was overwritten or deleted is ever read from it, because
 *  - an entry is handed over while its shard is locked, so a set or delete of its key comes before that, or after. A
 *    file is told of it under that lock too; a server afterwards. The tier keeps the order of calls for a key, a file
 *    that of all threads, a server only that of each (docs/backing.md says what the others may find meanwhile);
 *  - an entry that comes back is put into memory only if nobody changed its key since the read began (a lease);
 *  - what `clear` and `deleteByTag` removed is told by stamps: a record notes the stamp of its eviction. Another
 *    cache, after this one or in another process, does not know them: to it an entry with tags is a miss;
 *  - if the tier could not be told of a set or delete, all that it has until then counts as out of date.
 *
 * A tier may fail in any way (it was closed, it throws, rejects, or answers with what is no answer): that is a miss or
 * an entry less, and counted.
 */
export class Tier<V> {
  /** A file keeps the order of all threads' calls. */
  readonly isOrdered: boolean;
  readonly #core: TieredCache<V>;
  readonly #backing: Backing;
  readonly #foreign: Map<number, Codec | null> = new Map();
  /** Name of this cache's dictionary, once it is in the tier. */
  #dictionary = 0;
  readonly #writes: WritesUnderWay = new WritesUnderWay((outcomes) => this.#countOutcomes(outcomes, 1));
  /** This thread's use of it has ended: nothing is asked of it any more. */
  #isClosed = false;

  constructor(core: TieredCache<V>, backing: Backing) {
    this.#core = core;
    this.#backing = backing;
    this.isOrdered = "share" in backing;
  }

  /**
   * Takes an entry that is being evicted. Its shard is locked, so nothing here waits or throws.
   *
   * @returns true: it may go, whatever becomes of the copy. A cache that cannot write evicts all the same.
   */
  evict(entry: FoundEntry): boolean {
    if (entry.clean) return true;
    const { sharedState } = this.#core;
    if (this.#isClosed) {
      sharedState.count(Counter.backingWritesFailed);
      return true;
    }
    try {
      const needsDictionary = entry.codec === DICTIONARY_CODEC;
      const records: StoredEntry[] = [entry];
      if (needsDictionary && this.#dictionary === 0) records.unshift(this.#dictionaryRecord());
      mendTimes(entry);
      if (needsDictionary) entry.codec += 256 * this.#dictionary;
      entry.stamp = sharedState.run * STAMPS + sharedState.stamp();
      const late = this.isOrdered ? null : lateDrop(entry);
      // It copies all of the entry's record: the engine fills that again.
      const written = this.#backing.write(records);
      if (late === null && records.length === 1) this.#writes.add(written);
      else this.#track(written, records.length, late === null ? undefined : () => this.#dropLate(late));
    } catch {
      sharedState.count(Counter.backingWritesFailed);
    }
    return true;
  }

  /**
   * A key is being set or deleted, or was: what the tier has of it, or is being given, is out of date.
   *
   * @returns whether it is known to have had something.
   */
  drop(k0: number, k1: number, prefix: Uint8Array, prefixLength: number): boolean {
    const name = { k0, k1, prefix: prefix.slice(0, prefixLength) };
    let had = false;
    try {
      const has: unknown = !this.#isClosed && this.#backing.has(name);
      had = has === true;
      if (isThenable(has)) has.then(undefined, () => undefined);
    } catch {
      // Then it is not known.
    }
    // Also if there is nothing yet: a write of the key may be under way.
    if (!this.#delete(name)) this.#core.sharedState.invalidateTier();
    return had;
  }

  /** Drops all. The stamp that `clear` left keeps what is under way, or stays, from being read. */
  clear(): void {
    this.#dictionary = 0;
    let cleared: unknown;
    try {
      cleared = this.#backing.clear();
    } catch (error) {
      cleared = Promise.reject(error);
    }
    // What comes of it is counted only if it fails.
    this.#track(
      Promise.resolve(cleared).then(() => CLEARED),
      1,
    );
  }

  /**
   * Reads a key's record and puts it into memory.
   *
   * @returns `"changed"` if somebody set or deleted the key meanwhile: then memory knows better.
   * @throws the signal's reason; `ECLOSED` if the cache was closed. A tier that fails is a miss.
   */
  async fetch(key: EncodedKey, signal: AbortSignal | undefined): Promise<Fetched<V>> {
    const { leases } = this.#core;
    const name = nameOf(key);
    const lease = leases.take(name.k0, name.k1);
    try {
      const read = await this.#read(name, signal);
      return read === null ? this.#miss() : this.#takeBack(name, read, lease);
    } finally {
      leases.end(lease);
    }
  }

  /**
   * Waits for what was handed over.
   *
   * @throws {ZbudError} what the tier's `flush` threw; `EIO` if it threw something else, or was closed.
   */
  async flush(): Promise<void> {
    await this.#writes.ended();
    try {
      await this.#backing.flush();
    } catch (cause) {
      if (cause instanceof ZbudError && cause.code !== "ECLOSED") throw cause;
      const isClosed = cause instanceof ZbudError;
      throw new ZbudError(
        "EIO",
        isClosed
          ? "the backing store was closed before the cache, so what was evicted may be lost; call flush() and close() of the cache first"
          : "the backing store could not be flushed, so what was evicted may be lost",
        { cause },
      );
    }
  }

  /** A record and its value; null if there is none that can be read. */
  async #read(name: BackingKey, signal: AbortSignal | undefined): Promise<Read<V> | null> {
    if (this.#isClosed) return null;
    const core = this.#core;
    try {
      const record = await this.#backing.read(name, { signal });
      if (record === null) return null;
      // Not its bytes: the engine is given those.
      const entry = { ...record };
      const dictionary = takeDictionary(entry, name);
      const codec = entry.codec === 0 ? null : await this.#codecOf(entry.codec, dictionary, signal);
      if (codec === null && entry.codec !== 0) return null;
      const value = ownBytes(entry.length);
      decodeValue(entry, codec, value);
      return { entry, dictionary, value: core.values.decode(value, kindOf(entry.aux)) };
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      this.#noteClosed(error);
      core.sharedState.count(Counter.backingReadsFailed);
      return null;
    }
  }

  /** Puts into memory what was read, if it is not out of date. */
  #takeBack(name: BackingKey, { entry, dictionary, value }: Read<V>, lease: Lease): Fetched<V> {
    const core = this.#core;
    const now = core.clock();
    if ((entry.expiresAt !== 0 && entry.expiresAt <= now) || this.#isOutdated(entry)) {
      this.#delete(name);
      return this.#miss();
    }
    if (entry.headLength > 0 && !this.#isOwn(entry)) {
      // Which tags were deleted in the cache that evicted it is not known here.
      if (this.isOrdered) this.#delete(name);
      return this.#miss();
    }
    const holds = (): boolean => core.leases.holds(lease) && !this.#isOutdated(entry);
    // A value with another cache's dictionary stays where it is.
    const until = freshUntil(entry.expiresAt, entry.aux2);
    if (dictionary === 0 || dictionary === this.#dictionary) {
      const result = core.putStored(entry, true, now, UNLESS_THERE, holds);
      // What is too large for this cache is given, and stays where it is.
      if (result === "stale" || (result === "large" && !holds())) return "changed";
    } else if (!holds()) return "changed";
    core.sharedState.count(Counter.backingHits);
    return { value, freshUntil: until };
  }

  /** Whether the tier was told. */
  #delete(name: BackingKey): boolean {
    if (this.#isClosed) return false;
    try {
      const told: unknown = this.#backing.delete(name);
      // One that is asynchronous, against the contract, may still say that it was not.
      if (isThenable(told)) told.then(undefined, () => this.#failedToDelete());
      return true;
    } catch (error) {
      this.#noteClosed(error);
      this.#core.sharedState.count(Counter.backingWritesFailed);
      return false;
    }
  }

  #failedToDelete(): void {
    const { sharedState } = this.#core;
    sharedState.count(Counter.backingWritesFailed);
    sharedState.invalidateTier();
  }

  #noteClosed(error: unknown): void {
    if (error instanceof ZbudError && error.code === "ECLOSED") this.#isClosed = true;
  }

  #miss(): null {
    this.#core.sharedState.count(Counter.backingMisses);
    return null;
  }

  /**
   * A record was written. If its key was deleted since the eviction, by another thread whose delete may have come to
   * the server before this write, it goes now.
   */
  #dropLate({ name, stamp }: LateDrop): void {
    const { sharedState } = this.#core;
    if (sharedState.keyChangedSince(stamp, name.k0) || sharedState.clearedSince(stamp)) this.#delete(name);
  }

  /** @param count - what is written: so many writes have failed if there is no answer. */
  #track(written: Promise<unknown>, count: number, then: () => void = () => {}): void {
    const tracked = Promise.resolve(written).then(
      (outcomes) => {
        then();
        if (outcomes !== CLEARED) this.#countOutcomes(outcomes, count);
      },
      () => this.#countOutcomes(null, count),
    );
    this.#writes.addCounted(tracked);
  }

  #countOutcomes(outcomes: unknown, count: number): void {
    const { sharedState } = this.#core;
    const all: unknown[] = Array.isArray(outcomes) ? outcomes : [];
    for (let i = 0; i < count; i++) {
      const isWritten = all[i] === "ok" || all[i] === "ECANCELED";
      sharedState.count(isWritten ? Counter.backingWrites : Counter.backingWritesFailed);
    }
  }

  #dictionaryRecord(): StoredEntry {
    this.#dictionary = this.#nameOfOwnDictionary();
    const dictionary = this.#core.dictionary.trainer.dictionary() ?? new Uint8Array(0);
    const { k0, k1, prefix } = dictionaryName(this.#dictionary);
    const bytes = new Uint8Array(prefix.length + dictionary.length);
    bytes.set(prefix);
    bytes.set(dictionary, prefix.length);
    return {
      ...emptyRecord(),
      k0,
      k1,
      bytes,
      prefixLength: prefix.length,
      storedLength: dictionary.length,
      length: dictionary.length,
      codec: this.#core.codecId,
    };
  }

  #nameOfOwnDictionary(): number {
    if (this.#dictionary !== 0) return this.#dictionary;
    return dictionaryHash(this.#core.dictionary.trainer.dictionary()?.slice() ?? new Uint8Array(0));
  }

  async #codecOf(number: number, dictionary: number, signal: AbortSignal | undefined): Promise<Codec | null> {
    const core = this.#core;
    if (number !== DICTIONARY_CODEC) return core.codecNumbered(number);
    if (core.dictionary.trainer.dictionary() !== null && dictionary === this.#nameOfOwnDictionary()) {
      this.#dictionary ||= dictionary;
      return core.codecNumbered(DICTIONARY_CODEC);
    }
    const known = this.#foreign.get(dictionary);
    if (known !== undefined) return known;
    const name = dictionaryName(dictionary);
    const found = await this.#backing.read(name, { signal });
    if (found === null) return null;
    checkRecord(found);
    if (!hasName(found, name) || !mayBeDictionary(found.storedLength, core.settings.maxBytes)) return null;
    const bytes = found.bytes.slice(name.prefix.length, name.prefix.length + found.storedLength);
    if (dictionaryHash(bytes) !== dictionary || !takesDictionary(found.codec)) return null;
    const codec = codecWith(codecById(found.codec).name, bytes, DICTIONARY_CODEC);
    const [oldest] = this.#foreign.keys();
    if (this.#foreign.size === FOREIGN_MAX) this.#foreign.delete(oldest);
    this.#foreign.set(dictionary, codec);
    return codec;
  }

  /** Whether this cache evicted it, not another one before it or in another process. */
  #isOwn({ stamp }: StoredEntry): boolean {
    return Math.floor(stamp / STAMPS) === this.#core.sharedState.run;
  }

  /** Whether the cache was cleared, or one of the entry's tags deleted, after it was evicted. */
  #isOutdated(entry: StoredEntry): boolean {
    const { sharedState, tags } = this.#core;
    // Another run's stamps say nothing to this one: what was deleted here at all counts as deleted since.
    const stamp = this.#isOwn(entry) ? entry.stamp % STAMPS : 0;
    if (sharedState.clearedSince(stamp) || sharedState.tierVoidSince(stamp)) return true;
    if (tags === null) return false;
    const start = entry.prefixLength;
    for (let at = start; at < start + entry.headLength; at += TAG_BYTES) {
      if (sharedState.tagDeletedSince(stamp, hashAt(entry.bytes, at))) return true;
    }
    return false;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
}

function nameOf(key: EncodedKey): BackingKey {
  return { k0: key.k0, k1: key.k1, prefix: key.bytes.slice(0, key.length) };
}

/** What is looked at once a record is written, where calls of several threads have no order. */
interface LateDrop {
  readonly name: BackingKey;
  readonly stamp: number;
}

function lateDrop({ k0, k1, bytes, prefixLength, stamp }: StoredEntry): LateDrop {
  return { name: { k0, k1, prefix: bytes.slice(0, prefixLength) }, stamp: stamp % STAMPS };
}

/**
 * Judges what a tier gave, and takes the name of its dictionary out of its codec.
 *
 * @throws {ZbudError} `EINVAL` if it is no record; `EBADMSG` if it is none of this name, or of no entry.
 */
function takeDictionary(entry: StoredEntry, name: BackingKey): number {
  checkRecord(entry);
  if (!hasName(entry, name))
    throw new ZbudError("EBADMSG", "the backing store gave the record of another key");
  const dictionary = entry.codec >>> 8;
  entry.codec &= 0xff;
  if ((dictionary !== 0) !== (entry.codec === DICTIONARY_CODEC))
    throw new ZbudError(
      "EBADMSG",
      `the backing store has an entry of codec ${entry.codec} with dictionary ${dictionary}`,
    );
  checkEntry(entry);
  return dictionary;
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

/** @throws {ZbudError} `EINVAL` if this thread must give a tier and does not, or the other way round. */
export function tierOf<V>(core: TieredCache<V>, settings: CacheSettings, backing: unknown): Tier<V> | null {
  if (settings.backing !== (backing !== undefined)) {
    throw new ZbudError(
      "EINVAL",
      settings.backing
        ? "this cache has a backing store: give attach() this thread's backing, or old values would stay in it"
        : "this cache was made without a backing store: leave backing out of attach()",
    );
  }
  if (backing === undefined) return null;
  if (typeof (backing as Partial<Backing> | null)?.write === "function") {
    checkSameBacking("cache", settings.backingId, backing as Backing);
    return new Tier(core, backing as Backing);
  }
  throw new ZbudError(
    "EINVAL",
    `backing must be a backing store that is open, such as await FileBacking.open(path, options) or, in a worker, FileBacking.attach(shared), not ${show(backing)}`,
  );
}
