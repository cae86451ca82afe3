import { emptyLists, type PageSizeRange, type Table } from "../../pool/index.ts";
import {
  FULLNESS_STEPS,
  type LadderGeometry,
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
  S_NEXT,
  S_PREV,
  SIZE_BEYOND,
  W_OPEN,
  W_STARVED,
  W_VICTIM,
  W_WHICH,
} from "./ladder-table.ts";
import { headOf } from "./segments.ts";

/**
 * Opens rungs of these page sizes for new objects, and no others. Rungs of the same size go on; of those that are
 * closed, the segments come back as they are emptied.
 *
 * May be cut off anywhere: records of vacant rungs alone are written, until one word says that the new list holds.
 *
 * @param ranges - by ascending maxSize, at most OPEN_MAX. Two of one page size share a rung.
 * @returns false if too many rungs still drain; then nothing changed.
 */
export function openRungs(table: Table, geometry: LadderGeometry, ranges: readonly PageSizeRange[]): boolean {
  const open = openRungsOf(table).map(({ rung }) => rung);
  const chosen: number[] = [];
  const made = new Map<number, number>();
  const all = rungsOf(geometry);
  const isAlive = (rung: number): boolean => table[rung + R_SEGMENTS] > 0 || open.includes(rung);
  for (const { pageSize } of ranges) {
    const alive = all.find((rung) => isAlive(rung) && table[rung + R_PAGE_SIZE] === pageSize);
    const same = alive ?? made.get(pageSize);
    const rung = same ?? all.find((each) => !isAlive(each) && !chosen.includes(each));
    if (rung === undefined) return false;
    if (same === undefined) made.set(pageSize, rung);
    chosen.push(rung);
  }
  for (const [i, rung] of chosen.entries()) {
    if (!isAlive(rung)) makeRung(table, geometry, rung, ranges[i].pageSize);
  }
  const other = table[W_WHICH] ^ 1;
  const list = W_OPEN + other * OPEN_WORDS;
  table[list] = chosen.length;
  for (const [i, rung] of chosen.entries()) {
    table[list + 1 + 2 * i] = ranges[i].maxSize;
    table[list + 2 + 2 * i] = rung;
  }
  for (let i = chosen.length; i < OPEN_MAX; i++) table[list + 1 + 2 * i] = SIZE_BEYOND;
  table[W_WHICH] = other;
  table[W_STARVED] = 0;
  table[W_VICTIM] = 0;
  return true;
}

/** Writes the record of a vacant rung. */
function makeRung(table: Table, geometry: LadderGeometry, rung: number, pageSize: number): void {
  const chunkSize = pageSize / geometry.chunkCount;
  table[rung + R_PAGE_SIZE] = pageSize;
  table[rung + R_BOUND] = pageSize - 2 * chunkSize;
  table[rung + R_CHUNK_SIZE] = chunkSize;
  table[rung + R_SEGMENT_PAGES] = Math.floor(geometry.segmentBytes / pageSize);
  clearRung(table, geometry, rung);
}

/** Whether a rung's page size is possible, and what follows from it does. */
export function isRecordWhole(table: Table, geometry: LadderGeometry, rung: number): boolean {
  const { chunkCount, segmentBytes, rowsShift } = geometry;
  const pageSize = table[rung + R_PAGE_SIZE];
  const pages = Math.floor(segmentBytes / pageSize);
  return (
    pageSize > 0 &&
    pageSize % chunkCount === 0 &&
    pages > 0 &&
    pages <= 2 ** rowsShift &&
    table[rung + R_SEGMENT_PAGES] === pages &&
    table[rung + R_CHUNK_SIZE] === pageSize / chunkCount &&
    table[rung + R_BOUND] === (pageSize / chunkCount) * (chunkCount - 2)
  );
}

/** Empties the lists and counts of a rung. */
export function clearRung(table: Table, geometry: LadderGeometry, rung: number): void {
  table[rung + R_PAGE_COUNT] = 0;
  table[rung + R_SEGMENTS] = 0;
  for (let step = 0; step < FULLNESS_STEPS; step++) {
    const head = headOf(rung, step);
    table[head + S_NEXT] = head;
    table[head + S_PREV] = head;
  }
  emptyLists(table, rung + R_HEADS, rung + R_BITMAP, geometry.chunkCount);
}

/** Words of the rungs that are open or have segments. */
export function rungsAlive(table: Table, geometry: LadderGeometry): number[] {
  const open = openRungsOf(table).map(({ rung }) => rung);
  return rungsOf(geometry).filter((rung) => table[rung + R_SEGMENTS] > 0 || open.includes(rung));
}
