import { assert } from "../../base/index.ts";
import type { SharedMemory } from "../../memory/index.ts";
import {
  createTable,
  DRIVER_SLOTS,
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
import { EXTRAS_PER_PAGE, RECORDS_PER_EXTRA, RECORDS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";

/**
 * The table of a slots pool: everything that it knows about its pages, in one Int32Array apart from the page
 * bytes. The words of the header that are not named here are those of every pool (src/pool/table-header.ts).
 *
 *   word   0          16       18       20      24       64         80            208
 *          ┌──────────┬────────┬────────┬───────┬────────┬──────────┬─────────────┬───────────┬────────────
 *          │ identity │ lock,  │ LRU    │ state │ bitmap │ counters │ heads of 64 │ one row   │ further
 *          │          │ intent │ head   │       │        │ (doubles)│ lists       │ each page │ rows
 *          └──────────┴────────┴────────┴───────┴────────┴──────────┴─────────────┴───────────┴────────────
 *
 * A row is 16 words = 64 bytes, one cache line. It has *records*, one for each object: a word and a half.
 *
 *   word   0       4         6                     12       13              16
 *          ┌───────┬─────────┬─────────────────────┬────────┬───────────────┐
 *   page   │ links │ mask of │ words of 6 records  │ extras │ halves of the │   links: list next, list prev,
 *          │       │ slots   │                     │        │ 6 records     │          LRU next, LRU prev
 *          └───────┴─────────┴─────────────────────┴────────┴───────────────┘
 *   word   0       1       2                            11              15½
 *          ┌───────┬───────┬────────────────────────────┬───────────────┬───┐
 *   extra  │ owner │ next  │ words of 9 records         │ halves of 9   │   │
 *          └───────┴───────┴────────────────────────────┴───────────────┴───┘
 *
 *   word of a record   generation in its lower bits, which says how often the record was freed; above it
 *                      `tail >> 3`. tail = slots * slotSize - size: bytes of the last slot that are not used.
 *   half of a record   `start | slots << 6 | (tail & 7) << 13`, or 0: it names no object.
 *   mask               bit s & 31 of word s >> 5: slot s is taken.
 *   extras             row of the page's first extra, or 0, as index of a row; `<< 24` the longest free run.
 *   owner, next        word index of the page's row, or 0 for a free extra; of the page's next extra, or of the
 *                      next free one.
 *   LRU prev           also says what a page is: FREE (0), under reclaim (negative), else in use.
 *   list next          of a free page: the next free page, or 0.
 *
 * The records say everything; mask, longest run, extras, lists, LRU, bitmap and counts follow from them, but for
 * the order of lists and LRU and the marks of pages under reclaim.
 *
 * All words of an unused row are 0: a fresh buffer is a valid table, and costs memory only where it is used.
 *
 * Invariants for every page p below the high-water mark; `verify()` checks them all:
 *   I1  the records of p name runs of slots of p that do not overlap; mask(p) is their union.
 *   I2  in use: longest(p) is the longest run of zeros in mask(p), and p is on list longest(p), unless that is 0;
 *       and on no other. Or p is CROWDED, on no list, and has no free record.
 *   I3  in use: p has an object, and is on the LRU once. Free or under reclaim: p is on neither.
 *   I4  next[prev[p]] = prev[next[p]] = p, in either kind of list.
 *   I5  pages in use = pages on the LRU + pages under reclaim; pages in use + free pages = high-water mark.
 *   I6  bit of list i = 1 exactly when list i is not empty.
 *   I7  the extras with owner p are those of p's chain; each has an object, unless p is under reclaim. Extras with
 *       an owner + free extras = high-water mark of the extras.
 */
export type { Table };

/** How many objects the pool is to have rows for. */
export const W_MAX_OBJECTS = 3;
/** Row of the first free page below the high-water mark, or 0. */
export const W_FREE_HEAD = 21;
/** Pages that were ever taken since the last trim: rows from here on are unused. */
export const W_HIGH_WATER = 22;
/** The generation of the record that is about to change, before it does. W_INTENT is 1 + its slot. */
export const W_INTENT_GENERATION = 23;
/** Bit `31 - (i & 31)` of word `W_BITMAP + (i >> 5)`: list i holds a page. `clz32` finds the first. */
export const W_BITMAP = 24;
/** The first free extra below the high-water mark of extras, or 0; that mark; extras with an owner. */
export const W_EXTRA_FREE = 26;
export const W_EXTRA_HIGH_WATER = 27;
export const W_EXTRA_COUNT = 28;

/** Head of list i: the two words at `W_HEADS + 2 * i`. List 0 has none: full pages are never searched. */
export const W_HEADS: number = HEADER_WORDS;
export const LISTS = 64;

// Words of a row, behind those of its lists: src/pool/page-lists.ts.
export { FREE, LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV, W_LRU };
export const ROW_SHIFT = 4;
export const ROW_WORDS = 16;
export const ROW_BYTES = 64;
export const MASK_LOW = 4;
export const MASK_HIGH = 5;
export const PAGE_RECORDS = 6;
export const EXTRAS = 12;
export const LONGEST_SHIFT = 24;
/** Instead of the longest run: none of the page's records is free, and there was no extra to be had. */
export const CROWDED = 64;
export const EXTRAS_MASK: number = 2 ** LONGEST_SHIFT - 1;

export const OWNER = 0;
export const NEXT = 1;
export const EXTRA_RECORDS = 2;

/** The half of the record whose word is `w` words into the row at `row`: `2 * row + w + HALVES`, in 16-bit units. */
export const HALVES = 20;

/** Bit w: word w of such a row is a record's. */
export const PAGE_RECORD_WORDS: number = ((1 << RECORDS_PER_PAGE) - 1) << PAGE_RECORDS;
export const EXTRA_RECORD_WORDS: number = ((1 << RECORDS_PER_EXTRA) - 1) << EXTRA_RECORDS;

// A record's half.
export const START_MASK = 63;
export const SLOTS_SHIFT = 6;
export const SLOTS_MASK = 127;
export const TAIL_SHIFT = 13;
export const TAIL_BITS = 3;
export const TAIL_MASK = 7;

/** The row of page 0. */
export const FIRST_ROW: number = W_HEADS + 2 * LISTS;

// Words of a row or a head are addressed by `|`, so each begins at a multiple of its length.
assert(FIRST_ROW % ROW_WORDS === 0 && W_LRU % 4 === 0 && W_HEADS % 2 === 0, "heads and rows are aligned");
assert(PAGE_RECORDS + RECORDS_PER_PAGE === EXTRAS, "a page's records end where its extras begin");
assert(PAGE_RECORDS + HALVES === 2 * (EXTRAS + 1), "no half of a page lies in another word");
assert(EXTRA_RECORDS + HALVES >= 2 * (EXTRA_RECORDS + RECORDS_PER_EXTRA), "no half of an extra does");
assert(EXTRA_RECORDS + RECORDS_PER_EXTRA + HALVES <= 2 * ROW_WORDS, "the halves end with the row");
assert(RECORDS_PER_PAGE + EXTRAS_PER_PAGE * RECORDS_PER_EXTRA >= LISTS, "each slot can have an object");

/** Word index of the first further row. */
export function firstExtraOf(geometry: SlotsGeometry): number {
  return FIRST_ROW + (geometry.maxPages << ROW_SHIFT);
}

/** Words of a table, without its threads. */
export function tableWordsOf(geometry: SlotsGeometry): number {
  return firstExtraOf(geometry) + (geometry.maxExtras << ROW_SHIFT);
}

/** What a handle can name: words of rows. */
export function slotCountOf(geometry: SlotsGeometry): number {
  return (geometry.maxPages + geometry.maxExtras) << ROW_SHIFT;
}

/**
 * Bits of a record's word that are left for its generation: at least 21, of pages of 1 MiB.
 */
export function generationBitsOf(geometry: SlotsGeometry): number {
  const tailBits = 32 - Math.clz32(geometry.slotSize - 1);
  return 32 - Math.max(tailBits - TAIL_BITS, 1);
}

/**
 * Makes an empty table, of zeros but for its header. The system gives memory for what is touched.
 *
 * @throws {ZbudError} `ENOMEM` if there is no such range of addresses.
 */
export function createSlotsTable(
  geometry: SlotsGeometry,
  locking: number,
  memory: SharedMemory | null,
): Table {
  const { pageSize, maxPages } = geometry;
  const memoryBytes = pageSize * maxPages;
  const parts = { driver: DRIVER_SLOTS, pageSize, maxPages, memoryBytes, locking, memory };
  const table = createTable(parts, tableWordsOf(geometry), FIRST_ROW);
  table[W_MAX_OBJECTS] = geometry.maxObjects;
  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, LISTS);
  return table;
}
