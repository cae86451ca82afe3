import { PLACES } from "../base/index.ts";
import { verifyGivenBack } from "./given-back.ts";
import { corrupt } from "./links.ts";
import { FREE, LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV, W_LRU } from "./page-lists.ts";
import {
  LAYOUT_MAGIC,
  LAYOUT_VERSION,
  LOCK_OWN,
  type Table,
  W_INTENT,
  W_LOCKING,
  W_MAGIC,
  W_PAGE_COUNT,
  W_VERSION,
} from "./table-header.ts";

/** @throws {ZbudError} `ECORRUPT` */
export function check(condition: boolean, what: string, value?: number): void {
  if (!condition) throw corrupt(what, value);
}

/** Checks what every table has in its head, while nobody changes it. */
export function checkHeader(table: Table): void {
  check(
    table[W_MAGIC] === LAYOUT_MAGIC && table[W_VERSION] === LAYOUT_VERSION,
    "the table's magic or version",
  );
  check(table[W_INTENT] === 0, "a note of a change that is not under way", table[W_INTENT]);
}

/** Checks that a mark of something under reclaim, `-member`, is of a thread that there can be. */
export function checkMark(table: Table, mark: number, what: string, index: number): void {
  const isMember = table[W_LOCKING] === LOCK_OWN ? -mark % PLACES !== 0 : mark === -1;
  check(isMember, `under reclaim by no thread: ${what}`, index);
}

/** @param reclaims - how many are under way, each with one page or group; null if that is not known. */
export function checkReclaims(underReclaim: number, reclaims: number | null): void {
  check(
    reclaims === null || underReclaim === reclaims,
    `not as many under reclaim as reclaims under way, ${reclaims}:`,
    underReclaim,
  );
}

/** Walks a circular list from its head, at most `most` rows; checks I4 at each; gives how many there were. */
export function walk(
  table: Table,
  head: number,
  nextOf: number,
  prevOf: number,
  most: number,
  what: string,
  visit: (row: number) => void,
): number {
  let count = 0;
  let before = head;
  let row = table[head + nextOf];
  while (row !== head) {
    check(++count <= most, `${what} has no end, or holds a page twice; rows`, count);
    visit(row);
    check(table[row + prevOf] === before, `I4: next and prev disagree in ${what} at row`, row);
    before = row;
    row = table[row + nextOf];
  }
  check(table[head + prevOf] === before, `I4: next and prev disagree at the head of ${what}`);
  return count;
}

/** Checks that list `list` of a bitmap has its bit if, and only if, it holds a row. */
export function checkBit(table: Table, bitmap: number, list: number, rows: number, what: string): void {
  const bit = (table[bitmap + (list >> 5)] >>> (31 - (list & 31))) & 1;
  check(bit === (rows > 0 ? 1 : 0), `I6: the bitmap is wrong about ${what}`);
}

/** Where a table of pages of one size has its rows and lists. */
export interface PageRows {
  pageSize: number;
  maxPages: number;
  firstRow: number;
  rowShift: number;
  /** Pages that were ever taken: rows behind them are unused. */
  highWater: number;
  /** Words of the heads, of the bitmap, and how many lists there are. List 0 holds nothing. */
  heads: number;
  bitmap: number;
  lists: number;
  /** Row of the first free page. */
  freeHead: number;
}

/** What {@link verifyPages} is told of a page without an object. */
export const NO_OBJECT = -1;

/**
 * Checks the states of all pages, the LRU, the lists, the free pages and what is given back against what the pages hold:
 * what links and counters say is compared with it, never trusted.
 *
 * @param reclaims - how many are under way, each with one page; null if that is not known.
 * @param listDue - checks what a page holds, and gives the list that it belongs on, 0 for none, or
 *   {@link NO_OBJECT}. `isListed` is false for a page under reclaim or free, which is on none.
 */
export function verifyPages(
  table: Table,
  { pageSize, maxPages, firstRow, rowShift, highWater, heads, bitmap, lists, freeHead }: PageRows,
  reclaims: number | null,
  listDue: (page: number, row: number, isListed: boolean) => number,
): void {
  const rowOf = (page: number): number => firstRow + (page << rowShift);
  const pageOf = (row: number, what: string): number => {
    const page = (row - firstRow) >> rowShift;
    check(row >= firstRow && row === rowOf(page) && page < highWater, `${what} links to no page`, row);
    return page;
  };

  const NO_LIST = 0;
  const listOf = new Int32Array(highWater);
  const onLru = new Uint8Array(highWater);
  let pages = 0;
  let underReclaim = 0;
  let lruCount = 0;
  for (let page = 0; page < highWater; page++) {
    const row = rowOf(page);
    const state = table[row | LRU_PREV];
    const due = listDue(page, row, state > FREE);
    if (state === FREE) {
      check(due === NO_OBJECT, "I3: a free page holds an object: page", page);
      continue;
    }
    pages++;
    if (state < FREE) {
      checkMark(table, state, "page", page);
      underReclaim++;
      continue;
    }
    check(due !== NO_OBJECT, "I3: a page in use holds no object: page", page);
    lruCount++;
    onLru[page] = 1;
    listOf[page] = due;
  }
  check(pages === table[W_PAGE_COUNT], "I5: pageCount is not the pages in use", table[W_PAGE_COUNT]);
  checkReclaims(underReclaim, reclaims);

  walk(table, W_LRU, LRU_NEXT, LRU_PREV, lruCount, "the LRU", (row) => {
    const page = pageOf(row, "I3: the LRU");
    check(onLru[page] === 1, "I3: the LRU holds twice, or wrongly, page", page);
    onLru[page] = 0;
  });
  check(!onLru.includes(1), "I3: the LRU lacks page", onLru.indexOf(1));

  for (let list = 0; list < lists; list++) {
    const found = walk(table, heads + 2 * list, LIST_NEXT, LIST_PREV, lruCount, `list ${list}`, (row) => {
      const page = pageOf(row, `I2: list ${list}`);
      check(listOf[page] === list && list !== NO_LIST, `I2: list ${list} wrongly holds page`, page);
      listOf[page] = NO_LIST;
    });
    checkBit(table, bitmap, list, found, `list ${list}`);
  }
  const unlisted = listOf.findIndex((list) => list !== NO_LIST);
  check(unlisted < 0, "I2: no list holds page", unlisted);

  const freePages = verifyFree(table, freeHead, highWater, pageOf);
  check(
    pages + freePages === highWater,
    "I5: pages in use + free pages are not all pages",
    pages + freePages,
  );

  verifyGivenBack(table, maxPages * pageSize, highWater * pageSize, (visit) => {
    for (let page = 0; page < highWater; page++) {
      if (table[rowOf(page) | LRU_PREV] !== FREE) visit(page * pageSize, (page + 1) * pageSize);
    }
  });
}

/** Checks the list of free pages, which begins at a row; gives how many there are. */
function verifyFree(
  table: Table,
  head: number,
  pages: number,
  pageOf: (row: number, what: string) => number,
): number {
  let count = 0;
  for (let row = head; row !== FREE; row = table[row | LIST_NEXT]) {
    const page = pageOf(row, "the list of free pages");
    check(table[row | LRU_PREV] === FREE, "the list of free pages holds one in use: page", page);
    check(++count <= pages, "the list of free pages has no end");
  }
  return count;
}
