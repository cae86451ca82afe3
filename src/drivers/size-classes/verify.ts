import {
  check,
  checkBit,
  checkHeader,
  checkMark,
  checkReclaims,
  type Table,
  verifyGivenBack,
  W_PAGE_COUNT,
  walk,
} from "../../pool/index.ts";
import {
  FREE,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
  LRU_PREV,
  ROW_SHIFT,
  SIZES,
  W_LRU,
} from "../zbud/page-table.ts";
import { checkBuddy } from "../zbud/verify.ts";
import type { Geometry } from "./geometry.ts";
import { isRecordWhole } from "./open-classes.ts";
import { headOf, stepOf } from "./segments.ts";
import {
  C_BITMAP,
  C_BOUND,
  C_CHUNK_SIZE,
  C_HEADS,
  C_PAGE_COUNT,
  C_PAGE_SIZE,
  C_SEGMENT_PAGES,
  C_SEGMENTS,
  classesOf,
  eachRow,
  FULLNESS_STEPS,
  firstRowOf,
  firstSegmentOf,
  OPEN_MAX,
  OPEN_WORDS,
  openClassesOf,
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
} from "./table.ts";

/** What the sizes and owners alone say: what the links and counts must agree with. */
interface Derived {
  /** List by row, of the rows with one object. */
  lists: Map<number, { sizeClass: number; list: number }>;
  /** Rows on the LRU. */
  lru: Set<number>;
  /** By size class. */
  pages: Map<number, number>;
  segments: Map<number, number>;
  objects: number;
  underReclaim: number;
}

/** As `verifyTable` of a pool with one size: checks all that table.ts states, from sizes and owners alone. */
export function verifyTable(table: Table, geometry: Geometry, reclaims: number | null): void {
  checkHeader(table);
  const classes = classesOf(geometry);
  checkOpen(table, geometry, classes);
  const derived: Derived = {
    lists: new Map(),
    lru: new Set(),
    pages: new Map(),
    segments: new Map(),
    objects: 0,
    underReclaim: 0,
  };
  checkSegments(table, geometry, classes, derived);

  let pages = 0;
  for (const sizeClass of classes) {
    const used = derived.pages.get(sizeClass) ?? 0;
    pages += used;
    check(table[sizeClass + C_PAGE_COUNT] === used, "I5: the pages of a size class, word", sizeClass);
    check(
      table[sizeClass + C_SEGMENTS] === (derived.segments.get(sizeClass) ?? 0),
      "L1: segments of a size class, word",
      sizeClass,
    );
  }
  check(pages === table[W_PAGE_COUNT], "I5: pageCount is not the pages in use", table[W_PAGE_COUNT]);
  check(derived.objects >= derived.lru.size, "more pages than objects", derived.objects);
  checkReclaims(derived.underReclaim, reclaims);
  const left = new Set(derived.lru);
  walk(table, W_LRU, LRU_NEXT, LRU_PREV, derived.lru.size, "the LRU", (row) => {
    check(left.delete(row), "I3: the LRU holds twice, or wrongly, row", row);
  });
  check(left.size === 0, "I3: the LRU lacks rows", left.size);
  checkLists(table, geometry, classes, derived);
  checkGivenBack(table, geometry);
}

function checkGivenBack(table: Table, geometry: Geometry): void {
  const { segmentBytes, segments, rowsShift } = geometry;
  verifyGivenBack(table, segments * segmentBytes, table[W_SEGMENT_HIGH] * segmentBytes, (visit) => {
    eachRow(table, geometry, (row, sizeClass) => {
      if (table[row + LRU_PREV] === FREE) return;
      const index = (row - firstRowOf(geometry)) >> ROW_SHIFT;
      const segment = index >> rowsShift;
      const pageSize = table[sizeClass + C_PAGE_SIZE];
      const from = segment * segmentBytes + (index - (segment << rowsShift)) * pageSize;
      visit(from, from + pageSize);
    });
  });
}

function checkOpen(table: Table, geometry: Geometry, classes: readonly number[]): void {
  const which = table[W_WHICH];
  check(
    (which & ~1) === 0 && table[W_OPEN + which * OPEN_WORDS] <= OPEN_MAX,
    "L0: which size classes are open",
    which,
  );
  const open = openClassesOf(table);
  check(open.length > 0, "L0: the open size classes", open.length);
  const ranges = W_OPEN + which * OPEN_WORDS + 1;
  for (let i = open.length; i < OPEN_MAX; i++) {
    check(table[ranges + 2 * i] === SIZE_BEYOND, "L0: a range behind the last", i);
  }
  let before = 0;
  for (const { sizeClass, maxSize } of open) {
    check(classes.includes(sizeClass), "L0: an open size class is none", sizeClass);
    check(isRecordWhole(table, geometry, sizeClass), "L0: the record of an open size class", sizeClass);
    check(
      maxSize > before && maxSize <= table[sizeClass + C_BOUND],
      "L0: the size range of an open size class",
      maxSize,
    );
    before = maxSize;
  }
  check(before >= geometry.maxObjectBytes, "L0: no open size class takes the largest object, but", before);
  const { [W_STARVED]: starved, [W_VICTIM]: victim } = table;
  check(
    starved === 0 || open.some(({ sizeClass }) => sizeClass === starved),
    "a size class starves that is not open",
    starved,
  );
  const index = (victim - firstSegmentOf(geometry)) >> SEGMENT_SHIFT;
  check(victim === 0 || (index >= 0 && index < table[W_SEGMENT_HIGH]), "the segment to empty", victim);
}

function checkSegments(table: Table, geometry: Geometry, classes: readonly number[], derived: Derived): void {
  const high = table[W_SEGMENT_HIGH];
  check(high >= 0 && high <= geometry.segments, "the high-water mark of segments", high);
  const unowned = new Set<number>();
  for (let i = 0; i < high; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    const sizeClass = table[segment + S_OWNER];
    if (sizeClass === 0) {
      unowned.add(segment);
      continue;
    }
    check(
      classes.includes(sizeClass) && isRecordWhole(table, geometry, sizeClass),
      "L1: the owner of segment",
      i,
    );
    const firstRow = firstRowOf(geometry) + (i << (geometry.rowsShift + ROW_SHIFT));
    checkPages(table, geometry, { segment, sizeClass, firstRow }, derived);
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
  geometry: Geometry,
  { segment, sizeClass, firstRow }: { segment: number; sizeClass: number; firstRow: number },
  derived: Derived,
): void {
  const sizes = { chunkSize: table[sizeClass + C_CHUNK_SIZE], maxObjectBytes: table[sizeClass + C_BOUND] };
  const high = table[segment + S_HIGH];
  check(high <= table[sizeClass + C_SEGMENT_PAGES], "more pages than a segment has", high);
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
      derived.underReclaim++;
      continue;
    }
    check(count > 0, "a page in use holds no object: row", row);
    derived.objects += count;
    derived.lru.add(row);
    if (count === 1) derived.lists.set(row, { sizeClass, list: freeChunks });
  }
  check(used > 0 && used === table[segment + S_USED], "L2: pages in use of segment, word", segment);
  let free = 0;
  for (let row = table[segment + S_FREE]; row !== FREE; row = table[row + LIST_NEXT]) {
    const page = (row - firstRow) >> ROW_SHIFT;
    check(page >= 0 && page < high && row === firstRow + (page << ROW_SHIFT), "L2: a free page, row", row);
    check(table[row + LRU_PREV] === FREE && ++free <= high, "L2: a free page in use, row", row);
  }
  check(free + used === high, "L2: pages in use + free pages are not all of segment, word", segment);
  derived.pages.set(sizeClass, (derived.pages.get(sizeClass) ?? 0) + used);
  derived.segments.set(sizeClass, (derived.segments.get(sizeClass) ?? 0) + 1);
}

function checkLists(table: Table, geometry: Geometry, classes: readonly number[], derived: Derived): void {
  for (const sizeClass of classes) {
    if (table[sizeClass + C_PAGE_SIZE] === 0) continue; // never used
    for (let list = 0; list < geometry.chunkCount; list++) {
      const head = sizeClass + C_HEADS + 2 * list;
      const name = `list ${list} of the size class at word ${sizeClass}`;
      const found = walk(table, head, LIST_NEXT, LIST_PREV, derived.lru.size, name, (row) => {
        const due = derived.lists.get(row);
        check(due?.sizeClass === sizeClass && due.list === list, `I2: ${name} wrongly holds row`, row);
        derived.lists.delete(row);
      });
      checkBit(table, sizeClass + C_BITMAP, list, found, name);
    }
    let roomy = 0;
    for (let step = 0; step < FULLNESS_STEPS; step++) {
      const head = headOf(sizeClass, step);
      roomy += walk(table, head, S_NEXT, S_PREV, table[W_SEGMENT_HIGH], "segments with room", (segment) => {
        const isDue = stepOf(table[segment + S_USED], table[sizeClass + C_SEGMENT_PAGES]) === step;
        check(
          table[segment + S_OWNER] === sizeClass && isDue,
          `L3: list ${step} wrongly holds a segment`,
          segment,
        );
      });
    }
    const full = fullSegments(table, geometry, sizeClass);
    check(
      roomy + full === table[sizeClass + C_SEGMENTS],
      "L3: segments with room are not listed, of size class",
      sizeClass,
    );
  }
  check(derived.lists.size === 0, "I2: rows on no list", derived.lists.size);
}

function fullSegments(table: Table, geometry: Geometry, sizeClass: number): number {
  let full = 0;
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    if (
      table[segment + S_OWNER] === sizeClass &&
      table[segment + S_USED] === table[sizeClass + C_SEGMENT_PAGES]
    )
      full++;
  }
  return full;
}
