import type { Handle } from "../../base/index.ts";
import { ColumnsBuilder, type SnapshotColumns } from "../../pool/index.ts";
import {
  type Geometry,
  GROUP_SHIFT,
  L_FULL,
  L_LISTS,
  L_PAGES,
  L_SIZE,
  LAYOUT_SHIFT,
  ROW_SHIFT,
} from "./geometry.ts";
import {
  COUNT_BITS,
  FIRST_PAGE,
  FREE,
  HEADS,
  NEXT,
  PLACE,
  PREV,
  SIZE,
  SPARED,
  USED,
  W_FREE_PAGE,
  W_GROUPS_TAKEN,
  W_PAGES_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";

// A group's objects lie anywhere among the rows, and its row anywhere among groups. So rows are read one behind the
// other, and what is looked up for each is gathered before in columns that a processor's cache holds.

/** What is looked up of groups, by their index. */
interface Groups {
  /** Which of the pages in `pages` is the first; they are next to each other there. */
  readonly pageAt: Int32Array;
  /** Bytes of a place. */
  readonly size: Int32Array;
  readonly next: Int32Array;
  readonly firstPage: Int32Array;
  /** Pages of all groups; `~page`: it is under reclaim. */
  readonly pages: Int32Array;
  readonly pageCount: number;
}

/**
 * Copies a table out, group by group. An object is told of where it begins; in lists a group is named by its first
 * page.
 *
 * @param handleAt - the handle of the object in a row.
 */
export function columnsOf(
  table: ZsmallocTable,
  geometry: Geometry,
  handleAt: (row: number) => Handle,
): SnapshotColumns {
  const { firstPage, pageSize, maxPages } = geometry;
  const groups = groupsOf(table, geometry);
  const into = new ColumnsBuilder(table[W_PAGES_TAKEN], table[W_ROWS_TAKEN]);
  addPages(table, geometry, groups, handleAt, into);
  addLists(table, geometry, groups, into);
  for (let page = table[W_FREE_PAGE]; page !== 0; page = ~table[firstPage + page - 1]) into.freed(page - 1);
  return into.done({ type: "zsmalloc", pageSize, maxPages });
}

function groupsOf(table: ZsmallocTable, geometry: Geometry): Groups {
  const { firstGroup, firstPage, layouts } = geometry;
  const count = table[W_GROUPS_TAKEN];
  const [pageAt, size, next] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  const firstPages = new Int32Array(count);
  const pages = new Int32Array(table[W_PAGES_TAKEN]);
  let pageCount = 0;
  for (let index = 0; index < count; index++) {
    const group = firstGroup + (index << GROUP_SHIFT);
    const state = table[group | PREV];
    if (state === FREE) continue;
    const layout = (table[group | USED] >> COUNT_BITS) << LAYOUT_SHIFT;
    pageAt[index] = pageCount;
    size[index] = layouts[layout | L_SIZE];
    next[index] = table[group | NEXT];
    let page = table[group | FIRST_PAGE];
    firstPages[index] = page - 1;
    for (let left = layouts[layout | L_PAGES]; left > 0; left--) {
      pages[pageCount++] = state < FREE ? ~(page - 1) : page - 1;
      page = table[firstPage + page - 1];
    }
  }
  return { pageAt, size, next, firstPage: firstPages, pages, pageCount };
}

/** The pages with their objects: how many each has is counted first, so that each row can go where it belongs. */
function addPages(
  table: ZsmallocTable,
  geometry: Geometry,
  { pageAt, size, pages, pageCount }: Groups,
  handleAt: (row: number) => Handle,
  into: ColumnsBuilder,
): void {
  const { firstRow, pageSize, placeBits } = geometry;
  const placeMask = ~(-1 << placeBits);
  const rows = table[W_ROWS_TAKEN];
  const starts = new Int32Array(rows);
  const ofRow = new Int32Array(rows);
  const counts = new Int32Array(pageCount);
  for (let i = 0; i < rows; i++) {
    const row = firstRow + (i << ROW_SHIFT);
    if (table[row | SIZE] <= 0) continue;
    const place = table[row | PLACE];
    const group = place >> placeBits;
    const start = (place & placeMask) * size[group];
    const before = (start / pageSize) | 0;
    const page = pageAt[group] + before;
    starts[i] = start - before * pageSize;
    ofRow[i] = page;
    counts[page] += 1;
  }
  const next = counts;
  for (let i = 0; i < pageCount; i++) {
    into.page(pages[i] < 0 ? ~pages[i] : pages[i], pageSize, pages[i] < 0);
    next[i] = into.room(counts[i]);
  }
  for (let i = 0; i < rows; i++) {
    const row = firstRow + (i << ROW_SHIFT);
    const bytes = table[row | SIZE];
    if (bytes > 0) into.put(next[ofRow[i]]++, handleAt(row), starts[i], bytes);
  }
}

/** Lists that are not empty: `size × pages a group, how full`. */
function addLists(
  table: ZsmallocTable,
  { firstGroup, layouts, layoutCount }: Geometry,
  { next, firstPage }: Groups,
  into: ColumnsBuilder,
): void {
  for (let layout = 1; layout < layoutCount; layout++) {
    const at = layout << LAYOUT_SHIFT;
    const full = layouts[at | L_FULL];
    for (let list = full; list >= 0; list--) {
      const head = layouts[at | L_LISTS] + HEADS + 2 * list;
      for (let group = table[head | NEXT]; group !== head; ) {
        const index = (group - firstGroup) >> GROUP_SHIFT;
        into.listed(firstPage[index]);
        group = next[index];
      }
      into.endList(() => {
        const fullness = list === full ? "full" : list === SPARED ? "spared" : `${list} of ${full}`;
        return `${layouts[at | L_SIZE]} B in ${layouts[at | L_PAGES]} pages, ${fullness}`;
      });
    }
  }
}
