import { PLACES } from "../../base/index.ts";
import {
  corrupt,
  LAYOUT_MAGIC,
  LAYOUT_VERSION,
  LOCK_OWN,
  W_INTENT,
  W_LOCKING,
  W_MAGIC,
  W_PAGE_COUNT,
  W_VERSION,
} from "../../pool/index.ts";
import { chunksOf, type Geometry } from "./geometry.ts";
import {
  FREE,
  firstRowOf,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
  LRU_PREV,
  type PageTable,
  ROW_SHIFT,
  SIZE_BITS,
  SIZE_MASK,
  SIZES,
  W_BITMAP,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_LRU,
} from "./page-table.ts";

/**
 * Walks the whole table and checks the invariants I1 to I6 that page-table.ts states, each from the sizes
 * alone: what the links and counters say is compared with it, never trusted.
 *
 * @param reclaims - how many reclaims are under way, each with one page; null if that is not known.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken, and where.
 */
export function verifyTable(table: PageTable, geometry: Geometry, reclaims: number | null): void {
  check(
    table[W_MAGIC] === LAYOUT_MAGIC && table[W_VERSION] === LAYOUT_VERSION,
    "the table's magic or version",
  );
  check(table[W_INTENT] === 0, "a note of a change that is not under way", table[W_INTENT]);
  const highWater = table[W_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.maxPages, "the high-water mark", highWater);

  const firstRow = firstRowOf(geometry);
  const rowOf = (page: number): number => firstRow + (page << ROW_SHIFT);
  const pageOf = (row: number, what: string): number => {
    const page = (row - firstRow) >> ROW_SHIFT;
    check(row >= firstRow && row === rowOf(page) && page < highWater, `${what} links to no page`, row);
    return page;
  };

  const isSeat = (seat: number): boolean =>
    table[W_LOCKING] === LOCK_OWN ? seat % PLACES !== 0 : seat === 1;

  // What each page is, by its sizes: which list it belongs on, and whether the LRU must hold it.
  const NO_LIST = 0;
  const listOf = new Int32Array(highWater);
  const onLru = new Uint8Array(highWater);
  let pages = 0;
  let objects = 0;
  let underReclaim = 0;
  let lruCount = 0;
  for (let page = 0; page < highWater; page++) {
    const row = rowOf(page);
    const first = checkBuddy(table[row + SIZES], geometry, page);
    const last = checkBuddy(table[row + SIZES + 1], geometry, page);
    const count = (first === 0 ? 0 : 1) + (last === 0 ? 0 : 1);
    const state = table[row + LRU_PREV];
    if (state === FREE) {
      check(count === 0, "a free page holds an object: page", page);
      continue;
    }
    pages++;
    const freeChunks = geometry.chunkCount - 1 - first - last;
    check(freeChunks >= 0, "I1: two objects overlap in page", page);
    if (state < FREE) {
      check(isSeat(-state), "under reclaim by no thread: page", page);
      underReclaim++;
      continue;
    }
    check(count > 0, "a page in use holds no object: page", page);
    objects += count;
    lruCount++;
    onLru[page] = 1;
    listOf[page] = count === 1 ? freeChunks : NO_LIST;
  }
  check(pages === table[W_PAGE_COUNT], "I5: pageCount is not the pages in use", table[W_PAGE_COUNT]);
  check(
    reclaims === null || underReclaim === reclaims,
    `not as many pages under reclaim as reclaims under way, ${reclaims}:`,
    underReclaim,
  );
  check(objects >= pages - underReclaim, "more pages than objects", objects);

  walk(table, W_LRU, LRU_NEXT, LRU_PREV, lruCount, "the LRU", (row) => {
    const page = pageOf(row, "I3: the LRU");
    check(onLru[page] === 1, "I3: the LRU holds twice, or wrongly, page", page);
    onLru[page] = 0;
  });
  check(!onLru.includes(1), "I3: the LRU lacks page", onLru.indexOf(1));

  for (let list = 0; list < geometry.chunkCount; list++) {
    const head = W_HEADS + 2 * list;
    const found = walk(table, head, LIST_NEXT, LIST_PREV, lruCount, `list ${list}`, (row) => {
      const page = pageOf(row, `I2: list ${list}`);
      check(listOf[page] === list && list !== NO_LIST, `I2: list ${list} wrongly holds page`, page);
      listOf[page] = NO_LIST;
    });
    const bit = (table[W_BITMAP + (list >> 5)] >>> (31 - (list & 31))) & 1;
    check(bit === (found > 0 ? 1 : 0), "I6: the bitmap is wrong about list", list);
  }
  const unlisted = listOf.findIndex((list) => list !== NO_LIST);
  check(unlisted < 0, "I2: no list holds page", unlisted);

  let freePages = 0;
  for (let row = table[W_FREE_HEAD]; row !== FREE; row = table[row + LIST_NEXT]) {
    const page = pageOf(row, "the list of free pages");
    check(table[row + LRU_PREV] === FREE, "the list of free pages holds one in use: page", page);
    check(++freePages <= highWater, "the list of free pages has no end");
  }
  check(
    pages + freePages === highWater,
    "I5: pages in use + free pages are not all pages",
    pages + freePages,
  );
}

/** Checks one buddy's word; gives its chunks. */
export function checkBuddy(
  word: number,
  geometry: Pick<Geometry, "chunkSize" | "objectBytesMax">,
  page: number,
): number {
  const size = word & SIZE_MASK;
  const chunks = word >> SIZE_BITS;
  if (word !== 0) {
    check(size > 0 && size <= geometry.objectBytesMax, `an impossible size, ${size} bytes, in page`, page);
    check(chunks === chunksOf(geometry, size), `${size} bytes do not take ${chunks} chunks, in page`, page);
  }
  return chunks;
}

/** Walks a circular list from its head, at most `most` rows; checks I4 at each; gives how many there were. */
export function walk(
  table: PageTable,
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

/** @throws {ZbudError} `ECORRUPT` */
export function check(condition: boolean, what: string, value?: number): void {
  if (!condition) throw corrupt(what, value);
}
