import { check, checkHeader, NO_OBJECT, verifyPages } from "../../pool/index.ts";
import { RECORDS_PER_EXTRA, RECORDS_PER_PAGE, SLOTS_PER_PAGE, slotsOf } from "./geometry.ts";
import {
  CROWDED,
  EXTRA_RECORDS,
  EXTRAS,
  FIRST_ROW,
  FREE,
  firstExtraOf,
  LISTS,
  LONGEST_SHIFT,
  LRU_PREV,
  MASK_HIGH,
  MASK_LOW,
  NEXT,
  OWNER,
  ROW_SHIFT,
  W_BITMAP,
  W_EXTRA_COUNT,
  W_EXTRA_FREE,
  W_EXTRA_HIGH_WATER,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
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
  checkHeader(table);
  const highWater = table[W_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.maxPages, "the high-water mark", highWater);
  verifyExtras(whole);
  const { pageSize, maxPages } = geometry;
  const rows = {
    pageSize,
    maxPages,
    firstRow: FIRST_ROW,
    rowShift: ROW_SHIFT,
    highWater,
    heads: W_HEADS,
    bitmap: W_BITMAP,
    lists: LISTS,
    freeHead: table[W_FREE_HEAD],
  };
  verifyPages(table, rows, reclaims, (page, row, isListed) => {
    const { objects, longest, freeRecords } = verifyPage(whole, page);
    if (objects === 0) {
      check(
        table[row | LRU_PREV] !== FREE || table[row | EXTRAS] === 0,
        "I3: a free page has extras: page",
        page,
      );
      return NO_OBJECT;
    }
    if (!isListed) return 0;
    const noted = table[row | EXTRAS] >> LONGEST_SHIFT;
    const isCrowded = noted === CROWDED && freeRecords === 0;
    check(noted === longest || isCrowded, `I2: the longest run is ${longest} and not ${noted} in page`, page);
    return isCrowded ? 0 : longest;
  });
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
  for (let extra = firstExtraAt(whole, row); extra !== 0; extra = table[extra | NEXT])
    room += RECORDS_PER_EXTRA;
  return { objects: records.length, longest, freeRecords: room - records.length };
}

/** I7: every extra is in the chain of its owner, or free; chains end. */
function verifyExtras(whole: SlotsTable): void {
  const { table, geometry } = whole;
  const first = firstExtraOf(geometry);
  const highWater = table[W_EXTRA_HIGH_WATER];
  check(highWater >= 0 && highWater <= geometry.maxExtras, "I7: the high-water mark of extras", highWater);
  const seen = new Uint8Array(highWater);
  const visit = (extra: number, owner: number): void => {
    const index = (extra - first) >> ROW_SHIFT;
    check(
      extra === first + (index << ROW_SHIFT) && index >= 0 && index < highWater,
      "I7: no extra at",
      extra,
    );
    check(seen[index] === 0, "I7: linked twice: extra", index);
    check(table[extra | OWNER] === owner, "I7: another owner: extra", index);
    seen[index] = 1;
  };
  let count = 0;
  for (let page = 0; page < table[W_HIGH_WATER]; page++) {
    const row = FIRST_ROW + (page << ROW_SHIFT);
    for (let extra = firstExtraAt(whole, row); extra !== 0; extra = table[extra | NEXT]) {
      visit(extra, row);
      const isUsed = hasLive(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA);
      check(isUsed || table[row | LRU_PREV] < FREE, "I7: an extra without an object, of page", page);
      count++;
    }
  }
  check(count === table[W_EXTRA_COUNT], "I7: the number of extras with an owner", table[W_EXTRA_COUNT]);
  for (let extra = table[W_EXTRA_FREE]; extra !== 0; extra = table[extra | NEXT]) {
    visit(extra, 0);
    check(
      !hasLive(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA),
      "I7: a free extra has an object:",
      extra,
    );
  }
  check(!seen.includes(0), "I7: lost: extra", seen.indexOf(0));
}
