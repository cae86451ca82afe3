import type { Handle } from "../../base/index.ts";
import {
  PageListColumns,
  type SnapshotColumns,
  type Table,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { ROW_SHIFT } from "../zbud/page-table.ts";
import { addBuddies } from "../zbud/snapshot.ts";
import type { Geometry } from "./geometry.ts";
import { liveClasses } from "./open-classes.ts";
import {
  C_CHUNK_SIZE,
  C_HEADS,
  C_PAGE_SIZE,
  eachRow,
  firstRowOf,
  firstSegmentOf,
  S_FREE,
  S_OWNER,
  SEGMENT_SHIFT,
  W_SEGMENT_HIGH,
} from "./table.ts";

/** Copies a table out. */
export function columnsOf(
  table: Table,
  geometry: Geometry,
  handleAt: (row: number, buddy: number) => Handle,
): SnapshotColumns {
  const most = table[W_SEGMENT_HIGH] << geometry.rowsShift;
  const into = new PageListColumns(table, firstRowOf(geometry), ROW_SHIFT, most, 2 * most);
  eachRow(table, geometry, (row, sizeClass) => {
    const bytes = table[sizeClass + C_PAGE_SIZE];
    if (into.row(row, bytes)) addBuddies(table, row, bytes, table[sizeClass + C_CHUNK_SIZE], handleAt, into);
  });
  for (const sizeClass of liveClasses(table, geometry)) {
    for (let list = 0; list < geometry.chunkCount; list++) {
      const name = (): string => `pages of ${table[sizeClass + C_PAGE_SIZE]}, ${list} free chunks`;
      into.list(name, sizeClass + C_HEADS + 2 * list);
    }
  }
  into.lru();
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    if (table[segment + S_OWNER] !== 0) into.free(table[segment + S_FREE]);
  }
  return into.done({ type: "size-classes", pageSize: table[W_PAGE_SIZE], maxPages: table[W_MAX_PAGES] });
}
