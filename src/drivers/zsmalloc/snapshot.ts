import type { Handle } from "../../base/index.ts";
import { followLinks, type Place } from "../../pool/index.ts";
import type { PageSnapshot, PoolSnapshot } from "../../zpool/index.ts";
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
import { fillPlace } from "./places.ts";
import {
  FIRST_PAGE,
  FREE,
  HEADS,
  NEXT,
  PLACE,
  PREV,
  SIZE,
  SPARED,
  W_FREE_PAGE,
  W_GROUPS_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";

/**
 * Copies a table out. An object is told of where it begins; in lists a group is named by its first page.
 *
 * @param handleAt - the handle of the object in a row.
 */
export function snapshotOf(
  table: ZsmallocTable,
  geometry: Geometry,
  handleAt: (row: number) => Handle,
): PoolSnapshot {
  const { firstGroup, firstPage, firstRow, pageSize } = geometry;
  const pagesFrom = (first: number): number[] =>
    followLinks(first, 0, geometry.maxPages, (page) => table[firstPage + page - 1]);
  const pages = new Map<number, PageSnapshot>();
  for (let i = 0; i < table[W_GROUPS_TAKEN]; i++) {
    const group = firstGroup + (i << GROUP_SHIFT);
    if (table[group | PREV] === FREE) continue;
    const underReclaim = table[group | PREV] < FREE;
    for (const page of pagesFrom(table[group | FIRST_PAGE])) {
      pages.set(page - 1, { page: page - 1, bytes: pageSize, underReclaim, objects: [] });
    }
  }
  const at: Place = { page: 0, pageByte: 0, offset: 0, size: 0, offset2: 0, size2: 0 };
  const end = firstRow + (table[W_ROWS_TAKEN] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) {
    const size = table[row | SIZE];
    if (size <= 0) continue;
    fillPlace(table, geometry, table[row | PLACE], size, at);
    pages.get(at.page)?.objects.push({ handle: handleAt(row), offset: at.offset - at.pageByte, size });
  }
  for (const { objects } of pages.values()) objects.sort((a, b) => a.offset - b.offset);
  return {
    type: "zsmalloc",
    pageSize,
    maxPages: geometry.maxPages,
    pages: [...pages.values()].sort((a, b) => a.page - b.page),
    lists: listsOf(table, geometry),
    lru: [],
    free: pagesFrom(table[W_FREE_PAGE]).map((page) => page - 1),
  };
}

/** Lists that are not empty: `size × pages a group, how full`. */
function listsOf(table: ZsmallocTable, { layouts, layoutCount, maxPages }: Geometry): PoolSnapshot["lists"] {
  const found: PoolSnapshot["lists"] = [];
  for (let layout = 1; layout < layoutCount; layout++) {
    const at = layout << LAYOUT_SHIFT;
    const full = layouts[at | L_FULL];
    for (let list = full; list >= 0; list--) {
      const head = layouts[at | L_LISTS] + HEADS + 2 * list;
      const groups = followLinks(table[head | NEXT], head, maxPages, (group) => table[group | NEXT]);
      const pages = groups.map((group) => table[group | FIRST_PAGE] - 1);
      if (pages.length === 0) continue;
      const fullness = list === full ? "full" : list === SPARED ? "spared" : `${list} of ${full}`;
      found.push({ name: `${layouts[at | L_SIZE]} B in ${layouts[at | L_PAGES]} pages, ${fullness}`, pages });
    }
  }
  return found;
}
