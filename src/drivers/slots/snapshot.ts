import { followLinks } from "../../pool/index.ts";
import type { PageSnapshot, PoolSnapshot } from "../../zpool/index.ts";
import {
  FIRST_ROW,
  FREE,
  LIST_NEXT,
  LISTS,
  LRU_NEXT,
  LRU_PREV,
  ROW_SHIFT,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_LRU,
} from "./page-table.ts";
import { halfOf, handleOf, recordsOf, type SlotsTable, sizeOf, startOf } from "./records.ts";

/** Copies a table out. The lists are named by the longest run of free slots of their pages. */
export function snapshotOf(whole: SlotsTable): PoolSnapshot {
  const { table, geometry } = whole;
  const { pageSize, slotSize, maxPages } = geometry;
  const pageOf = (row: number): number => (row - FIRST_ROW) >> ROW_SHIFT;
  const follow = (from: number, next: number, end: number): number[] =>
    followLinks(from, end, maxPages, (row) => table[row | next]).map(pageOf);

  const pages: PageSnapshot[] = [];
  for (let page = 0; page < table[W_HIGH_WATER]; page++) {
    const row = FIRST_ROW + (page << ROW_SHIFT);
    const state = table[row | LRU_PREV];
    if (state === FREE) continue;
    const objects = recordsOf(whole, row).map((record) => {
      const half = halfOf(whole, record);
      const handle = handleOf(whole, record);
      return { handle, offset: startOf(half) * slotSize, size: sizeOf(whole, record, half) };
    });
    objects.sort((a, b) => a.offset - b.offset);
    pages.push({ page, bytes: pageSize, underReclaim: state < FREE, objects });
  }
  const lists: PoolSnapshot["lists"] = [];
  for (let list = 1; list < LISTS; list++) {
    const head = W_HEADS + 2 * list;
    const listed = follow(table[head | LIST_NEXT], LIST_NEXT, head);
    if (listed.length > 0) lists.push({ name: String(list), pages: listed });
  }
  return {
    type: "slots",
    pageSize,
    maxPages,
    pages,
    lists,
    lru: follow(table[W_LRU | LRU_NEXT], LRU_NEXT, W_LRU),
    free: follow(table[W_FREE_HEAD], LIST_NEXT, FREE),
  };
}
