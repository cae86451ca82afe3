import type { Backing, FullOf } from "../backing/index.ts";
import type { Size, SizeRange } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import type { PoolDriver } from "../pool/index.ts";

/**
 * What an entry is found by. Keys of different kinds are different: `"1"` is not `1`. Keys are compared
 * exactly, whatever their hashes.
 */
export type CacheKey = string | number | Uint8Array;

/** How values become bytes, and bytes values again. */
export interface Serializer<V> {
  /** The bytes to keep. They are copied before `set` returns. */
  serialize(value: V): Uint8Array;
  /** @param bytes - a copy of what `serialize` gave, the callee's to keep. */
  deserialize(bytes: Uint8Array): V;
}

/**
 * - `"auto"`, the default: bytes come back as bytes, a string as a string, anything else by way of JSON. Each entry
 *   notes which it is. What JSON would change without a word, such as a Map, a Date, NaN or an instance of a class, is
 *   refused with an `EINVAL` that says what and where it is. Not seen are properties that
 *   are undefined, whose key is a symbol or that are not enumerable, and names beside the elements of an array, which
 *   are left out; and -0, which comes back as 0. Looking costs some
 *   percent of a `set` of an object, and nothing for bytes and strings.
 * - `"v8"`: what `node:v8` can clone: Map, Set, Date, BigInt, cycles. Of an instance of a class it keeps the fields, of
 *   an Error name, message and stack.
 * - An object of the user's. Every thread that attaches needs the same.
 */
export type SerializerOption<V> = "auto" | "v8" | Serializer<V>;

/** Why an entry is no longer there. */
export type RemovalReason = "evicted" | "expired" | "replaced" | "deleted" | "cleared";

/**
 * What `set` did.
 *
 * - `"add"`, `"replace"`: the value is in; so lru-cache calls them in its `status.set`.
 * - `"deleted"`: the value was `undefined`, which deletes, as in lru-cache.
 * - `"E2BIG"`: the entry takes more than `maxEntrySize` as it would be kept, or the value has more than 64 MiB,
 *   or the key more than 65,535 bytes as UTF-8. The old value of the key is gone as well: it would be out of date.
 * - `"ENOMEM"`: there was no room, even after evicting what could be. The old value is gone as well.
 */
export type SetResult = "add" | "replace" | "deleted" | "E2BIG" | "ENOMEM";

/** Options of `set`, and of what `getOrSet` stores. */
export interface SetOptions {
  /** Milliseconds until the entry expires, up to 2^53; 0 and `Infinity` are never. The cache's `ttl` if absent. */
  ttl?: number;
  /**
   * Milliseconds after `ttl` in which `getOrSet` still gives the old value while it loads a new one; to
   * everything else the entry is expired as soon as `ttl` is over. At most 2^31 - 1 (24 days). The cache's if
   * absent.
   */
  staleWhileRevalidate?: number;
  /** Names by which `deleteByTag` finds the entry; needs the cache's option `tags`. 8 at most. */
  tags?: readonly string[];
}

/** Options of `setStream`. */
export interface SetStreamOptions extends SetOptions {
  /** Ends it with the signal's reason: the source is cancelled, and the old value stays. */
  signal?: AbortSignal;
}

/** Options of reads. */
export interface GetOptions {
  /** True: an entry within its `staleWhileRevalidate` counts as there. The cache's if absent. */
  allowStale?: boolean;
  /**
   * True: the entry's `ttl` begins anew, as if it were set now, if it is fresh. The cache's if absent. The read takes
   * the lock twice then. A ttl is kept in 24 bits: what is longer than 4.6 hours and no round number of minutes may
   * come out longer by a 16-millionth.
   */
  updateAgeOnGet?: boolean;
}

/** What `info()` tells of an entry. */
export interface CacheEntryInfo {
  /** Bytes that the entry takes as it is kept: its key, 8 for each tag, and the value compressed. */
  size: number;
  /** Bytes of the value before compression. */
  originalBytes: number;
  /** Milliseconds until it expires, less than 0 within its `staleWhileRevalidate`; absent if it never does. */
  ttl?: number;
  /** The time of this call, at which `ttl` is what is left, as in lru-cache; absent with it. */
  start?: number;
}

/** Options of `getOrSet`. */
export interface GetOrSetOptions extends SetOptions {
  /**
   * Ends the wait with the signal's reason. The load goes on for the others who wait for it, and if it refreshes a
   * stale value.
   */
  signal?: AbortSignal;
  /** True: load even if there is a value, and store the result. */
  forceRefresh?: boolean;
  /** See {@link GetOptions.updateAgeOnGet}. */
  updateAgeOnGet?: boolean;
}

/** What a loader of `getOrSet` is told. */
export interface LoadContext<V> {
  /** Aborted when nobody waits for the load any more. */
  readonly signal: AbortSignal;
  /**
   * The value that is out of date, if there is one: also one that has expired, as long as no read, `set` of another
   * key or `purgeStale()` removed it.
   */
  readonly staleValue: V | undefined;
  /**
   * What the value will be stored with. The loader may change what is in it, as in `context.options.ttl = 5000`: a
   * response often says how long it is good. A name that there is not is an `EINVAL`.
   */
  readonly options: SetOptions;
}

/** Options that each thread gives for itself, to the constructor or to `attach`. */
export interface CacheThreadOptions<V> {
  /** How values become bytes. Default `"auto"`. */
  serializer?: SerializerOption<V>;
  /**
   * Called for each entry that a call of this thread removed, after the call did its work: it may call the cache.
   * Default: none. What it throws reaches the caller of that call.
   */
  onRemoved?: (key: CacheKey, reason: RemovalReason) => void;
  /** Gives milliseconds since 1970. `Date.now`, as it is at each use, if absent. All threads need the same. */
  clock?: () => number;
  /**
   * Milliseconds that `getOrSet` waits for a load of the same key in another thread or process, before it loads too: what
   * that one gives is then stored only if it comes first. Default 10,000; 0: each thread loads by itself. Give more
   * than the slowest load takes. A thread that was killed is not waited for.
   */
  lockTimeout?: number;
  /**
   * `"lz4"` (the default), `"zstd"`, `"none"`, a registered name, or a function that makes a codec. Only a
   * function needs to be given to `attach` again.
   */
  codec?: string | (() => Codec);
  /**
   * The allocator: a driver such as `zbudDriver` or `zsmallocDriver`, or the name of one that is registered. Default
   * `logDriver`, which fits itself to any values, or with `evict: "page"` `zbudDriver`. docs/which-cache.md says how much
   * each holds. For `attach`: the cache's, if it is not registered
   * in this thread.
   */
  driver?: string | PoolDriver;
  /**
   * The second tier: a backing store where evicted entries go, and where `getAsync` and `getOrSet` find them again;
   * `get` looks in memory only. What is in memory goes there too when the cache is closed, if it can write at once, as a
   * file can. Default: none. Whoever opened it closes it, after the cache: the cache never does.
   * If one thread has it, all give theirs: one shared file, which keeps the order of what all threads do, or a
   * connection each to a server, which keeps that of each thread: docs/backing.md says what that means. Another
   * store than the cache's is `EINVAL` at `attach`.
   */
  backing?: Backing;
  /**
   * Whether this thread betters the cache in the pauses of its event loop: values from before the dictionary, or with the
   * one before it, are compressed anew with it. A millisecond at a time, at most 5 % of the time unless the event loop is idle; it keeps no process
   * alive. Of the threads that may, the one that has the cache longest does it. Default true; `stats().improvement` says
   * what came of it.
   */
  improve?: boolean;
  /**
   * The codec of entries that are in the colder half and were not used for half a minute to a minute; what is used again
   * gets the cache's own back. `"zstd"`: they take a quarter to a third less, the whole cache 6 to 10 %, and reads with the
   * usual few keys that are wanted often take a tenth longer, as those of a cold entry take 1 to 2 µs more. For caches of
   * codec lz4, where there is a fast zstd: Node.js from 24 on, or with zstd-napi; elsewhere nothing is done. It is a part of
   * `improve`. With a second tier, values that have a dictionary stay as they are. Default `"none"`.
   */
  recompress?: "zstd" | "none";
}

/** Options of {@link CompressedCache}. */
export interface CompressedCacheOptions<V> extends CacheThreadOptions<V> {
  /**
   * All memory that the cache takes, for keys, index, metadata and values together: bytes, `"256MiB"`, or
   * `"20%"` of what this process may use. At least 1 MiB. Reserved at the start, resident as it is used.
   *
   * A range, `{ min: "64MiB", max: "2GiB" }`, follows the machine: what others leave in the container or machine. Memory
   * goes back before the kernel has to end somebody, the least recently used entries first, and the limit rises again
   * when there is room. docs/architecture.md has the rule; each change is on the channel `zbud:memory`.
   */
  maxBytes: Size | SizeRange;
  /** The most entries, as in lru-cache. If absent, as many as `averageBytes` leaves room for. */
  maxEntries?: number;
  /**
   * The most bytes that one entry may take as it is kept: compressed, with its key and tags. A number, or a size such
   * as `"64KiB"`. Default: a quarter of a shard's pages, which is also the most; `maxEntrySize` of the cache says how
   * much that is. A larger `set` is `"E2BIG"`.
   */
  maxEntrySize?: Size;
  /**
   * What an entry takes on average, compressed and with its key: it divides `maxBytes` between the index and
   * the values. If entries are smaller than this, the index is full first; if they are larger, a part of it
   * stays untouched and so not resident. Default 384.
   */
  averageBytes?: Size;
  /**
   * Which entry goes when room is needed.
   *
   * - `"lru"`, the default: the least recently used one, exactly.
   * - `"sieve"`: the oldest one that was not used since it was looked at last. It misses less with the same memory
   *   where some keys are asked for far more often than others, as docs/which-cache.md shows, and a hit writes next to
   *   nothing that threads share. It misses more where what was used last is used next. `keys()`, iteration and `save`
   *   then go by the order of `set`: reads do not move entries.
   * - `"page"`: all entries that lie on the page that the allocator frees next, so that few evictions give back whole
   *   pages, whenever these entries were used.
   */
  evict?: "lru" | "sieve" | "page";
  /** As {@link SetOptions.ttl}, for all entries whose `set` does not say otherwise. Default 0: never. */
  ttl?: number;
  /** See {@link SetOptions.staleWhileRevalidate}; default 0. */
  staleWhileRevalidate?: number;
  /** See {@link GetOptions.allowStale}; default false. */
  allowStale?: boolean;
  /** See {@link GetOptions.updateAgeOnGet}; default false. `touch(key)` does it for one entry. */
  updateAgeOnGet?: boolean;
  /**
   * Whether entries may have tags. It takes 33 bytes more of the index for each entry. Default false. A file as
   * `backing` keeps them over a restart, as `save` does; of another kind of backing store, or after a crash, entries with
   * tags are not found any more, since nobody knows then which tags were deleted.
   */
  tags?: boolean;
  /**
   * Bytes of a page of the allocator; longer values are split. Default: what the allocator finds right; for those that
   * say nothing 4096.
   */
  poolPageSize?: Size;
  /**
   * What small similar values have in common. `"auto"`, the default, learns it from the first sets and uses it
   * if it is worth it, and learns another one when values have changed so much that it saves little; or bytes, from
   * `trainDictionary`, which stay; or `"none"`.
   */
  dictionary?: "auto" | "none" | Uint8Array;
  /**
   * Parts with a lock and an order of their own, so that threads seldom wait for each other. 1, the default, keeps
   * the order of use exact.
   */
  shards?: number;
  /**
   * Whether threads can share it, with `share()`; else it has no locks. Default true, or false where there is no
   * SharedArrayBuffer. With a name (`"app"`, or the path of a file) all processes of this machine share it: the first one
   * makes it, the others join, and it outlives them.
   */
  shared?: boolean | string;
  /**
   * Whether memory that is free for a while goes back to the system by itself, and not only at `trim()` and `resize()`.
   * Default true with a name in `shared`, else false: the first call of the system prints a warning of `node:ffi`.
   */
  giveBack?: boolean | undefined;
  /**
   * The most bytes a second that are written to the backing store ahead of time: entries that will be evicted soon, so
   * that a burst finds them written. All threads together; 0: nothing is written ahead. Default `"32MiB"`. What has to
   * be evicted is written in any case. It waits, and loses nothing; the option of this name of a file refuses instead.
   */
  maxWriteBytesPerSecond?: Size | undefined;
  /**
   * Milliseconds between two times that the cache calls `flush()` by itself, in one of its threads, at the pace of
   * `maxWriteBytesPerSecond`. A process that is killed then loses what was set or deleted in the last `flushEvery`
   * milliseconds, and in the time that a flush takes. For a file with `unclean: "flushed"`; any other is `EINVAL`.
   * Default 0: never.
   */
  flushEvery?: number | undefined;
  /**
   * With a name in `shared`: what to do where a cache of other options has it. `"reject"`, the default, is an error that
   * names them; `"replace"` puts a new cache in its place, and leaves the other to those who use it.
   */
  whenDifferent?: "reject" | "replace" | undefined;
}

/** What `resize()` did. */
export interface ResizedCache {
  /** Bytes that the system got back. */
  readonly bytesFreed: number;
  readonly entriesEvicted: number;
}

/** What `flush()` did with what was in memory. */
export interface FlushedCache {
  /** Entries that it wrote to a backing store that can write at once. */
  readonly entriesWritten: number;
  /**
   * Entries in memory that such a backing store did not take, as it is full or failed; they stay in memory. 0 if it took
   * all that it was given.
   */
  readonly entriesLeft: number;
  /** What the backing store has no room for, see {@link CacheStats.backingFullOf}. */
  readonly backingFullOf: FullOf | null;
}

/** What `close()` did with what was in memory. */
export interface ClosedCache {
  /** Entries that it wrote to the backing store. */
  readonly entriesWritten: number;
  /** Entries that the backing store has not, since it was full or failed: those that were used longest ago. */
  readonly entriesLost: number;
  /** What the backing store has no room for, see {@link CacheStats.backingFullOf}. */
  readonly backingFullOf: FullOf | null;
}

/** What `share()` gives: pass it to another thread as it is, in `workerData` or by `postMessage`. */
export interface SharedCompressedCache {
  readonly kind: "zbud-cache";
}

/** Counts since the cache was made, by all threads, and what is held now. */
export interface CacheStats {
  /** Entries held, expired ones that were not found yet included. */
  entries: number;
  /** Bytes of values before compression. */
  originalBytes: number;
  /** Bytes of keys and compressed values. */
  storedBytes: number;
  /**
   * How much of `bytesReserved` is resident, about: what was touched and is not given back. docs/which-cache.md says what
   * it is made of.
   */
  bytesUsed: number;
  bytesReserved: number;
  /**
   * Reads that found the entry in memory, and reads that did not: these count here though the backing store may
   * have it.
   */
  hits: number;
  misses: number;
  /** Of the hits, those that were given an entry within its `staleWhileRevalidate`. */
  staleHits: number;
  sets: number;
  /** Values refused, by reason. */
  rejectTooBig: number;
  rejectNoMemory: number;
  /** Entries removed, by reason; `clearDeletions` are those that `clear()` removed. */
  evictions: number;
  expirations: number;
  replacements: number;
  deletions: number;
  clearDeletions: number;
  /** Entries that came back from the backing store, reads of it that found nothing, and reads that failed. */
  backingHits: number;
  backingMisses: number;
  backingReadsFailed: number;
  /**
   * With a backing store that several machines share: of the misses, those that found an entry in memory which others may
   * have changed since, because the line to the server was broken.
   */
  hitsNotTrusted: number;
  /** Whether such a server tells, at this moment, everything that others change. */
  isBackingTold: boolean;
  /** Entries of memory that were compared with the server's, and entries that others changed or deleted. */
  backingChecks: number;
  backingTold: number;
  /** Values that were loaded while nobody could tell what others change, and that the server was not given. */
  backingUntold: number;
  /**
   * Entries that it took, evicted or ahead of that; and those that it did not take when they were evicted, or at the
   * close, each once: they are lost.
   */
  backingWrites: number;
  backingWritesFailed: number;
  /** Of `backingWritesFailed`: too much was under way, or the store is down for now; and it had no room for them. */
  backingRefusedBusy: number;
  backingRefusedFull: number;
  /** Flushes by the option `flushEvery` that failed, or left something for lack of room: what is younger than the last good one is lost in a crash. */
  flushesFailed: number;
  /**
   * Whether it did not take what this thread evicted last: it is full, out of reach, or has too much under way. Until
   * that is over it is not asked for each entry, and `backingWritesFailed` counts what is lost.
   */
  isBackingFull: boolean;
  /**
   * What the backing store lacks for what it is given: `"bytes"` (give it more `maxBytes`), `"records"` (a file with a
   * fixed index; lower its `averageBytes`, or leave it out); null: nothing, or it does not say. A store with
   * `whenFull: "drop"` says it too, though it takes everything.
   */
  backingFullOf: FullOf | null;
  /** Loads that `getOrSet` began, and those of them that failed. */
  loads: number;
  loadsFailed: number;
  /** Calls of `getOrSet` that were given what another call loaded, in whatever thread or process. */
  loadsShared: number;
  /** What small similar values have in common, as far as it is learned. */
  dictionary: DictionaryStats;
  /** What was made smaller in the pauses of event loops. */
  improvement: ImprovementStats;
  /** What this thread does in a slower or weaker way, since the platform lacks something; see docs/decisions.md. */
  fallbacks: string[];
}

/** What became of a cache's dictionary, or its dictionaries; all threads see the same. */
export interface DictionaryStats {
  /**
   * - `"off"`: there is none: `dictionary: "none"`, or a codec that takes none.
   * - `"learning"`: values are collected, or being learned from. What is set meanwhile is stored without.
   * - `"in-use"`: new values are stored with it, also while another one is being learned.
   * - `"no-use"`: it was learned, and would not save 5 %. It is tried again with values that are set later.
   * - `"failed"`: it could not be learned; `error` says why.
   */
  state: "off" | "learning" | "in-use" | "no-use" | "failed";
  /** The length of the one in use; 0 if there is none. */
  bytes: number;
  /**
   * How many this cache has had, learned, given or loaded, and how many it can have: values say which one they need, so
   * all are kept. When there are so many, it goes on with the best of those.
   */
  learned: number;
  learnedMax: number;
  /** How often it was begun to learn again, since the dictionary saved little by then. Each time the next pause doubles. */
  trials: number;
  /**
   * How many bytes more all values that were set since there is one would have taken without it, whether they
   * are still held or not. An estimate: each thread compresses one value of 127 both ways. Less than 0 if values are
   * no longer like those that it was learned from.
   */
  savedBytes: number;
  /**
   * What went wrong last, if anything did: why it failed; or, in another state, why no worker thread learned it (then
   * the thread that sets values does, up to 1 ms at a time), or why a thread could not take it into use at once.
   */
  error?: string;
}

/** What a cache did for itself in the pauses of event loops; see the option `improve`. */
export interface ImprovementStats {
  /**
   * Of this thread: `"on"`; `"off"`, by the option; or `"failed"`: it ended by itself, for the reason in `error`, and what
   * is not improved stays readable as it is.
   */
  state: "on" | "off" | "failed";
  /** The codec that cold entries get: of this thread, by the option `recompress`, if there is a fast one. */
  coldCodec: "zstd" | "none";
  /** Values that were compressed anew and became smaller, by all threads. */
  recompressed: number;
  /** Bytes by which these became smaller. */
  recompressedBytesSaved: number;
  error?: string;
}

/** What is told to subscribers of the channel `zbud:cache:metrics`, with lru-cache's names. */
export interface CacheMetric {
  op: "get" | "set" | "has" | "peek" | "delete" | "fetch";
  key: CacheKey;
  get?: "hit" | "miss" | "stale";
  peek?: "hit" | "miss" | "stale";
  has?: "hit" | "miss" | "stale";
  set?: "add" | "replace" | "deleted" | "miss";
  delete?: RemovalReason;
  fetch?: "hit" | "miss" | "stale" | "inflight" | "refresh";
  /** Why a `set` was a `"miss"`. */
  refused?: "E2BIG" | "ENOMEM";
  ttl?: number;
  /** Of a `get`: the value was given although its time was over. */
  returnedStale?: true;
  /** The cache, as this thread has it. */
  cache: object;
}
