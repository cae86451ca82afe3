import { type PoolStats, poolStats, SizeCount, type Table, W_PAGE_COUNT } from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";
import {
  FIRST_PAGE,
  firstRowOf,
  PAGE_ROW_BYTES,
  ROW_BYTES,
  ROW_SHIFT,
  SIZE,
  W_DEAD,
  W_ROWS_TAKEN,
} from "./table.ts";

/** Counts what the table holds. The bookkeeping is that of pages in use, with all rows that they have. */
export function statsOf(table: Table, counters: Float64Array, geometry: LogGeometry): PoolStats {
  const { pageSize } = geometry;
  const sizes = new SizeCount(pageSize);
  const firstRow = firstRowOf(geometry);
  const end = firstRow + (table[W_ROWS_TAKEN] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) sizes.add(table[row | SIZE]);
  const pages = table[W_PAGE_COUNT];
  return poolStats(table, counters, sizes, {
    pageBytes: pages * pageSize,
    metadataBytes: 4 * FIRST_PAGE + pages * PAGE_ROW_BYTES + (sizes.objects + table[W_DEAD]) * ROW_BYTES,
  });
}
