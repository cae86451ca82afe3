import { assert } from "../../base/index.ts";
import type { SharedMemory } from "../../memory/index.ts";
import {
  createTable,
  DRIVER_ZBUD,
  emptyLists,
  emptyLru,
  F_PAGES_RECLAIMED,
  FREE,
  HEADER_WORDS,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
  LRU_PREV,
  type Table,
  W_INTENT,
  W_LRU,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import { CHUNK_ORDER_MAX, type Geometry, PAGE_SIZE_MAX } from "./geometry.ts";

/**
 * The page table: everything a pool knows about its pages, in one Int32Array apart from the page bytes. An
 * object that overruns its place cannot reach it, and another thread can attach to it.
 *
 *   word   0          16       18       20      24          64         80              rows
 *          ┌──────────┬────────┬────────┬───────┬───────────┬──────────┬───────────────┬───────────────────
 *          │ identity │ lock,  │ LRU    │ state │ bitmap of │ counters │ heads of the  │ one row for each
 *          │          │ intent │ head   │       │ the lists │ (doubles)│ unbuddied     │ page of [0, max)
 *          └──────────┴────────┴────────┴───────┴───────────┴──────────┴─ lists ───────┴───────────────────
 *
 * One row, 8 words = 32 bytes, so two rows share a cache line and an operation on a page touches one line:
 *
 *   word   0           1           2           3           4        5        6           7
 *          ┌───────────┬───────────┬───────────┬───────────┬────────┬────────┬───────────┬───────────┐
 *          │ list next │ list prev │ LRU next  │ LRU prev  │ first  │ last   │ first gen │ last gen  │
 *          └───────────┴───────────┴───────────┴───────────┴────────┴────────┴───────────┴───────────┘
 *
 *   first, last   one buddy: `size | chunks << 20`, or 0 for an empty place.
 *   gen           how often this place was freed, modulo 2^generationBits; a handle carries it.
 *   links         word index of a row, or of a list's head. Lists are circular through their head, so
 *                 putting in and taking out need no test for the ends.
 *   LRU prev      also says what the page is: FREE (0), under reclaim (negative), else in use.
 *   list next     of a free page: the next free page, or 0.
 *
 * A page with two objects is on the buddied list by its sizes alone. Nothing ever searches that list, so it
 * has no links and costs nothing.
 *
 * All words of an unused row are 0: a fresh buffer is a valid table, and costs memory only where it is used.
 *
 * Invariants for every page p below the high-water mark; `verify()` checks them all:
 *   I1  firstChunks + lastChunks + freeChunks = chunkCount - 1, none negative.
 *   I2  in use, one object: p is on unbuddied list freeChunks(p), and on no other.
 *   I3  in use: p is on the LRU once. Free or under reclaim: on neither.
 *   I4  next[prev[p]] = prev[next[p]] = p, in either kind of list.
 *   I5  pageCount = pages on the LRU + pages under reclaim; pageCount + free pages = high-water mark.
 *   I6  bit of list i = 1 exactly when list i is not empty.
 */
export type PageTable = Table;

/** In the identity, beside what every pool has there: see src/pool/table-header.ts. */
export const W_CHUNK_ORDER = 3;

// Words among those that every pool has. W_INTENT says what the holder of the lock is about to do to one place:
// 1 + its slot, or 0. If the holder dies, the place ends up empty, with a generation behind W_INTENT_GENERATION:
// an alloc is undone, a free is completed.

/** Row of the first free page below the high-water mark, or 0. */
export const W_FREE_HEAD = 21;
/** Pages that were ever taken since the last trim: rows from here on are unused. */
export const W_HIGH_WATER = 22;
export const W_INTENT_GENERATION = 23;
/** Bit `31 - (i & 31)` of word `W_BITMAP + (i >> 5)` says whether list i holds a page: `clz32` finds the first. */
export const W_BITMAP = 24;

/** Head of list i: the two words at `W_HEADS + 2 * i`. */
export const W_HEADS: number = HEADER_WORDS;

// Words of a row, behind those of its lists: src/pool/page-lists.ts.
export { FREE, LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV, W_LRU };
/** The first buddy; the last buddy is the word behind it. */
export const SIZES = 4;
/** The first buddy's generation; the last buddy's is the word behind it. */
export const GENERATIONS = 6;
export const ROW_SHIFT = 3;
export const ROW_BYTES = 32;

/** A buddy's word: `size | chunks << SIZE_BITS`. */
export const SIZE_BITS = 20;
export const SIZE_MASK: number = 2 ** SIZE_BITS - 1;

// Words of a row or a head are addressed by `|`, so each begins at a multiple of its length.
assert(W_LRU % (1 << ROW_SHIFT) === 0 && W_HEADS % (1 << ROW_SHIFT) === 0, "heads and rows are aligned");
assert(W_INTENT < (W_LRU | LRU_NEXT) && (W_LRU | LRU_PREV) < W_PAGE_COUNT, "the LRU's head has its words");
assert(W_INTENT_GENERATION < W_BITMAP, "no two fields share a word");
assert(W_BITMAP + 2 ** (CHUNK_ORDER_MAX - 5) <= 2 * F_PAGES_RECLAIMED, "the bitmap has a bit for each list");
assert(PAGE_SIZE_MAX <= 2 ** SIZE_BITS && CHUNK_ORDER_MAX + SIZE_BITS < 32, "a buddy fits its word");

/** Word index of the row of page 0. */
export function firstRowOf(geometry: Geometry): number {
  return W_HEADS + 2 * geometry.chunkCount;
}

/** Words of a table, without the table of threads that a shared pool has behind them. */
export function tableWordsOf(geometry: Geometry): number {
  return firstRowOf(geometry) + (geometry.maxPages << ROW_SHIFT);
}

/** Bytes of a table before its rows. */
export function headerBytesOf(geometry: Geometry): number {
  return firstRowOf(geometry) * 4;
}

/**
 * Makes an empty table. Its buffer has room for all `maxPages` rows; the system gives memory for those
 * that are touched.
 *
 * @throws {ZbudError} `ENOMEM` if there is no such range of addresses; `ENOTSUP` for a shared one where there is no shared memory.
 */
export function createPageTable(geometry: Geometry, locking: number, memory: SharedMemory | null): PageTable {
  const { pageSize, maxPages } = geometry;
  const memoryBytes = pageSize * maxPages;
  const parts = { driver: DRIVER_ZBUD, pageSize, maxPages, memoryBytes, locking, memory };
  const table = createTable(parts, tableWordsOf(geometry), firstRowOf(geometry));
  table[W_CHUNK_ORDER] = geometry.chunkOrder;
  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, geometry.chunkCount);
  return table;
}
