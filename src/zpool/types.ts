import type { Handle } from "../base/index.ts";
import type { PageMemory } from "../memory/index.ts";
import type { SnapshotColumns } from "./columns.ts";

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
  /** After a zpool's compact. `movesMax` is as it was given. */
  onCompact?(movesMax: number | undefined, result: CompactResult): void;
}

/** One page in use. */
export interface PageSnapshot {
  page: number;
  /** Bytes of the page. */
  bytes: number;
  underReclaim: boolean;
  /** Its objects, by `offset`: bytes from the start of the page. */
  objects: { handle: Handle; offset: number; size: number }[];
}

/** A pool at one moment, as plain data that can be compared, shown or sent. It holds no stored bytes. */
export interface PoolSnapshot {
  /** The driver's name. */
  type: string;
  /** Bytes of a page; of a pool with several sizes, of the largest. */
  pageSize: number;
  /** The most pages in use at once. */
  maxPages: number;
  /** Pages in use, by index. */
  pages: PageSnapshot[];
  /** The lists by which the driver finds a page for an object, those that are not empty, head first. */
  lists: { name: string; pages: number[] }[];
  /** Page indices, most recently allocated into first; empty for a driver without such an order. */
  lru: number[];
  /** Pages that were used before and are free now, the next to be taken first. */
  free: number[];
}

/** Where an object's bytes are in the memory of its pool: one piece, or two where it crosses a page's end. */
export interface ObjectSpan {
  /** From the start of the page memory. */
  offset: number;
  size: number;
  offset2: number;
  /** 0: there is no second piece. */
  size2: number;
}

/** What a compaction did. */
export interface CompactResult {
  /** Objects that were moved. */
  moved: number;
  /** Pages that were released. */
  pagesReleased: number;
}

/** Metadata that a pool costs, in bytes. */
export interface PoolFootprint {
  /** Once a pool. */
  fixedBytes: number;
  /** For each page, at most. */
  pageBytes: number;
}

/** Options that shape a pool's pages; `pageSize` and `maxPages`, and what the driver has of its own. */
export type PoolShape = Readonly<Record<string, number | readonly PageSizeRange[]>> & {
  readonly pageSize: number;
  readonly maxPages: number;
  readonly chunkOrder?: number;
  /** Of a pool with pages of several sizes. */
  readonly pageSizes?: readonly PageSizeRange[];
  readonly maxBytes?: number;
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
  /** Bytes of the pages in use. */
  readonly totalBytes: number;
  /** Pages that the last reclaim by this thread released. */
  readonly releasedPages: number;
  /** Bytes of those. */
  readonly releasedBytes: number;
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
  /** Moves at most `movesMax` objects together, so that pages are released; none where nothing moves. */
  compact(movesMax?: number): CompactResult;
  /**
   * Chooses page sizes for new objects anew; only a driver with pages of several sizes has it. See
   * {@link Zpool.refit}.
   */
  refit?(pageSizes?: readonly (number | PageSizeRange)[]): PageSizeRange[] | "EAGAIN";
  inspect(handle: Handle): ObjectPlace;
  /** Fills in where the object's bytes are in {@link memoryBytes}, for those who copy them by ranges. */
  locate(handle: Handle, into: ObjectSpan): void;
  /** The whole page memory. The same array each time; what it holds is the objects' business. */
  readonly memoryBytes: Uint8Array;
  /** Calls `visit` for every live object. It may free the object that it is called for, and nothing else. */
  objects(visit: (handle: Handle, size: number) => void): void;
  stats(): PoolStats;
  snapshot(): PoolSnapshot;
  snapshotColumns(): SnapshotColumns;
  verify(): void;
  /** What `attach` of the driver takes in another thread: plain data, for `postMessage`. */
  share(): unknown;
  recover(): number;
  threadGone(threadId: number): void;
  /** Gives what ends it. */
  observe(observer: PoolObserver): () => void;
  close(): void;
}

/** One page size of several, and which objects go to its pages: those above the range before, up to `sizeMax`. */
export interface PageSizeRange {
  /** Bytes. */
  pageSize: number;
  /** Bytes. */
  sizeMax: number;
}

/** Options that every driver takes; a driver may take more. */
export interface ZpoolOptions {
  /** The most pages in use at once. This or `maxBytes` must be given. */
  maxPages?: number;
  /** The most bytes of pages in use at once, instead of `maxPages`. */
  maxBytes?: number;
  /** Bytes; default 4096. */
  pageSize?: number;
  /** Usable from several threads; default false. */
  shared?: boolean;
  /**
   * Who keeps threads apart in a shared pool. `"own"`, the default: the pool. `"caller"`: whoever calls holds a
   * lock of its own around every call, and calls `recover()` when it took that lock from a dead thread.
   */
  lock?: "own" | "caller";
  /** About how many objects there will be, for drivers that say {@link ZpoolDriver.takesMaxObjects} or
   * {@link ZpoolDriver.boundsObjects}. */
  maxObjects?: number | undefined;
}

/** What a driver can be given instead of its own, by tests. */
export interface ZpoolParts {
  /** Where page bytes come from. */
  memory?: PageMemory;
}

/** An allocator behind the pool interface. */
export interface ZpoolDriver {
  /** The name users choose it by. */
  readonly type: string;
  /** Whether pools of this driver can reclaim. A pool without an evict handler cannot in any case. */
  readonly canReclaim: boolean;
  /** Whether `maxObjects` makes its metadata smaller, without refusing objects beyond that which pages take. */
  readonly takesMaxObjects?: boolean;
  /** Whether `maxObjects` makes its metadata smaller, and is the most objects that it takes. */
  readonly boundsObjects?: boolean;
  /**
   * Makes the memory of one pool.
   *
   * @param options - as the caller gave them; the driver checks them, and throws `EINVAL` naming a bad one.
   * @param onEvict - called for each object to evict; null if the pool has no handler.
   * @param parts - for tests.
   */
  create(
    options: ZpoolOptions,
    onEvict: ((handle: Handle) => boolean) | null,
    parts?: ZpoolParts,
  ): DriverPool;
  /**
   * Opens a pool that another thread made.
   *
   * @param shared - what the other's `share()` gave; the driver checks it, and throws `EINVAL` or `EBADMSG`.
   */
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool;
  /** Metadata that a pool of these options costs. Throws as `create`. */
  footprint(options: ZpoolOptions): PoolFootprint;
}
