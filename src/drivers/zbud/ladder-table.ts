import { assert } from "../../base/index.ts";
import {
  createTable,
  DRIVER_LADDER,
  emptyLru,
  HEADER_WORDS,
  type Table,
  W_INTENT,
} from "../../pool/index.ts";
import { LRU_NEXT, LRU_PREV, ROW_BYTES, ROW_SHIFT, W_LRU } from "./page-table.ts";

/**
 * The table of a ladder: pages of several sizes in one pool. Its rungs, each with one page size and unbuddied
 * lists of its own; its segments, the pieces of equal length into which the page memory is divided; and the rows
 * of pages, which are those of a pool with one size (page-table.ts).
 *
 *   word   0        18      20      24        64         80            rungs            segments       rows
 *          ┌────────┬───────┬───────┬─────────┬──────────┬─────────────┬────────────────┬──────────────┬─────
 *          │ common │ LRU   │ state │ open    │ counters │ histogram   │ 16 records:    │ one record   │ a region
 *          │ header │ head  │       │ rungs   │ (doubles)│ of sizes    │ sizes, lists   │ of 8 words   │ for each
 *          └────────┴───────┴───────┴─────────┴──────────┴─────────────┴────────────────┴──────────────┴ segment
 *
 * A segment belongs to one rung or to nobody. Its pages lie one behind the other in it, page k at k * pageSize, and
 * have the first rows of its region; the region has room for as many pages as there are of the smallest size. So a
 * row and its generations survive a change of rung, and handles of all rungs are of one kind: the slot is
 * `(segment << rowsShift | k) * 2 + buddy`.
 *
 * Which rungs are open, for new objects, says one of two lists, and one word says which. A rung that is not open
 * and has no segment is vacant.
 *
 * Invariants, beside I1 to I6 of a pool with one size, taken rung by rung with one LRU for all:
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
/** The largest object: an open rung takes it at any time. */
export const W_OBJECT_BYTES_MAX = 11;

/** The first free segment's word below the high-water mark, or 0. */
export const W_SEGMENT_FREE = 21;
/** Segments that were ever taken since the last trim. */
export const W_SEGMENT_HIGH = 22;
export const W_INTENT_GENERATION = 23;
/** Which of the two lists of open rungs holds: 0 or 1. */
export const W_WHICH = 24;
/** The rung that found no memory, or 0; and the segment that reclaim empties for it, or 0. */
export const W_STARVED = 25;
export const W_VICTIM = 26;
/** How often in turn a starving rung gave one of its own pages, and not the page at the LRU's tail. */
export const W_SKIPS = 60;
/** Objects until the sizes are fitted, plus 1; 1: due now; 0: done, or never. */
export const W_WARM_UP = 27;
/** The lists of open rungs: a count, and that many pairs of the largest size that goes to a rung, and the rung. */
export const W_OPEN = 28;
export const OPEN_WORDS = 16;
export const OPEN_MAX = 5;
/** The largest size of a range that is not there. */
export const SIZE_BEYOND: number = 2 ** 31 - 1;

/** How many objects of each size were stored, by steps of `⌈maxObjectBytes / HISTOGRAM_STEPS⌉` bytes. */
export const W_HISTOGRAM: number = HEADER_WORDS;
export const HISTOGRAM_STEPS = 256;

/** Rungs alive at once, open or draining. */
export const RUNGS_MAX = 16;
export const W_RUNGS: number = W_HISTOGRAM + HISTOGRAM_STEPS;

// Words of a rung.
export const R_PAGE_SIZE = 0;
/** The largest object that a page takes, in bytes. */
export const R_BOUND = 1;
export const R_CHUNK_SIZE = 2;
/** Pages in a segment. */
export const R_SEGMENT_PAGES = 3;
/** Pages in use. */
export const R_PAGE_COUNT = 4;
/** Segments it owns. */
export const R_SEGMENTS = 5;
/** Heads of the lists of segments with free pages, by fullness in eighths: pairs of next, prev. */
export const R_FULLNESS = 8;
export const FULLNESS_STEPS = 8;
/** As W_BITMAP of a pool with one size. */
export const R_BITMAP = 24;
/** As W_HEADS. */
export const R_HEADS = 56;

// Words of a segment.
/** Word of the rung that owns it, or 0. */
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
  "the lists of open rungs have their words",
);
assert(R_FULLNESS + 2 * FULLNESS_STEPS <= R_BITMAP, "no two fields of a rung share a word");
assert(W_INTENT < (W_LRU | LRU_NEXT) && (W_LRU | LRU_PREV) < 20, "the LRU's head has its words");

/** How a ladder's memory is divided; all that does not change after it was made. */
export interface LadderGeometry {
  readonly chunkOrder: number;
  readonly chunkCount: number;
  readonly segmentBytes: number;
  readonly segments: number;
  readonly rowsShift: number;
  readonly maxObjectBytes: number;
}

export function rungWordsOf({ chunkCount }: LadderGeometry): number {
  return R_HEADS + 2 * chunkCount;
}

/** Word of a rung's record. */
export function rungOf(geometry: LadderGeometry, index: number): number {
  return W_RUNGS + index * rungWordsOf(geometry);
}

/** Words of all rungs' records. */
export function rungsOf(geometry: LadderGeometry): number[] {
  return Array.from({ length: RUNGS_MAX }, (_, i) => rungOf(geometry, i));
}

/** Word of the first segment's record. */
export function firstSegmentOf(geometry: LadderGeometry): number {
  return rungOf(geometry, RUNGS_MAX);
}

/** Word of the first row. */
export function ladderFirstRowOf(geometry: LadderGeometry): number {
  return firstSegmentOf(geometry) + (geometry.segments << SEGMENT_SHIFT);
}

/** Words of a table, without the table of threads. */
export function ladderWordsOf(geometry: LadderGeometry): number {
  return ladderFirstRowOf(geometry) + (geometry.segments << (geometry.rowsShift + ROW_SHIFT));
}

/** Bytes of a table before its rows, as far as they are touched by `rungs` rungs. */
export function ladderFixedBytesOf(geometry: LadderGeometry, rungs: number): number {
  return 4 * (W_RUNGS + rungs * rungWordsOf(geometry) + (geometry.segments << SEGMENT_SHIFT));
}

export const LADDER_PAGE_BYTES: number = ROW_BYTES;

/** Makes an empty table, with no rung. Throws as {@link createTable}. */
export function createLadderTable(geometry: LadderGeometry, pageSize: number, locking: number): Table {
  const pages = geometry.segments << geometry.rowsShift;
  const table = createTable(ladderWordsOf(geometry), DRIVER_LADDER, pageSize, pages, locking);
  table[W_CHUNK_ORDER] = geometry.chunkOrder;
  table[W_SEGMENT_BYTES] = geometry.segmentBytes;
  table[W_SEGMENTS] = geometry.segments;
  table[W_ROWS_SHIFT] = geometry.rowsShift;
  table[W_OBJECT_BYTES_MAX] = geometry.maxObjectBytes;
  emptyLru(table);
  return table;
}

/** Words of the open rungs, and the largest size that goes to each, in ascending order of these. */
export function openRungsOf(table: Table): { rung: number; maxSize: number }[] {
  const open = W_OPEN + table[W_WHICH] * OPEN_WORDS;
  return Array.from({ length: table[open] }, (_, i) => ({
    maxSize: table[open + 1 + 2 * i],
    rung: table[open + 2 + 2 * i],
  }));
}

/** Bytes of the segments that have an owner. */
export function heldBytesOf(table: Table, geometry: LadderGeometry): number {
  const step = rungWordsOf(geometry);
  let segments = 0;
  for (let i = 0, rung = W_RUNGS; i < RUNGS_MAX; i++, rung += step) segments += table[rung + R_SEGMENTS];
  return segments * geometry.segmentBytes;
}

/** Bytes of one step of the histogram. */
export function histogramStepOf(maxObjectBytes: number): number {
  return Math.ceil(maxObjectBytes / HISTOGRAM_STEPS);
}
