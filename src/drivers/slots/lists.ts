import type { Table } from "./page-table.ts";
import * as tables from "./page-table.ts";

// See allocator.ts for why these are bound here.
const {
  CROWDED,
  EXTRAS,
  EXTRAS_MASK,
  LIST_NEXT,
  LIST_PREV,
  LONGEST_SHIFT,
  LRU_NEXT,
  LRU_PREV,
  W_BITMAP,
  W_HEADS,
  W_LRU,
} = tables;

/** The bit of list 0 in the first word of the bitmap. */
const TOP_BIT = 0x8000_0000;

/** Notes the longest free run of a page that is on no list, and puts it at the head of that list. */
export function putOnList(table: Table, row: number, longest: number): void {
  table[row | EXTRAS] = (table[row | EXTRAS] & EXTRAS_MASK) | (longest << LONGEST_SHIFT);
  if (longest === 0) return;
  const head = W_HEADS + (longest << 1);
  const next = table[head | LIST_NEXT];
  table[row | LIST_NEXT] = next;
  table[row | LIST_PREV] = head;
  table[next | LIST_PREV] = row;
  table[head | LIST_NEXT] = row;
  table[W_BITMAP + (longest >> 5)] |= TOP_BIT >>> (longest & 31);
}

/** Takes a page off its list; full and crowded ones are on none. */
export function takeOffListIfOn(table: Table, row: number): void {
  const longest = table[row | EXTRAS] >> LONGEST_SHIFT;
  if (longest !== 0 && longest !== CROWDED) takeOffList(table, row);
}

export function takeOffList(table: Table, row: number): void {
  const next = table[row | LIST_NEXT];
  const prev = table[row | LIST_PREV];
  table[prev | LIST_NEXT] = next;
  table[next | LIST_PREV] = prev;
  if (next === prev) {
    // Only a head has itself or one row on both sides; with the row gone it is the head, alone.
    const list = (next - W_HEADS) >> 1;
    table[W_BITMAP + (list >> 5)] &= ~(TOP_BIT >>> (list & 31));
  }
}

/** Puts a page at the head of the LRU. */
export function putOnLru(table: Table, row: number): void {
  const next = table[W_LRU | LRU_NEXT];
  table[row | LRU_NEXT] = next;
  table[row | LRU_PREV] = W_LRU;
  table[next | LRU_PREV] = row;
  table[W_LRU | LRU_NEXT] = row;
}

export function takeOffLru(table: Table, row: number): void {
  const next = table[row | LRU_NEXT];
  const prev = table[row | LRU_PREV];
  table[prev | LRU_NEXT] = next;
  table[next | LRU_PREV] = prev;
}
