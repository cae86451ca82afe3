import {
  askedOnce,
  corrupt,
  emptyLists,
  emptyLru,
  FREE,
  type HandleLayout,
  LIST_NEXT,
  LRU_PREV,
  putOnList,
  putOnLru,
  rebuiltLru,
  type Table,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";
import {
  FIRST,
  FIRST_PAGE,
  firstRowOf,
  GENERATION,
  LAST,
  LISTS,
  LIVE,
  listOf,
  NEXT,
  PAGE_SHIFT,
  PLACE,
  ROW_SHIFT,
  SIZE,
  TOP,
  W_BITMAP,
  W_DEAD,
  W_FREE_HEAD,
  W_FREE_ROW,
  W_HEADS,
  W_HIGH_WATER,
  W_INTENT_GENERATION,
  W_LIVE,
  W_OPEN,
  W_ROWS_TAKEN,
} from "./table.ts";

/** The place of a free row: somebody may be walking over the page that it was in. */
const NOWHERE = -1;

/**
 * Makes a table whole after a thread died at any instruction of LogAllocator, from what is never half written: each
 * object's size, place and generation, the marks of pages under reclaim, the two marks of what was ever taken, and the
 * note of the one object that was about to come or go.
 *
 * - The operation in flight is undone if it was an alloc, whose handle never got out, and completed if it was a free:
 *   the row is free afterwards, under a new generation. A move was done or not by one store.
 * - Pages that a dead thread had under reclaim go back to their list and to the head of the LRU.
 * - Chains, tops, lists, counts and all that is free are built anew; no page is open.
 *
 * It may be cut off at any instruction and run again from the start: it overwrites only what is derived, but for the
 * note's object, for which twice is as once.
 *
 * @param isGone - whether the thread of a member is gone.
 */
export function repairTable(
  table: Table,
  geometry: LogGeometry,
  layout: HandleLayout,
  isGone: (member: number) => boolean,
): void {
  const firstRow = firstRowOf(geometry);
  const slot = table[W_INTENT] - 1;
  if (slot >= 0) {
    const row = firstRow + (slot << ROW_SHIFT);
    table[row | SIZE] = 0;
    table[row | GENERATION] = (table[W_INTENT_GENERATION] + 1) & layout.generationMask;
  }
  const isDead = askedOnce(isGone);
  const isUnderReclaim = (page: number): boolean => {
    const member = -table[page | LRU_PREV];
    return member > 0 && !isDead(member);
  };
  rebuildChains(table, geometry);

  const pages = table[W_HIGH_WATER];
  const endPage = FIRST_PAGE + (pages << PAGE_SHIFT);
  const step = 1 << PAGE_SHIFT;
  const listed: number[] = [];
  for (let page = FIRST_PAGE; page < endPage; page += step) {
    if (table[page | LIVE] > 0 && !isUnderReclaim(page)) listed.push(page);
  }
  const order = rebuiltLru(table, listed, FIRST_PAGE, endPage, PAGE_SHIFT);
  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, LISTS);
  table[W_OPEN] = 0;
  table[W_FREE_HEAD] = FREE;
  let count = order.length;
  for (let page = endPage - step; page >= FIRST_PAGE; page -= step) {
    if (isUnderReclaim(page)) {
      count++;
    } else if (table[page | LIVE] === 0) {
      table[page | LRU_PREV] = FREE;
      table[page | LIST_NEXT] = table[W_FREE_HEAD];
      table[W_FREE_HEAD] = page;
    }
  }
  for (let i = order.length - 1; i >= 0; i--) {
    putOnLru(table, order[i]);
    const list = listOf(table[order[i] | LIVE], geometry.granules);
    if (list !== 0) putOnList(table, W_HEADS, W_BITMAP, order[i], list);
  }
  table[W_PAGE_COUNT] = count;
  table[W_INTENT] = 0;
}

/** Puts the rows of live objects into the chains of their pages, in the order of their places; the others are free. */
function rebuildChains(table: Table, geometry: LogGeometry): void {
  const firstRow = firstRowOf(geometry);
  const endPage = FIRST_PAGE + (table[W_HIGH_WATER] << PAGE_SHIFT);
  const step = 1 << PAGE_SHIFT;
  for (let page = FIRST_PAGE; page < endPage; page += step) table[page | FIRST] = 0;
  table[W_FREE_ROW] = 0;
  for (let i = table[W_ROWS_TAKEN] - 1; i >= 0; i--) {
    const row = firstRow + (i << ROW_SHIFT);
    if (table[row | SIZE] > 0) {
      const index = table[row | PLACE] >> geometry.placeBits;
      // No death leaves that: somebody wrote into the table.
      const isInPage = index >= 0 && index < table[W_HIGH_WATER] && table[row | SIZE] <= geometry.pageSize;
      if (!isInPage) throw corrupt("an object that is in no page: row", i);
      const page = FIRST_PAGE + (index << PAGE_SHIFT);
      table[row | NEXT] = table[page | FIRST];
      table[page | FIRST] = row;
    } else {
      table[row | SIZE] = 0;
      table[row | PLACE] = NOWHERE;
      table[row | NEXT] = table[W_FREE_ROW];
      table[W_FREE_ROW] = row;
    }
  }
  let live = 0;
  for (let page = FIRST_PAGE; page < endPage; page += step) live += rebuildPage(table, geometry, page);
  table[W_LIVE] = live;
  table[W_DEAD] = 0;
}

/** Puts the chain of a page in order; gives its live granules. */
function rebuildPage(table: Table, { granuleShift, placeBits }: LogGeometry, page: number): number {
  const rows: number[] = [];
  for (let row = table[page | FIRST]; row !== 0; row = table[row | NEXT]) rows.push(row);
  rows.sort((one, other) => table[one | PLACE] - table[other | PLACE]);
  let next = 0;
  let live = 0;
  let top = 0;
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i];
    const granules = (table[row | SIZE] + 2 ** granuleShift - 1) >> granuleShift;
    if (next === 0) top = (table[row | PLACE] & (2 ** placeBits - 1)) + granules;
    table[row | NEXT] = next;
    next = row;
    live += granules;
  }
  table[page | FIRST] = next;
  table[page | LAST] = rows.length === 0 ? 0 : rows[rows.length - 1];
  table[page | TOP] = top;
  table[page | LIVE] = live;
  return live;
}
