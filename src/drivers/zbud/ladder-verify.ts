import {
  check,
  checkBit,
  checkHeader,
  checkMark,
  checkReclaims,
  type Table,
  W_PAGE_COUNT,
  walk,
} from "../../pool/index.ts";
import {
  FULLNESS_STEPS,
  firstSegmentOf,
  type LadderGeometry,
  ladderFirstRowOf,
  OPEN_MAX,
  OPEN_WORDS,
  openRungsOf,
  R_BITMAP,
  R_BOUND,
  R_CHUNK_SIZE,
  R_HEADS,
  R_PAGE_COUNT,
  R_PAGE_SIZE,
  R_SEGMENT_PAGES,
  R_SEGMENTS,
  rungsOf,
  S_FREE,
  S_HIGH,
  S_NEXT,
  S_OWNER,
  S_PREV,
  S_USED,
  SEGMENT_SHIFT,
  SIZE_BEYOND,
  W_OPEN,
  W_SEGMENT_FREE,
  W_SEGMENT_HIGH,
  W_STARVED,
  W_VICTIM,
  W_WHICH,
} from "./ladder-table.ts";
import { FREE, LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV, ROW_SHIFT, SIZES, W_LRU } from "./page-table.ts";
import { isRecordWhole } from "./rungs.ts";
import { headOf, stepOf } from "./segments.ts";
import { checkBuddy } from "./verify.ts";

/** What the sizes and owners alone say: what the links and counts must agree with. */
interface Books {
  /** List by row, of the rows with one object. */
  lists: Map<number, { rung: number; list: number }>;
  /** Rows on the LRU. */
  lru: Set<number>;
  /** By rung. */
  pages: Map<number, number>;
  segments: Map<number, number>;
  objects: number;
  underReclaim: number;
}

/** As `verifyTable` of a pool with one size: checks all that ladder-table.ts states, from sizes and owners alone. */
export function verifyLadder(table: Table, geometry: LadderGeometry, reclaims: number | null): void {
  checkHeader(table);
  const rungs = rungsOf(geometry);
  checkOpen(table, geometry, rungs);
  const books: Books = {
    lists: new Map(),
    lru: new Set(),
    pages: new Map(),
    segments: new Map(),
    objects: 0,
    underReclaim: 0,
  };
  checkSegments(table, geometry, rungs, books);

  let pages = 0;
  for (const rung of rungs) {
    const used = books.pages.get(rung) ?? 0;
    pages += used;
    check(table[rung + R_PAGE_COUNT] === used, "I5: the pages of a rung, word", rung);
    check(table[rung + R_SEGMENTS] === (books.segments.get(rung) ?? 0), "L1: segments of a rung, word", rung);
  }
  check(pages === table[W_PAGE_COUNT], "I5: pageCount is not the pages in use", table[W_PAGE_COUNT]);
  check(books.objects >= books.lru.size, "more pages than objects", books.objects);
  checkReclaims(books.underReclaim, reclaims);
  const left = new Set(books.lru);
  walk(table, W_LRU, LRU_NEXT, LRU_PREV, books.lru.size, "the LRU", (row) => {
    check(left.delete(row), "I3: the LRU holds twice, or wrongly, row", row);
  });
  check(left.size === 0, "I3: the LRU lacks rows", left.size);
  checkLists(table, geometry, rungs, books);
}

function checkOpen(table: Table, geometry: LadderGeometry, rungs: readonly number[]): void {
  const which = table[W_WHICH];
  check(
    (which & ~1) === 0 && table[W_OPEN + which * OPEN_WORDS] <= OPEN_MAX,
    "L0: which rungs are open",
    which,
  );
  const open = openRungsOf(table);
  check(open.length > 0, "L0: the open rungs", open.length);
  const ranges = W_OPEN + which * OPEN_WORDS + 1;
  for (let i = open.length; i < OPEN_MAX; i++) {
    check(table[ranges + 2 * i] === SIZE_BEYOND, "L0: a range behind the last", i);
  }
  let before = 0;
  for (const { rung, maxSize } of open) {
    check(rungs.includes(rung), "L0: an open rung is none", rung);
    check(isRecordWhole(table, geometry, rung), "L0: the record of an open rung", rung);
    check(
      maxSize > before && maxSize <= table[rung + R_BOUND],
      "L0: the size range of an open rung",
      maxSize,
    );
    before = maxSize;
  }
  check(before >= geometry.maxObjectBytes, "L0: no open rung takes the largest object, but", before);
  const { [W_STARVED]: starved, [W_VICTIM]: victim } = table;
  check(
    starved === 0 || open.some(({ rung }) => rung === starved),
    "a rung starves that is not open",
    starved,
  );
  const index = (victim - firstSegmentOf(geometry)) >> SEGMENT_SHIFT;
  check(victim === 0 || (index >= 0 && index < table[W_SEGMENT_HIGH]), "the segment to empty", victim);
}

function checkSegments(table: Table, geometry: LadderGeometry, rungs: readonly number[], books: Books): void {
  const high = table[W_SEGMENT_HIGH];
  check(high >= 0 && high <= geometry.segments, "the high-water mark of segments", high);
  const unowned = new Set<number>();
  for (let i = 0; i < high; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    const rung = table[segment + S_OWNER];
    if (rung === 0) {
      unowned.add(segment);
      continue;
    }
    check(rungs.includes(rung) && isRecordWhole(table, geometry, rung), "L1: the owner of segment", i);
    const firstRow = ladderFirstRowOf(geometry) + (i << (geometry.rowsShift + ROW_SHIFT));
    checkPages(table, geometry, { segment, rung, firstRow }, books);
  }
  let free = 0;
  for (let segment = table[W_SEGMENT_FREE]; segment !== 0; segment = table[segment + S_NEXT]) {
    check(
      unowned.delete(segment),
      "L4: the list of free segments holds one twice, or wrongly: word",
      segment,
    );
    free++;
  }
  check(unowned.size === 0, "L4: free segments that are not listed; listed are", free);
}

/** One segment that has an owner: its rows, its free pages, and what the owner counts of it. */
function checkPages(
  table: Table,
  geometry: LadderGeometry,
  { segment, rung, firstRow }: { segment: number; rung: number; firstRow: number },
  books: Books,
): void {
  const sizes = { chunkSize: table[rung + R_CHUNK_SIZE], maxObjectBytes: table[rung + R_BOUND] };
  const high = table[segment + S_HIGH];
  check(high <= table[rung + R_SEGMENT_PAGES], "more pages than a segment has", high);
  let used = 0;
  for (let page = 0; page < high; page++) {
    const row = firstRow + (page << ROW_SHIFT);
    const first = checkBuddy(table[row + SIZES], sizes, page);
    const last = checkBuddy(table[row + SIZES + 1], sizes, page);
    const count = (first === 0 ? 0 : 1) + (last === 0 ? 0 : 1);
    const state = table[row + LRU_PREV];
    if (state === FREE) {
      check(count === 0, "a free page holds an object: row", row);
      continue;
    }
    used++;
    const freeChunks = geometry.chunkCount - 1 - first - last;
    check(freeChunks >= 0, "I1: two objects overlap in row", row);
    if (state < FREE) {
      checkMark(table, state, "row", row);
      books.underReclaim++;
      continue;
    }
    check(count > 0, "a page in use holds no object: row", row);
    books.objects += count;
    books.lru.add(row);
    if (count === 1) books.lists.set(row, { rung, list: freeChunks });
  }
  check(used > 0 && used === table[segment + S_USED], "L2: pages in use of segment, word", segment);
  let free = 0;
  for (let row = table[segment + S_FREE]; row !== FREE; row = table[row + LIST_NEXT]) {
    const page = (row - firstRow) >> ROW_SHIFT;
    check(page >= 0 && page < high && row === firstRow + (page << ROW_SHIFT), "L2: a free page, row", row);
    check(table[row + LRU_PREV] === FREE && ++free <= high, "L2: a free page in use, row", row);
  }
  check(free + used === high, "L2: pages in use + free pages are not all of segment, word", segment);
  books.pages.set(rung, (books.pages.get(rung) ?? 0) + used);
  books.segments.set(rung, (books.segments.get(rung) ?? 0) + 1);
}

function checkLists(table: Table, geometry: LadderGeometry, rungs: readonly number[], books: Books): void {
  for (const rung of rungs) {
    if (table[rung + R_PAGE_SIZE] === 0) continue; // never used
    for (let list = 0; list < geometry.chunkCount; list++) {
      const head = rung + R_HEADS + 2 * list;
      const name = `list ${list} of the rung at word ${rung}`;
      const found = walk(table, head, LIST_NEXT, LIST_PREV, books.lru.size, name, (row) => {
        const due = books.lists.get(row);
        check(due?.rung === rung && due.list === list, `I2: ${name} wrongly holds row`, row);
        books.lists.delete(row);
      });
      checkBit(table, rung + R_BITMAP, list, found, name);
    }
    let roomy = 0;
    for (let step = 0; step < FULLNESS_STEPS; step++) {
      const head = headOf(rung, step);
      roomy += walk(table, head, S_NEXT, S_PREV, table[W_SEGMENT_HIGH], "segments with room", (segment) => {
        const isDue = stepOf(table[segment + S_USED], table[rung + R_SEGMENT_PAGES]) === step;
        check(
          table[segment + S_OWNER] === rung && isDue,
          `L3: list ${step} wrongly holds a segment`,
          segment,
        );
      });
    }
    const full = fullSegments(table, geometry, rung);
    check(roomy + full === table[rung + R_SEGMENTS], "L3: segments with room are not listed, of rung", rung);
  }
  check(books.lists.size === 0, "I2: rows on no list", books.lists.size);
}

function fullSegments(table: Table, geometry: LadderGeometry, rung: number): number {
  let full = 0;
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    if (table[segment + S_OWNER] === rung && table[segment + S_USED] === table[rung + R_SEGMENT_PAGES])
      full++;
  }
  return full;
}
