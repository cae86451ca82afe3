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
import { RECORDS_PER_EXTRA, RECORDS_PER_PAGE, SLOTS_PER_PAGE, slotsOf } from "./geometry.ts";
import {
  CROWDED,
  EXTRA_RECORDS,
  EXTRAS,
  FIRST_ROW,
  FREE,
  firstExtraOf,
  LIST_NEXT,
  LIST_PREV,
  LISTS,
  LONGEST_SHIFT,
  LRU_NEXT,
  LRU_PREV,
  MASK_HIGH,
  MASK_LOW,
  NEXT,
  OWNER,
  ROW_SHIFT,
  type Table,
  W_BITMAP,
  W_EXTRA_COUNT,
  W_EXTRA_FREE,
  W_EXTRA_HIGH_WATER,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_LRU,
} from "./page-table.ts";
import {
  firstExtraAt,
  halfOf,
  hasLive,
  lengthOf,
  recordsOf,
  type SlotsTable,
  sizeOf,
  startOf,
} from "./records.ts";

/**
 * Walks the whole table and checks the invariants I1 to I7 that page-table.ts states, each from the records
 * alone: what masks, links and counters say is compared with them, never trusted.
 *
 * @param reclaims - how many reclaims are under way, each with one page; null if that is not known.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken, and where.
 */
export function verifyTable(whole: SlotsTable, reclaims: number | null): void {
  const { table, geometry } = whole;
  check(
    table[W_MAGIC] === LAYOUT_MAGIC && table[W_VERSION] === LAYOUT_VERSION,
    "the table's magic or version",
  );
  const highWater = table[W_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.maxPages, "the high-water mark", highWater);
  check(table[W_INTENT] === 0, "a note of a change that is not under way", table[W_INTENT]);
  verifyExtras(whole);

  const rowOf = (page: number): number => FIRST_ROW + (page << ROW_SHIFT);
  const pageOf = (row: number, what: string): number => {
    const page = (row - FIRST_ROW) >> ROW_SHIFT;
    check(row >= FIRST_ROW && row === rowOf(page) && page < highWater, `${what} links to no page`, row);
    return page;
  };
  const isSeat = (seat: number): boolean =>
    table[W_LOCKING] === LOCK_OWN ? seat % PLACES !== 0 : seat === 1;

  // What each page is, by its records: which list it belongs on, and whether the LRU must hold it.
  const NO_LIST = 0;
  const listOf = new Int32Array(highWater);
  const onLru = new Uint8Array(highWater);
  let pages = 0;
  let underReclaim = 0;
  let lruCount = 0;
  for (let page = 0; page < highWater; page++) {
    const row = rowOf(page);
    const { objects, longest, freeRecords } = verifyPage(whole, page);
    const state = table[row | LRU_PREV];
    if (state === FREE) {
      check(objects === 0 && table[row | EXTRAS] === 0, "I3: a free page holds an object: page", page);
      continue;
    }
    pages++;
    if (state < FREE) {
      check(isSeat(-state), "under reclaim by no thread: page", page);
      underReclaim++;
      continue;
    }
    check(objects > 0, "I3: a page in use holds no object: page", page);
    const noted = table[row | EXTRAS] >> LONGEST_SHIFT;
    const isCrowded = noted === CROWDED && freeRecords === 0;
    check(noted === longest || isCrowded, `I2: the longest run is ${longest} and not ${noted} in page`, page);
    lruCount++;
    onLru[page] = 1;
    listOf[page] = isCrowded ? NO_LIST : longest;
  }
  check(pages === table[W_PAGE_COUNT], "I5: pageCount is not the pages in use", table[W_PAGE_COUNT]);
  check(
    reclaims === null || underReclaim === reclaims,
    `not as many pages under reclaim as reclaims under way, ${reclaims}:`,
    underReclaim,
  );

  walk(table, W_LRU, LRU_NEXT, LRU_PREV, lruCount, "the LRU", (row) => {
    const page = pageOf(row, "I3: the LRU");
    check(onLru[page] === 1, "I3: the LRU holds twice, or wrongly, page", page);
    onLru[page] = 0;
  });
  check(!onLru.includes(1), "I3: the LRU lacks page", onLru.indexOf(1));

  for (let list = 0; list < LISTS; list++) {
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
  for (let row = table[W_FREE_HEAD]; row !== FREE; row = table[row | LIST_NEXT]) {
    const page = pageOf(row, "the list of free pages");
    check(table[row | LRU_PREV] === FREE, "the list of free pages holds one in use: page", page);
    check(++freePages <= highWater, "the list of free pages has no end");
  }
  check(
    pages + freePages === highWater,
    "I5: pages in use + free pages are not all pages",
    pages + freePages,
  );
}

/** What the records of a page say. */
interface PageFacts {
  objects: number;
  /** Slots. */
  longest: number;
  freeRecords: number;
}

/** I1 for one page. How many objects it has, and its longest run of free slots, slot by slot. */
function verifyPage(whole: SlotsTable, page: number): PageFacts {
  const { table, geometry } = whole;
  const row = FIRST_ROW + (page << ROW_SHIFT);
  const taken = new Uint8Array(SLOTS_PER_PAGE);
  const records = recordsOf(whole, row);
  for (const record of records) {
    const half = halfOf(whole, record);
    const size = sizeOf(whole, record, half);
    const start = startOf(half);
    const end = start + lengthOf(half);
    check(end <= SLOTS_PER_PAGE, `I1: an object from slot ${start} on leaves page`, page);
    check(
      size > 0 && lengthOf(half) === slotsOf(geometry, size),
      `I1: ${size} bytes in other slots, page`,
      page,
    );
    check(!taken.subarray(start, end).includes(1), "I1: two objects overlap in page", page);
    taken.fill(1, start, end);
  }
  let longest = 0;
  let run = 0;
  for (let slot = 0; slot < SLOTS_PER_PAGE; slot++) {
    const word = table[slot < 32 ? row | MASK_LOW : row | MASK_HIGH];
    check(
      ((word >>> (slot & 31)) & 1) === taken[slot],
      `I1: the mask is wrong about slot ${slot} of page`,
      page,
    );
    run = taken[slot] === 1 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  let room = RECORDS_PER_PAGE;
  for (let unit = firstExtraAt(whole, row); unit !== 0; unit = table[unit | NEXT]) room += RECORDS_PER_EXTRA;
  return { objects: records.length, longest, freeRecords: room - records.length };
}

/** I7: every extra is in the chain of its owner, or free; chains end. */
function verifyExtras(whole: SlotsTable): void {
  const { table, geometry } = whole;
  const first = firstExtraOf(geometry);
  const highWater = table[W_EXTRA_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.extrasMax, "I7: the high-water mark of extras", highWater);
  const seen = new Uint8Array(highWater);
  const visit = (unit: number, owner: number): void => {
    const index = (unit - first) >> ROW_SHIFT;
    check(unit === first + (index << ROW_SHIFT) && index >= 0 && index < highWater, "I7: no extra at", unit);
    check(seen[index] === 0, "I7: linked twice: extra", index);
    check(table[unit | OWNER] === owner, "I7: another owner: extra", index);
    seen[index] = 1;
  };
  let count = 0;
  for (let page = 0; page < table[W_HIGH_WATER]; page++) {
    const row = FIRST_ROW + (page << ROW_SHIFT);
    for (let unit = firstExtraAt(whole, row); unit !== 0; unit = table[unit | NEXT]) {
      visit(unit, row);
      const isUsed = hasLive(whole, unit | EXTRA_RECORDS, RECORDS_PER_EXTRA);
      check(isUsed || table[row | LRU_PREV] < FREE, "I7: an extra without an object, of page", page);
      count++;
    }
  }
  check(count === table[W_EXTRA_COUNT], "I7: the number of extras with an owner", table[W_EXTRA_COUNT]);
  for (let unit = table[W_EXTRA_FREE]; unit !== 0; unit = table[unit | NEXT]) {
    visit(unit, 0);
    check(!hasLive(whole, unit | EXTRA_RECORDS, RECORDS_PER_EXTRA), "I7: a free extra has an object:", unit);
  }
  check(!seen.includes(0), "I7: lost: extra", seen.indexOf(0));
}

/** Walks a circular list from its head, at most `most` rows; checks I4 at each; gives how many there were. */
function walk(
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
  let row = table[head | nextOf];
  while (row !== head) {
    check(++count <= most, `${what} has no end, or holds a page twice; rows`, count);
    visit(row);
    check(table[row | prevOf] === before, `I4: next and prev disagree in ${what} at row`, row);
    before = row;
    row = table[row | nextOf];
  }
  check(table[head | prevOf] === before, `I4: next and prev disagree at the head of ${what}`);
  return count;
}

function check(condition: boolean, what: string, value?: number): void {
  if (!condition) throw corrupt(what, value);
}
