import type { Codec } from "../codecs/index.ts";
import type {
  EngineOptions,
  EngineStats,
  EntryAttributes,
  FoundEntry,
  OnEvict,
  OnRemoved,
  PutResult,
  SharedEngine,
  StoredValue,
} from "./types.ts";

/**
 * Compressed values within a hard limit of bytes, for one thread or for many. It knows neither pages nor
 * keys: an entry is named by two words, and by bytes that are compared exactly where there are any.
 *
 * Calls are synchronous and, but for those that say so, make no JavaScript object. What they find is in
 * {@link found}. A value is compressed and decompressed outside of locks.
 */
export declare class Engine {
  /** The record that lookups fill. */
  readonly found: FoundEntry;
  /** What the engine takes at most; it never changes. */
  readonly bytesReserved: number;
  /** The most that one entry may take, compressed, with prefix and head: a quarter of a shard. */
  readonly entryBytesMax: number;
  /** How many shards there are; they are numbered from 0. */
  readonly shardCount: number;

  /** @throws {ZbudError} `EINVAL` naming a bad option, `ENOENT` for an unknown codec or driver, `ENOMEM`. */
  constructor(options: EngineOptions);

  /** Opens an engine that another thread made. Hooks, companion and codecs are each thread's own. */
  static attach(
    shared: SharedEngine,
    hooks?: Pick<EngineOptions, "onEvict" | "onRemoved" | "companion" | "resolveCodec" | "codec">,
  ): Engine;

  /** What {@link attach} takes in another thread. `EINVAL` unless it was made with `shared: true`. */
  share(): SharedEngine;

  /**
   * Stores a value under a name. An older one goes first, in any case.
   *
   * @param value - its first `length` bytes are stored; 0 to `valueBytesMax`.
   * @param now - expired entries go before others when room is wanted.
   */
  put(
    k0: number,
    k1: number,
    value: Uint8Array,
    length: number,
    attributes: EntryAttributes,
    now: number,
  ): PutResult;

  /**
   * Stores what is compressed already.
   *
   * @param epoch - what {@link epoch} gave before the bytes were fetched: if the entry was put or removed
   *   since, nothing changes and the result is `"stale"`. -1: in any case.
   */
  putStored(
    k0: number,
    k1: number,
    value: StoredValue,
    attributes: EntryAttributes,
    now: number,
    epoch: number,
  ): PutResult;

  /** A number that changes whenever an entry of this name is put or removed (and sometimes without). */
  epoch(k0: number, k1: number): number;

  /**
   * Finds an entry, fills {@link found} and sets its stored bytes ready for {@link decode}. An entry with
   * `expiresAt <= now` is removed as expired and not found. Counts a hit or a miss.
   *
   * @param touch - whether it becomes the most recently used one.
   */
  lookup(
    k0: number,
    k1: number,
    prefix: Uint8Array,
    prefixLength: number,
    now: number,
    touch: boolean,
  ): boolean;

  /**
   * Decompresses what the last call of `lookup` or `readRow` found, outside of locks.
   *
   * @param target - at least `found.length` bytes; what lies behind is undefined afterwards.
   * @returns bytes written.
   * @throws {ZbudError} `EINVAL` if it is too short, `EBADMSG` if the codec refuses the bytes, `ENOENT` if
   *   this thread does not know the codec.
   */
  decode(target: Uint8Array): number;

  /** The same as `lookup` without setting bytes ready, touching or counting. */
  contains(k0: number, k1: number, prefix: Uint8Array, prefixLength: number, now: number): boolean;

  /** Removes an entry as deleted. False if there was none. */
  remove(k0: number, k1: number, prefix: Uint8Array, prefixLength: number): boolean;

  /** Removes all. */
  clear(): void;

  /** Changes when an entry expires. False if there is none. */
  setExpiry(k0: number, k1: number, prefix: Uint8Array, prefixLength: number, expiresAt: number): boolean;

  /**
   * Removes entries with `expiresAt <= now`, the earliest first, looking at no other.
   *
   * @returns how many went, at most `max`.
   */
  expire(now: number, max: number): number;

  /** How many entries there are. */
  readonly size: number;

  /**
   * Where the entries of a shard lie at this moment: row and version of each, most recently used first.
   * Makes one array. Read each with {@link readRow}; those that changed meanwhile are passed over there.
   */
  rowsOf(shard: number): Int32Array;

  /**
   * Finds the value that `(shard, row, version)` names, if it is still there; fills `found` with its
   * `bytes`, and sets it ready for {@link decode}. Neither touches nor counts.
   */
  readRow(shard: number, row: number, version: number): boolean;

  /** Removes the value that `(shard, row, version)` names, if it is still there. */
  removeRow(shard: number, row: number, version: number): boolean;

  /**
   * Takes up to `max` of the least recently used entries of a shard that are neither clean nor being
   * written, marks them as being written, and calls `take` for each with its bytes, under the lock.
   *
   * @returns how many it took.
   */
  startWriteback(shard: number, max: number, take: (entry: FoundEntry) => void): number;

  /**
   * Tells how the writing of a value ended, which may have been replaced or removed meanwhile.
   *
   * @param outcome - `"clean"`: a copy is there; the entry stays. `"evict"`: a copy is there; the entry
   *   goes. `"failed"`: nothing is there.
   * @returns whether `(shard, row, version)` was still the value that was written. If not, what was
   *   written is out of date, and the caller must delete it.
   */
  endWriteback(shard: number, row: number, version: number, outcome: "clean" | "evict" | "failed"): boolean;

  /** Evicts least recently used entries (or pages, by `order`) until `bytes` of pool memory are free. Bytes freed. */
  shrink(bytes: number): number;

  /**
   * Compresses cold values again with another codec, and keeps the result where it frees memory. Idle work.
   *
   * @param max - entries to look at.
   * @returns entries that became smaller.
   */
  recompress(codec: number, max: number): number;

  /** Makes a codec known, under a slot of 1 to 255 that entries keep. Default: the codec's id. */
  addCodec(codec: Codec, slot?: number): number;
  /** New values are compressed with the codec of this slot, in this thread. */
  useCodec(slot: number): void;
  /** New values go to pools of this driver; those of the old one drain. */
  useDriver(driver: string): void;
  /** Replaces the hooks of this thread. */
  setHooks(hooks: { onEvict?: OnEvict | undefined; onRemoved?: OnRemoved | undefined }): void;

  /** One cheap call. Makes one object. */
  stats(): EngineStats;

  /** Checks every invariant; throws `ECORRUPT` naming the first that does not hold. Walks everything. */
  verify(): void;

  /** Looks for threads that are gone and repairs what they left half done. How many were found. */
  recover(): number;
  /** Tells that a worker with this `threadId` has exited, and recovers. */
  threadGone(threadId: number): void;

  /** Ends this thread's use. A second close does nothing. */
  close(): void;
  [Symbol.dispose](): void;
}
