import { ownBytes, ownWords } from "../base/index.ts";
import { FREE, LRU_NEXT, LRU_PREV, W_LRU } from "./page-lists.ts";
import type { Table } from "./table-header.ts";

/**
 * The order of an LRU whose links a dead thread may have left half written, most recent first: those rows that can
 * be reached from its head, then those that cannot be reached, then those that can be reached from its tail. What a
 * dead thread had under reclaim cannot be reached, and comes first.
 *
 * @param rows - those that belong on it, each at `firstRow + n * 2^rowShift`.
 * @remarks Takes a byte for each row from `firstRow` to `endRow`, of which only those of `rows` are touched, and
 *   12 bytes for each of `rows`.
 */
export function rebuiltLru(
  table: Table,
  rows: ArrayLike<number>,
  firstRow: number,
  endRow: number,
  rowShift: number,
): Int32Array {
  const pageOf = (row: number): number => (row - firstRow) >> rowShift;
  const left = ownBytes(pageOf(endRow));
  for (let i = 0; i < rows.length; i++) left[pageOf(rows[i])] = 1;
  const follow = (link: number): Int32Array => {
    const found = ownWords(rows.length);
    let count = 0;
    for (let row = table[W_LRU | link]; ; row = table[row | link]) {
      const isRow = row >= firstRow && row < endRow && ((row - firstRow) & ((1 << rowShift) - 1)) === 0;
      // A row that is free, or marked, or was seen, or none at all: the links are broken here.
      if (!isRow || left[pageOf(row)] === 0) return found.subarray(0, count);
      left[pageOf(row)] = 0;
      found[count++] = row;
    }
  };
  const fromHead = follow(LRU_NEXT);
  const fromTail = follow(LRU_PREV).reverse();

  const order = ownWords(rows.length);
  let count = 0;
  const addRest = (marked: boolean): void => {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (left[pageOf(row)] === 1 && table[row | LRU_PREV] < FREE === marked) order[count++] = row;
    }
  };
  addRest(true);
  order.set(fromHead, count);
  count += fromHead.length;
  addRest(false);
  order.set(fromTail, count);
  return order;
}

/** Whether the thread of a member is gone, asked of the system once for each member. */
export function askedOnce(isGone: (member: number) => boolean): (member: number) => boolean {
  const known = new Map<number, boolean>();
  return (member) => {
    const answer = known.get(member) ?? isGone(member);
    known.set(member, answer);
    return answer;
  };
}
