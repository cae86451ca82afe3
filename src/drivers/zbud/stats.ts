import { type PoolStats, poolStats, SizeCount, W_PAGE_COUNT } from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import {
  firstRowOf,
  headerBytesOf,
  type PageTable,
  ROW_BYTES,
  ROW_SHIFT,
  SIZE_MASK,
  SIZES,
  W_HIGH_WATER,
} from "./page-table.ts";

/** Counts what the table holds. Rows of free pages hold no sizes, so every row may be read alike. */
export function statsOf(table: PageTable, counters: Float64Array, geometry: Geometry): PoolStats {
  const { pageSize } = geometry;
  const sizes = new SizeCount(pageSize);
  const firstRow = firstRowOf(geometry);
  const end = firstRow + (table[W_HIGH_WATER] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) {
    sizes.add(table[row + SIZES] & SIZE_MASK);
    sizes.add(table[row + SIZES + 1] & SIZE_MASK);
  }
  const pages = table[W_PAGE_COUNT];
  return poolStats(table, counters, sizes, {
    pageBytes: pages * pageSize,
    metadataBytes: headerBytesOf(geometry) + pages * ROW_BYTES,
  });
}
