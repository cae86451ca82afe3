import { assert } from "../../base/index.ts";
import type { SharedMemory } from "../../memory/index.ts";
import {
  createTable,
  DRIVER_SIZE_CLASSES,
  emptyLru,
  HEADER_WORDS,
  type Table,
  W_INTENT,
} from "../../pool/index.ts";
import { LRU_NEXT, LRU_PREV, ROW_SHIFT, W_LRU } from "../zbud/page-table.ts";
import type { Geometry } from "./geometry.ts";

/**
 * The table of a pool of size classes: pages of several sizes in one pool. Its size classes, each with one page size and unbuddied
 * lists of its own; its segments, the pieces of equal length into which the page memory is divided; and the rows
 * of pages, which are those of a pool with one size (page-table.ts).
 *
 *   word   0        18      20      24        64         80            size classes            segments       rows
 *          ┌────────┬───────┬───────┬─────────┬──────────┬─────────────┬────────────────┬──────────────┬─────
 *          │ common │ LRU   │ state │ open    │ counters │ histogram   │ 16 records:    │ one record   │ a region
 *          │ header │ head  │       │ size classes   │ (doubles)│ of sizes    │ sizes, lists   │ of 8 words   │ for each
 *          └────────┴───────┴───────┴─────────┴──────────┴─────────────┴────────────────┴──────────────┴ segment
 *
 * A segment belongs to one size class or to nobody. Its pages lie one behind the other in it, page k at k * pageSize, and
 * have the first rows of its region; the region has room for as many pages as there are of the smallest size. So a
 * row and its generations survive a change of size class, and handles of all size classes are of one kind: the slot is
 * `(segment << rowsShift | k) * 2 + buddy`.
 *
 * Which size classes are open, for new objects, says one of two lists, and one word says which. A size class that is not open
 * and has no segment is vacant.
 *
 * Invariants, beside I1 to I6 of a pool with one size, taken size class by size class with one LRU for all:
 *   L1  a segment with a page in use or under reclaim has an owner, and one without has none.
 *   L2  S_USED = its pages in use or under reclaim; free pages of an owned segment + S_USED = S_HIGH.
 *   L3  a segment with free pages, S_USED < pages, is on the list of its owner for its fullness; others on none.
 *   L4  segments below W_SEGMENT_HIGH without an owner are on the list of free segments.
 */
export const W_CHUNK_ORDER = 3;
export const W_SEGMENT_BYTES = 8;
export const W_SEGMENTS = 9;
/** log2 of the rows in a segment's region. */
export const W_ROWS_SHIFT = 10;
/** The largest object: an open size class takes it at any time. */
export const W_OBJECT_BYTES_MAX = 11;

/** The first free segment's word below the high-water mark, or 0. */
export const W_SEGMENT_FREE = 21;
/** Segments that were ever taken since the last trim. */
export const W_SEGMENT_HIGH = 22;
export const W_INTENT_GENERATION = 23;
/** Which of the two lists of open size classes holds: 0 or 1. */
export const W_WHICH = 24;
/** The size class that found no memory, or 0; and the segment that reclaim empties for it, or 0. */
export const W_STARVED = 25;
export const W_VICTIM = 26;
/** How often in turn a starving size class gave one of its own pages, and not the page at the LRU's tail. */
export const W_SKIPS = 60;
/** Objects until the sizes are fitted, plus 1; 1: due now; 0: done, or never. */
export const W_WARM_UP = 27;
/** The lists of open size classes: a count, and that many pairs of the largest size that goes to a size class, and the size class. */
export const W_OPEN = 28;
export const OPEN_WORDS = 16;
export const OPEN_MAX = 5;
/** The largest size of a range that is not there. */
export const SIZE_BEYOND: number = 2 ** 31 - 1;

/** How many objects of each size were stored, by steps of `⌈maxObjectBytes / HISTOGRAM_STEPS⌉` bytes. */
export const W_HISTOGRAM: number = HEADER_WORDS;
export const HISTOGRAM_STEPS = 256;

/** Size classes alive at once, open or draining. */
export const CLASSES_MAX = 16;
const W_CLASSES: number = W_HISTOGRAM + HISTOGRAM_STEPS;

// Words of a size class.
export const C_PAGE_SIZE = 0;
/** The largest object that a page takes, in bytes. */
export const C_BOUND = 1;
export const C_CHUNK_SIZE = 2;
/** Pages in a segment. */
export const C_SEGMENT_PAGES = 3;
/** Pages in use. */
export const C_PAGE_COUNT = 4;
/** Segments it owns. */
export const C_SEGMENTS = 5;
/** Heads of the lists of segments with free pages, by fullness in eighths: pairs of next, prev. */
export const C_FULLNESS = 8;
export const FULLNESS_STEPS = 8;
/** As W_BITMAP of a pool with one size. */
export const C_BITMAP = 24;
/** As W_HEADS. */
export const C_HEADS = 56;

// Words of a segment.
/** Word of the size class that owns it, or 0. */
export const S_OWNER = 0;
/** Row of its first free page below S_HIGH, or 0. */
export const S_FREE = 1;
export const S_NEXT = 2;
export const S_PREV = 3;
export const S_USED = 4;
/** Pages of it that were ever taken by its owner. */
export const S_HIGH = 5;
export const SEGMENT_SHIFT = 3;

assert(
  W_OPEN + 2 * OPEN_WORDS <= W_SKIPS && W_SKIPS < 64 && 2 * OPEN_MAX < OPEN_WORDS,
  "the lists of open size classes have their words",
);
assert(C_FULLNESS + 2 * FULLNESS_STEPS <= C_BITMAP, "no two fields of a size class share a word");
assert(W_INTENT < (W_LRU | LRU_NEXT) && (W_LRU | LRU_PREV) < 20, "the LRU's head has its words");

function classWordsOf({ chunkCount }: Geometry): number {
  return C_HEADS + 2 * chunkCount;
}

/** Word of a size class's record. */
export function classOf(geometry: Geometry, index: number): number {
  return W_CLASSES + index * classWordsOf(geometry);
}

/** Words of all size classes' records. */
export function classesOf(geometry: Geometry): number[] {
  return Array.from({ length: CLASSES_MAX }, (_, i) => classOf(geometry, i));
}

/** Word of the first segment's record. */
export function firstSegmentOf(geometry: Geometry): number {
  return classOf(geometry, CLASSES_MAX);
}

/** Word of the first row. */
export function firstRowOf(geometry: Geometry): number {
  return firstSegmentOf(geometry) + (geometry.segments << SEGMENT_SHIFT);
}

/** Words of a table, without the table of threads. */
export function tableWordsOf(geometry: Geometry): number {
  return firstRowOf(geometry) + (geometry.segments << (geometry.rowsShift + ROW_SHIFT));
}

/** Bytes of a table before its rows, as far as they are touched by so many size classes. */
export function headerBytesOf(geometry: Geometry, classes: number): number {
  return 4 * (W_CLASSES + classes * classWordsOf(geometry) + (geometry.segments << SEGMENT_SHIFT));
}

/** Makes an empty table, with no size class. Throws as {@link createTable}. */
export function createPageTable(
  geometry: Geometry,
  pageSize: number,
  locking: number,
  memory: SharedMemory | null,
): Table {
  const { segments, rowsShift, segmentBytes } = geometry;
  const memoryBytes = segments * segmentBytes;
  const maxPages = segments << rowsShift;
  const parts = { driver: DRIVER_SIZE_CLASSES, pageSize, maxPages, memoryBytes, locking, memory };
  const table = createTable(parts, tableWordsOf(geometry), firstRowOf(geometry));
  table[W_CHUNK_ORDER] = geometry.chunkOrder;
  table[W_SEGMENT_BYTES] = geometry.segmentBytes;
  table[W_SEGMENTS] = geometry.segments;
  table[W_ROWS_SHIFT] = geometry.rowsShift;
  table[W_OBJECT_BYTES_MAX] = geometry.maxObjectBytes;
  emptyLru(table);
  return table;
}

/** Words of the open size classes, and the largest size that goes to each, in ascending order of these. */
export function openClassesOf(table: Table): { sizeClass: number; maxSize: number }[] {
  const open = W_OPEN + table[W_WHICH] * OPEN_WORDS;
  return Array.from({ length: table[open] }, (_, i) => ({
    maxSize: table[open + 1 + 2 * i],
    sizeClass: table[open + 2 + 2 * i],
  }));
}

/** Bytes of the segments that have an owner. */
export function heldBytesOf(table: Table, geometry: Geometry): number {
  const step = classWordsOf(geometry);
  let segments = 0;
  for (let i = 0, at = W_CLASSES; i < CLASSES_MAX; i++, at += step) segments += table[at + C_SEGMENTS];
  return segments * geometry.segmentBytes;
}

/** Bytes of one step of the histogram. */
export function histogramStepOf(maxObjectBytes: number): number {
  return Math.ceil(maxObjectBytes / HISTOGRAM_STEPS);
}

/** Calls `visit` for every row that the owner of its segment has used. */
export function eachRow(
  table: Table,
  geometry: Geometry,
  visit: (row: number, sizeClass: number) => void,
): void {
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    const row = firstRowOf(geometry) + (i << (geometry.rowsShift + ROW_SHIFT));
    // At most as many as a segment has, whatever was written into the table.
    const pages = Math.min(table[segment + S_HIGH], 1 << geometry.rowsShift);
    for (let page = 0; page < pages && table[segment + S_OWNER] !== 0; page++) {
      visit(row + (page << ROW_SHIFT), table[segment + S_OWNER]);
    }
  }
}
