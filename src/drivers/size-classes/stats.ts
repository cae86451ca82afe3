import {
  type PoolStats,
  poolStats,
  SizeCount,
  type Table,
  W_PAGE_COUNT,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { ROW_BYTES, SIZE_MASK, SIZES } from "../zbud/page-table.ts";
import type { Geometry } from "./geometry.ts";
import { liveClasses } from "./open-classes.ts";
import { C_PAGE_COUNT, C_PAGE_SIZE, eachRow, headerBytesOf } from "./table.ts";

/** Counts what the table holds. */
export function statsOf(table: Table, counters: Float64Array, geometry: Geometry): PoolStats {
  const sizes = new SizeCount(table[W_PAGE_SIZE]);
  eachRow(table, geometry, (row) => {
    sizes.add(table[row + SIZES] & SIZE_MASK);
    sizes.add(table[row + SIZES + 1] & SIZE_MASK);
  });
  const classes = liveClasses(table, geometry);
  let pageBytes = 0;
  for (const sizeClass of classes)
    pageBytes += table[sizeClass + C_PAGE_COUNT] * table[sizeClass + C_PAGE_SIZE];
  return poolStats(table, counters, sizes, {
    pageBytes,
    metadataBytes: headerBytesOf(geometry, classes.length) + table[W_PAGE_COUNT] * ROW_BYTES,
  });
}
