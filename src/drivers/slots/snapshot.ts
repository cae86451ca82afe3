import { PageListColumns, type SnapshotColumns } from "../../pool/index.ts";
import { FIRST_ROW, LISTS, ROW_SHIFT, W_FREE_HEAD, W_HEADS, W_HIGH_WATER } from "./page-table.ts";
import { eachRecord, handleOf, type SlotsTable, sizeOf, startOf } from "./records.ts";

/** Objects that most pages have; with more the columns grow. */
const OBJECTS_PER_PAGE = 4;

/** Copies a table out. The lists are named by the longest run of free slots of their pages. */
export function columnsOf(whole: SlotsTable): SnapshotColumns {
  const { table, geometry } = whole;
  const { pageSize, slotSize, maxPages } = geometry;
  const pages = table[W_HIGH_WATER];
  const into = new PageListColumns(table, FIRST_ROW, ROW_SHIFT, pages, OBJECTS_PER_PAGE * pages);
  const add = (record: number, half: number): void =>
    into.object(handleOf(whole, record), startOf(half) * slotSize, sizeOf(whole, record, half));
  for (let page = 0; page < pages; page++) {
    const row = FIRST_ROW + (page << ROW_SHIFT);
    if (into.row(row, pageSize)) eachRecord(whole, row, add);
  }
  for (let list = 1; list < LISTS; list++) into.list(() => String(list), W_HEADS + 2 * list);
  into.lru();
  into.free(table[W_FREE_HEAD]);
  return into.done({ type: "slots", pageSize, maxPages });
}
