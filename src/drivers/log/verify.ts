import { check, checkHeader, NO_OBJECT, type Table, verifyPages } from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";
import {
  FIRST,
  FIRST_PAGE,
  firstRowOf,
  LAST,
  LISTS,
  LIVE,
  LRU_PREV,
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
  W_LIVE,
  W_OPEN,
  W_ROWS_TAKEN,
} from "./table.ts";

/**
 * Walks the whole table and checks the invariants that table.ts states, from the objects' sizes and places: what
 * links and counts say is compared with those, never trusted.
 *
 * @param reclaims - how many reclaims are under way, each with one page; null if that is not known.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken, and where.
 */
export function verifyTable(table: Table, geometry: LogGeometry, reclaims: number | null): void {
  checkHeader(table);
  const highWater = table[W_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.pages, "the high-water mark", highWater);
  const rows = table[W_ROWS_TAKEN];
  check(rows >= 0 && rows <= geometry.maxObjects, "the mark of rows taken", rows);
  const whole: Whole = {
    table,
    geometry,
    firstRow: firstRowOf(geometry),
    seen: new Uint8Array(rows),
    dead: 0,
    live: 0,
  };
  const facts = Array.from({ length: highWater }, (_, page) => verifyPage(whole, page));
  verifyRows(whole);
  check(whole.live === table[W_LIVE], "L3: the pool's granules are not its pages'", table[W_LIVE]);
  check(whole.dead === table[W_DEAD], "L5: the number of freed objects with a row", table[W_DEAD]);
  const open = table[W_OPEN];
  const isRow = open >= FIRST_PAGE && open < FIRST_PAGE + (highWater << PAGE_SHIFT) && open % 8 === 0;
  const isOpenPage = open === 0 || (isRow && table[open | LRU_PREV] > 0);
  check(isOpenPage, "L4: the open page is not in use: row", open);
  verifyPages(
    table,
    {
      pageSize: geometry.pageSize,
      maxPages: geometry.pages,
      firstRow: FIRST_PAGE,
      rowShift: PAGE_SHIFT,
      highWater,
      heads: W_HEADS,
      bitmap: W_BITMAP,
      lists: LISTS,
      freeHead: table[W_FREE_HEAD],
    },
    reclaims,
    (page, row, isListed) => {
      if (facts[page] === 0) return NO_OBJECT;
      return isListed && row !== open ? listOf(facts[page], geometry.granules) : 0;
    },
  );
}

interface Whole {
  readonly table: Table;
  readonly geometry: LogGeometry;
  readonly firstRow: number;
  /** By row of an object: 1 when a chain, or the free rows, were found to hold it. */
  readonly seen: Uint8Array;
  dead: number;
  live: number;
}

/** L1 to L3 for one page; gives its live granules. */
function verifyPage(whole: Whole, index: number): number {
  const { table, geometry } = whole;
  const { granules, granuleShift, placeBits } = geometry;
  const page = FIRST_PAGE + (index << PAGE_SHIFT);
  let end = 0;
  let live = 0;
  let last = 0;
  for (let row = table[page | FIRST]; row !== 0; row = table[row | NEXT]) {
    see(whole, row, `L2: the chain of page ${index}`);
    last = row;
    const size = table[row | SIZE];
    if (size <= 0) {
      whole.dead++;
      continue;
    }
    const place = table[row | PLACE];
    const granule = place & (2 ** placeBits - 1);
    const count = (size + 2 ** granuleShift - 1) >> granuleShift;
    check(size <= geometry.pageSize, "L1: an object is longer than its page", index);
    check(place >> placeBits === index, "L2: an object of another page in the chain of page", index);
    check(granule >= end, "L1: objects share a granule, or are out of order, in page", index);
    end = granule + count;
    live += count;
  }
  check(last === table[page | LAST], "L2: the last of the chain is another, of page", index);
  const state = table[page | LRU_PREV];
  if (state === 0) {
    check(table[page | FIRST] === 0, "L2: a free page has a chain: page", index);
  } else {
    check(table[page | TOP] >= end && table[page | TOP] <= granules, "L1: the top is wrong of page", index);
    check(live === table[page | LIVE], "L3: its granules are counted wrongly: page", index);
  }
  whole.live += live;
  return live;
}

/** L5: each row is in one chain, or free. */
function verifyRows(whole: Whole): void {
  const { table, firstRow, seen } = whole;
  for (let row = table[W_FREE_ROW]; row !== 0; row = table[row | NEXT]) {
    see(whole, row, "L5: the list of free rows");
    check(table[row | SIZE] <= 0, "L5: the list of free rows holds an object: row", row);
  }
  const lost = seen.indexOf(0);
  check(lost < 0, "L5: neither in a chain nor free: row", firstRow + (lost << ROW_SHIFT));
}

function see({ firstRow, seen }: Whole, row: number, what: string): void {
  const index = (row - firstRow) >> ROW_SHIFT;
  const isRow = index >= 0 && index < seen.length && row === firstRow + (index << ROW_SHIFT);
  check(isRow, `${what} leads to no row`, row);
  check(seen[index] === 0, `${what} holds a row twice, or another's: row`, index);
  seen[index] = 1;
}
