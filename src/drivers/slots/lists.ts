import { putOnList as putOnPageList, takeOffList } from "../../pool/index.ts";
import type { Table } from "./page-table.ts";
import * as tables from "./page-table.ts";

// See allocator.ts for why these are bound here.
const CROWDED = tables.CROWDED;
const EXTRAS = tables.EXTRAS;
const EXTRAS_MASK = tables.EXTRAS_MASK;
const LONGEST_SHIFT = tables.LONGEST_SHIFT;
const W_BITMAP = tables.W_BITMAP;
const W_HEADS = tables.W_HEADS;

/** Notes the longest free run of a page that is on no list, and puts it at the head of that list. */
export function putOnList(table: Table, row: number, longest: number): void {
  table[row | EXTRAS] = (table[row | EXTRAS] & EXTRAS_MASK) | (longest << LONGEST_SHIFT);
  if (longest !== 0) putOnPageList(table, W_HEADS, W_BITMAP, row, longest);
}

/** Takes a page off its list; full and crowded ones are on none. */
export function takeOffListIfOn(table: Table, row: number): void {
  const longest = table[row | EXTRAS] >> LONGEST_SHIFT;
  if (longest !== 0 && longest !== CROWDED) takeOffList(table, W_HEADS, W_BITMAP, row);
}
