import type { Handle } from "../../base/index.ts";
import { followLinks } from "../../pool/index.ts";
import type { PageSnapshot, PoolSnapshot } from "../../zpool/index.ts";
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

/** One object in a {@link ZbudPageSnapshot}. */
export interface BuddySnapshot {
  handle: Handle;
  /** Bytes, as asked for. */
  size: number;
  /** Whole chunks taken. */
  chunks: number;
}

/** One page in use, with its two places. */
export interface ZbudPageSnapshot extends PageSnapshot {
  first: BuddySnapshot | null;
  last: BuddySnapshot | null;
}

/** A zbud pool at one moment. */
export interface ZbudSnapshot extends PoolSnapshot {
  chunkCount: number;
  pages: ZbudPageSnapshot[];
  /** `unbuddied[i]`: page indices of list i, head first. */
  unbuddied: number[][];
}

/** Copies a table out. `objectAt` gives the handle of the object in a place of a row. */
export function snapshotOf(
  table: PageTable,
  geometry: Geometry,
  objectAt: (row: number, buddy: number) => Handle,
): ZbudSnapshot {
  const firstRow = firstRowOf(geometry);
  const pageOf = (row: number): number => (row - firstRow) >> ROW_SHIFT;

  const buddyAt = (row: number, buddy: number): BuddySnapshot | null => {
    const word = table[row + SIZES + buddy];
    if (word === 0) return null;
    return { handle: objectAt(row, buddy), size: word & SIZE_MASK, chunks: word >> SIZE_BITS };
  };
  const follow = (from: number, next: number, end: number): number[] =>
    followLinks(from, end, geometry.maxPages, (row) => table[row + next]).map(pageOf);

  const { pageSize, chunkCount, chunkSize, maxPages } = geometry;
  const pages: ZbudPageSnapshot[] = [];
  for (let page = 0; page < table[W_HIGH_WATER]; page++) {
    const row = firstRow + (page << ROW_SHIFT);
    if (table[row + LRU_PREV] === FREE) continue;
    const first = buddyAt(row, 0);
    const last = buddyAt(row, 1);
    const objects: PageSnapshot["objects"] = [];
    if (first !== null) objects.push({ handle: first.handle, offset: chunkSize, size: first.size });
    if (last !== null) {
      objects.push({ handle: last.handle, offset: pageSize - last.chunks * chunkSize, size: last.size });
    }
    pages.push({ page, bytes: pageSize, underReclaim: table[row + LRU_PREV] < FREE, objects, first, last });
  }
  const unbuddied = Array.from({ length: chunkCount }, (_, list) =>
    follow(table[W_HEADS + 2 * list + LIST_NEXT], LIST_NEXT, W_HEADS + 2 * list),
  );
  return {
    type: "zbud",
    pageSize,
    chunkCount,
    maxPages,
    pages,
    lists: unbuddied.flatMap((listed, free) =>
      listed.length === 0 ? [] : [{ name: `${free} free chunks`, pages: listed }],
    ),
    lru: follow(table[W_LRU + LRU_NEXT], LRU_NEXT, W_LRU),
    unbuddied,
    free: follow(table[W_FREE_HEAD], LIST_NEXT, FREE),
  };
}
