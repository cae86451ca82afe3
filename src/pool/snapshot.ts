import type { Handle } from "../base/index.ts";
import type { PageSnapshot, PoolSnapshot } from "./types.ts";

/**
 * A {@link PoolSnapshot} as columns of numbers, so that one of 100,000 pages is a few arrays and not half a
 * million objects. It holds no stored bytes.
 */
export interface SnapshotColumns {
  /** The driver's name. */
  readonly type: string;
  /** Bytes of a page; of a pool with several sizes, of the largest. */
  readonly pageSize: number;
  /** The most pages in use at once. */
  readonly maxPages: number;
  /** Object `i` is named `handles[i]`, begins `offsets[i]` bytes from the start of its page and has `sizes[i]`. */
  readonly handles: Float64Array;
  readonly offsets: Int32Array;
  readonly sizes: Int32Array;
  /** Row `i` is page `pages[i]`, of `bytes[i]` bytes; its objects are `starts[i]` to `starts[i + 1] - 1`. */
  readonly pages: Int32Array;
  readonly bytes: Int32Array;
  /** 1: the page is under reclaim. */
  readonly underReclaim: Uint8Array;
  readonly starts: Int32Array;
  /** Lists that are not empty. List `i` is the pages `listStarts[i]` to `listStarts[i + 1] - 1` of `listPages`. */
  readonly lists: readonly string[];
  readonly listStarts: Int32Array;
  readonly listPages: Int32Array;
  /** Pages, most recently allocated into first; empty for a driver without such an order. */
  readonly lru: Int32Array;
  /** Pages that were used before and are free now, the next to be taken first. */
  readonly free: Int32Array;
}

/** The same as plain data: pages by index, their objects by offset. */
export function snapshotOf(columns: SnapshotColumns): PoolSnapshot {
  const { type, pageSize, maxPages, handles, offsets, sizes, starts, listStarts } = columns;
  const pages: PageSnapshot[] = [];
  for (let row = 0; row < columns.pages.length; row++) {
    const objects: PageSnapshot["objects"] = [];
    for (let i = starts[row]; i < starts[row + 1]; i++) {
      objects.push({ handle: handles[i] as Handle, offset: offsets[i], size: sizes[i] });
    }
    if (objects.length > 1) objects.sort((a, b) => a.offset - b.offset);
    pages.push({
      page: columns.pages[row],
      bytes: columns.bytes[row],
      underReclaim: columns.underReclaim[row] === 1,
      objects,
    });
  }
  const lists = columns.lists.map((name, i) => ({
    name,
    pages: numbers(columns.listPages, listStarts[i], listStarts[i + 1]),
  }));
  return {
    type,
    pageSize,
    maxPages,
    pages: pages.sort((a, b) => a.page - b.page),
    lists,
    lru: numbers(columns.lru, 0, columns.lru.length),
    free: numbers(columns.free, 0, columns.free.length),
  };
}

function numbers(column: Int32Array, from: number, to: number): number[] {
  const found: number[] = [];
  for (let i = from; i < to; i++) found.push(column[i]);
  return found;
}
