import {
  type Backing,
  type BackingKey,
  type CoherentBacking,
  checkSameBacking,
  claimBacking,
  type FullOf,
  isCoherent,
  isRefusal,
  type WriteOutcome,
} from "../backing/index.ts";
import { ownBytes, show, WriteBudget, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import { dirtyCount, type Engine, type FoundEntry, type Guard, type PutResult } from "../engine/index.ts";
import { checkRecord, decodeValue, hasName, recordBytes, type StoredEntry } from "../record/index.ts";
import { checkEntry, mendTimes } from "./check-entry.ts";
import type { Coherent } from "./coherent.ts";
import { codecWith } from "./dictionary-codec.ts";
import type { DictionaryUse } from "./dictionary-use.ts";
import { freshUntil, kindOf } from "./expiry.ts";
import { keepDirty } from "./keep.ts";
import type { EncodedKey } from "./key.ts";
import type { Lease, Leases } from "./leases.ts";
import {
  type CacheSettings,
  DICTIONARY_CODEC,
  mayBeDictionary,
  needsDictionary,
  takesDictionary,
  warmCodec,
} from "./options.ts";
import { Counter, type SharedState } from "./shared-state.ts";
import { hashAt, TAG_BYTES, type TagLists } from "./tags.ts";
import { dictionaryHash, dictionaryName, TierDictionaries } from "./tier-dictionaries.ts";
import { NOTES_KEY, notesRecord, readNotes, type TierNotes } from "./tier-notes.ts";
import type { FlushedCache } from "./types.ts";
import { keepsBytes, type ValueCodec } from "./values.ts";
import { WriteAhead } from "./write-ahead.ts";
import { WritesUnderWay } from "./writes-under-way.ts";

/** Codecs of other caches' dictionaries that are kept: each has memory of its own. */
const FOREIGN_MAX = 8;
/** For the engine: put unless there is one. */
const UNLESS_THERE = -2;
/** What a record may take of the room for writes beyond its own bytes: files round up to units of so many at most. */
const UNIT_BYTES_MAX = 2 ** 16;
/** How often notes are written anew that were out of date before they were there. */
const NOTES_TRIES = 3;
/** The outcome of a `clear`. */
const CLEARED = "cleared";
/** The stamp of a record is `run * 2^31 + stamp`: which cache evicted it, and when in that one's time. */
const STAMPS = 2 ** 31;

/** A value that came back from the second tier; `"changed"`: somebody changed the key meanwhile. */
export type Fetched<V> = { value: V; freshUntil: number } | "changed" | null;

/** The part of a cache that its second tier needs. */
export interface TieredCache<V> {
  readonly engine: Engine;
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
  putDecoded(entry: StoredEntry, value: Uint8Array, now: number, guard: Guard): PutResult;
  borrow(length: number): Uint8Array;
  giveBack(): void;
}

/** An entry that was read, the name of the dictionary that it needs, or 0, and its value. */
export interface Read<V> {
  readonly entry: StoredEntry;
  readonly dictionary: number;
  /** Decompresses it. */
  readonly codec: Codec | null;
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
 *  - what `clear` and `deleteByTag` removed is told by stamps: a record notes the stamp of the time when it was
 *    written. The next cache on a file is told them by the notes that this one leaves there (`tier-notes.ts`). Any
 *    other cache, after this one or in another process, does not know them: to it an entry with tags is a miss;
 *  - if the tier could not be told of a set or delete, all that it has until then counts as out of date.
 *
 * A tier may fail in any way (it was closed, it throws, rejects, or answers with what is no answer): that is a miss or
 * an entry less, and counted.
 */
export class Tier<V> {
  /** A file keeps the order of all threads' calls. */
  readonly isOrdered: boolean;
  /** That of a store which several machines share; else null. */
  readonly coherent: Coherent | null = null;
  protected readonly core: TieredCache<V>;
  readonly #backing: Backing;
  readonly #foreign: Map<number, Codec | null> = new Map();
  protected readonly dictionaries: TierDictionaries;
  readonly #writes: WritesUnderWay = new WritesUnderWay((outcomes) => this.#countOutcomes(outcomes, 1, true));
  /** Stamps of what this thread wrote last of each key, while that is under way, in a tier that has no order. */
  readonly #lastWrites: Map<string, number> = new Map();
  #isRefused = false;
  /** Of the record that was evicted last. */
  #lastBytes = 0;
  /** This thread's use of it has ended: nothing is asked of it any more. */
  protected isClosed = false;
  /** What is paid off of what was written ahead. */
  readonly budget: WriteBudget;
  readonly #ahead: WriteAhead | null;

  constructor(core: TieredCache<V>, backing: Backing) {
    const { sharedState, settings } = core;
    this.core = core;
    this.#backing = backing;
    this.dictionaries = new TierDictionaries(core);
    this.isOrdered = "share" in backing;
    this.budget = new WriteBudget(sharedState.budget, settings.maxWriteBytesPerSecond, () => core.clock());
    const parts = {
      engine: () => core.engine,
      budget: this.budget,
      write: (entry: FoundEntry) => this.writeSoon(entry, false),
      lost: (outcome: unknown) => this.#countOutcomes([outcome], 1, true),
    };
    this.#ahead = settings.maxWriteBytesPerSecond === 0 || isCoherent(backing) ? null : new WriteAhead(parts);
  }

  /** Whether it can write before it returns, as a file can. */
  get isSync(): boolean {
    return this.#backing.isSync;
  }

  /** Whether a full one gives up its oldest records for new ones. */
  get drops(): boolean {
    return this.#backing.whenFull === "drop";
  }

  /** Something was set: what goes next because of it is written ahead. */
  wake(): void {
    this.#ahead?.wake();
  }

  /** Ends what this thread does in the background. */
  close(): void {
    this.#ahead?.close();
  }

  /** Whether it did not take what this thread evicted last, and would not now: it is full, or out of reach. */
  get isFull(): boolean {
    return this.#isRefused && this.#backing.refuses?.(this.#lastBytes) !== false;
  }

  /**
   * Takes an entry that is being evicted. Its shard is locked, so nothing here waits or throws.
   *
   * @returns true: it may go, whatever becomes of the copy. A cache that cannot write evicts all the same.
   */
  evict(entry: FoundEntry): boolean {
    if (entry.clean) return true;
    this.#ahead?.wake();
    // A burst: the queue is full, and what would be refused is written at once instead.
    if (this.#hasRoom(entry)) void this.#handOver(entry, true);
    else this.writeNow(entry);
    return true;
  }

  /** Whether the tier's queue takes an entry, as far as that is known of one that could write at once instead. */
  #hasRoom(entry: FoundEntry): boolean {
    const room = this.#backing.isSync ? this.#backing.writeRoom : undefined;
    return room === undefined || room >= recordBytes(entry) + UNIT_BYTES_MAX;
  }

  /**
   * Hands an entry over while its shard is locked, as {@link evict}, and tells what became of it. Never rejects; null if
   * there is no answer.
   *
   * @param counts - whether one that is not taken counts: of what is written ahead nothing is lost yet.
   */
  async writeSoon(entry: FoundEntry, counts: boolean): Promise<unknown> {
    // What is not lost yet is for the runs after this one, which need its dictionary.
    if (!counts && this.isSync && !this.hasDictionary(entry)) return "ENOSPC";
    if (!this.#hasRoom(entry)) return this.writeNow(entry, counts);
    const written = this.#handOver(entry, counts);
    try {
      const outcomes: unknown = await written;
      return Array.isArray(outcomes) ? outcomes.at(-1) : null;
    } catch {
      return null;
    }
  }

  /** Null: it was not handed over, which is counted. */
  #handOver(entry: FoundEntry, counts: boolean): Promise<unknown> | null {
    if (this.isClosed) {
      this.#countOutcomes(null, 1, counts);
      return null;
    }
    try {
      if (this.#refuses(entry, counts)) return null;
      const records: StoredEntry[] = [entry];
      const slot = this.dictionaries.missing(entry);
      if (slot >= 0) records.unshift(this.dictionaries.record(slot));
      this.#prepare(entry);
      // One thread's calls have an order in any tier.
      const late = this.isOrdered || !this.core.engine.isShared ? null : lateDrop(entry);
      if (late !== null) this.#lastWrites.set(late.id, late.stamp);
      // It copies all of the entry's record: the engine fills that again.
      const written = this.#backing.write(records);
      if (slot >= 0) this.#noteDictionary(slot, written);
      if (counts && late === null && records.length === 1) this.#writes.add(written);
      else this.track(written, records.length, counts, late === null ? () => {} : () => this.#dropLate(late));
      return written;
    } catch {
      this.#countOutcomes(null, 1, counts);
      return null;
    }
  }

  /** Writes an entry before it returns; its shard is locked. Never throws. Whether it is there. */
  writeNow(entry: FoundEntry, counts = true): WriteOutcome {
    if (this.#refuses(entry, counts)) return "ENOSPC";
    // In this run it is read by what is in memory.
    this.hasDictionary(entry);
    this.#prepare(entry);
    const outcome = this.#writeRecord(entry);
    this.#countOutcomes([outcome], 1, counts);
    return outcome;
  }

  /**
   * Whether the tier would not take an entry now, as it said before: then it is not asked. Nothing is left there that the
   * entry would replace: what the tier had of the key was dropped when it was set.
   */
  #refuses(entry: FoundEntry, counts: boolean): boolean {
    this.#lastBytes = recordBytes(entry);
    // One that has too much under way can write at once.
    if (!this.#hasRoom(entry) || this.#backing.refuses?.(this.#lastBytes) !== true) return false;
    this.#countOutcomes([this.#backing.isSync ? "ENOSPC" : "EAGAIN"], 1, counts);
    return true;
  }

  /** Whether the tier has the dictionary that an entry needs. If not, it is written, unless there is no room. */
  hasDictionary(entry: StoredEntry): boolean {
    const { dictionaries } = this;
    const slot = dictionaries.missing(entry);
    if (slot < 0) return true;
    return this.#backing.refuses?.(dictionaries.recordBytes(slot)) !== true && this.#keepDictionary(slot);
  }

  #keepDictionary(slot: number): boolean {
    const record = this.dictionaries.record(slot);
    const isThere = this.hasRecord(record) || this.#writeRecord(record) === "ok";
    this.dictionaries.note(slot, isThere);
    return isThere;
  }

  /** A dictionary is being written. If it comes to nothing the next entry that needs it has it written again. */
  #noteDictionary(slot: number, written: unknown): void {
    const { dictionaries } = this;
    dictionaries.note(slot, true);
    Promise.resolve(written).then(
      (outcomes) => dictionaries.note(slot, Array.isArray(outcomes) && isTaken(outcomes[0])),
      () => dictionaries.note(slot, false),
    );
  }

  /** As {@link writeNow} for what was written before, and given up for others since. Nothing of it counts. */
  writeAgain(entry: FoundEntry): WriteOutcome {
    this.#prepare(entry);
    return this.#writeRecord(entry);
  }

  /** An entry is lost of which no write says so. */
  countLost(): void {
    this.core.sharedState.count(Counter.backingWritesFailed);
  }

  #writeRecord(record: StoredEntry): WriteOutcome {
    try {
      if (this.isClosed) throw new ZbudError("ECLOSED", "the backing store was closed");
      return this.#backing.writeSync(record);
    } catch (error) {
      this.noteClosed(error);
      return error instanceof ZbudError ? error : new ZbudError("EIO", "a write failed", { cause: error });
    }
  }

  /** Makes an entry, in the engine's own record, what a record of it says. */
  #prepare(entry: FoundEntry): void {
    const { sharedState } = this.core;
    mendTimes(entry);
    this.dictionaries.name(entry);
    entry.stamp = sharedState.run * STAMPS + sharedState.stamp();
  }

  /** Whether a read would find it, as far as the tier knows. Never throws. */
  hasRecord({ k0, k1, bytes, prefixLength }: StoredEntry): boolean {
    try {
      const has: unknown = this.#backing.has({ k0, k1, prefix: bytes.slice(0, prefixLength) });
      // One that is asynchronous, against the contract.
      if (isThenable(has)) has.then(undefined, () => undefined);
      return has === true;
    } catch {
      return false;
    }
  }

  /** Its bound in bytes, how many records it gave up so far, and what it has no room for. */
  bounds(): { maxBytes: number; drops: number; fullOf: FullOf | null } {
    try {
      const { maxBytes, drops, fullOf = null } = this.#backing.stats();
      return { maxBytes, drops, fullOf };
    } catch {
      return { maxBytes: 0, drops: 0, fullOf: null };
    }
  }

  /**
   * Leaves in the tier what the next cache must know to read what this one wrote: the dictionary, and when tags were
   * deleted. For tiers that write at once.
   *
   * @returns whether it is there, and right.
   */
  keepNotes(): boolean {
    const { sharedState, settings } = this.core;
    const { count } = this.dictionaries;
    if (count === 0 && !settings.tags && !sharedState.hasRunsBefore) return true;
    const isNoted = this.#writeNotes(count);
    for (let slot = 0; slot < count; slot++) this.#keepDictionary(slot);
    return isNoted;
  }

  #writeNotes(count: number): boolean {
    const { dictionaries } = this;
    const { sharedState, dictionary: use } = this.core;
    const current = use.trainer.look();
    const dictionary = current < 0 ? 0 : dictionaries.nameOf(current);
    const others = Array.from({ length: count }, (_, slot) => dictionaries.nameOf(slot));
    for (let tries = 0; tries < NOTES_TRIES; tries++) {
      // First: whoever deletes a tag from here on takes these notes away, and what was deleted before is in them.
      sharedState.isNoted = true;
      const notes: TierNotes = {
        ...sharedState.runNotes(),
        dictionary,
        others: others.filter((name) => name !== dictionary),
      };
      if (this.#writeRecord(notesRecord(notes)) !== "ok") break;
      // Again: somebody may have taken those away that were there before.
      sharedState.isNoted = true;
      if (sharedState.stamp() === notes.stamp) return true;
    }
    this.dropNotes();
    return false;
  }

  /** A tag was deleted: notes from before say what is no longer so. */
  dropNotes(): void {
    const { sharedState } = this.core;
    if (!sharedState.isNoted) return;
    sharedState.isNoted = false;
    this.#delete(NOTES_KEY);
  }

  /** What the cache before this one left there. For who makes a cache on a tier that reads at once. */
  takeNotes(): void {
    const { sharedState } = this.core;
    try {
      const record = this.#backing.readSync(NOTES_KEY);
      if (record === null) return;
      checkRecord(record);
      // Once: who closes this cache leaves new ones.
      this.#backing.delete(NOTES_KEY);
      const notes = hasName(record, NOTES_KEY) ? readNotes(record) : null;
      if (notes === null) return;
      sharedState.goOn(notes);
      this.#takeDictionaries(notes);
    } catch (error) {
      this.noteClosed(error);
      sharedState.count(Counter.backingReadsFailed);
    }
  }

  /** Goes on with the dictionaries of the cache before, so that what it wrote is at home in memory here. */
  #takeDictionaries({ dictionary: name, others }: TierNotes): void {
    const { dictionary, engine, codecId } = this.core;
    if (name === 0 || dictionary.trainer.settled) return;
    const found = [...others, name].map((each) => {
      const record = this.#backing.readSync(dictionaryName(each));
      return record?.codec === codecId ? this.#dictionaryBytes(record, each) : null;
    });
    if (found.at(-1) === null) return;
    dictionary.adopt(
      engine,
      found.filter((bytes) => bytes !== null),
    );
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
      const has: unknown = !this.isClosed && this.#backing.has(name);
      had = has === true;
      if (isThenable(has)) has.then(undefined, () => undefined);
    } catch {
      // Then it is not known.
    }
    // Also if there is nothing yet: a write of the key may be under way.
    if (!this.#delete(name)) this.core.sharedState.invalidateTier();
    return had;
  }

  /** Drops all. The stamp that `clear` left keeps what is under way, or stays, from being read. */
  clear(): void {
    this.dictionaries.forget();
    this.core.sharedState.isNoted = false;
    this.#isRefused = false;
    let cleared: unknown;
    try {
      cleared = this.#backing.clear();
    } catch (error) {
      cleared = Promise.reject(error);
    }
    // What comes of it is counted only if it fails.
    this.track(
      Promise.resolve(cleared).then(() => CLEARED),
      1,
      true,
      () => {},
    );
  }

  /**
   * Reads a key's record and puts it into memory.
   *
   * @returns `"changed"` if somebody set or deleted the key meanwhile: then memory knows better.
   * @throws the signal's reason; `ECLOSED` if the cache was closed. A tier that fails is a miss.
   */
  async fetch(
    key: EncodedKey,
    signal: AbortSignal | undefined,
    _tags: readonly string[] | undefined = undefined,
  ): Promise<Fetched<V>> {
    const { leases } = this.core;
    const name = nameOf(key);
    const lease = leases.take(name.k0, name.k1);
    try {
      const read = await this.read(name, signal);
      return read === null ? this.miss() : this.#takeBack(name, read, lease);
    } finally {
      leases.end(lease);
    }
  }

  /**
   * Writes what is in memory, if it is a tier that can write at once, and waits for it and for all that was handed over.
   *
   * @param budget - if given, what may be written a second.
   * @throws {ZbudError} what the tier's `flush` threw; `EIO` if it threw something else, or was closed.
   */
  async flush(budget: WriteBudget | null = null): Promise<FlushedCache> {
    const { engine } = this.core;
    let entriesWritten = 0;
    let entriesLeft = 0;
    if (this.isSync && !this.isClosed) {
      const { written, refused } = await keepDirty(engine, this, budget);
      entriesWritten = written;
      if (engine.isClosed) return { entriesWritten, entriesLeft: refused, backingFullOf: null };
      for (let shard = 0; refused > 0 && shard < engine.shardCount; shard++)
        entriesLeft += dirtyCount(engine, shard);
    }
    await this.#flushAfter();
    return { entriesWritten, entriesLeft, backingFullOf: this.bounds().fullOf };
  }

  async #flushAfter(): Promise<void> {
    await this.#writes.ended();
    if (this.isSync && !this.isClosed && !this.core.engine.isClosed) this.keepNotes();
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
  protected async read(
    name: BackingKey,
    signal: AbortSignal | undefined,
    ask: (() => Promise<StoredEntry | null>) | null = null,
  ): Promise<Read<V> | null> {
    if (this.isClosed) return null;
    const core = this.core;
    try {
      const record = await (ask === null ? this.#backing.read(name, { signal }) : ask());
      if (record === null) return null;
      // Not its bytes: the engine is given those.
      const entry = { ...record };
      const dictionary = takeDictionary(entry, name);
      const codec = entry.codec === 0 ? null : await this.#codecOf(entry.codec, dictionary, signal);
      if (codec === null && entry.codec !== 0) return null;
      return { entry, dictionary, codec, value: this.#valueOf(entry, codec) };
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      this.noteClosed(error);
      core.sharedState.count(Counter.backingReadsFailed);
      return null;
    }
  }

  #valueOf(entry: StoredEntry, codec: Codec | null): V {
    const { core } = this;
    const kind = kindOf(entry.aux);
    if (keepsBytes(kind)) {
      const bytes = ownBytes(entry.length);
      decodeValue(entry, codec, bytes);
      return core.values.decode(bytes, kind);
    }
    const bytes = core.borrow(entry.length).subarray(0, entry.length);
    try {
      decodeValue(entry, codec, bytes);
      return core.values.decode(bytes, kind);
    } finally {
      core.giveBack();
    }
  }

  /** Puts into memory what was read, if it is not out of date. */
  #takeBack(name: BackingKey, { entry, dictionary, value }: Read<V>, lease: Lease): Fetched<V> {
    const core = this.core;
    const now = core.clock();
    const isOver = (entry.expiresAt !== 0 && entry.expiresAt <= now) || this.#isOutdated(entry);
    // Which tags were deleted in the cache that evicted it is not known here.
    const isForeign = entry.headLength > 0 && this.#stampOf(entry) < 0;
    if (isOver || isForeign) {
      // Else the tier may have something newer by now.
      if (!core.leases.holds(lease)) return "changed";
      if (isOver || this.isOrdered) this.#delete(name);
      return this.miss();
    }
    const holds = (): boolean => core.leases.holds(lease) && !this.#isOutdated(entry);
    // A value with another cache's dictionary stays where it is.
    const until = freshUntil(entry.expiresAt, entry.aux2);
    const slot = dictionary === 0 ? 0 : this.dictionaries.slotNamed(dictionary);
    if (slot >= 0) {
      if (dictionary !== 0) entry.codec = warmCodec(slot);
      const result = core.putStored(entry, true, now, UNLESS_THERE, holds);
      // What is too large for this cache is given, and stays where it is.
      if (result === "stale" || (result === "large" && !holds())) return "changed";
    } else if (!holds()) return "changed";
    core.sharedState.count(Counter.backingHits);
    return { value, freshUntil: until };
  }

  /** Whether the tier was told. */
  #delete(name: BackingKey): boolean {
    if (this.isClosed) return false;
    try {
      const told: unknown = this.#backing.delete(name);
      // One that is asynchronous, against the contract, may still say that it was not.
      if (isThenable(told)) told.then(undefined, () => this.#failedToDelete());
      return true;
    } catch (error) {
      this.noteClosed(error);
      this.core.sharedState.count(Counter.backingWritesFailed);
      return false;
    }
  }

  #failedToDelete(): void {
    const { sharedState } = this.core;
    sharedState.count(Counter.backingWritesFailed);
    sharedState.invalidateTier();
  }

  protected noteClosed(error: unknown): void {
    if (error instanceof ZbudError && error.code === "ECLOSED") this.isClosed = true;
  }

  protected miss(): null {
    this.core.sharedState.count(Counter.backingMisses);
    return null;
  }

  /**
   * A record was written. If its key was deleted since the eviction, by another thread whose delete may have come to
   * the server before this write, it goes now.
   */
  #dropLate({ name, stamp, id }: LateDrop): void {
    const { sharedState } = this.core;
    // This thread has written the key anew since: that came after whatever was deleted, and is what the tier has.
    if (this.#lastWrites.get(id) !== stamp) return;
    this.#lastWrites.delete(id);
    if (sharedState.keyChangedSince(stamp, name.k0) || sharedState.clearedSince(stamp)) this.#delete(name);
  }

  /**
   * @param count - what is written: so many writes have failed if there is no answer.
   * @param counts - whether those that failed count.
   */
  protected track(written: Promise<unknown>, count: number, counts: boolean, then: () => void): void {
    const tracked = Promise.resolve(written).then(
      (outcomes) => {
        then();
        if (outcomes !== CLEARED) this.#countOutcomes(outcomes, count, counts);
      },
      () => {
        then();
        this.#countOutcomes(null, count, counts);
      },
    );
    this.#writes.addCounted(tracked);
  }

  #countOutcomes(outcomes: unknown, count: number, counts: boolean): void {
    const { sharedState } = this.core;
    const all: unknown[] = Array.isArray(outcomes) ? outcomes : [];
    for (let i = 0; i < count; i++) {
      const isWritten = isTaken(all[i]);
      this.#isRefused = isRefusal(all[i]);
      if (!isWritten && !counts) continue;
      sharedState.count(isWritten ? Counter.backingWrites : Counter.backingWritesFailed);
      if (all[i] === "EAGAIN") sharedState.count(Counter.backingRefusedBusy);
      else if (all[i] === "ENOSPC" || all[i] === "EFBIG") sharedState.count(Counter.backingRefusedFull);
    }
  }

  async #codecOf(number: number, dictionary: number, signal: AbortSignal | undefined): Promise<Codec | null> {
    const core = this.core;
    if (number !== DICTIONARY_CODEC) return core.codecNumbered(number);
    const own = this.#ownCodec(dictionary) ?? this.#foreign.get(dictionary);
    if (own !== undefined) return own;
    const name = dictionaryName(dictionary);
    const found = await this.#backing.read(name, { signal });
    const bytes = found === null ? null : this.#dictionaryBytes(found, dictionary);
    if (found === null || bytes === null) return null;
    // A cache that has none yet goes on with it: what others write is at home in its memory then.
    if (found.codec === core.codecId) core.dictionary.adopt(core.engine, [bytes]);
    const adopted = this.#ownCodec(dictionary);
    if (adopted !== undefined) return adopted;
    const codec = codecWith(codecById(found.codec).name, bytes, DICTIONARY_CODEC);
    const [oldest] = this.#foreign.keys();
    if (this.#foreign.size === FOREIGN_MAX) this.#foreign.delete(oldest);
    this.#foreign.set(dictionary, codec);
    return codec;
  }

  /** The codec with a dictionary that this cache has as well. */
  #ownCodec(dictionary: number): Codec | null | undefined {
    const slot = this.dictionaries.slotNamed(dictionary);
    if (slot < 0) return undefined;
    this.dictionaries.note(slot, true);
    return this.core.codecNumbered(warmCodec(slot));
  }

  /** The bytes of a dictionary of this name; null for anything else. */
  #dictionaryBytes(found: StoredEntry, dictionary: number): Uint8Array | null {
    const name = dictionaryName(dictionary);
    checkRecord(found);
    if (!hasName(found, name) || !mayBeDictionary(found.storedLength, this.core.settings.maxBytes))
      return null;
    const bytes = found.bytes.slice(name.prefix.length, name.prefix.length + found.storedLength);
    return dictionaryHash(bytes) === dictionary && takesDictionary(found.codec) ? bytes : null;
  }

  /** When it was written, in this cache's time; -1 if that was another cache, whose notes this one has not. */
  #stampOf({ stamp }: StoredEntry): number {
    return this.core.sharedState.stampOf(Math.floor(stamp / STAMPS), stamp % STAMPS);
  }

  /** Whether the cache was cleared, or one of the entry's tags deleted, after it was evicted. */
  #isOutdated(entry: StoredEntry): boolean {
    const { sharedState } = this.core;
    // An unknown run's stamps say nothing to this one: what was deleted here at all counts as deleted since.
    const stamp = Math.max(0, this.#stampOf(entry));
    if (sharedState.clearedSince(stamp) || sharedState.tierVoidSince(stamp)) return true;
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

/** A key as it is at this moment. */
export function nameOf(key: EncodedKey): BackingKey {
  return { k0: key.k0, k1: key.k1, prefix: key.bytes.slice(0, key.length) };
}

/** What is looked at once a record is written, where calls of several threads have no order. */
interface LateDrop {
  readonly id: string;
  readonly name: BackingKey;
  readonly stamp: number;
}

function lateDrop({ k0, k1, bytes, prefixLength, stamp }: StoredEntry): LateDrop {
  const name = { k0, k1, prefix: bytes.slice(0, prefixLength) };
  return { id: `${k0} ${k1}`, name, stamp: stamp % STAMPS };
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
  const isNamed = dictionary !== 0 && entry.codec === DICTIONARY_CODEC;
  if (!isNamed && (dictionary !== 0 || needsDictionary(entry.codec)))
    throw new ZbudError(
      "EBADMSG",
      `the backing store has an entry of codec ${entry.codec} with dictionary ${dictionary}`,
    );
  checkEntry(entry);
  return dictionary;
}

/** Whether the outcome of a write says that the record is there, or that a later one of its name is. */
function isTaken(outcome: unknown): boolean {
  return outcome === "ok" || outcome === "ECANCELED";
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
    claimBacking("cache", backing as Backing);
    if (!isCoherent(backing as Backing)) return new Tier(core, backing as Backing);
    const Coherent = (backing as CoherentBacking).coherence.tier as typeof Tier;
    return new Coherent(core, backing as Backing);
  }
  throw new ZbudError(
    "EINVAL",
    `backing must be a backing store that is open, such as await FileBacking.open(path, options) or, in a worker, FileBacking.attach(shared), not ${show(backing)}`,
  );
}
