import {
  canShare,
  clockOption,
  flagOption,
  isSharedBuffer,
  ownBytes,
  powerOfTwoAtLeast,
  type Size,
  sizeOption,
  ThreadRegistry,
  ZbudError,
} from "../base/index.ts";
import { type Codec, codecById, createZstd } from "../codecs/index.ts";
import { logDriver } from "../drivers/log/index.ts";
import { zbudDriver } from "../drivers/zbud/index.ts";
import {
  BlockPacker,
  Engine,
  type EngineHooks,
  type EngineStats,
  type EntryAttributes,
  follow,
  type Guard,
  Look,
  type MemoryFollower,
  type PutResult,
  type SharedEngine,
} from "../engine/index.ts";
import { Segment, segmentOf, whenDifferentOption } from "../memory/index.ts";
import { driverOf } from "../pool/index.ts";
import { BLOCK_BYTES, type StoredEntry, VALUE_BYTES_MAX } from "../record/index.ts";
import { takeAttributes } from "./check-entry.ts";
import type { Coherent } from "./coherent.ts";
import { COLD_LEVEL } from "./dictionary-codec.ts";
import { DictionaryUse } from "./dictionary-use.ts";
import { auxOf, expiresAt, freshUntil, kindOf, ttlOf } from "./expiry.ts";
import { CacheImprover, improvementOf, recompressOption } from "./improver.ts";
import { foundKey } from "./iterate.ts";
import { keepAll } from "./keep.ts";
import { EncodedKey, hashKey, type KeyHash } from "./key.ts";
import { type Lease, Leases, type OtherLoad } from "./leases.ts";
import {
  agreementOf,
  CACHE_KIND,
  CACHE_LAYOUT,
  type CacheSettings,
  checkSameCodec,
  codecOf,
  engineOptions,
  givenDictionary,
  lockTimeoutOption,
  needsDictionary,
  readSettings,
  type SharedParts,
  sharedParts,
  threadOptionsOf,
  ZSTD,
} from "./options.ts";
import { RegularFlush } from "./regular-flush.ts";
import { type RemovalListener, removalListenerOf } from "./removal-listener.ts";
import {
  Counter,
  SharedState,
  type SharedStateShape,
  sharedStateBytes,
  sharedStateMemory,
  sharedStateShape,
} from "./shared-state.ts";
import { hashAt, removeTagged, TAG_BYTES, TAGS_MAX, TagLists } from "./tags.ts";
import { type Tier, tierOf } from "./tier.ts";
import type {
  CacheEntryInfo,
  CacheKey,
  CacheThreadOptions,
  ClosedCache,
  CompressedCacheOptions,
  ImprovementStats,
  ResizedCache,
  SetResult,
  SharedCompressedCache,
} from "./types.ts";
import { keepsBytes, ValueCodec, ValueKind } from "./values.ts";

/** Parts that tests replace. */
export interface CacheParts {
  readonly hash?: KeyHash;
}

/** How often the tier is asked for a key that others put into memory, and that was evicted again, as it was read. */
const FETCHES_MAX = 16;
const NOTHING_KEPT: ClosedCache = { entriesWritten: 0, entriesLost: 0, backingFullOf: null };
/** What is taken away of expired entries, and how often, while others are set. */
const EXPIRE_EVERY = 16;
const EXPIRE_MAX = 64;
/** After so many sets it is looked whether one of the threads that load something is dead. */
const SWEEP_EVERY = 2 ** 16;

/** Of a key that is too long to be stored. */
const NO_LEASE: Lease = { k0: 0, k1: 0, state: 0, slot: -1, turn: 0, stamp: 0, at: 0, isLost: false };

const RESULTS: Record<PutResult, SetResult> = {
  stored: "add",
  replaced: "replace",
  poor: "E2BIG",
  large: "E2BIG",
  full: "ENOMEM",
  stale: "ENOMEM",
};

/** What one thread needs to work on a cache: keys and values in terms of the engine. No policy is in here. */
export class CacheCore<V> {
  readonly engine: Engine;
  readonly sharedState: SharedState;
  readonly settings: CacheSettings;
  readonly key: EncodedKey;
  readonly values: ValueCodec<V>;
  readonly tags: TagLists | null;
  readonly dictionary: DictionaryUse;
  readonly removalListener: RemovalListener | null;
  readonly tier: Tier<V> | null;
  readonly coherent: Coherent | null;
  readonly leases: Leases;
  readonly clock: () => number;
  readonly lockTimeout: number;
  /** Of the codec that new values get. */
  readonly codecId: number;
  readonly #codec: Codec;
  readonly attributes: EntryAttributes;
  readonly #scratches: Uint8Array[] = [];
  #depth = 0;
  #sets = 0;
  #follower: MemoryFollower | null = null;
  #regularFlush: RegularFlush | null = null;
  readonly #improves: boolean;
  readonly recompresses: boolean;
  #improver: CacheImprover | null = null;
  /** Of what is being put, and whether it was found to hold. */
  #lease: Lease | null = null;
  #held = false;
  /** Whether the file behind it had something of the key that was changed last. */
  #hadBelow = false;
  readonly #guard: Guard = () => {
    const { stamp } = this.#lease as Lease;
    this.#held = this.leases.holds(this.#lease as Lease) && !this.tagsDeletedSince(stamp);
    if (this.coherent?.holds(this.#lease as Lease) === false) this.#held = false;
    return this.#held;
  };

  private constructor(
    settings: CacheSettings,
    sharedState: SharedState,
    options: CacheThreadOptions<V>,
    parts: CacheParts,
    makeEngine: (hooks: EngineHooks) => Engine,
  ) {
    this.settings = settings;
    this.sharedState = sharedState;
    this.key = new EncodedKey(parts.hash ?? hashKey);
    this.values = new ValueCodec(options.serializer, VALUE_BYTES_MAX);
    this.tags = settings.tags ? new TagLists() : null;
    this.dictionary = new DictionaryUse(sharedState, settings.codec);
    this.removalListener = removalListenerOf(options.onRemoved);
    this.tier = tierOf(this, settings, options.backing);
    this.coherent = this.tier?.coherent ?? null;
    this.clock = clockOption(options.clock);
    this.lockTimeout = lockTimeoutOption(options.lockTimeout);
    this.#improves = flagOption("improve", options.improve === undefined ? true : options.improve);
    this.recompresses = recompressOption(
      options.recompress,
      settings.codec,
      this.#improves && this.coherent === null,
    );
    this.attributes = {
      prefix: this.key.bytes,
      prefixLength: 0,
      head: ownBytes(TAGS_MAX * TAG_BYTES),
      headLength: 0,
      expiresAt: 0,
      aux: 0,
      aux2: 0,
    };
    const { removalListener, tags, tier, coherent } = this;
    const isFile = tier?.isOrdered === true;
    const codec = codecOf(settings, options);
    this.codecId = codec.id;
    this.#codec = codec;
    this.engine = makeEngine({
      codec,
      resolveCodec: (number) => this.codecNumbered(number),
      onChange: (k0, k1, prefix, prefixLength) => {
        // First: a lease that begins after it was looked for finds nothing in the file any more.
        if (isFile) this.#hadBelow = tier.drop(k0, k1, prefix, prefixLength);
        this.leases.changed(k0, k1);
      },
      // A server that tells all machines ends its records by itself.
      ...(tier === null || coherent !== null ? {} : { onOutdated: (...name) => tier.drop(...name) }),
      ...(tags === null ? {} : { secondaryIndex: tags }),
      ...(tier === null ? {} : { onEvict: (entry) => tier.evict(entry), evictsWriting: true }),
      ...(tier?.isSync === true ? { hasCopy: (entry) => tier.hasRecord(entry) } : {}),
      ...(removalListener === null
        ? {}
        : { onRemoved: (reason, entry) => removalListener.note(reason, entry) }),
    });
    try {
      this.leases = new Leases(sharedState, this.engine);
    } catch (error) {
      this.engine.close();
      throw error;
    }
  }

  /** A new cache; with a name in `shared`, the one that processes have under it. */
  static create<V>(options: CompressedCacheOptions<V>, parts: CacheParts): CacheCore<V> {
    const settings = readSettings(options);
    const { dictionary = "auto", shared = canShare() } = options;
    const learns = dictionary === "auto" && (settings.codec === "lz4" || settings.codec === "zstd");
    const given = givenDictionary(dictionary, settings);
    const shape = sharedStateShape(settings.maxBytes, learns, given?.length ?? 0);
    const bytes = sharedStateBytes(shape);
    const chosen = { ...engineOptions(options), maxBytes: settings.maxBytes - bytes };
    const make = (segment?: Segment): CacheCore<V> => {
      // Shared even if the cache is not, since a worker thread learns the dictionary.
      const buffer = segment?.buffer(bytes) ?? sharedStateMemory(bytes, shared !== false || canShare());
      const memory = segment === undefined ? {} : { memory: segment };
      const core = new CacheCore(settings, new SharedState(buffer, shape), options, parts, (hooks) => {
        return new Engine({ ...hooks, ...chosen, ...memory });
      });
      try {
        if (!learns) core.dictionary.trainer.settle(given === null ? [] : [given], core.engine);
        if (core.tier?.isSync === true) core.tier.takeNotes();
        core.#begin(true);
      } catch (error) {
        core.close();
        throw error;
      }
      return core;
    };
    if (typeof shared !== "string") return make();
    const wish = {
      name: shared,
      kind: "cache",
      layout: CACHE_LAYOUT,
      agreement: agreementOf(settings, chosen, dictionary, given),
      whenDifferent: whenDifferentOption(options.whenDifferent),
    };
    const { made } = Segment.open(
      wish,
      (segment) => {
        const core = make(segment);
        return { made: core, shared: core.buffers(), threads: core.engine.threads };
      },
      (sent) => CacheCore.attach(sharedParts(sent as SharedParts), threadOptionsOf(options), parts),
      (core) => core.close(),
    );
    return made;
  }

  static attach<V>(shared: SharedParts, options: CacheThreadOptions<V>, parts: CacheParts): CacheCore<V> {
    const sharedState = new SharedState(shared.sharedState, shared.shape as SharedStateShape);
    const core = new CacheCore(shared.settings, sharedState, options, parts, (hooks) => {
      checkSameCodec(hooks.codec as Codec, shared.codecId);
      const own = options.driver === undefined ? [] : [driverOf(options.driver)];
      const drivers = [...own, logDriver, zbudDriver];
      return Engine.attach(shared.engine as SharedEngine, { ...hooks, drivers });
    });
    try {
      core.leases.sweep();
      core.#begin(false);
    } catch (error) {
      core.close();
      throw error;
    }
    return core;
  }

  /**
   * Begins what it does by itself: it improves what it holds, its limit follows the machine, if that is a range, and the
   * file follows what is in memory, if it is to.
   */
  #begin(isNew: boolean): void {
    const { settings, engine, tier } = this;
    if (this.#improves) this.#improver = new CacheImprover(this);
    this.coherent?.begin();
    if (tier !== null && settings.flushEvery > 0) {
      this.#regularFlush = new RegularFlush(engine, tier, settings.flushEvery, this.sharedState);
    }
    if (settings.minBytes === settings.maxBytes) return;
    const own = settings.maxBytes - engine.maxBytes;
    const range = { min: settings.minBytes - own, max: engine.maxBytes };
    this.#follower = follow(engine, range, this.clock, isNew);
  }

  get keepsVersions(): boolean {
    return this.coherent !== null;
  }

  /** What goes to a second tier goes with the name of its dictionary, for one codec. */
  get recompressesWithDictionary(): boolean {
    return this.tier === null;
  }

  get bytesReserved(): number {
    return this.engine.bytesReserved + this.sharedState.buffer.byteLength;
  }

  /**
   * Looks a key up, makes it ready in `engine.found` and for `engine.decode`.
   *
   * @param touch - whether it counts as used: by LRU it becomes the most recently used one.
   * @param look - what is counted.
   */
  lookup(key: CacheKey, now: number, touch: boolean, look: number): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    const { k0, k1, bytes, length } = encoded;
    return this.engine.lookup(k0, k1, bytes, length, now, touch, look) && this.isTrusted((look & 3) !== 0);
  }

  /**
   * Whether `engine.found` may be given: several machines may have changed it.
   *
   * @param counts - whether it was counted as a hit.
   */
  isTrusted(counts = false): boolean {
    if (this.coherent === null || this.coherent.trusts(this.engine.found)) return true;
    if (counts) this.sharedState.count(Counter.untrusted);
    return false;
  }

  /** {@link lookup} for `getOrSet`: also finds what {@link isOver}, which then counts as a miss. */
  lookupToLoad(key: CacheKey, now: number): boolean {
    return this.lookup(key, now, true, Look.withExpired);
  }

  /** Whether `engine.found` has expired. */
  isOver(now: number): boolean {
    const { expiresAt } = this.engine.found;
    return expiresAt !== 0 && expiresAt <= now;
  }

  /** Looks a key up, without its bytes. */
  contains(key: CacheKey, now: number): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    const { k0, k1, bytes, length } = encoded;
    return this.engine.contains(k0, k1, bytes, length, now) && this.isTrusted();
  }

  /** Until when `engine.found` is fresh: from then on it is stale, or gone. */
  freshUntil(): number {
    const { expiresAt, aux2 } = this.engine.found;
    return freshUntil(expiresAt, aux2);
  }

  /** What `engine.found` is at `start`. */
  info(start: number): CacheEntryInfo {
    const { prefixLength, headLength, storedLength, length, expiresAt } = this.engine.found;
    const sizes = { size: prefixLength + headLength + storedLength, originalBytes: length };
    return expiresAt === 0 ? sizes : { ...sizes, ttl: this.freshUntil() - start, start };
  }

  /**
   * Lets the time of `engine.found`, which {@link key} names, begin anew.
   *
   * @param ttl - of the entry if absent; its window of staleness stays as well, or is the cache's if it had none.
   * @returns false: another thread replaced it, or moved it, since it was found.
   */
  restart(now: number, ttl?: number): boolean {
    const { key, engine, settings } = this;
    const { found } = engine;
    const given = ttl ?? ttlOf(found.aux);
    const stale = found.expiresAt === 0 ? settings.staleWhileRevalidate : found.aux2;
    if (found.expiresAt === 0 && given === 0) return true;
    found.expiresAt = expiresAt(now, given, stale);
    found.aux = auxOf(kindOf(found.aux), given);
    found.aux2 = given === 0 ? 0 : stale;
    return engine.setExpiry(key.k0, key.k1, key.bytes, key.length, found.expiresAt, found);
  }

  /** The value of `engine.found`. */
  value(): V {
    const { length } = this.engine.found;
    const kind = kindOf(this.engine.found.aux);
    if (keepsBytes(kind) || length > BLOCK_BYTES) return this.values.decode(this.engine.decodeOwn(), kind);
    const scratch = this.borrow(length);
    try {
      if (length > 0) this.engine.decode(scratch);
      return this.values.decode(scratch.subarray(0, length), kind);
    } finally {
      this.giveBack();
    }
  }

  /** {@link value}, or undefined if it cannot be read: of one that has expired this is nobody's concern. */
  valueIfAny(): V | undefined {
    try {
      return this.value();
    } catch {
      return undefined;
    }
  }

  /** The value that the second tier has of a key that is not in memory, where it is from then on. */
  async fetch(
    key: CacheKey,
    signal: AbortSignal | undefined,
    allowStale: boolean = this.settings.allowStale,
    updatesAge: boolean = this.settings.updateAgeOnGet,
    tags?: readonly string[],
  ): Promise<V | undefined> {
    for (let tries = 0; tries < FETCHES_MAX && this.tier !== null; tries++) {
      if (!this.key.encode(key)) return undefined;
      const fetched = await this.tier.fetch(this.key, signal, tags);
      if (fetched === null) return undefined;
      const now = this.clock();
      if (fetched !== "changed") {
        const isFresh = now <= fetched.freshUntil;
        if (updatesAge && isFresh && this.contains(key, now)) this.restart(now);
        return allowStale || isFresh ? fetched.value : undefined;
      }
      // If memory has it no more, it was evicted again meanwhile: then the tier has it.
      if (!this.lookup(key, now, true, Look.uncounted)) continue;
      return allowStale || now <= this.freshUntil() ? this.value() : undefined;
    }
    return undefined;
  }

  /** Room for `length` bytes until `giveBack`; whoever borrows meanwhile gets other room. */
  borrow(length: number): Uint8Array {
    if (length > BLOCK_BYTES) {
      this.#depth++;
      return ownBytes(length); // which is not kept for others
    }
    let scratch = this.#scratches[this.#depth];
    if (scratch === undefined || scratch.length < length) {
      scratch = ownBytes(Math.max(4096, powerOfTwoAtLeast(length + 1)));
      this.#scratches[this.#depth] = scratch;
    }
    this.#depth++;
    return scratch;
  }

  giveBack(): void {
    this.#depth--;
  }

  /**
   * Stores a value. Times are in milliseconds, 0 is never.
   *
   * @param lease - null, or what must still hold.
   * @returns null if it did not; then nothing changed.
   */
  put(
    key: CacheKey,
    value: V,
    now: number,
    ttl: number,
    stale: number,
    tags: readonly string[],
    lease: Lease | null,
  ): SetResult | null {
    const { values, key: encoded, attributes, engine, dictionary } = this;
    // The serializer is the user's and may call the cache, so it goes first.
    const fits = values.encode(value);
    attributes.headLength = this.#encodeTags(tags);
    if (!fits || !encoded.encode(key)) return this.#refuse(key, lease);
    this.#lease = lease;
    const guard = lease === null ? null : this.#guard;
    if (!dictionary.trainer.settled) dictionary.offer(engine, values);
    this.#attribute(values.kind, now, ttl, stale);
    const { k0, k1 } = encoded;
    const { bytes, length } = values;
    const result =
      length > BLOCK_BYTES
        ? engine.putPacked(k0, k1, this.#packed(bytes, length), attributes, now, guard)
        : engine.put(k0, k1, bytes, length, attributes, now, guard);
    if (guard !== null && !this.#held) return null;
    const isStored = result === "stored" || result === "replaced";
    if (isStored) dictionary.count(values, this);
    if (length > BLOCK_BYTES) values.release();
    this.#tellBelow(isStored, lease);
    return RESULTS[result];
  }

  /** A value of several blocks. */
  #packed(bytes: Uint8Array, length: number): BlockPacker {
    const packer = new BlockPacker(this.engine);
    packer.addAll(bytes, length, this.engine.maxEntrySize);
    return packer;
  }

  /** As {@link put}, of bytes that came block by block; null: of too many. */
  putPacked(
    key: CacheKey,
    packer: BlockPacker | null,
    now: number,
    ttl: number,
    stale: number,
    tags: readonly string[],
  ): SetResult {
    const { key: encoded, attributes, engine } = this;
    attributes.headLength = this.#encodeTags(tags);
    if (packer === null || !encoded.encode(key)) return this.#refuse(key, null) as SetResult;
    this.#attribute(ValueKind.bytes, now, ttl, stale);
    const result = engine.putPacked(encoded.k0, encoded.k1, packer, attributes, now);
    this.#tellBelow(result === "stored" || result === "replaced", null);
    return RESULTS[result];
  }

  /** {@link key} was put: a server that machines share gets the value, any other tier drops what it has. */
  #tellBelow(isStored: boolean, lease: Lease | null): void {
    if (isStored && this.coherent !== null) this.coherent.wrote(this.key, lease);
    else this.dropBelow();
  }

  /** The value, or the key, is too long: nothing of the key is left. Null if the lease did not hold. */
  #refuse(key: CacheKey, lease: Lease | null): SetResult | null {
    const { key: encoded, engine } = this;
    if (encoded.encode(key)) {
      this.#lease = lease;
      const guard = lease === null ? null : this.#guard;
      engine.remove(encoded.k0, encoded.k1, encoded.bytes, encoded.length, guard);
      if (guard !== null && !this.#held) return null;
      this.dropBelow();
    }
    this.sharedState.count(Counter.rejectTooBig);
    return "E2BIG";
  }

  /** What belongs to the value that is put under {@link key}; and what is done now and then at a put. */
  #attribute(kind: number, now: number, ttl: number, stale: number): void {
    const { attributes, engine } = this;
    attributes.prefixLength = this.key.length;
    attributes.expiresAt = expiresAt(now, ttl, stale);
    attributes.aux = auxOf(kind, ttl);
    attributes.aux2 = ttl === 0 ? 0 : stale;
    if (++this.#sets % EXPIRE_EVERY !== 0) return;
    engine.expire(now, EXPIRE_MAX);
    this.tier?.wake();
    if (this.#sets % SWEEP_EVERY === 0) this.leases.sweep(1);
  }

  /**
   * Leave to store what is read of a key from here on, for a load that others wait for. End it with `leases.end`.
   *
   * @param yields - whether the load of another thread is given instead, if there is one.
   */
  takeLease(key: CacheKey, yields: boolean): Lease | OtherLoad {
    const encoded = this.key;
    if (!encoded.encode(key)) return { ...NO_LEASE };
    return this.leases.takeToLoad(encoded.k0, encoded.k1, yields && this.lockTimeout > 0);
  }

  /** Whether the key of a lease was changed since it began, or one of these tags deleted, in any thread. */
  isOutdated(lease: Lease, tags: readonly string[] | undefined): boolean {
    if (lease.slot !== NO_LEASE.slot && !this.leases.holds(lease)) return true;
    if (this.tags === null || !Array.isArray(tags)) return false;
    const { sharedState, tags: lists } = this;
    return tags.some(
      (tag) => typeof tag === "string" && sharedState.tagDeletedSince(lease.stamp, lists.hash(tag)),
    );
  }

  /** Whether one of the tags of what is being put was deleted after `stamp`. Throws nothing. */
  tagsDeletedSince(stamp: number): boolean {
    const { head, headLength } = this.attributes;
    for (let at = 0; at < headLength; at += TAG_BYTES) {
      if (this.sharedState.tagDeletedSince(stamp, hashAt(head, at))) return true;
    }
    return false;
  }

  /**
   * @returns false: it is longer than a key may be.
   * @throws {ZbudError} `EINVAL` for what is no key.
   */
  checkKey(key: CacheKey): boolean {
    return this.key.encode(key);
  }

  /** @throws {ZbudError} `EINVAL` for what cannot be the tags of an entry of this cache. */
  checkTags(tags: readonly string[] | undefined): void {
    if (tags !== undefined) this.#encodeTags(tags);
  }

  /**
   * Stores what a codec of this cache made of a value before. The words of its name are those that its key has here; in a
   * cache without tags it has none.
   *
   * @param clean - whether the second tier has it.
   * @param epoch - -1: in any case; -2: unless there is one.
   * @param guard - asked under the lock, with the entry's key in {@link key}; see {@link Engine.put}.
   */
  putStored(entry: StoredEntry, clean: boolean, now: number, epoch: number, guard: Guard): PutResult {
    const { key: encoded, engine } = this;
    takeAttributes(entry, this.key, this.attributes, this.tags !== null);
    entry.k0 = encoded.k0;
    entry.k1 = encoded.k1;
    if (this.tags === null && entry.headLength > 0) {
      const { bytes, prefixLength, headLength } = entry;
      bytes.copyWithin(headLength, 0, prefixLength);
      entry.bytes = bytes.subarray(headLength);
      entry.headLength = 0;
    }
    return engine.putStored(entry, clean, now, epoch, guard);
  }

  /** Stores the value of an entry whose codec this cache does not use. */
  putDecoded(entry: StoredEntry, value: Uint8Array, now: number, guard: Guard): PutResult {
    const { key: encoded, engine } = this;
    takeAttributes(entry, this.key, this.attributes, this.tags !== null);
    const { k0, k1 } = encoded;
    return entry.length > BLOCK_BYTES
      ? engine.putPacked(k0, k1, this.#packed(value, entry.length), this.attributes, now, guard)
      : engine.put(k0, k1, value, entry.length, this.attributes, now, guard);
  }

  /** Removes a key. */
  remove(key: CacheKey): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    const removed = this.engine.remove(encoded.k0, encoded.k1, encoded.bytes, encoded.length);
    const dropped = this.dropBelow(true);
    return removed || dropped;
  }

  /**
   * {@link key} was set or removed: what the second tier has of it is out of date. A file was told under the lock of the
   * shard, so whoever dies leaves no older value there; a server is told now, since before the change another thread
   * could still evict the old value and hand it over.
   *
   * @returns whether it is known to have had something.
   */
  dropBelow(isRemoved = false): boolean {
    const { tier, key } = this;
    if (tier === null) return false;
    if (tier.isOrdered) return this.#hadBelow;
    if (isRemoved) this.sharedState.invalidateKey(key.k0);
    return tier.drop(key.k0, key.k1, key.bytes, key.length);
  }

  /**
   * Removes the entry that was used least recently in the shard that has most, and is `engine.found` from then on, its
   * value still ready for {@link value}.
   *
   * @returns its key, or undefined if there is none.
   */
  pop(): CacheKey | undefined {
    const { engine, key: encoded } = this;
    const fullest = engine.fullestShard();
    for (let i = 0; i < engine.shardCount; ) {
      if (!engine.readLast((fullest + i) % engine.shardCount)) {
        i++;
        continue;
      }
      const { shard, row, version, bytes, prefixLength } = engine.found;
      // Somebody changed it meanwhile: another one is the last now.
      if (!engine.removeRow(shard, row, version)) continue;
      encoded.take(bytes, prefixLength);
      this.dropBelow(true);
      if (!this.isTrusted()) continue;
      return foundKey(engine);
    }
    return undefined;
  }

  /** Removes all entries with a tag. How many there were. */
  removeTag(tag: string): number {
    const { tags, engine } = this;
    if (tags === null) throw new ZbudError("EINVAL", "to delete by tag, make the cache with tags: true");
    // First: what is put under a shard's lock later than this sees it, and what was put before is found.
    const name = tags.name(tag);
    this.sharedState.invalidateTag(name.k0);
    this.tier?.dropNotes();
    const removed = removeTagged(engine, tags, name);
    this.coherent?.deleteTag(name);
    // What was evicted to the second tier meanwhile has the first note's stamp, and is out of date as well.
    if (this.tier === null) return removed;
    this.sharedState.invalidateTag(name.k0);
    this.tier.dropNotes();
    return removed;
  }

  clear(): void {
    this.sharedState.invalidateAll();
    this.engine.clear();
    if (this.tier === null) return;
    this.sharedState.invalidateAll();
    this.tier.clear();
  }

  /** @throws {ZbudError} `ENOTSUP` if the cache is for one thread. */
  share(): SharedCompressedCache {
    const segment = segmentOf(this.sharedState.buffer);
    return segment === undefined
      ? this.buffers()
      : ({ kind: CACHE_KIND, segment: segment.send() } as SharedCompressedCache);
  }

  /** What another thread needs, of memory that processes share as well. */
  buffers(): SharedParts {
    const { sharedState, settings, engine } = this;
    const { buffer, shape } = sharedState;
    if (!engine.isShared || !isSharedBuffer(buffer)) {
      throw new ZbudError(
        "ENOTSUP",
        "this cache was made with shared: false, so no other thread can have it",
      );
    }
    const { codecId } = this;
    return { kind: CACHE_KIND, engine: engine.share(), sharedState: buffer, shape, settings, codecId };
  }

  resize(maxBytes: Size): ResizedCache {
    const { engine, sharedState, settings } = this;
    if (settings.minBytes !== settings.maxBytes) {
      throw new ZbudError(
        "EINVAL",
        "this cache follows the memory of the machine: its limit is not set by hand; make it with a maxBytes that is no range",
      );
    }
    const own = sharedState.buffer.byteLength;
    const bytes = sizeOption("maxBytes", maxBytes, engine.minBytes + own, settings.maxBytes);
    const before = engine.size;
    const bytesFreed = engine.resize(bytes - own, this.clock());
    return { bytesFreed, entriesEvicted: Math.max(0, before - engine.size) };
  }

  recover(): number {
    const gone = this.engine.recover();
    this.leases.sweep();
    return gone;
  }

  threadGone(threadId: number): void {
    this.engine.threadGone(threadId);
    this.leases.sweep();
  }

  /** What was improved, with what the engine says of it. */
  improvement(stats: EngineStats): ImprovementStats {
    return improvementOf(this.#improver, this.#improves, stats);
  }

  close(): ClosedCache {
    this.#follower?.close();
    this.#improver?.close();
    this.#regularFlush?.close();
    this.tier?.close();
    this.dictionary.trainer.close(this.engine.member);
    const closing = this.sharedState.countClosing(1);
    try {
      return this.#keep(closing);
    } finally {
      try {
        this.leases.close();
      } finally {
        // If another thread kept the lock, that finds the leases of a member that is gone.
        this.engine.close();
        this.sharedState.countClosing(-1);
        segmentOf(this.sharedState.buffer)?.close();
      }
    }
  }

  /**
   * Writes what is in memory to a tier that can write at once, if nobody will have the cache after this thread.
   *
   * @param closing - threads that are closing it: of several at once, the last one at least finds that it is the last.
   */
  #keep(closing: number): ClosedCache {
    const { engine, tier } = this;
    if (tier?.isSync !== true) return NOTHING_KEPT;
    const isLast =
      !engine.isShared || new ThreadRegistry(...engine.threads).isLast(engine.member, closing - 1);
    return isLast ? keepAll(engine, tier, this.clock()) : NOTHING_KEPT;
  }

  /** The codec with this number in the engine; null if there is none. */
  codecNumbered(number: number): Codec | null {
    if (needsDictionary(number)) return this.dictionary.codec(number);
    if (number === this.codecId) return this.#codec;
    // Any level reads what any other wrote.
    if (number === ZSTD) return createZstd({ level: COLD_LEVEL });
    try {
      return codecById(number);
    } catch {
      return null;
    }
  }

  #encodeTags(tags: readonly string[]): number {
    // Whatever JavaScript gives: null has no length, and "" is no array.
    if (Array.isArray(tags) && tags.length === 0) return 0;
    if (this.tags !== null) return this.tags.encode(tags, this.attributes.head);
    throw new ZbudError("EINVAL", "for entries with tags, make the cache with tags: true");
  }
}
