import type { Handle } from "../../base/index.ts";
import { corrupt, followLinks, PageListColumns, type SnapshotColumns, type Table } from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";
import {
  FIRST,
  FIRST_PAGE,
  LISTS,
  NEXT,
  PAGE_SHIFT,
  PLACE,
  SIZE,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_OPEN,
  W_ROWS_TAKEN,
} from "./table.ts";

const OBJECTS_PER_PAGE = 32;

/** Copies a table out. The lists are named by the most percent of a page that lives in theirs; the open page has one. */
export function columnsOf(
  table: Table,
  { pageSize, maxPages, granuleShift, placeBits }: LogGeometry,
  handleAt: (row: number) => Handle,
): SnapshotColumns {
  const pages = table[W_HIGH_WATER];
  const into = new PageListColumns(table, FIRST_PAGE, PAGE_SHIFT, pages, OBJECTS_PER_PAGE * pages);
  for (let i = 0; i < pages; i++) {
    const page = FIRST_PAGE + (i << PAGE_SHIFT);
    if (!into.row(page, pageSize)) continue;
    const rows = followLinks(table[page | FIRST], 0, table[W_ROWS_TAKEN], (row) => table[row | NEXT]);
    for (const row of rows) {
      if (!(table[row | SIZE] > 0)) continue;
      const granule = table[row | PLACE] & (2 ** placeBits - 1);
      into.object(handleAt(row), granule << granuleShift, table[row | SIZE]);
    }
  }
  if (table[W_OPEN] !== 0) {
    const open = (table[W_OPEN] - FIRST_PAGE) >> PAGE_SHIFT;
    if (open < 0 || open >= pages) throw corrupt("the open page is none: row", table[W_OPEN]);
    into.listed(open);
    into.endList(() => "open");
  }
  for (let list = 1; list < LISTS - 1; list++) {
    into.list(() => `${Math.round((100 * list) / (LISTS - 1))} %`, W_HEADS + 2 * list);
  }
  into.lru();
  into.free(table[W_FREE_HEAD]);
  return into.done({ type: "log", pageSize, maxPages });
}
