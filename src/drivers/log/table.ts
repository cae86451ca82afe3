import { assert } from "../../base/index.ts";
import type { SharedMemory } from "../../memory/index.ts";
import {
  createTable,
  DRIVER_LOG,
  emptyLists,
  emptyLru,
  FREE,
  HEADER_WORDS,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
  LRU_PREV,
  type Table,
  W_LRU,
} from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";

/**
 * The table of a log pool: everything about its pages and objects, in one Int32Array apart from the page bytes.
 *
 *   word   0          16       18       20      24       64         80            208           firstRow
 *          ┌──────────┬────────┬────────┬───────┬────────┬──────────┬─────────────┬─────────────┬────────────────┬────────
 *          │ identity │ lock,  │ LRU    │ state │ bitmap │ counters │ heads of 64 │ a row of 8  │ a row of 4 for │ threads
 *          │          │ intent │ head   │       │        │ (doubles)│ lists       │ a page      │ each object    │
 *          └──────────┴────────┴────────┴───────┴────────┴──────────┴─────────────┴─────────────┴────────────────┴────────
 *
 * A page's row, 32 bytes. Objects are put into the open page one behind the other, and stay in that order:
 *
 *   word   0           1           2          3          4        5       6      7
 *          ┌───────────┬───────────┬──────────┬──────────┬────────┬───────┬──────┬──────┐
 *          │ list next │ list prev │ LRU next │ LRU prev │ first  │ last  │ top  │ live │
 *          └───────────┴───────────┴──────────┴──────────┴────────┴───────┴──────┴──────┘
 *
 * An object's row, 16 bytes; the slot of its handle. Its place is the only thing that says where it lies, so an object
 * moves when that word changes:
 *
 *   word   0      1                2      3
 *          ┌──────┬────────────────┬──────┬────────────┐
 *          │ next │ page, granule  │ size │ generation │
 *          └──────┴────────────────┴──────┴────────────┘
 *
 *   first, last  the rows of the page's first and last object, as word indices, or 0. An object that was freed keeps its
 *                row in this chain, with the size 0, until the page is cleaned, swept or released.
 *   top          granules that were used, from the page's front on; what comes next begins there.
 *   live         granules of the live objects.
 *   next         the row behind, in the page or among the free rows.
 *
 * A page is on the list for its live granules (listOf), so that the emptiest is found in two words; the open page, full
 * ones and those under reclaim are on none. *LRU prev* also says what a page is: FREE (0), under reclaim (negative), or
 * in use. The LRU has pages in the order in which they were opened.
 *
 * All words of an unused row are 0: a fresh buffer is a valid table, and costs memory only where it is used.
 *
 * Invariants; `verify()` checks them, from the objects' sizes and places:
 *   L1  no two live objects share a granule; each lies in a page in use or under reclaim, below its top.
 *   L2  the chain of a page has its live objects in the order of their places, and freed ones; no other has any.
 *   L3  live = the granules of its live objects; the pool's = the sum of the pages'.
 *   L4  in use: live > 0; on the list that live says, unless it is open; on the LRU once. Free, under reclaim: on neither.
 *   L5  every row below the mark is in one chain, or free.
 *   I4 to I6 of all pools with lists of pages.
 */

/** The most objects that there are rows for. */
export const W_MAX_OBJECTS = 3;
/** Row of the first free page below the high-water mark, or 0. */
export const W_FREE_HEAD = 21;
/** Pages that were ever taken since the last trim: rows from here on are unused. */
export const W_HIGH_WATER = 22;
/** The generation of the row that is about to change, before it does. W_INTENT is 1 + its slot. */
export const W_INTENT_GENERATION = 23;
export const W_BITMAP = 24;
/** Row of the page that objects are put into, or 0. */
export const W_OPEN = 26;
/** First free row of an object, or 0; and rows that were ever taken. */
export const W_FREE_ROW = 27;
export const W_ROWS_TAKEN = 28;
/** Granules of all live objects. */
export const W_LIVE = 29;
/** Freed objects that still have their row in a chain. */
export const W_DEAD = 30;
/** Pages that may be in use, if the caller's limit is lower than the pool's; 0: as many as there are. */
export const W_PAGES_ALLOWED = 31;
/** Where the search for rows of freed objects goes on: a page. */
export const W_SWEEP_AT = 32;
/** Percent of the pages in use that must be free before one is cleaned: while another may be taken, and when not. */
export const W_SLACK = 33;
export const W_FULL_SLACK = 34;

/** Counters of this driver, as indices of the Float64Array. */
export const F_OBJECTS_MOVED = 37;
export const F_BYTES_MOVED = 38;

export const W_HEADS: number = HEADER_WORDS;
export const LISTS = 64;
/** The most pages that a compaction empties to release one: where less than 1 in so many is free, it is not worth it. */
export const EMPTIED_MAX = 32;

// Words of a page's row, behind those of its lists: src/pool/page-lists.ts.
export { FREE, LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV, type Table, W_LRU };
export const PAGE_SHIFT = 3;
export const PAGE_ROW_BYTES = 32;
export const FIRST = 4;
export const LAST = 5;
export const TOP = 6;
export const LIVE = 7;

// Words of an object's row.
export const ROW_SHIFT = 2;
export const ROW_BYTES = 16;
export const NEXT = 0;
export const PLACE = 1;
export const SIZE = 2;
export const GENERATION = 3;

/** Rows of freed objects are taken out of their chains when there are so many more than 1 in 16 of all rows. */
export const DEAD_MIN = 64;
export const DEAD_SHIFT = 4;

/** The row of page 0. */
export const FIRST_PAGE: number = W_HEADS + 2 * LISTS;

// Words of a row or a head are addressed by `|`, so each begins at a multiple of its length.
assert(FIRST_PAGE % 8 === 0 && W_LRU % 4 === 0 && W_HEADS % 2 === 0, "heads and rows are aligned");

/** Word of the first object's row. */
export function firstRowOf({ pages }: LogGeometry): number {
  return FIRST_PAGE + (pages << PAGE_SHIFT);
}

/** Words of a table, without its threads. */
export function tableWordsOf(geometry: LogGeometry): number {
  return firstRowOf(geometry) + (geometry.maxObjects << ROW_SHIFT);
}

/** The list of a page with so many live granules, or 0 if it is too full to be on one: the first are the emptiest. */
export function listOf(live: number, granules: number): number {
  const list = 1 + Math.floor((live * (LISTS - 1)) / granules);
  return list < LISTS - 1 ? list : 0;
}

/** Makes an empty table. Throws as `createTable`. */
export function createLogTable(
  geometry: LogGeometry,
  { slack, fullSlack }: { slack: number; fullSlack: number },
  locking: number,
  memory: SharedMemory | null,
): Table {
  const { pageSize, maxPages, pages } = geometry;
  const memoryBytes = pageSize * pages;
  const parts = { driver: DRIVER_LOG, pageSize, maxPages, memoryBytes, locking, memory };
  const table = createTable(parts, tableWordsOf(geometry), FIRST_PAGE);
  table[W_MAX_OBJECTS] = geometry.maxObjects;
  table[W_SLACK] = slack;
  table[W_FULL_SLACK] = fullSlack;
  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, LISTS);
  return table;
}
