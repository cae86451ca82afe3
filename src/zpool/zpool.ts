/// <reference lib="esnext.disposable" preserve="true" />
import { type Handle, notShared, show, ZbudError } from "../base/index.ts";
import type { SnapshotColumns } from "./columns.ts";
import { Observers } from "./observer.ts";
import { countOpenPools, driverOf } from "./registry.ts";
import type {
  AllocRefusal,
  CompactResult,
  DriverPool,
  MapMode,
  ObjectPlace,
  PageSizeRange,
  PoolObserver,
  PoolShape,
  PoolSnapshot,
  PoolStats,
  ReclaimResult,
  ZpoolDriver,
  ZpoolOptions,
} from "./types.ts";

/** Tries that one page of a shrink gets. */
const SHRINK_RETRIES = 8;

/** What {@link Zpool.shrink} did. */
export interface ShrinkResult {
  /** Pages released. */
  reclaimed: number;
  /** The last reclaim's result; `"EINVAL"` when none was tried. */
  result: ReclaimResult;
}

/** What {@link Zpool.shrinkBytes} did. */
export interface ShrinkBytesResult {
  /** Bytes of the pages released. */
  reclaimedBytes: number;
  /** The last reclaim's result; `"EINVAL"` when none was tried. */
  result: ReclaimResult;
}

/** A shared pool as plain data, to be sent to another thread with `postMessage` or as `workerData`. */
export interface SharedZpool {
  /** The driver's name. */
  readonly zpool: string;
  /** The driver's own. */
  readonly pool: unknown;
}

/** Options of {@link createZpool}: the driver's own, and what to do on eviction. */
export interface CreateZpoolOptions extends ZpoolOptions {
  /** Chunks a page = `2^chunkOrder` (zbud). */
  chunkOrder?: number;
  /** Pages of one to four sizes, or of sizes that fit what is stored (zbud, with `maxBytes`). */
  pageSizes?: readonly (number | PageSizeRange)[] | "fit";
  /** Sizes of objects to fit the page sizes to (zbud, with `pageSizes: "fit"`). */
  sample?: ArrayLike<number>;
  /** How many objects are stored before the page sizes are fitted to them, if there is no sample (zbud). */
  warmUp?: number;
  /**
   * Called by `shrink` for each object to evict. To evict, save what is to be saved, call
   * `pool.free(handle)` and return true; to keep it, return false.
   */
  onEvict?: ((handle: Handle, pool: Zpool) => boolean) | undefined;
}

/**
 * A pool of compressed objects, whatever the allocator behind it. Every method that takes a handle throws
 * {@link ZbudError} `EBADF` if the pool has no such object, every method `ECLOSED` after `close()`; then
 * nothing changed.
 */
export class Zpool {
  /** The driver's name. */
  readonly type: string;
  /** Whether the pool has an evict handler and its driver can reclaim. */
  readonly evictable: boolean;
  readonly #pool: DriverPool;
  #observer: PoolObserver | null = null;
  readonly #observers: Observers = new Observers((heard) => {
    this.#observer = heard;
  });
  #closed = false;

  /**
   * Use {@link createZpool} or {@link attachZpool}.
   *
   * @param open - makes the driver's part, given what to call on eviction.
   */
  constructor(
    driver: ZpoolDriver,
    onEvict: ((handle: Handle, pool: Zpool) => boolean) | null | undefined,
    open: (onEvict: ((handle: Handle) => boolean) | null) => DriverPool,
  ) {
    if (onEvict !== null && onEvict !== undefined && typeof onEvict !== "function") {
      throw new ZbudError(
        "EINVAL",
        `onEvict must be a function (handle, pool) => boolean, not ${show(onEvict)}`,
      );
    }
    this.type = driver.type;
    this.evictable = typeof onEvict === "function" && driver.canReclaim;
    const pool = open(onEvict ? (handle) => onEvict(handle, this) : null);
    if (typeof pool?.alloc !== "function" || typeof pool.close !== "function") {
      throw new ZbudError(
        "EINVAL",
        `the driver of type ${show(driver.type)} made no pool but ${show(pool)}; mend the driver`,
      );
    }
    this.#pool = pool;
    countOpenPools(driver.type, 1);
  }

  /** The options that make another pool of the same shape. */
  get shape(): PoolShape {
    return this.#pool.shape;
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.#pool.pageSize;
  }

  /** The largest object that the driver takes, in bytes. */
  get objectBytesMax(): number {
    return this.#pool.objectBytesMax;
  }

  /** Pages of memory in use. */
  get totalPages(): number {
    return this.#pool.pageCount;
  }

  /** Bytes of memory in use for pages, not of content. */
  get totalSize(): number {
    return this.#pool.totalBytes;
  }

  /**
   * Reserves room for one object.
   *
   * @param size - bytes, a positive integer.
   * @returns a {@link Handle}, or why there is none: `"ENOSPC"` (too big for this driver, whatever is
   *   free: it compresses poorly) or `"ENOMEM"` (full now: shrink, then try again).
   * @throws {ZbudError} `EINVAL` if `size` is not a positive integer.
   */
  malloc(size: number): Handle | AllocRefusal {
    return this.#pool.alloc(size);
  }

  /** Frees an object; its handle is void from here on. */
  free(handle: Handle): void {
    this.#pool.free(handle);
  }

  /**
   * A view of an object's bytes, until `unmap`. Where an object may lie in two places it is a copy, which
   * `unmap` writes back unless `mode` is `"ro"`.
   */
  map(handle: Handle, mode: MapMode = "rw"): Uint8Array {
    return this.#pool.map(handle, mode);
  }

  /** Ends what `map` began. */
  unmap(handle: Handle): void {
    this.#pool.unmap(handle);
  }

  /**
   * Copies an object out: what a consumer should use by default.
   *
   * @param into - at least as long as the object.
   * @returns the object's size in bytes.
   * @throws {ZbudError} `EINVAL` if `into` is too short.
   */
  read(handle: Handle, into: Uint8Array): number {
    return this.#pool.read(handle, into);
  }

  /**
   * Copies bytes into an object, from its start.
   *
   * @throws {ZbudError} `EINVAL` if there are more than the object takes.
   */
  write(handle: Handle, bytes: Uint8Array): void {
    this.#pool.write(handle, bytes);
  }

  /** The object's size in bytes, as asked for. */
  sizeOf(handle: Handle): number {
    return this.#pool.sizeOf(handle);
  }

  /**
   * Reclaims pages one by one, or in groups where the driver has them, with 8 retries for each, until `pages`
   * are released or a reclaim fails.
   *
   * @returns how many were released, and the last reclaim's result: `"EINVAL"` at once for a pool that is
   *   not {@link evictable}, and for `shrink(0)`.
   * @throws {ZbudError} `EINVAL` if `pages` is not a whole number. What the evict handler throws comes
   *   through; the pages released until then stay released.
   */
  shrink(pages: number): ShrinkResult {
    if (this.#closed) throw new ZbudError("ECLOSED", "this pool was closed; make a new one");
    if (!Number.isInteger(pages) || pages < 0) {
      throw new ZbudError("EINVAL", `pages must be a whole number of pages to release, not ${show(pages)}`);
    }
    this.#observer?.onShrinkStart?.(pages);
    let reclaimed = 0;
    let result: ReclaimResult = "EINVAL";
    let returned = false;
    try {
      while (reclaimed < pages) {
        result = this.#pool.reclaimPage(SHRINK_RETRIES);
        if (result !== "ok") break;
        reclaimed += this.#pool.releasedPages;
      }
      returned = true;
    } finally {
      this.#observer?.onShrinkEnd?.(reclaimed, returned ? result : "throw");
    }
    return { reclaimed, result };
  }

  /**
   * Reclaims pages one by one, as {@link shrink}, until pages of `bytes` bytes are released or a reclaim fails.
   *
   * @returns how many bytes were released, at least `bytes` unless a reclaim failed; and the last reclaim's
   *   result.
   * @throws {ZbudError} `EINVAL` if `bytes` is not a whole number; else as {@link shrink}.
   */
  shrinkBytes(bytes: number): ShrinkBytesResult {
    if (this.#closed) throw new ZbudError("ECLOSED", "this pool was closed; make a new one");
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new ZbudError("EINVAL", `bytes must be a whole number of bytes to release, not ${show(bytes)}`);
    }
    let reclaimedBytes = 0;
    let result: ReclaimResult = "EINVAL";
    while (reclaimedBytes < bytes) {
      result = this.#pool.reclaimPage(SHRINK_RETRIES);
      if (result !== "ok") break;
      reclaimedBytes += this.#pool.releasedBytes;
    }
    return { reclaimedBytes, result };
  }

  /**
   * Gives memory that no page uses back to the system, as far as the driver can.
   *
   * @returns bytes given back.
   */
  trim(): number {
    return this.#pool.trim();
  }

  /**
   * Moves objects together where the driver can (`zsmalloc`), so that pages are released without an eviction.
   *
   * @param movesMax - the most objects to move, so that the call ends soon; the next goes on there. Default: as
   *   many as it takes.
   * @returns how many were moved and what came of it: nothing, where nothing moves.
   * @throws {ZbudError} `EINVAL` if `movesMax` is not a positive integer.
   */
  compact(movesMax?: number): CompactResult {
    const result = this.#pool.compact(movesMax);
    this.#observer?.onCompact?.(movesMax, result);
    return result;
  }

  /**
   * Chooses the page sizes for new objects anew, where the driver has pages of several sizes: what is stored
   * drifts. Objects stay where they are, and their handles valid; pages of sizes that are given up come back as
   * they are reclaimed or freed. The pool's limit in bytes holds all the while.
   *
   * @param pageSizes - the new ones, as the option of zbud; default: what fits the sizes stored lately.
   * @returns the page sizes from here on; or `"EAGAIN"` if too many earlier ones still hold objects, and then
   *   nothing changed.
   * @throws {ZbudError} `ENOTSUP` if this pool's pages are all of one size; `EINVAL` for impossible sizes, or
   *   if none are given and nothing was stored yet.
   */
  refit(pageSizes?: readonly (number | PageSizeRange)[]): PageSizeRange[] | "EAGAIN" {
    if (this.#closed) throw new ZbudError("ECLOSED", "this pool was closed; make a new one");
    if (this.#pool.refit === undefined) {
      throw new ZbudError(
        "ENOTSUP",
        `this pool of type ${show(this.type)} has pages of one size; make one of type "zbud" with pageSizes`,
      );
    }
    return this.#pool.refit(pageSizes);
  }

  /** Where an object lies. */
  inspect(handle: Handle): ObjectPlace {
    return this.#pool.inspect(handle);
  }

  /** Figures of this moment; see {@link PoolStats}. */
  stats(): PoolStats {
    return this.#pool.stats();
  }

  /**
   * Calls `visit` for every live object, in no order. It may free the object that it is called for, and nothing
   * else.
   */
  objects(visit: (handle: Handle, size: number) => void): void {
    this.#pool.objects(visit);
  }

  /** What lies where, as plain data, never the stored bytes; for tests and viewers. */
  snapshot(): PoolSnapshot {
    return this.#pool.snapshot();
  }

  /** The same as columns of numbers, which is much cheaper for a large pool; for viewers. */
  snapshotColumns(): SnapshotColumns {
    return this.#pool.snapshotColumns();
  }

  /** Checks the driver's invariants; throws `ECORRUPT` naming the first that does not hold. */
  verify(): void {
    this.#pool.verify();
  }

  /** Tells a listener what happens from here on; there may be several. Gives what ends it. */
  observe(observer: PoolObserver): () => void {
    const ends = [this.#pool.observe(observer), this.#observers.add(observer)];
    return () => {
      for (const end of ends) end();
    };
  }

  /**
   * What another thread needs to open this pool with {@link attachZpool}: plain data for `postMessage` or
   * `workerData`. Nothing is copied.
   *
   * @throws {ZbudError} `EINVAL` if the pool was made without `shared: true`.
   */
  share(): SharedZpool {
    return { zpool: this.type, pool: this.#pool.share() };
  }

  /**
   * Looks for threads that were attached and are gone, and puts back what they left half done. Other calls do
   * so themselves when such a thread is in their way.
   *
   * @returns how many threads were found gone.
   */
  recover(): number {
    return this.#pool.recover();
  }

  /**
   * Tells that a worker thread has exited, and recovers what it left: for its `exit` event. Only Linux lets
   * the threads of a pool find that out themselves.
   *
   * @param threadId - the worker's `threadId`, noted while it ran: it is -1 afterwards.
   * @throws {ZbudError} `EINVAL` for what is no thread's number, -1 too; `ECLOSED`.
   */
  threadGone(threadId: number): void {
    this.#pool.threadGone(threadId);
  }

  /** Ends the pool and gives its memory back. A second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#observers.clear();
    try {
      this.#pool.close();
    } finally {
      countOpenPools(this.type, -1);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Makes a pool of the given type.
 *
 * @param type - a registered driver; importing the package registers `"zbud"`.
 * @throws {ZbudError} `ENOENT` for an unknown type, naming those that exist; `EINVAL` naming a bad option;
 *   `ENOMEM` if its address space cannot be reserved.
 */
export function createZpool(type: string, options: CreateZpoolOptions): Zpool {
  const driver = driverOf(type);
  if (typeof options !== "object" || options === null) {
    throw new ZbudError(
      "EINVAL",
      `options must be an object such as { maxPages: 1000 }, not ${show(options)}`,
    );
  }
  return new Zpool(driver, options.onEvict, (evict) => driver.create(options, evict));
}

/**
 * Opens a pool that another thread made.
 *
 * @param shared - what {@link Zpool.share} gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread shrinks.
 * @throws {ZbudError} `ENOENT` if its driver is not registered in this thread; `EINVAL` if `shared` is no
 *   such thing; `EBADMSG` if its buffers hold no pool; `EBUSY` if too many threads use it.
 */
export function attachZpool(shared: SharedZpool, options: Pick<CreateZpoolOptions, "onEvict"> = {}): Zpool {
  if (typeof shared !== "object" || shared === null || typeof shared.zpool !== "string") {
    throw notShared("a zpool", shared);
  }
  const driver = driverOf(shared.zpool);
  return new Zpool(driver, options.onEvict, (evict) => driver.attach(shared.pool, evict));
}
