import type { Handle } from "../../base/index.ts";
import {
  type ColumnsBuilder,
  PageListColumns,
  type PageSnapshot,
  type PoolSnapshot,
  type SnapshotColumns,
} from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import {
  firstRowOf,
  type PageTable,
  ROW_SHIFT,
  SIZE_BITS,
  SIZE_MASK,
  SIZES,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
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

/** Copies a table out. `handleAt` gives the handle of the object in a place of a row. */
export function columnsOf(
  table: PageTable,
  geometry: Geometry,
  handleAt: (row: number, buddy: number) => Handle,
): SnapshotColumns {
  const { pageSize, chunkCount, chunkSize, maxPages } = geometry;
  const firstRow = firstRowOf(geometry);
  const pages = table[W_HIGH_WATER];
  const into = new PageListColumns(table, firstRow, ROW_SHIFT, pages, 2 * pages);
  for (let page = 0; page < pages; page++) {
    const row = firstRow + (page << ROW_SHIFT);
    if (into.row(row, pageSize)) addBuddies(table, row, pageSize, chunkSize, handleAt, into);
  }
  for (let list = 0; list < chunkCount; list++) into.list(() => `${list} free chunks`, W_HEADS + 2 * list);
  into.lru();
  into.free(table[W_FREE_HEAD]);
  return into.done({ type: "zbud", pageSize, maxPages });
}

/** The objects of a page of either kind of pool. */
export function addBuddies(
  table: PageTable,
  row: number,
  pageSize: number,
  chunkSize: number,
  handleAt: (row: number, buddy: number) => Handle,
  into: ColumnsBuilder,
): void {
  const first = table[row + SIZES];
  if (first !== 0) into.object(handleAt(row, 0), chunkSize, first & SIZE_MASK);
  const last = table[row + SIZES + 1];
  if (last === 0) return;
  into.object(handleAt(row, 1), pageSize - (last >> SIZE_BITS) * chunkSize, last & SIZE_MASK);
}

/** A snapshot with what zbud alone has. */
export function zbudSnapshotOf(snapshot: PoolSnapshot, chunkSize: number): ZbudSnapshot {
  const chunkCount = snapshot.pageSize / chunkSize;
  const pages = snapshot.pages.map((page) => {
    const buddyAt = (first: boolean): BuddySnapshot | null => {
      const found = page.objects.find(({ offset }) => isFirstBuddy(offset, chunkSize) === first);
      if (found === undefined) return null;
      return { handle: found.handle, size: found.size, chunks: Math.ceil(found.size / chunkSize) };
    };
    return { ...page, first: buddyAt(true), last: buddyAt(false) };
  });
  const unbuddied: number[][] = Array.from({ length: chunkCount }, () => []);
  // A list is named by the free chunks of its pages.
  for (const list of snapshot.lists) unbuddied[Number.parseInt(list.name, 10)] = list.pages;
  return { ...snapshot, chunkCount, pages, unbuddied };
}

/** Only the first buddy begins where the reserved chunk ends: the last leaves a chunk in front of it. */
export function isFirstBuddy(offset: number, chunkSize: number): boolean {
  return offset === chunkSize;
}
