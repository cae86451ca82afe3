import { W_INTENT, W_PAGE_COUNT } from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import {
  FREE,
  firstRowOf,
  GENERATIONS,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
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
  W_LRU,
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
 * @param isGone - whether the thread of a seat is gone.
 */
export function repairTable(
  table: PageTable,
  geometry: Geometry,
  generationMask: number,
  isGone: (seat: number) => boolean,
): void {
  const firstRow = firstRowOf(geometry);
  const endRow = firstRow + (table[W_HIGH_WATER] << ROW_SHIFT);
  finishIntent(table, firstRow, generationMask);

  const gone = new Map<number, boolean>();
  const isUnderReclaim = (row: number): boolean => {
    const seat = -table[row | LRU_PREV];
    if (seat <= 0) return false;
    if (!gone.has(seat)) gone.set(seat, isGone(seat));
    return gone.get(seat) === false;
  };
  const isInUse = (row: number): boolean => (table[row | SIZES] | table[row | SIZES | 1]) !== 0;
  const order = salvageLru(table, firstRow, endRow, (row) => isInUse(row) && !isUnderReclaim(row));

  table[W_LRU | LRU_NEXT] = W_LRU;
  table[W_LRU | LRU_PREV] = W_LRU;
  for (let list = 0; list < geometry.chunkCount; list++) {
    const head = W_HEADS + 2 * list;
    table[head | LIST_NEXT] = head;
    table[head | LIST_PREV] = head;
    table[W_BITMAP + (list >> 5)] = 0;
  }
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
    pushFront(table, row, W_LRU, LRU_NEXT, LRU_PREV);
    const first = table[row | SIZES];
    const last = table[row | SIZES | 1];
    if (first !== 0 && last !== 0) continue;
    const list = geometry.chunkCount - 1 - ((first | last) >> SIZE_BITS);
    pushFront(table, row, W_HEADS + 2 * list, LIST_NEXT, LIST_PREV);
    table[W_BITMAP + (list >> 5)] |= 0x8000_0000 >>> (list & 31);
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

/**
 * The rows that belong on the LRU, most recent first: those that can be reached from its head, then those
 * that cannot be reached, then those that can be reached from its tail. What a dead thread had under reclaim
 * cannot be reached, and comes first.
 */
function salvageLru(
  table: PageTable,
  firstRow: number,
  endRow: number,
  belongs: (row: number) => boolean,
): Int32Array {
  const pageOf = (row: number): number => (row - firstRow) >> ROW_SHIFT;
  const pages = pageOf(endRow);
  const taken = new Uint8Array(pages);
  const follow = (link: number, into: Int32Array): number => {
    let count = 0;
    for (let row = table[W_LRU | link]; ; row = table[row | link]) {
      const isRow = row >= firstRow && row < endRow && ((row - firstRow) & ((1 << ROW_SHIFT) - 1)) === 0;
      // A row that is free, or marked, or was seen, or none at all: the links are broken here.
      if (!isRow || taken[pageOf(row)] === 1 || !belongs(row)) return count;
      taken[pageOf(row)] = 1;
      into[count++] = row;
    }
  };
  const fromHead = new Int32Array(pages);
  const fromTail = new Int32Array(pages);
  const headCount = follow(LRU_NEXT, fromHead);
  const tailCount = follow(LRU_PREV, fromTail);

  const order = new Int32Array(pages);
  let count = 0;
  const addRest = (marked: boolean): void => {
    for (let row = firstRow; row < endRow; row += 1 << ROW_SHIFT) {
      if (taken[pageOf(row)] === 0 && belongs(row) && table[row | LRU_PREV] < FREE === marked)
        order[count++] = row;
    }
  };
  addRest(true);
  order.set(fromHead.subarray(0, headCount), count);
  count += headCount;
  addRest(false);
  order.set(fromTail.subarray(0, tailCount).reverse(), count);
  return order.subarray(0, count + tailCount);
}

function pushFront(table: PageTable, row: number, head: number, nextOf: number, prevOf: number): void {
  const next = table[head | nextOf];
  table[row | nextOf] = next;
  table[row | prevOf] = head;
  table[next | prevOf] = row;
  table[head | nextOf] = row;
}
