import {
  bytesText,
  checkBytes,
  checkSignal,
  countText,
  fallbacks,
  inspectAsText,
  percentText,
  type Size,
  show,
  signalOption,
  ZbudError,
} from "../base/index.ts";
import { type BlockPacker, type EngineInside, Look } from "../engine/index.ts";
import { BLOCK_BYTES, VALUE_BYTES_MAX } from "../record/index.ts";
import type { Cache } from "./api.ts";
import { loadFile, saveFile } from "./cache-file.ts";
import { CacheCore, type CacheParts } from "./core.ts";
import { dictionaryStats } from "./dictionary-state.ts";
import { foundKey, iterate } from "./iterate.ts";
import {
  checkGetOptions,
  checkPeekOptions,
  checkSetOptions,
  checkSetStreamOptions,
  checkThreadNames,
} from "./known-options.ts";
import type { Lease } from "./leases.ts";
import { Loads } from "./loads.ts";
import { metrics, publish } from "./metrics.ts";
import { type CacheSettings, milliseconds, sharedParts, staleMs } from "./options.ts";
import { Counter } from "./shared-state.ts";
import { type ByteSource, leaveStream, packStream, readInto, streamOf } from "./streams.ts";
import type {
  CacheEntryInfo,
  CacheKey,
  CacheMetric,
  CacheStats,
  CacheThreadOptions,
  ClosedCache,
  CompressedCacheOptions,
  FlushedCache,
  GetOptions,
  GetOrSetOptions,
  LoadContext,
  ResizedCache,
  SetOptions,
  SetResult,
  SetStreamOptions,
  SharedCompressedCache,
} from "./types.ts";

const NO_TAGS: readonly string[] = [];

/**
 * A bounded cache off the heap: its keys and values lie compressed in memory that is reserved at the start and
 * shared by all worker threads. Synchronous and Map-like; what `maxBytes` says is all that it takes.
 *
 * It evicts what is expired, then in the order of use, or as `evict` says. Misuse throws a `ZbudError`; a
 * value that is too large is refused with a result that says so.
 *
 * Each thread has a few buffers for itself besides, of some MiB together at most, for the values that it is
 * reading and writing, and the memory of its codec. A value of more than 1 MiB takes more, until it is read or written.
 *
 * @example
 * ```ts
 * const cache = new CompressedCache<string>({ maxBytes: "256MiB", ttl: 60_000 });
 * cache.set("/", "<!doctype html>…");
 * cache.get("/");
 * ```
 */
export class CompressedCache<V = unknown> implements Cache<V> {
  static {
    inspectAsText(CompressedCache.prototype);
  }

  readonly #core: CacheCore<V>;
  readonly #loads: Loads<V>;
  /** Of reads whose values were not taken yet: a subscriber may call the cache, which finds something else then. */
  #unpublished: CacheMetric[] = [];
  #closed = false;

  /**
   * @throws {ZbudError} `EINVAL` naming the option and its value; `ENOENT` for an unknown codec or driver;
   *   `ENOMEM` if the system has no room for it; `ENOTSUP` for `shared: true` where there is no
   *   SharedArrayBuffer.
   */
  constructor(options: CompressedCacheOptions<V>);
  /** @internal */
  constructor(core: CacheCore<V>);
  constructor(options: CompressedCacheOptions<V> | CacheCore<V>) {
    this.#core = options instanceof CacheCore ? options : CacheCore.create(options, {});
    this.#loads = new Loads<V>({
      cache: this,
      open: () => this.#open(),
      put: (key, value, options, lease) => this.#put(key, value, options, lease),
    });
  }

  /**
   * Opens a cache that another thread made.
   *
   * @param shared - what its `share()` gave.
   * @param options - this thread's own.
   * @throws {ZbudError} `EINVAL` if it is something else.
   */
  static attach<V = unknown>(
    shared: SharedCompressedCache,
    options: CacheThreadOptions<V> = {},
  ): CompressedCache<V> {
    checkThreadNames(options);
    return new CompressedCache<V>(CacheCore.attach<V>(sharedParts(shared), options, {}));
  }

  get size(): number {
    return this.#open().engine.size;
  }

  get bytesReserved(): number {
    return this.#core.bytesReserved;
  }

  get maxEntrySize(): number {
    return Math.min(VALUE_BYTES_MAX, this.#core.engine.maxEntrySize);
  }

  get(key: CacheKey, options?: GetOptions): V | undefined {
    const found = this.#find(key, options);
    const value = found ? this.#core.value() : undefined;
    this.#notify();
    return value;
  }

  getMany(keys: Iterable<CacheKey>, options?: GetOptions): (V | undefined)[] {
    checkGetOptions(options, "getMany");
    const core = this.#open();
    const now = core.clock();
    const values: (V | undefined)[] = [];
    for (const key of several("getMany", keys)) {
      // A serializer may have closed it.
      this.#open();
      values.push(this.#findAt(core, key, now, true, options) ? core.value() : undefined);
    }
    this.#notify();
    return values;
  }

  peek(key: CacheKey, options?: Pick<GetOptions, "allowStale">): V | undefined {
    checkPeekOptions("peek", options);
    const core = this.#open();
    const found = this.#findAt(core, key, core.clock(), false, options);
    const value = found ? core.value() : undefined;
    this.#notify();
    return value;
  }

  has(key: CacheKey, options?: Pick<GetOptions, "allowStale">): boolean {
    checkPeekOptions("has", options);
    const core = this.#open();
    const now = core.clock();
    const there = core.contains(key, now);
    const fresh = there && now <= core.freshUntil();
    if (metrics.hasSubscribers) {
      publish({ op: "has", key, has: fresh ? "hit" : there ? "stale" : "miss", cache: this });
    }
    this.#notify();
    return fresh || (there && options?.allowStale === true);
  }

  touch(key: CacheKey, ttl?: number): boolean {
    const given = ttl === undefined ? undefined : milliseconds("ttl", ttl);
    const core = this.#open();
    const now = core.clock();
    let fresh: boolean;
    do {
      fresh = core.lookup(key, now, true, Look.uncounted | Look.unread) && now <= core.freshUntil();
    } while (fresh && !core.restart(now, given));
    this.#notify();
    return fresh;
  }

  info(key: CacheKey): CacheEntryInfo | undefined {
    const core = this.#open();
    const start = core.clock();
    const info = core.contains(key, start) ? core.info(start) : undefined;
    this.#notify();
    return info;
  }

  getInto(key: CacheKey, target: Uint8Array, options?: GetOptions): number | undefined {
    checkBytes(target);
    checkGetOptions(options, "getInto");
    const found = this.#find(key, options, Look.unreadLong);
    const { engine } = this.#core;
    const { length } = engine.found;
    if (!found || length > BLOCK_BYTES || length > target.length)
      return found ? this.#getLong(key, target, options) : this.#missed();
    if (length > 0) engine.decode(target);
    this.#notify();
    return length;
  }

  getStream(key: CacheKey, options?: GetOptions): ReadableStream<Uint8Array> | undefined {
    checkGetOptions(options, "getStream");
    let stream: ReadableStream<Uint8Array> | null | undefined = null;
    while (stream === null) {
      const found = this.#find(key, options, Look.unread);
      stream = found ? streamOf(this.#core.engine, () => void this.#open()) : undefined;
    }
    this.#notify();
    return stream;
  }

  withValue<R>(key: CacheKey, use: (view: Uint8Array) => R, options?: GetOptions): R | undefined {
    if (typeof use !== "function") throw new ZbudError("EINVAL", `use must be a function, not ${show(use)}`);
    checkGetOptions(options, "withValue");
    if (!this.#find(key, options)) {
      this.#notify();
      return undefined;
    }
    const core = this.#core;
    const { length } = core.engine.found;
    const scratch = core.borrow(length);
    try {
      if (length > 0) core.engine.decode(scratch);
      this.#notify();
      return use(scratch.subarray(0, length));
    } finally {
      core.giveBack();
    }
  }

  async getAsync(key: CacheKey, options?: GetOptions & { signal?: AbortSignal }): Promise<V | undefined> {
    checkGetOptions(options, "getAsync");
    checkSignal(options?.signal);
    options?.signal?.throwIfAborted();
    const value = this.get(key, options);
    const core = this.#core;
    if (value !== undefined || core.tier === null) return value;
    const fetched = await this.#loads.untilClosed(
      core.fetch(key, options?.signal, options?.allowStale, options?.updateAgeOnGet),
    );
    if (!this.#closed) this.#notify();
    return fetched;
  }

  set(key: CacheKey, value: V | undefined, options?: SetOptions): SetResult {
    checkSetOptions(options);
    if (value === undefined) {
      this.delete(key);
      return "deleted";
    }
    const result = this.#put(key, value, options, null) as SetResult;
    this.#loads.drop(key);
    return result;
  }

  async setStream(key: CacheKey, source: ByteSource, options: SetStreamOptions = {}): Promise<SetResult> {
    checkSetStreamOptions(options);
    const { signal } = options;
    const core = this.#open();
    const hasKey = core.checkKey(key);
    core.checkTags(options.tags);
    timesOf(core.settings, options);
    signal?.throwIfAborted();
    if (!hasKey) {
      leaveStream(source);
      return this.#putPacked(key, null, options);
    }
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    try {
      const { engine } = core;
      const packing = packStream(engine, source, engine.maxEntrySize, stop.signal);
      const packer = await this.#loads.untilClosed(packing);
      const result = this.#putPacked(key, packer, options);
      this.#loads.drop(key);
      return result;
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  setMany(entries: Iterable<readonly [CacheKey, V | undefined]>, options?: SetOptions): SetResult[] {
    const results: SetResult[] = [];
    for (const entry of several("setMany", entries)) {
      if (!Array.isArray(entry)) {
        throw new ZbudError("EINVAL", `setMany takes pairs such as [key, value], not ${show(entry)}`);
      }
      results.push(this.set(entry[0], entry[1], options));
    }
    return results;
  }

  getOrSet(
    key: CacheKey,
    loader: (key: CacheKey, context: LoadContext<V>) => V | Promise<V>,
    options: GetOrSetOptions = {},
  ): Promise<V> {
    return this.#loads.getOrSet(key, loader, options);
  }

  pop(): V | undefined {
    const core = this.#open();
    core.engine.expire(core.clock(), Number.MAX_SAFE_INTEGER);
    const key = core.pop();
    try {
      return key === undefined ? undefined : core.value();
    } finally {
      if (key !== undefined) this.#deleted(key, true);
      this.#notify();
    }
  }

  delete(key: CacheKey): boolean {
    const deleted = this.#open().remove(key);
    this.#deleted(key, deleted);
    this.#notify();
    return deleted;
  }

  deleteByTag(tag: string): number {
    const count = this.#open().removeTag(tag);
    this.#notify();
    return count;
  }

  clear(): void {
    this.#open().clear();
    this.#notify();
  }

  resize(maxBytes: Size): ResizedCache {
    const resized = this.#open().resize(maxBytes);
    this.#notify();
    return resized;
  }

  trim(): number {
    return this.#open().engine.trim();
  }

  purgeStale(): boolean {
    const core = this.#open();
    const removed = core.engine.expire(core.clock(), Number.MAX_SAFE_INTEGER);
    this.#notify();
    return removed > 0;
  }

  getRemainingTTL(key: CacheKey): number {
    const core = this.#open();
    const now = core.clock();
    const left = core.contains(key, now) ? core.freshUntil() - now : 0;
    this.#notify();
    return Math.max(left, 0);
  }

  *keys(): IterableIterator<CacheKey> {
    const core = this.#open();
    yield* iterate(
      core.engine,
      () => this.#open(),
      () => (core.clock() <= core.freshUntil() && core.isTrusted() ? foundKey(core.engine) : undefined),
    );
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  *entries(): IterableIterator<[CacheKey, V]> {
    const core = this.#open();
    yield* iterate(
      core.engine,
      () => this.#open(),
      (): [CacheKey, V] | undefined => {
        const isGiven = core.clock() <= core.freshUntil() && core.isTrusted();
        return isGiven ? [foundKey(core.engine), core.value()] : undefined;
      },
    );
  }

  [Symbol.iterator](): IterableIterator<[CacheKey, V]> {
    return this.entries();
  }

  forEach(visit: (value: V, key: CacheKey, cache: this) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  share(): SharedCompressedCache {
    return this.#open().share();
  }

  async save(path: string, options: { signal?: AbortSignal } = {}): Promise<number> {
    return await saveFile(this.#open(), path, signalOption("save", options));
  }

  async load(path: string, options: { signal?: AbortSignal } = {}): Promise<number> {
    const core = this.#open();
    if (core.coherent !== null) {
      throw new ZbudError(
        "ENOTSUP",
        "load() would add what may be older than what other machines have; a cache on a tier that machines share finds everything there",
      );
    }
    try {
      return await loadFile(core, path, signalOption("load", options));
    } finally {
      this.#notify();
    }
  }

  async flush(): Promise<FlushedCache> {
    const flushed = await this.#open().tier?.flush();
    return flushed ?? { entriesWritten: 0, entriesLeft: 0, backingFullOf: null };
  }

  stats(): CacheStats {
    const core = this.#open();
    const { sharedState } = core;
    const engine = core.engine.stats();
    const untrusted = sharedState.counted(Counter.untrusted);
    return {
      entries: engine.entries,
      originalBytes: engine.originalBytes,
      storedBytes: engine.storedBytes,
      bytesUsed: engine.bytesUsed + sharedState.buffer.byteLength,
      bytesReserved: core.bytesReserved,
      hits: engine.hits - untrusted,
      misses: engine.misses + untrusted,
      staleHits: sharedState.counted(Counter.staleHits),
      sets: engine.puts,
      rejectTooBig: sharedState.counted(Counter.rejectTooBig) + engine.rejectLarge + engine.rejectPoor,
      rejectNoMemory: engine.rejectFull,
      evictions: engine.evicted,
      expirations: engine.expired,
      replacements: engine.replaced,
      deletions: engine.deleted,
      clearDeletions: engine.cleared,
      backingHits: sharedState.counted(Counter.backingHits),
      hitsNotTrusted: untrusted,
      backingChecks: sharedState.counted(Counter.verified),
      backingTold: sharedState.counted(Counter.told),
      backingUntold: sharedState.counted(Counter.untold),
      backingMisses: sharedState.counted(Counter.backingMisses),
      backingReadsFailed: sharedState.counted(Counter.backingReadsFailed),
      backingWrites: sharedState.counted(Counter.backingWrites),
      backingWritesFailed: sharedState.counted(Counter.backingWritesFailed),
      backingRefusedBusy: sharedState.counted(Counter.backingRefusedBusy),
      backingRefusedFull: sharedState.counted(Counter.backingRefusedFull),
      flushesFailed: sharedState.counted(Counter.flushesFailed),
      isBackingTold: core.coherent?.hears ?? false,
      isBackingFull: core.tier?.isFull ?? false,
      backingFullOf: core.tier?.bounds().fullOf ?? null,
      loads: sharedState.counted(Counter.loads),
      loadsFailed: sharedState.counted(Counter.loadsFailed),
      loadsShared: sharedState.counted(Counter.loadsShared),
      dictionary: dictionaryStats(sharedState),
      improvement: core.improvement(engine),
      fallbacks: fallbacks(),
    };
  }

  /**
   * For diagnostics.
   *
   * @internal
   */
  inside(): EngineInside {
    return this.#open().engine.inside();
  }

  recover(): number {
    return this.#open().recover();
  }

  threadGone(threadId: number): void {
    this.#open().threadGone(threadId);
  }

  close(): ClosedCache {
    if (this.#closed) return { entriesWritten: 0, entriesLost: 0, backingFullOf: null };
    this.#closed = true;
    this.#loads.abort(new ZbudError("ECLOSED", "the cache was closed while this was loading"));
    return this.#core.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush();
    } finally {
      this.close();
    }
  }

  /** What the cache holds, in a line. */
  toString(): string {
    if (this.#closed) return "CompressedCache (closed)";
    const { entries, originalBytes, bytesUsed, bytesReserved, hits, misses, ...rest } = this.stats();
    const { rejectTooBig, rejectNoMemory, backingWritesFailed } = rest;
    const { evict, backing } = this.#core.settings;
    const parts = [
      `${countText(entries)} ${entries === 1 ? "entry" : "entries"}, ${bytesText(originalBytes)} kept in ${bytesText(bytesUsed)} of ${bytesText(bytesReserved)}`,
      hits + misses === 0 ? "not read yet" : `${percentText(hits / (hits + misses))} hits`,
      `evict: "${evict}"`,
    ];
    const refused = rejectTooBig + rejectNoMemory;
    if (refused > 0) parts.push(`${countText(refused)} ${refused === 1 ? "value" : "values"} refused`);
    const lost =
      backingWritesFailed === 0 ? "" : ` that did not take ${countText(backingWritesFailed)} writes`;
    if (backing) parts.push(`with a backing store${lost}`);
    return `CompressedCache: ${parts.join(", ")}`;
  }

  /** @returns null if the lease did not hold any more, and so nothing was stored. */
  #put(key: CacheKey, value: V, options: SetOptions | undefined, lease: Lease | null): SetResult | null {
    const core = this.#open();
    const { settings } = core;
    const now = core.clock();
    const ttl = options?.ttl === undefined ? settings.ttl : milliseconds("ttl", options.ttl);
    const window = options?.staleWhileRevalidate;
    const stale = window === undefined ? settings.staleWhileRevalidate : staleMs(window);
    const tags = options?.tags === undefined ? NO_TAGS : options.tags;
    const result = core.put(key, value, now, ttl, stale, tags, lease);
    if (result !== null && metrics.hasSubscribers) this.#publishSet(key, result, ttl);
    this.#notify();
    return result;
  }

  /** Stores what came as a stream; null: too much. */
  #putPacked(key: CacheKey, packer: BlockPacker | null, options: SetOptions): SetResult {
    const core = this.#open();
    const { ttl, stale } = timesOf(core.settings, options);
    const result = core.putPacked(key, packer, core.clock(), ttl, stale, options.tags ?? NO_TAGS);
    if (metrics.hasSubscribers) this.#publishSet(key, result, ttl);
    this.#notify();
    return result;
  }

  #deleted(key: CacheKey, deleted: boolean): void {
    this.#loads.drop(key);
    if (!metrics.hasSubscribers) return;
    publish(
      deleted ? { op: "delete", key, delete: "deleted", cache: this } : { op: "delete", key, cache: this },
    );
  }

  #missed(): undefined {
    this.#notify();
    return undefined;
  }

  /** For `getInto`, of a value that was found, and is too long for the array or has several blocks. */
  #getLong(key: CacheKey, target: Uint8Array, options: GetOptions | undefined): number | undefined {
    const { engine } = this.#core;
    const { found } = engine;
    if (found.length <= target.length && !readInto(engine, target)) {
      // Somebody replaced it while it was read: what is there now is copied before it is decompressed.
      if (!this.#find(key, options)) return this.#missed();
      if (found.length <= target.length) engine.decode(target);
    }
    const { length } = found;
    this.#notify();
    if (length <= target.length) return length;
    throw new ZbudError(
      "EINVAL",
      `the value of ${show(key)} has ${length} bytes, and the array given to getInto ${target.length}: give a longer one; info(key).originalBytes tells how long`,
    );
  }

  /**
   * Finds a key for a use of its value, as {@link #findAt}.
   *
   * @param unread - `Look.unread` if it is not read by `decode`, or 0.
   */
  #find(key: CacheKey, options: GetOptions | undefined, unread = 0): boolean {
    checkGetOptions(options);
    const core = this.#open();
    return this.#findAt(core, key, core.clock(), true, options, unread);
  }

  /** Finds a key, in `engine.found`. False as well if it is stale, and nobody wants that. */
  #findAt(
    core: CacheCore<V>,
    key: CacheKey,
    now: number,
    counts: boolean,
    options: GetOptions | undefined,
    unread = 0,
  ): boolean {
    const takesStale = options?.allowStale ?? core.settings.allowStale;
    const look = counts ? (takesStale ? Look.counted : Look.fresh) : Look.uncounted;
    const there = core.lookup(key, now, counts, look | unread);
    const stale = there && now > core.freshUntil();
    const given = there && (!stale || takesStale);
    if (counts && given) {
      if (stale) core.sharedState.count(Counter.staleHits);
      else if (options?.updateAgeOnGet ?? core.settings.updateAgeOnGet) core.restart(now);
    }
    if (metrics.hasSubscribers) this.#unpublished.push(this.#metricOf(key, counts, there, stale, given));
    return given;
  }

  #metricOf(key: CacheKey, counts: boolean, there: boolean, stale: boolean, given: boolean): CacheMetric {
    const result = stale ? "stale" : there ? "hit" : "miss";
    if (!counts) return { op: "peek", key, peek: result, cache: this };
    if (stale && given) return { op: "get", key, get: result, returnedStale: true, cache: this };
    return { op: "get", key, get: result, cache: this };
  }

  #publishSet(key: CacheKey, result: SetResult, ttl: number): void {
    if (result === "E2BIG" || result === "ENOMEM") {
      publish({ op: "set", key, set: "miss", refused: result, ttl, cache: this });
    } else {
      publish({ op: "set", key, set: result, ttl, cache: this });
    }
  }

  /** Tells subscribers what this call read, and the listener what it removed. */
  #notify(): void {
    if (this.#unpublished.length > 0) {
      const unpublished = this.#unpublished;
      this.#unpublished = [];
      for (const metric of unpublished) publish(metric);
    }
    this.#core.removalListener?.notify();
  }

  #open(): CacheCore<V> {
    if (this.#closed) throw new ZbudError("ECLOSED", "this cache was closed; make or attach another");
    return this.#core;
  }
}

/** When an entry ends, by the options of a set. Throws `EINVAL` for what is no time. */
function timesOf(settings: CacheSettings, { ttl, staleWhileRevalidate }: SetOptions) {
  return {
    ttl: ttl === undefined ? settings.ttl : milliseconds("ttl", ttl),
    stale: staleWhileRevalidate === undefined ? settings.staleWhileRevalidate : staleMs(staleWhileRevalidate),
  };
}

/** @throws {ZbudError} `EINVAL` for what is not several, such as one key, though a string can be walked over. */
function several<T>(call: string, items: Iterable<T>): Iterable<T> {
  const isOne = typeof items === "string" || items instanceof Uint8Array;
  if (!isOne && typeof (items as Partial<Iterable<T>> | null | undefined)?.[Symbol.iterator] === "function")
    return items;
  const what = call === "getMany" ? 'keys such as ["a", "b"]' : 'pairs such as [["a", 1], ["b", 2]]';
  throw new ZbudError("EINVAL", `${call} takes ${what}, not ${show(items)}`);
}

/** A cache with parts replaced, for tests. */
export function cacheWithParts<V>(options: CompressedCacheOptions<V>, parts: CacheParts): CompressedCache<V> {
  return new CompressedCache<V>(CacheCore.create(options, parts));
}
