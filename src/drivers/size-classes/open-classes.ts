import { emptyLists, type PageSizeRange, type Table } from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import { headOf } from "./segments.ts";
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
  FULLNESS_STEPS,
  OPEN_MAX,
  OPEN_WORDS,
  openClassesOf,
  S_NEXT,
  S_PREV,
  SIZE_BEYOND,
  W_OPEN,
  W_STARVED,
  W_VICTIM,
  W_WHICH,
} from "./table.ts";

/**
 * Opens size classes of these page sizes for new objects, and no others. Size classes of the same size go on; of those that are
 * closed, the segments come back as they are emptied.
 *
 * May be cut off anywhere: records of vacant size classes alone are written, until one word says that the new list holds.
 *
 * @param ranges - by ascending maxSize, at most OPEN_MAX. Two of one page size share a size class.
 * @returns false if too many size classes still drain; then nothing changed.
 */
export function openClasses(table: Table, geometry: Geometry, ranges: readonly PageSizeRange[]): boolean {
  const open = openClassesOf(table).map(({ sizeClass }) => sizeClass);
  const chosen: number[] = [];
  const made = new Map<number, number>();
  const all = classesOf(geometry);
  const isAlive = (sizeClass: number): boolean =>
    table[sizeClass + C_SEGMENTS] > 0 || open.includes(sizeClass);
  for (const { pageSize } of ranges) {
    const alive = all.find((sizeClass) => isAlive(sizeClass) && table[sizeClass + C_PAGE_SIZE] === pageSize);
    const same = alive ?? made.get(pageSize);
    const sizeClass = same ?? all.find((each) => !isAlive(each) && !chosen.includes(each));
    if (sizeClass === undefined) return false;
    if (same === undefined) made.set(pageSize, sizeClass);
    chosen.push(sizeClass);
  }
  for (const [i, sizeClass] of chosen.entries()) {
    if (!isAlive(sizeClass)) makeClass(table, geometry, sizeClass, ranges[i].pageSize);
  }
  const other = table[W_WHICH] ^ 1;
  const list = W_OPEN + other * OPEN_WORDS;
  table[list] = chosen.length;
  for (const [i, sizeClass] of chosen.entries()) {
    table[list + 1 + 2 * i] = ranges[i].maxSize;
    table[list + 2 + 2 * i] = sizeClass;
  }
  for (let i = chosen.length; i < OPEN_MAX; i++) table[list + 1 + 2 * i] = SIZE_BEYOND;
  table[W_WHICH] = other;
  table[W_STARVED] = 0;
  table[W_VICTIM] = 0;
  return true;
}

/** Writes the record of a vacant size class. */
function makeClass(table: Table, geometry: Geometry, sizeClass: number, pageSize: number): void {
  const chunkSize = pageSize / geometry.chunkCount;
  table[sizeClass + C_PAGE_SIZE] = pageSize;
  table[sizeClass + C_BOUND] = pageSize - 2 * chunkSize;
  table[sizeClass + C_CHUNK_SIZE] = chunkSize;
  table[sizeClass + C_SEGMENT_PAGES] = Math.floor(geometry.segmentBytes / pageSize);
  clearClass(table, geometry, sizeClass);
}

/** Whether a size class's page size is possible, and what follows from it does. */
export function isRecordWhole(table: Table, geometry: Geometry, sizeClass: number): boolean {
  const { chunkCount, segmentBytes, rowsShift } = geometry;
  const pageSize = table[sizeClass + C_PAGE_SIZE];
  const pages = Math.floor(segmentBytes / pageSize);
  return (
    pageSize > 0 &&
    pageSize % chunkCount === 0 &&
    pages > 0 &&
    pages <= 2 ** rowsShift &&
    table[sizeClass + C_SEGMENT_PAGES] === pages &&
    table[sizeClass + C_CHUNK_SIZE] === pageSize / chunkCount &&
    table[sizeClass + C_BOUND] === (pageSize / chunkCount) * (chunkCount - 2)
  );
}

/** Empties the lists and counts of a size class. */
export function clearClass(table: Table, geometry: Geometry, sizeClass: number): void {
  table[sizeClass + C_PAGE_COUNT] = 0;
  table[sizeClass + C_SEGMENTS] = 0;
  for (let step = 0; step < FULLNESS_STEPS; step++) {
    const head = headOf(sizeClass, step);
    table[head + S_NEXT] = head;
    table[head + S_PREV] = head;
  }
  emptyLists(table, sizeClass + C_HEADS, sizeClass + C_BITMAP, geometry.chunkCount);
}

/** Words of the size classes that are open or have segments. */
export function liveClasses(table: Table, geometry: Geometry): number[] {
  const open = openClassesOf(table).map(({ sizeClass }) => sizeClass);
  return classesOf(geometry).filter(
    (sizeClass) => table[sizeClass + C_SEGMENTS] > 0 || open.includes(sizeClass),
  );
}
