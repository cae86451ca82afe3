import { type PageMemory, Reach } from "../../memory/index.ts";
import type { FreeWalk, Table } from "../../pool/index.ts";
import * as pools from "../../pool/index.ts";
import * as pageTables from "../zbud/page-table.ts";
import type { Geometry } from "./geometry.ts";
import * as tables from "./table.ts";

// See allocator.ts for why these are bound here.
const {
  FULLNESS_STEPS,
  C_FULLNESS,
  C_PAGE_COUNT,
  C_PAGE_SIZE,
  C_SEGMENT_PAGES,
  C_SEGMENTS,
  S_FREE,
  S_HIGH,
  S_NEXT,
  S_OWNER,
  S_PREV,
  S_USED,
  SEGMENT_SHIFT,
  W_SEGMENT_FREE,
  W_SEGMENT_HIGH,
  W_STARVED,
  W_VICTIM,
} = tables;
const { FREE, GENERATIONS, LIST_NEXT, LRU_PREV, ROW_SHIFT } = pageTables;
const { W_GIVEN_BACK, W_PAGE_COUNT } = pools;

/** Rows of pages that one step of giving back looks at, so that the lock is not held for long: some 0.1 ms. */
const ROWS_A_STEP = 2 ** 14;

/**
 * Where size classes get their pages from: segments, each of which belongs to one class as long as a page of it is in
 * use. A class takes pages from its fullest segments, so that the others become empty, and any class can take them.
 */
export class Segments {
  readonly #table: Table;
  readonly #memory: PageMemory;
  readonly #givenBack: pools.GivenBack;
  readonly #segmentBytes: number;
  readonly #rows: Reach;
  readonly #firstSegment: number = 0;
  readonly #firstRow: number = 0;
  readonly #segments: number = 0;
  readonly #rowsShift: number = 0;
  readonly #firstGeneration: number = 0;
  #committed = 0;

  constructor(table: Table, geometry: Geometry, memory: PageMemory, firstGeneration: number) {
    this.#table = table;
    this.#memory = memory;
    this.#segmentBytes = geometry.segmentBytes;
    const segmentRowBytes = 4 << (geometry.rowsShift + ROW_SHIFT);
    this.#rows = new Reach(table.buffer, [[4 * tables.firstRowOf(geometry), segmentRowBytes]]);
    this.#givenBack = new pools.GivenBack(table, memory, geometry.segments * geometry.segmentBytes);
    this.#firstSegment = tables.firstSegmentOf(geometry) | 0;
    this.#firstRow = tables.firstRowOf(geometry) | 0;
    this.#segments = geometry.segments | 0;
    this.#rowsShift = geometry.rowsShift | 0;
    this.#firstGeneration = firstGeneration | 0;
  }

  /** Word of the segment that a row lies in. */
  of(row: number): number {
    const page = (row - this.#firstRow) >> ROW_SHIFT;
    return this.#firstSegment + ((page >> this.#rowsShift) << SEGMENT_SHIFT);
  }

  /** Number of a segment, from its word. */
  indexOf(segment: number): number {
    return (segment - this.#firstSegment) >> SEGMENT_SHIFT;
  }

  /** Row of the first page of a segment. */
  firstRowOf(segment: number): number {
    return this.#firstRow + (this.indexOf(segment) << (this.#rowsShift + ROW_SHIFT));
  }

  /** A page of the size class that was free, counted as in use; or FREE if there is none, and then the size class starves. */
  take(sizeClass: number): number {
    const table = this.#table;
    let segment = 0;
    for (let step = FULLNESS_STEPS - 1; step >= 0 && segment === 0; step--) {
      const head = headOf(sizeClass, step);
      if (table[head + S_NEXT] !== head) segment = table[head + S_NEXT];
    }
    if (segment === 0) segment = this.#acquire(sizeClass);
    if (segment === 0) return this.#starve(sizeClass);
    let row = table[segment + S_FREE];
    const isUsed = row !== FREE;
    if (!isUsed) row = this.firstRowOf(segment) + (table[segment + S_HIGH] << ROW_SHIFT);
    if (table[W_GIVEN_BACK] !== 0 && !this.#takeBack(row, sizeClass)) return this.#refuse(segment, sizeClass);
    if (table[W_STARVED] === sizeClass) table[W_STARVED] = 0;
    if (isUsed) {
      table[segment + S_FREE] = table[row | LIST_NEXT];
    } else {
      table[segment + S_HIGH]++;
      for (let word = row | GENERATIONS; word < row + 8; word++) {
        // Not that of a row that was another size class's, or was trimmed.
        table[word] = table[word] === 0 ? this.#firstGeneration : table[word];
      }
    }
    this.#use(segment, sizeClass, 1);
    return row;
  }

  /** Gives a page back; with the last of a segment the segment. */
  release(row: number): void {
    const table = this.#table;
    const segment = this.of(row);
    const sizeClass = table[segment + S_OWNER];
    table[row | LRU_PREV] = FREE;
    table[row | LIST_NEXT] = table[segment + S_FREE];
    table[segment + S_FREE] = row;
    this.#use(segment, sizeClass, -1);
    if (table[segment + S_USED] > 0) return;
    this.#disown(segment);
    table[W_STARVED] = 0; // it is there for whoever starved
  }

  /** Lowers the high-water mark to the last segment in use and gives back the memory behind it. */
  trim(): void {
    const table = this.#table;
    let high = table[W_SEGMENT_HIGH];
    while (high > 0 && table[this.#firstSegment + ((high - 1) << SEGMENT_SHIFT) + S_OWNER] === 0) high--;
    table[W_SEGMENT_HIGH] = high;
    table[W_SEGMENT_FREE] = 0;
    for (let i = high - 1; i >= 0; i--) {
      const segment = this.#firstSegment + (i << SEGMENT_SHIFT);
      if (table[segment + S_OWNER] !== 0) continue;
      table[segment + S_NEXT] = table[W_SEGMENT_FREE];
      table[W_SEGMENT_FREE] = segment;
    }
    this.#committed = this.#memory.trim(high);
    this.#givenBack.forget(high * this.#segmentBytes);
  }

  /** One step of giving back free segments, and what no page in use has of the others. */
  giveBack(walk: FreeWalk): void {
    const table = this.#table;
    let looked = 0;
    for (let i = Math.floor(walk.at / this.#segmentBytes); looked < ROWS_A_STEP; i++) {
      if (i >= table[W_SEGMENT_HIGH]) {
        walk.at = Number.POSITIVE_INFINITY;
        return;
      }
      const segment = this.#firstSegment + (i << SEGMENT_SHIFT);
      const rows =
        table[segment + S_OWNER] === 0 ? 0 : Math.min(table[segment + S_HIGH], 1 << this.#rowsShift);
      if (!this.#giveSegment(walk, segment, rows)) return;
      looked += 1 + rows;
      walk.at = (i + 1) * this.#segmentBytes;
    }
  }

  /** Gives back what is free in a segment whose owner has used so many pages. False: the walk ends there for now. */
  #giveSegment(walk: FreeWalk, segment: number, pages: number): boolean {
    const table = this.#table;
    const start = this.indexOf(segment) * this.#segmentBytes;
    const row = this.firstRowOf(segment);
    const pageSize = pages === 0 ? 0 : table[table[segment + S_OWNER] + C_PAGE_SIZE];
    let end = pages;
    // What lies behind them an owner before may have used.
    while (end > 0 && table[(row + ((end - 1) << ROW_SHIFT)) | LRU_PREV] === FREE) end--;
    const isFree = (page: number): boolean => table[(row + (page << ROW_SHIFT)) | LRU_PREV] === FREE;
    return (
      this.#givenBack.give(walk, start, 0, end, pageSize, isFree) &&
      this.#givenBack.giveRun(walk, start + end * pageSize, start + this.#segmentBytes)
    );
  }

  /** Bytes of the segments that were ever taken and are not given back. */
  /** Bytes of the table that were touched, about: of each segment the rows of its pages. */
  metadataBytes(): number {
    const table = this.#table;
    const high = table[W_SEGMENT_HIGH];
    let rows = 0;
    for (let i = 0; i < high; i++) rows += table[(this.#firstSegment + (i << SEGMENT_SHIFT)) | S_HIGH];
    return 4 * (this.#firstSegment + (high << SEGMENT_SHIFT) + (rows << ROW_SHIFT));
  }

  touchedBytes(): number {
    return this.#table[W_SEGMENT_HIGH] * this.#segmentBytes - this.#givenBack.bytes;
  }

  /** Counts anew what is given back, after a thread died. */
  repair(): void {
    this.#givenBack.repair();
  }

  /** Takes a segment without a page in use from its owner. */
  #disown(segment: number): void {
    const table = this.#table;
    takeOff(table, segment);
    table[table[segment + S_OWNER] + C_SEGMENTS]--;
    table[segment + S_OWNER] = 0;
    table[segment + S_NEXT] = table[W_SEGMENT_FREE];
    table[W_SEGMENT_FREE] = segment;
    if (table[W_VICTIM] === segment) table[W_VICTIM] = 0;
  }

  /** The system has no memory for a page of a segment. */
  #refuse(segment: number, sizeClass: number): number {
    if (this.#table[segment + S_USED] === 0) this.#disown(segment);
    return this.#starve(sizeClass);
  }

  #starve(sizeClass: number): number {
    if (this.#table[W_STARVED] === 0) this.#table[W_STARVED] = sizeClass;
    return FREE;
  }

  #takeBack(row: number, sizeClass: number): boolean {
    const page = (row - this.#firstRow) >> ROW_SHIFT;
    const bytes = this.#table[sizeClass + C_PAGE_SIZE];
    const segment = page >> this.#rowsShift;
    const from = segment * this.#segmentBytes + (page - (segment << this.#rowsShift)) * bytes;
    return this.#givenBack.take(from, from + bytes);
  }

  /** A segment for a size class that has no free page, or 0. */
  #acquire(sizeClass: number): number {
    const table = this.#table;
    let segment = table[W_SEGMENT_FREE];
    if (segment !== 0) {
      table[W_SEGMENT_FREE] = table[segment + S_NEXT];
    } else {
      const index = table[W_SEGMENT_HIGH];
      if (index >= this.#segments) return 0;
      if (index >= this.#committed) {
        const committed = this.#memory.commit(index + 1);
        if (!(committed > index)) return 0;
        this.#committed = committed;
      }
      if (index >= this.#rows.end && !this.#rows.extend(index)) return 0;
      table[W_SEGMENT_HIGH] = index + 1;
      segment = this.#firstSegment + (index << SEGMENT_SHIFT);
    }
    table[segment + S_FREE] = FREE;
    table[segment + S_USED] = 0;
    table[segment + S_HIGH] = 0;
    table[segment + S_OWNER] = sizeClass;
    table[sizeClass + C_SEGMENTS]++;
    putOn(table, segment, headOf(sizeClass, 0));
    return segment;
  }

  /** Counts a page as taken (1) or released (-1), and lists the segment by its fullness. */
  #use(segment: number, sizeClass: number, change: 1 | -1): void {
    const table = this.#table;
    const pages = table[sizeClass + C_SEGMENT_PAGES];
    const used = table[segment + S_USED];
    const before = stepOf(used, pages);
    const after = stepOf(used + change, pages);
    table[segment + S_USED] = used + change;
    table[sizeClass + C_PAGE_COUNT] += change;
    table[W_PAGE_COUNT] += change;
    if (before === after) return;
    if (before < FULLNESS_STEPS) takeOff(table, segment);
    if (after < FULLNESS_STEPS) putOn(table, segment, headOf(sizeClass, after));
  }
}

/** The list for a segment's fullness; FULLNESS_STEPS: none, it is full. */
export function stepOf(used: number, pages: number): number {
  return ((used * FULLNESS_STEPS) / pages) | 0;
}

/** The head of a list of segments, as if it were a segment. */
export function headOf(sizeClass: number, step: number): number {
  return sizeClass + C_FULLNESS + 2 * step - S_NEXT;
}

/** Puts a segment at the head of a list. */
export function putOn(table: Table, segment: number, head: number): void {
  const next = table[head + S_NEXT];
  table[segment + S_NEXT] = next;
  table[segment + S_PREV] = head;
  table[next + S_PREV] = segment;
  table[head + S_NEXT] = segment;
}

function takeOff(table: Table, segment: number): void {
  const next = table[segment + S_NEXT];
  const prev = table[segment + S_PREV];
  table[prev + S_NEXT] = next;
  table[next + S_PREV] = prev;
}
