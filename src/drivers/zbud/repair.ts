import {
  askedOnce,
  emptyLists,
  emptyLru,
  putOnList,
  putOnLru,
  rebuiltLru,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import {
  FREE,
  firstRowOf,
  GENERATIONS,
  LIST_NEXT,
  LRU_PREV,
  type PageTable,
  ROW_SHIFT,
  SIZE_BITS,
  SIZES,
  W_BITMAP,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_INTENT_GENERATION,
} from "./page-table.ts";

/**
 * Makes a table whole after a thread died at any instruction of {@link ZbudAllocator}, from what is never
 * half written: each page's two sizes, the marks of pages under reclaim, and the note of the one place that
 * was about to change.
 *
 * - The operation in flight is undone if it was an alloc (its handle never got out) and completed if it was a
 *   free: its place is empty afterwards, under a new generation.
 * - Pages that a dead thread had under reclaim go back to their list and to the head of the LRU.
 * - Lists, bitmap, counts and the free pages are built anew. The LRU keeps its order as far as its links
 *   still tell: from both ends to where the dead thread was at work.
 *
 * It may itself be cut off at any instruction and run again from the start: nothing that it reads is
 * overwritten before what it says has been carried over, except the order of the LRU.
 *
 * @param generationMask - of the pool's handles.
 * @param isGone - whether the thread of a member is gone.
 */
export function repairTable(
  table: PageTable,
  geometry: Geometry,
  generationMask: number,
  isGone: (member: number) => boolean,
): void {
  const firstRow = firstRowOf(geometry);
  const endRow = firstRow + (table[W_HIGH_WATER] << ROW_SHIFT);
  finishIntent(table, firstRow, generationMask);

  const isDead = askedOnce(isGone);
  const isUnderReclaim = (row: number): boolean => {
    const member = -table[row | LRU_PREV];
    return member > 0 && !isDead(member);
  };
  const isInUse = (row: number): boolean => (table[row | SIZES] | table[row | SIZES | 1]) !== 0;
  const listed: number[] = [];
  for (let row = firstRow; row < endRow; row += 1 << ROW_SHIFT) {
    if (isInUse(row) && !isUnderReclaim(row)) listed.push(row);
  }
  const order = rebuiltLru(table, listed, firstRow, endRow, ROW_SHIFT);

  emptyLru(table);
  emptyLists(table, W_HEADS, W_BITMAP, geometry.chunkCount);
  table[W_FREE_HEAD] = FREE;
  let pages = order.length;
  for (let row = endRow - (1 << ROW_SHIFT); row >= firstRow; row -= 1 << ROW_SHIFT) {
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
    const first = table[row | SIZES];
    const last = table[row | SIZES | 1];
    if (first !== 0 && last !== 0) continue;
    putOnList(table, W_HEADS, W_BITMAP, row, geometry.chunkCount - 1 - ((first | last) >> SIZE_BITS));
  }
  table[W_PAGE_COUNT] = pages;
  table[W_INTENT] = 0;
}

/** Undoes the alloc, or completes the free, that the note tells of. */
export function finishIntent(table: PageTable, firstRow: number, generationMask: number): void {
  const slot = table[W_INTENT] - 1;
  if (slot < 0) return;
  const row = firstRow + ((slot >> 1) << ROW_SHIFT);
  const buddy = slot & 1;
  table[row | SIZES | buddy] = 0;
  table[row | GENERATIONS | buddy] = (table[W_INTENT_GENERATION] + 1) & generationMask;
}
