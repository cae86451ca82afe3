import type { Handle } from "../base/index.ts";

/** Why `malloc` gave no handle: never fits a page of this driver / the pool is full now. */
export type AllocRefusal = "ENOSPC" | "ENOMEM";

/** How one reclaim ended: a page was released / all tries were used / nothing could be tried. */
export type ReclaimResult = "ok" | "EAGAIN" | "EINVAL";

/** What a view from `map` is for. A driver may hand out a copy, which `unmap` writes back unless `"ro"`. */
export type MapMode = "rw" | "ro";

/** Figures of a pool at one moment. Every driver gives all of them. */
export interface PoolStats {
  /** Live objects. */
  objects: number;
  /** Sum of the live objects' sizes, in bytes, as asked for. */
  objectBytes: number;
  /** Pages in use. */
  pages: number;
  /** `pages * pageSize`. */
  pageBytes: number;
  /** Bytes of bookkeeping for the pages in use. */
  metadataBytes: number;
  /** `objects / pages`; 0 for an empty pool. */
  density: number;
  /** `objectBytes / pageBytes`; 0 for an empty pool. */
  utilisation: number;
  /** Pages that reclaim released since the pool was made. */
  pagesReclaimed: number;
  /** Objects that the handler evicted: said so, and freed. */
  objectsEvicted: number;
  /** Calls of the handler after which the object was still there: it refused, lied or threw. */
  evictionsRefused: number;
  /** Allocations refused since the pool was made, by reason. */
  allocsRefused: Record<AllocRefusal, number>;
  /** Live objects by size: bucket `i` counts sizes in `(i, i + 1] * pageSize / 64`. 64 buckets. */
  sizeHistogram: number[];
}

/** Where an object lies. */
export interface ObjectPlace {
  /** Index of the page in the pool. */
  page: number;
  /** Bytes from the start of that page. */
  offset: number;
  /** Bytes, as asked for. */
  size: number;
}

/**
 * What happens in a pool, as it happens. A recorder, a checker or a viewer listens; the pool pays one
 * test for each operation when nobody does. A listener may look at the pool but not change it, and must not
 * throw: the operation is done by then, and what it gave would be lost.
 */
export interface PoolObserver {
  /** After an alloc: the handle, or why there is none (`"EINVAL"`: the call is about to throw). */
  onAlloc?(size: number, result: Handle | AllocRefusal | "EINVAL"): void;
  /** After a free. */
  onFree?(handle: Handle): void;
  /** Before a reclaim begins. */
  onReclaimStart?(retries: number): void;
  /** Before the evict handler is called for an object. */
  onEvictStart?(handle: Handle): void;
  /** After the evict handler came back. `returned` is what it gave, or that it threw. */
  onEvictEnd?(handle: Handle, returned: boolean | "throw"): void;
  /** After a reclaim. `"throw"`: what the handler threw comes through. */
  onReclaimEnd?(result: ReclaimResult | "throw"): void;
  /** Before a zpool's shrink begins. */
  onShrinkStart?(pages: number): void;
  /** After a zpool's shrink; `result` as for a reclaim. */
  onShrinkEnd?(reclaimed: number, result: ReclaimResult | "throw"): void;
}

/** Options that shape a pool's pages; `pageSize` and `maxPages`, and what the driver has of its own. */
export type PoolShape = Readonly<Record<string, number>> & {
  readonly pageSize: number;
  readonly maxPages: number;
};

/**
 * One allocator's memory, as a driver gives it to {@link Zpool}. It checks its handles: misuse throws
 * `EBADF`, a call after `close` throws `ECLOSED`, and nothing changes.
 */
export interface DriverPool {
  /** The options that make another pool of the same shape. */
  readonly shape: PoolShape;
  readonly pageSize: number;
  readonly pageCount: number;
  /** The largest object that a page takes, in bytes. */
  readonly objectBytesMax: number;
  alloc(size: number): Handle | AllocRefusal;
  free(handle: Handle): void;
  map(handle: Handle, mode?: MapMode): Uint8Array;
  unmap(handle: Handle): void;
  read(handle: Handle, into: Uint8Array): number;
  write(handle: Handle, bytes: Uint8Array): void;
  sizeOf(handle: Handle): number;
  reclaimPage(retries?: number): ReclaimResult;
  trim(): number;
  inspect(handle: Handle): ObjectPlace;
  stats(): PoolStats;
  verify(): void;
  /** What `attach` of the driver takes in another thread: plain data, for `postMessage`. */
  share(): unknown;
  recover(): number;
  threadGone(threadId: number): void;
  observe(observer: PoolObserver | null): void;
  close(): void;
}

/** Options that every driver takes; a driver may take more. */
export interface ZpoolOptions {
  /** The most pages in use at once. */
  maxPages: number;
  /** Bytes; default 4096. */
  pageSize?: number;
  /** Usable from several threads; default false. */
  shared?: boolean;
}

/** An allocator behind the pool interface. */
export interface ZpoolDriver {
  /** The name users choose it by. */
  readonly type: string;
  /** Whether pools of this driver can reclaim. A pool without an evict handler cannot in any case. */
  readonly canReclaim: boolean;
  /**
   * Makes the memory of one pool.
   *
   * @param options - as the caller gave them; the driver checks them, and throws `EINVAL` naming a bad one.
   * @param onEvict - called for each object to evict; null if the pool has no handler.
   */
  create(options: ZpoolOptions, onEvict: ((handle: Handle) => boolean) | null): DriverPool;
  /**
   * Opens a pool that another thread made.
   *
   * @param shared - what the other's `share()` gave; the driver checks it, and throws `EINVAL` or `EBADMSG`.
   */
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool;
}
