import type { Size } from "../base/index.ts";
import type { ByteSource } from "./streams.ts";
import type {
  CacheEntryInfo,
  CacheKey,
  CacheStats,
  ClosedCache,
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

/**
 * What a {@link CompressedCache} does. Adapters are written against this.
 *
 * Every method throws `ZbudError` `ECLOSED` after `close()`, and `EINVAL` for a key that is not a string, a
 * number or a `Uint8Array`. A method that lru-cache has too means the same here, unless it says otherwise.
 */
export interface Cache<V> {
  /** Entries held. As in lru-cache, an expired entry counts until it is found. Costs a few instructions. */
  readonly size: number;
  /** Bytes of the memory taken at the start. Never changes; see docs/which-cache.md for what it is made of. */
  readonly bytesReserved: number;
  /**
   * The most bytes that one entry may take as it is kept, compressed, with its key and tags: what the option of this
   * name says, or a quarter of a shard's pages if that is less. What takes more is `"E2BIG"`, and so is a value
   * of more than 64 MiB before compression.
   */
  readonly maxEntrySize: number;

  /**
   * The value, which counts as used now (by LRU it is the most recently used one); or undefined.
   *
   * @remarks Decompresses each time: a read costs a few microseconds for each 4 KiB, plus the serializer's
   *   work. What it returns is the caller's own copy.
   */
  get(key: CacheKey, options?: GetOptions): V | undefined;
  /**
   * The values of these keys, in their order; undefined for each that is not there. The same as {@link get} of each
   * key, but with one reading of the clock for all. It is not a transaction. It takes less than a tenth less time
   * than a loop, since each entry has to be found and decompressed anyway.
   *
   * @throws {ZbudError} `EINVAL` for one key instead of several; no value is given then.
   */
  getMany(keys: Iterable<CacheKey>, options?: GetOptions): (V | undefined)[];
  /** The value, without making it recently used; not counted as a hit or a miss. */
  peek(key: CacheKey, options?: Pick<GetOptions, "allowStale">): V | undefined;
  /**
   * Whether there is a value that is not expired, or with `allowStale` one within its `staleWhileRevalidate`. Does not
   * make it recently used, and reads no value. Without the option only a fresh value counts, whatever the cache's
   * own `allowStale` says.
   */
  has(key: CacheKey, options?: Pick<GetOptions, "allowStale">): boolean;
  /**
   * Lets an entry's time begin anew, as if it were set now, and makes it the most recently used; the value is not read.
   * An entry that is only in the backing store is not found.
   *
   * @param ttl - milliseconds, which are the entry's own from then on; 0 and `Infinity` are never. The one that it has
   *   if absent; see {@link GetOptions.updateAgeOnGet}.
   * @returns whether there is a fresh entry.
   * @throws {ZbudError} `EINVAL` for a ttl that `set` would not take.
   */
  touch(key: CacheKey, ttl?: number): boolean;
  /**
   * What is known of an entry without reading its value; undefined if there is none. It does not make it recently
   * used. As in lru-cache, there is one for an entry within its `staleWhileRevalidate` too, with a `ttl` below 0.
   */
  info(key: CacheKey): CacheEntryInfo | undefined;
  /**
   * Copies the value's bytes into a buffer of the caller's: for a string its UTF-8, for JSON its text.
   *
   * @returns the value's length in bytes, or undefined if there is none. What of `target` lies behind is undefined.
   * @throws {ZbudError} `EINVAL` naming both lengths if `target` is too short: then it is as it was. `info(key)` tells
   *   the length before.
   * @remarks Allocates no object for a value of at most 1 MiB.
   */
  getInto(key: CacheKey, target: Uint8Array, options?: GetOptions): number | undefined;
  /**
   * The value's bytes as a stream, for a string its UTF-8, for JSON its text; undefined if there is none in memory. Each
   * chunk is up to 1 MiB, decompressed when it is asked for: a stream takes no more memory than that, however long the
   * value is. It counts as used when it is found, and by LRU with each chunk.
   *
   * A value of at most 1 MiB is read at once. Of a longer one nothing is kept for the stream: if it is replaced,
   * deleted or evicted before its end, or moved by `resize`, the stream fails with a {@link ZbudError} `ESTALE`. It never
   * gives bytes of two values. `get` gives a longer one whole, and nothing comes between.
   *
   * @example
   * ```ts
   * const body = cache.getStream("/large.json");
   * if (body !== undefined) return new Response(body);
   * ```
   */
  getStream(key: CacheKey, options?: GetOptions): ReadableStream<Uint8Array> | undefined;
  /**
   * Calls back with the value's bytes, where they were decompressed to: nothing is copied to the heap.
   *
   * @param use - the view is good until it returns; do not keep it. It may call this cache.
   * @returns what `use` returned, or undefined if there is no value.
   */
  withValue<R>(key: CacheKey, use: (view: Uint8Array) => R, options?: GetOptions): R | undefined;
  /**
   * Looks in the second tier as well, if there is one, and brings what it finds back into memory.
   *
   * @throws {ZbudError} nothing for a tier that fails, in whatever way: that is a miss, and counted in `stats()`.
   *   `ECLOSED` if the cache is closed meanwhile.
   */
  getAsync(key: CacheKey, options?: GetOptions & { signal?: AbortSignal }): Promise<V | undefined>;

  /**
   * Keeps a copy of the value, compressed, as the most recently used.
   *
   * @returns what became of it; see {@link SetResult}. After a refusal no older value of the key is left.
   * @throws {ZbudError} `EINVAL` for a time that is neither a number from 0 to 2^53 nor `Infinity`, tags without the
   *   option, an option that there is not, or a value that JSON would change (see {@link SerializerOption}): the old
   *   value is then still there.
   *   What the serializer throws comes through; the old value is then still there. `ENOMEM` if the system has no
   *   memory for what this thread needs on the way; the old value may be gone then.
   */
  set(key: CacheKey, value: V | undefined, options?: SetOptions): SetResult;
  /**
   * Keeps the bytes that a stream gives, as {@link set} of a Uint8Array: `await cache.setStream(key, response.body)`. They
   * are compressed as they come, 1 MiB at a time, and no more is asked for meanwhile. So beside what is stored there is
   * 1 MiB of them. The value is there when all of it is; until then the old one stays. Whatever the option `serializer`
   * says, `get` gives them as a Uint8Array.
   *
   * @param source - a `ReadableStream`, a stream of Node, or another source of Uint8Arrays. Of one that gives too much
   *   the rest is not read.
   * @returns what became of it, as of `set`.
   * @throws what the source threw, or the signal's reason: then the old value is still there. {@link ZbudError} `EINVAL`
   *   for what is no source of Uint8Arrays, and as of `set`; `ECLOSED` if the cache is closed meanwhile. The source is
   *   cancelled then.
   */
  setStream(key: CacheKey, source: ByteSource, options?: SetStreamOptions): Promise<SetResult>;
  /**
   * The value; if there is none, what `loader` gives, which is then stored. However many call it at a time, in
   * whatever thread or process, one load runs for a key. A value within its `staleWhileRevalidate` is given at once,
   * and loaded anew behind it.
   *
   * Calls in other threads than the one that loads wait for it: they look after 1 ms, and then whenever an eighth of
   * the time until then has passed again, at least every 50 ms. If the loading thread was killed or closed the cache
   * (noticed within some 100 ms), if the key was changed meanwhile, or after `lockTimeout`, one of those who wait loads
   * instead. If the load comes to its end and leaves nothing, since it failed, or gave undefined or too large a value,
   * each thread that waited loads by itself, as an error cannot be handed on. `forceRefresh` waits for no other thread.
   *
   * The result is stored unless, since the loader was called, in whatever thread, the key was set, deleted or loaded
   * from a file, one of the tags that it would be stored with was deleted, or the cache was cleared; it is given to
   * those who wait in any case. If thousands of loads run at a time, in several threads, a few results are not stored
   * although they could be: loads are told apart exactly as long as each has a slot, and there is one slot for each
   * 16 KiB of `maxBytes`, 256 to 8192.
   *
   * A loader may call `getOrSet`. If it awaits its own key, or loads await each other, they would never end: one
   * rejects with `EDEADLK`. On Node 22, such a call is noticed in the loader's synchronous part; from Node 24 on
   * wherever the loader makes it, if it is awaited in one place by `await`, `return`, `then` or `Promise.all` and
   * its like. JavaScript engines other than V8 notice only a call whose promise the loader returns. A call that the
   * loader does not await, such as that of a listener, gets the value. Loads of several threads that await each other
   * are not noticed: after `lockTimeout` they wait no longer.
   *
   * @param loader - what it throws reaches everybody who waits, and nothing is stored.
   * @throws the signal's reason, if it was aborted first. {@link ZbudError} `EINVAL`, before the loader runs, for
   *   options that `set` would not take, and again for what the loader made of them; `ECLOSED` to all who wait as
   *   soon as the cache is closed; `EDEADLK`.
   */
  getOrSet(
    key: CacheKey,
    loader: (key: CacheKey, context: LoadContext<V>) => V | Promise<V>,
    options?: GetOrSetOptions,
  ): Promise<V>;
  /**
   * As {@link set} of each pair, with the same options, in their order: `setMany(map)`, `setMany(other.entries())`.
   * It is no transaction, and as fast as a loop.
   *
   * @returns what became of each.
   * @throws {ZbudError} as {@link set}; the pairs before the one that it throws for are set.
   */
  setMany(entries: Iterable<readonly [CacheKey, V | undefined]>, options?: SetOptions): SetResult[];
  /**
   * Removes the least recently used entry, also one within its `staleWhileRevalidate`, and gives its value;
   * undefined if there is none. With `evict: "sieve"` it is the one that was set first. Of several shards it is the
   * last of the one that is fullest. It counts as deleted by the caller, so no copy of it is left in the backing
   * store.
   */
  pop(): V | undefined;
  /** @returns whether there was an entry, even an expired one. */
  delete(key: CacheKey): boolean;
  /**
   * Deletes every entry that was set with this tag, in all threads. The time it takes grows with
   * the number of these entries, not of all.
   *
   * @returns how many there were in memory; what the backing store has with this tag is gone too, and not counted.
   * @throws {ZbudError} `EINVAL` if the cache was made without the option `tags`.
   */
  deleteByTag(tag: string): number;
  /** Removes everything. */
  clear(): void;
  /**
   * Changes the limit, for all threads and processes, up to the `maxBytes` that the cache was made with. A higher one
   * holds at once. For a lower one entries are evicted in the order of `evict`, what stays is moved together, and the
   * memory goes back to the system.
   *
   * @param maxBytes - bytes, `"64MiB"` or `"20%"`.
   * @returns `bytesFreed`: what really went back to the system, nothing where it cannot (`"give-back"` among
   *   `stats().fallbacks`); and how many entries were evicted.
   * @throws {ZbudError} `EINVAL` for a limit out of range, naming the range; also of a cache that follows the machine.
   * @remarks Blocks for about a second for each GiB that stays.
   */
  resize(maxBytes: Size): ResizedCache;
  /** Gives the memory of what is free back to the system. Bytes that went; 0 where nothing can be. */
  trim(): number;
  /**
   * Removes what is expired. The cache does so by itself, a little at each `set`; this does all at once.
   *
   * @returns whether there was anything, as in lru-cache.
   * @remarks Looks only at what is due, in order of its time.
   */
  purgeStale(): boolean;
  /** Milliseconds until the entry expires; `Infinity` if it never does, 0 if there is none, as in lru-cache. */
  getRemainingTTL(key: CacheKey): number;

  /**
   * Keys from the most recently used to the least (with `evict: "sieve"` from the one that was set last to the
   * first), without those expired; in a cache of several shards, shard by shard. The order is that of the moment when a
   * shard is begun, and each comes as it is when its turn is. An entry that is added during the iteration may be left out.
   */
  keys(): IterableIterator<CacheKey>;
  /** Values, in the order of `keys()`; reading them this way does not make them recently used. */
  values(): IterableIterator<V>;
  entries(): IterableIterator<[CacheKey, V]>;
  [Symbol.iterator](): IterableIterator<[CacheKey, V]>;
  forEach(visit: (value: V, key: CacheKey, cache: this) => void): void;

  /**
   * For another thread's `CompressedCache.attach`.
   *
   * @throws {ZbudError} `ENOTSUP` if the cache was made with `shared: false`.
   */
  share(): SharedCompressedCache;
  /**
   * Writes all entries to a file, which replaces one of that name when it is complete, and keeps its mode; a new one
   * is for its owner only. Of several saves to one path, by any threads and processes, the last one that is complete
   * stays. Until then the new file lies beside the old one, as `NAME.….tmp`; if a save was killed, the next removes
   * its file.
   *
   * @param path - of the file; a link replaces what it points to.
   * @returns how many entries were written.
   * @throws {ZbudError} (as a rejection) `EINVAL` for what is no path, or not a file; `EACCES`, `ENOENT`, `ENOSPC`, or
   *   `EIO` with the system's error as cause; `ECLOSED` if the cache is closed meanwhile; the old file stays.
   */
  save(path: string, options?: { signal?: AbortSignal }): Promise<number>;
  /**
   * Adds the entries of a file that `save` wrote, in the order of their use; those that expired meanwhile are left out.
   * They replace what is there. All of the file is checked before any of it is added, so it is read twice, and each
   * value decompressed once. What is set, deleted or cleared after `load` was called, in whatever thread, stays so.
   * As long as that is less than a quarter of the cache, less than 1 % of the other entries are left out with it.
   *
   * @returns how many entries were added.
   * @throws {ZbudError} (as a rejection) `EINVAL` for what is no path, or not a file; `ENOENT`; `EBADMSG` naming what
   *   is wrong, and at which entry, if the file is damaged, or this cache could not read its values: nothing is added.
   */
  load(path: string, options?: { signal?: AbortSignal }): Promise<number>;
  /**
   * Writes what is in memory to a second tier that can write at once, as a file can, and keeps it in memory too; waits
   * until the tier, of whatever kind, has that and what was evicted so far. It goes in batches, with a turn of the event
   * loop after each. Without a tier it returns at once. Entries that the tier did not take stay in memory; those that
   * were evicted are lost and counted (`backingWritesFailed`), as if there were no tier.
   *
   * @returns how many it wrote, and how many the tier did not take, and why.
   * @throws {ZbudError} what the tier's own `flush` threw; `EIO` if that was no ZbudError, or the tier was closed.
   */
  flush(): Promise<FlushedCache>;

  /**
   * What the cache holds, in a line, as `console.log` shows it: entries, bytes before and after compression, how many
   * reads hit, and in which order it evicts; or that it was closed. As cheap as {@link stats}.
   */
  toString(): string;

  /** Counts of all threads, in one cheap call. */
  stats(): CacheStats;

  /**
   * Repairs what dead threads left half done. Every thread that meets such a thing does so by itself, too.
   *
   * @returns how many threads were found dead.
   */
  recover(): number;
  /**
   * Says that a worker has ended, where the system does not tell: call it from the worker's `exit` event.
   *
   * @param threadId - the worker's `threadId`, kept while it ran: it is -1 afterwards, which is `EINVAL`.
   */
  threadGone(threadId: number): void;
  /**
   * Ends this thread's use of the cache. Calls that still wait reject with `ECLOSED`. The memory is free when the last
   * thread has closed the cache.
   *
   * If there is a second tier that can write at once, as a file can, the last thread writes what is in memory and not
   * there yet, before this returns: some 10 µs for each entry. `flush()` before it leaves next to nothing to do. If the
   * tier has no room for all, it gets what was used last. The backing store stays open, for whoever opened it to close
   * it afterwards. A server gets nothing here, and what was evicted last may not be in it unless `flush()` was called.
   *
   * @returns how many entries it wrote, each counted once, and how many the tier has not, and what it is full of;
   *   nothing of these from a second close.
   */
  close(): ClosedCache;
  [Symbol.dispose](): void;
  /** `flush()`, then `close()`, also if the flush failed. */
  [Symbol.asyncDispose](): Promise<void>;
}
