import type { Table } from "./table-header.ts";

// Lists of pages, for allocators whose rows begin with these words: rings of rows through a head that is laid out
// like a row. An empty ring is a head that has itself on both sides.
//
//   word of a row   0           1           2          3
//                   next and previous       next and previous
//                   on its list             on the LRU

export const LIST_NEXT = 0;
export const LIST_PREV = 1;
export const LRU_NEXT = 2;
export const LRU_PREV = 3;
/** The head of the LRU is laid out like a row, of which words 18 and 19 are used. */
export const W_LRU = 16;

/**
 * The value of LRU_PREV for a free page. A page under reclaim has `-member` there, the member of the thread that
 * reclaims it, or -1 in a pool that is not shared.
 */
export const FREE = 0;

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

/** The LRU without a row. */
export function emptyLru(table: Table): void {
  table[W_LRU | LRU_NEXT] = W_LRU;
  table[W_LRU | LRU_PREV] = W_LRU;
}

/** Lists without a row: the bitmap's word of each is 0. */
export function emptyLists(table: Table, heads: number, bitmap: number, lists: number): void {
  for (let list = 0; list < lists; list++) {
    const head = heads + 2 * list;
    table[head | LIST_NEXT] = head;
    table[head | LIST_PREV] = head;
    table[bitmap + (list >> 5)] = 0;
  }
}
