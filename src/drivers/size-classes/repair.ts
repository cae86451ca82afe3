import {
  askedOnce,
  emptyLru,
  putOnList,
  putOnLru,
  rebuiltLru,
  type Table,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import { FREE, LIST_NEXT, LRU_PREV, ROW_SHIFT, SIZE_BITS, SIZES } from "../zbud/page-table.ts";
import { finishIntent } from "../zbud/repair.ts";
import type { Geometry } from "./geometry.ts";
import { clearClass } from "./open-classes.ts";
import { headOf, putOn, stepOf } from "./segments.ts";
import {
  C_BITMAP,
  C_HEADS,
  C_PAGE_COUNT,
  C_SEGMENT_PAGES,
  C_SEGMENTS,
  CLASSES_MAX,
  classOf,
  FULLNESS_STEPS,
  firstRowOf,
  firstSegmentOf,
  S_FREE,
  S_HIGH,
  S_NEXT,
  S_OWNER,
  S_USED,
  SEGMENT_SHIFT,
  W_SEGMENT_FREE,
  W_SEGMENT_HIGH,
  W_STARVED,
  W_VICTIM,
} from "./table.ts";

/** What a row is, by its sizes and its mark. */
const IDLE = 0;
const LISTED = 1;
const RECLAIMED = 2;

/**
 * As `repairTable` of a pool with one size. What is never half written here is, besides sizes, generations, marks
 * and the note: the owner and S_HIGH of each segment, the segments' high-water mark, the records of the size classes that
 * are open or own a segment, and which list of open size classes holds. A segment without a page in use is nobody's
 * afterwards. Lists, counts, bitmaps and free pages are built anew; the LRU keeps what order its links still tell.
 */
export function repairTable(
  table: Table,
  geometry: Geometry,
  generationMask: number,
  isGone: (member: number) => boolean,
): void {
  finishIntent(table, firstRowOf(geometry), generationMask);
  const isDead = askedOnce(isGone);
  const kindOf = (row: number): number => {
    const member = -table[row | LRU_PREV];
    if (member > 0 && !isDead(member)) return RECLAIMED;
    return (table[row | SIZES] | table[row | SIZES | 1]) === 0 ? IDLE : LISTED;
  };

  const listed: number[] = [];
  const ownerOf = new Map<number, number>();
  eachSegment(table, geometry, (segment, firstRow, endRow) => {
    for (let row = firstRow; row < endRow; row += 1 << ROW_SHIFT) {
      if (kindOf(row) !== LISTED) continue;
      listed.push(row);
      ownerOf.set(row, table[segment + S_OWNER]);
    }
  });
  const rowsFirst = firstRowOf(geometry);
  const rowsEnd = rowsFirst + (table[W_SEGMENT_HIGH] << (geometry.rowsShift + ROW_SHIFT));
  const order = rebuiltLru(table, listed, rowsFirst, rowsEnd, ROW_SHIFT);

  for (let i = 0; i < CLASSES_MAX; i++) {
    clearClass(table, geometry, classOf(geometry, i));
  }
  emptyLru(table);
  table[W_SEGMENT_FREE] = 0;
  table[W_STARVED] = 0;
  table[W_VICTIM] = 0;
  let pages = 0;
  eachSegment(table, geometry, (segment, firstRow, endRow) => {
    pages += settleSegment(table, segment, firstRow, endRow, kindOf);
  });
  for (let i = order.length - 1; i >= 0; i--) {
    const row = order[i];
    putOnLru(table, row);
    const first = table[row | SIZES];
    const last = table[row | SIZES | 1];
    if (first !== 0 && last !== 0) continue;
    const sizeClass = ownerOf.get(row) as number;
    const list = geometry.chunkCount - 1 - ((first | last) >> SIZE_BITS);
    putOnList(table, sizeClass + C_HEADS, sizeClass + C_BITMAP, row, list);
  }
  table[W_PAGE_COUNT] = pages;
  table[W_INTENT] = 0;
}

/** From the last to the first: `visit` gets the rows that its owner has used; none if it has no owner. */
function eachSegment(
  table: Table,
  geometry: Geometry,
  visit: (segment: number, firstRow: number, endRow: number) => void,
): void {
  for (let i = table[W_SEGMENT_HIGH] - 1; i >= 0; i--) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    const firstRow = firstRowOf(geometry) + (i << (geometry.rowsShift + ROW_SHIFT));
    const rows =
      table[segment + S_OWNER] === 0 ? 0 : Math.min(table[segment + S_HIGH], 1 << geometry.rowsShift);
    visit(segment, firstRow, firstRow + (rows << ROW_SHIFT));
  }
}

/** Puts the free pages of a segment in order, and the segment where it belongs. Gives its pages in use. */
function settleSegment(
  table: Table,
  segment: number,
  firstRow: number,
  endRow: number,
  kindOf: (row: number) => number,
): number {
  let used = 0;
  table[segment + S_FREE] = FREE;
  for (let row = endRow - (1 << ROW_SHIFT); row >= firstRow; row -= 1 << ROW_SHIFT) {
    if (kindOf(row) !== IDLE) {
      used++;
    } else {
      table[row | LRU_PREV] = FREE;
      table[row | LIST_NEXT] = table[segment + S_FREE];
      table[segment + S_FREE] = row;
    }
  }
  table[segment + S_USED] = used;
  if (used === 0) {
    table[segment + S_OWNER] = 0;
    table[segment + S_NEXT] = table[W_SEGMENT_FREE];
    table[W_SEGMENT_FREE] = segment;
    return 0;
  }
  const sizeClass = table[segment + S_OWNER];
  table[sizeClass + C_SEGMENTS]++;
  table[sizeClass + C_PAGE_COUNT] += used;
  const step = stepOf(used, table[sizeClass + C_SEGMENT_PAGES]);
  if (step < FULLNESS_STEPS) putOn(table, segment, headOf(sizeClass, step));
  return used;
}
