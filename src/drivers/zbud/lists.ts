import type { Table } from "../../pool/index.ts";
import {
  LIST_NEXT as IMPORTED_LIST_NEXT,
  LIST_PREV as IMPORTED_LIST_PREV,
  LRU_NEXT as IMPORTED_LRU_NEXT,
  LRU_PREV as IMPORTED_LRU_PREV,
  W_LRU as IMPORTED_W_LRU,
} from "./page-table.ts";

// See allocator.ts for why these are bound here.
const LIST_NEXT = IMPORTED_LIST_NEXT;
const LIST_PREV = IMPORTED_LIST_PREV;
const LRU_NEXT = IMPORTED_LRU_NEXT;
const LRU_PREV = IMPORTED_LRU_PREV;
const W_LRU = IMPORTED_W_LRU;

/** The highest bit of a word: the bit of list 0 in the first word of a bitmap. */
const TOP_BIT = 0x8000_0000;
const ALL_BITS = 0xffff_ffff;

/** Puts a row at the head of a list, whose heads and bitmap begin at the given words. */
export function putOnList(table: Table, heads: number, bitmap: number, row: number, list: number): void {
  const head = heads + (list << 1);
  const next = table[head | LIST_NEXT];
  table[row | LIST_NEXT] = next;
  table[row | LIST_PREV] = head;
  table[next | LIST_PREV] = row;
  table[head | LIST_NEXT] = row;
  table[bitmap + (list >> 5)] |= TOP_BIT >>> (list & 31);
}

/** Takes a row off the list it is on. */
export function takeOffList(table: Table, heads: number, bitmap: number, row: number): void {
  const next = table[row | LIST_NEXT];
  const prev = table[row | LIST_PREV];
  table[prev | LIST_NEXT] = next;
  table[next | LIST_PREV] = prev;
  if (next === prev) {
    // Only a head has itself or one row on both sides; with the row gone it is the head, alone.
    const list = (next - heads) >> 1;
    table[bitmap + (list >> 5)] &= ~(TOP_BIT >>> (list & 31));
  }
}

/** The first list from `from` on that holds a row, or a number >= 32 * words. */
export function findList(table: Table, bitmap: number, words: number, from: number): number {
  let word = from >> 5;
  let bits = table[bitmap + word] & (ALL_BITS >>> (from & 31));
  while (bits === 0 && ++word < words) bits = table[bitmap + word];
  return (word << 5) + (word < words ? Math.clz32(bits) : 0);
}

/** Puts a row at the head of the LRU. */
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
