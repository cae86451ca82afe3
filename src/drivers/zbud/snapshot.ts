import type { Handle } from "../../base/index.ts";
import type { Geometry } from "./geometry.ts";
import {
  FREE,
  firstRowOf,
  LIST_NEXT,
  LRU_NEXT,
  LRU_PREV,
  type PageTable,
  ROW_SHIFT,
  SIZE_BITS,
  SIZE_MASK,
  SIZES,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_LRU,
} from "./page-table.ts";

/** One object in a {@link PageSnapshot}. */
export interface BuddySnapshot {
  handle: Handle;
  /** Bytes, as asked for. */
  size: number;
  /** Whole chunks taken. */
  chunks: number;
}

/** One page in use. */
export interface PageSnapshot {
  page: number;
  first: BuddySnapshot | null;
  last: BuddySnapshot | null;
  underReclaim: boolean;
}

/** A pool at one moment, as plain data that can be compared, shown or sent. It holds no stored bytes. */
export interface PoolSnapshot {
  pageSize: number;
  chunkCount: number;
  maxPages: number;
  /** Pages in use, by index. */
  pages: PageSnapshot[];
  /** Page indices, most recently allocated into first. */
  lru: number[];
  /** `unbuddied[i]`: page indices of list i, head first. */
  unbuddied: number[][];
  /** Pages that were used before and are free now, the next to be taken first. */
  free: number[];
}

/** Copies a table out. `objectAt` gives the handle of the object in a place of a row. */
export function snapshotOf(
  table: PageTable,
  geometry: Geometry,
  objectAt: (row: number, buddy: number) => Handle,
): PoolSnapshot {
  const firstRow = firstRowOf(geometry);
  const pageOf = (row: number): number => (row - firstRow) >> ROW_SHIFT;

  const buddyAt = (row: number, buddy: number): BuddySnapshot | null => {
    const word = table[row + SIZES + buddy];
    if (word === 0) return null;
    return { handle: objectAt(row, buddy), size: word & SIZE_MASK, chunks: word >> SIZE_BITS };
  };
  const follow = (from: number, next: number, end: number): number[] => {
    const pages: number[] = [];
    for (let row = from; row !== end; row = table[row + next]) pages.push(pageOf(row));
    return pages;
  };

  const pages: PageSnapshot[] = [];
  for (let page = 0; page < table[W_HIGH_WATER]; page++) {
    const row = firstRow + (page << ROW_SHIFT);
    if (table[row + LRU_PREV] === FREE) continue;
    const underReclaim = table[row + LRU_PREV] < FREE;
    pages.push({ page, first: buddyAt(row, 0), last: buddyAt(row, 1), underReclaim });
  }
  const unbuddied = Array.from({ length: geometry.chunkCount }, (_, list) =>
    follow(table[W_HEADS + 2 * list + LIST_NEXT], LIST_NEXT, W_HEADS + 2 * list),
  );
  return {
    pageSize: geometry.pageSize,
    chunkCount: geometry.chunkCount,
    maxPages: geometry.maxPages,
    pages,
    lru: follow(table[W_LRU + LRU_NEXT], LRU_NEXT, W_LRU),
    unbuddied,
    free: follow(table[W_FREE_HEAD], LIST_NEXT, FREE),
  };
}
