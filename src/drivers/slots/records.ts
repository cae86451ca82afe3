import type { Handle } from "../../base/index.ts";
import type { Reach } from "../../memory/index.ts";
import { type HandleLayout, type ObjectVisitor, type Place, TAG_BITS } from "../../pool/index.ts";
import { EXTRAS_PER_PAGE, RECORDS_PER_EXTRA, RECORDS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";
import {
  EXTRA_RECORDS,
  EXTRAS,
  EXTRAS_MASK,
  FIRST_ROW,
  FREE,
  firstExtraOf,
  HALVES,
  LIST_NEXT,
  LRU_PREV,
  NEXT,
  OWNER,
  PAGE_RECORDS,
  ROW_SHIFT,
  ROW_WORDS,
  SLOTS_MASK,
  SLOTS_SHIFT,
  START_MASK,
  TAIL_BITS,
  TAIL_SHIFT,
  type Table,
  W_FREE_HEAD,
  W_HIGH_WATER,
} from "./page-table.ts";

// Walks along a page's extras end with as many as a page can have: so they end in a table that was damaged too.

/** A table, and what one needs to know to read it. */
export interface SlotsTable {
  readonly table: Table;
  /** The same words as 16-bit numbers: halves of records. */
  readonly halves: Uint16Array;
  readonly geometry: SlotsGeometry;
  readonly layout: HandleLayout;
  readonly extras: Reach;
}

/** Index of the half of a record, in 16-bit units. */
export function halfIndexOf(record: number): number {
  return 2 * record - (record % ROW_WORDS) + HALVES;
}

/** The half of a record; 0: it names no object. */
export function halfOf({ halves }: SlotsTable, record: number): number {
  return halves[halfIndexOf(record)];
}

/** First slot of the object that a half names. */
export function startOf(half: number): number {
  return half & START_MASK;
}

/** How many slots the object has that a half names. */
export function lengthOf(half: number): number {
  return (half >> SLOTS_SHIFT) & SLOTS_MASK;
}

/** Bytes of the object that a record and its half name. */
export function sizeOf(whole: SlotsTable, record: number, half: number): number {
  const { generationMask } = whole.layout;
  const tailHigh = (whole.table[record] & ~generationMask) >>> (32 - Math.clz32(generationMask));
  return lengthOf(half) * whole.geometry.slotSize - ((tailHigh << TAIL_BITS) | (half >> TAIL_SHIFT));
}

/** The handle of the object that a record names. */
export function handleOf({ table, layout }: SlotsTable, record: number): Handle {
  const { generationMask, generationStep, tag } = layout;
  const low = ((record - FIRST_ROW) << TAG_BITS) | tag; // below 2^31: a pool has at most SLOTS_MAX slots
  return ((table[record] & generationMask) * generationStep + low) as Handle;
}

/** The first extra of a page's row, or 0. */
export function firstExtraAt({ table }: SlotsTable, row: number): number {
  const index = table[row | EXTRAS] & EXTRAS_MASK;
  return index === 0 ? 0 : FIRST_ROW + (index << ROW_SHIFT);
}

/** Calls `visit` for the records of a page that name objects, and their halves, in no order. */
export function eachRecord(
  whole: SlotsTable,
  row: number,
  visit: (record: number, half: number) => void,
): void {
  eachLive(whole, row | PAGE_RECORDS, RECORDS_PER_PAGE, visit);
  let extra = firstExtraAt(whole, row);
  for (let i = 0; extra !== 0 && i < EXTRAS_PER_PAGE; i++) {
    eachLive(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA, visit);
    extra = whole.table[extra | NEXT];
  }
}

/** The records of a page that name objects, in no order. */
export function recordsOf(whole: SlotsTable, row: number): number[] {
  const found: number[] = [];
  eachRecord(whole, row, (record) => found.push(record));
  return found;
}

/** The record of a page whose object begins at a slot, or 0. */
export function recordAt(whole: SlotsTable, row: number, slot: number): number {
  let record = beginning(whole, row | PAGE_RECORDS, RECORDS_PER_PAGE, slot);
  let extra = record === 0 ? firstExtraAt(whole, row) : 0;
  for (let i = 0; record === 0 && extra !== 0 && i < EXTRAS_PER_PAGE; i++) {
    record = beginning(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA, slot);
    extra = whole.table[extra | NEXT];
  }
  return record;
}

/** A record of a row that names no object, or 0. */
export function freeRecordOf(whole: SlotsTable, first: number, count: number): number {
  for (let record = first; record < first + count; record++) {
    if (halfOf(whole, record) === 0) return record;
  }
  return 0;
}

/** Calls `visit` for each object, which it may free. */
export function visitObjects(whole: SlotsTable, visit: ObjectVisitor): void {
  const { table } = whole;
  const end = FIRST_ROW + (table[W_HIGH_WATER] << ROW_SHIFT);
  for (let row = FIRST_ROW; row < end; row += ROW_WORDS) {
    if (table[row | LRU_PREV] === FREE) continue;
    // All of a page first: its extras go with their last object.
    const found = recordsOf(whole, row).map((record) => ({
      handle: handleOf(whole, record),
      size: sizeOf(whole, record, halfOf(whole, record)),
    }));
    for (const { handle, size } of found) visit(handle, size);
  }
}

/** Fills in where the object of a record is. */
export function fillPlace(whole: SlotsTable, record: number, into: Place): void {
  const { table, geometry } = whole;
  const half = halfOf(whole, record); // once: another thread may free the object meanwhile
  const extra = record - (record % ROW_WORDS);
  const row = extra < firstExtraOf(geometry) ? extra : table[extra | OWNER];
  const isThere = half !== 0 && row >= FIRST_ROW;
  into.page = isThere ? (row - FIRST_ROW) >> ROW_SHIFT : 0;
  into.pageByte = into.page * geometry.pageSize;
  into.offset = into.pageByte + startOf(half) * geometry.slotSize;
  into.size = isThere ? sizeOf(whole, record, half) : 0;
  into.offset2 = 0;
  into.size2 = 0;
}

/** Lowers the high-water mark to the last page in use, and orders the free pages below. Gives the mark. */
export function lowerHighWater({ table }: SlotsTable): number {
  let end = FIRST_ROW + (table[W_HIGH_WATER] << ROW_SHIFT);
  while (end > FIRST_ROW && table[(end - ROW_WORDS) | LRU_PREV] === FREE) end -= ROW_WORDS;
  table[W_HIGH_WATER] = (end - FIRST_ROW) >> ROW_SHIFT;
  table[W_FREE_HEAD] = FREE;
  for (let row = end - ROW_WORDS; row >= FIRST_ROW; row -= ROW_WORDS) {
    if (table[row | LRU_PREV] !== FREE) continue;
    table[row | LIST_NEXT] = table[W_FREE_HEAD];
    table[W_FREE_HEAD] = row;
  }
  return table[W_HIGH_WATER];
}

/** Whether some record of a row names an object. */
export function hasLive(whole: SlotsTable, first: number, count: number): boolean {
  for (let record = first; record < first + count; record++) {
    if (halfOf(whole, record) !== 0) return true;
  }
  return false;
}

/** Of records next to each other, the halves are so too. */
function eachLive(
  { halves }: SlotsTable,
  first: number,
  count: number,
  visit: (record: number, half: number) => void,
): void {
  const firstHalf = halfIndexOf(first);
  for (let i = 0; i < count; i++) {
    const half = halves[firstHalf + i];
    if (half !== 0) visit(first + i, half);
  }
}

function beginning(whole: SlotsTable, first: number, count: number, slot: number): number {
  for (let record = first; record < first + count; record++) {
    const half = halfOf(whole, record);
    if (half !== 0 && startOf(half) === slot) return record;
  }
  return 0;
}
