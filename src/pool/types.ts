import type { Handle } from "../base/index.ts";

/** Why `alloc` gave no handle: never fits a page of this driver / the pool is full now. */
export type AllocRefusal = "ENOSPC" | "ENOMEM";

/** How one reclaim ended: a page was released / all tries were used / nothing could be tried. */
export type ReclaimResult = "ok" | "EAGAIN" | "EINVAL";

/** What `shrink` did. */
export interface ShrinkResult {
  /** Pages released. */
  reclaimed: number;
  /** The last reclaim's result; `"EINVAL"` when none was tried. */
  result: ReclaimResult;
}

/** What `shrinkBytes` did. */
export interface ShrinkBytesResult {
  /** Bytes of the pages released. */
  reclaimedBytes: number;
  /** The last reclaim's result; `"EINVAL"` when none was tried. */
  result: ReclaimResult;
}

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
  /** Before a shrink begins. */
  onShrinkStart?(pages: number): void;
  /** After a shrink; `result` as for a reclaim. */
  onShrinkEnd?(reclaimed: number, result: ReclaimResult | "throw"): void;
  /** After a compact. `maxMoves` is as it was given. */
  onCompact?(maxMoves: number | undefined, result: CompactResult): void;
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
  /** For each object, where that is not a matter of pages. Default: none. */
  objectBytes?: number;
  /** What sizes of objects are rounded up to. Default: a 64th of a page. */
  unitBytes?: number;
  /** Of a pool with pages of several sizes: bytes of the smallest that there may be. Default: all are of one size. */
  minPageSize?: number;
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

/** One page size of several, and which objects go to its pages: those above the range before, up to `maxSize`. */
export interface PageSizeRange {
  /** Bytes. */
  pageSize: number;
  /** Bytes. */
  maxSize: number;
}
