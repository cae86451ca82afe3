import {
  askedOnce,
  emptyLists,
  emptyLru,
  putOnLru,
  rebuiltLru,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import { RECORDS_PER_EXTRA } from "./geometry.ts";
import { putOnList } from "./lists.ts";
import {
  EXTRA_RECORDS,
  EXTRAS,
  FIRST_ROW,
  FREE,
  firstExtraOf,
  LIST_NEXT,
  LISTS,
  LRU_PREV,
  MASK_HIGH,
  MASK_LOW,
  NEXT,
  OWNER,
  ROW_SHIFT,
  ROW_WORDS,
  W_BITMAP,
  W_EXTRA_COUNT,
  W_EXTRA_FREE,
  W_EXTRA_HIGH_WATER,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_INTENT_GENERATION,
} from "./page-table.ts";
import { halfIndexOf, halfOf, hasLive, lengthOf, recordsOf, type SlotsTable, startOf } from "./records.ts";
import { HIGH_BITS, LOW_BITS, longestRun } from "./runs.ts";

/**
 * Makes a table whole after a thread died at any instruction of SlotsAllocator, from what is never half
 * written: the half of each record, the owners of the extras that have objects, the marks of pages under
 * reclaim, and the note of the one record that was about to change.
 *
 * - The operation in flight is undone if it was an alloc (its handle never got out) and completed if it was a
 *   free: its record names no object afterwards, under a new generation.
 * - Pages that a dead thread had under reclaim go back to their list and to the head of the LRU.
 * - Masks, extras, lists, bitmap, counts and the free pages are built anew. The LRU keeps its order as far as
 *   its links still tell: from both ends to where the dead thread was at work.
 *
 * It may itself be cut off at any instruction and run again from the start: nothing that it reads is
 * overwritten before what it says has been carried over, except the order of the LRU.
 *
 * @param isGone - whether the thread of a member is gone.
 */
export function repairTable(whole: SlotsTable, isGone: (member: number) => boolean): void {
  const { table } = whole;
  const endRow = FIRST_ROW + (table[W_HIGH_WATER] << ROW_SHIFT);
  finishIntent(whole);
  rebuildExtras(whole, endRow);
  rebuildMasks(whole, endRow);

  const isDead = askedOnce(isGone);
  const isUnderReclaim = (row: number): boolean => {
    const member = -table[row | LRU_PREV];
    return member > 0 && !isDead(member);
  };
  const isInUse = (row: number): boolean => (table[row | MASK_LOW] | table[row | MASK_HIGH]) !== 0;
  const listed: number[] = [];
  for (let row = FIRST_ROW; row < endRow; row += ROW_WORDS) {
    if (isInUse(row) && !isUnderReclaim(row)) listed.push(row);
  }
  const order = rebuiltLru(table, listed, FIRST_ROW, endRow, ROW_SHIFT);

  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, LISTS);
  table[W_FREE_HEAD] = FREE;
  let pages = order.length;
  for (let row = endRow - ROW_WORDS; row >= FIRST_ROW; row -= ROW_WORDS) {
    if (isUnderReclaim(row)) {
      pages++;
    } else if (!isInUse(row)) {
      table[row | LRU_PREV] = FREE;
      table[row | LIST_NEXT] = table[W_FREE_HEAD];
      table[W_FREE_HEAD] = row;
    }
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const row = order[i];
    putOnLru(table, row);
    putOnList(table, row, longestRun(~table[row | MASK_LOW], ~table[row | MASK_HIGH]));
  }
  table[W_PAGE_COUNT] = pages;
  table[W_INTENT] = 0;
}

function finishIntent({ table, halves, layout }: SlotsTable): void {
  const slot = table[W_INTENT] - 1;
  if (slot < 0) return;
  const record = FIRST_ROW + slot;
  halves[halfIndexOf(record)] = 0;
  table[record] = (table[W_INTENT_GENERATION] + 1) & layout.generationMask;
}

/** Gives each page the extras that name it and have an object; the others are free. */
function rebuildExtras(whole: SlotsTable, endRow: number): void {
  const { table, geometry } = whole;
  for (let row = FIRST_ROW; row < endRow; row += ROW_WORDS) table[row | EXTRAS] = 0;
  table[W_EXTRA_FREE] = 0;
  let count = 0;
  const first = firstExtraOf(geometry);
  for (let i = table[W_EXTRA_HIGH_WATER] - 1; i >= 0; i--) {
    const extra = first + (i << ROW_SHIFT);
    if (hasLive(whole, extra | EXTRA_RECORDS, RECORDS_PER_EXTRA)) {
      const row = table[extra | OWNER];
      const next = table[row | EXTRAS];
      table[extra | NEXT] = next === 0 ? 0 : FIRST_ROW + (next << ROW_SHIFT);
      table[row | EXTRAS] = (extra - FIRST_ROW) >> ROW_SHIFT;
      count++;
    } else {
      table[extra | OWNER] = 0;
      table[extra | NEXT] = table[W_EXTRA_FREE];
      table[W_EXTRA_FREE] = extra;
    }
  }
  table[W_EXTRA_COUNT] = count;
}

function rebuildMasks(whole: SlotsTable, endRow: number): void {
  const { table } = whole;
  for (let row = FIRST_ROW; row < endRow; row += ROW_WORDS) {
    let low = 0;
    let high = 0;
    for (const record of recordsOf(whole, row)) {
      const half = halfOf(whole, record);
      const start = startOf(half);
      const end = start + lengthOf(half);
      low |= LOW_BITS[end] & ~LOW_BITS[start];
      high |= HIGH_BITS[end] & ~HIGH_BITS[start];
    }
    table[row | MASK_LOW] = low;
    table[row | MASK_HIGH] = high;
  }
}
