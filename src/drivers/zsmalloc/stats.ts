import { type PoolStats, poolStats, SizeCount, W_PAGE_COUNT } from "../../pool/index.ts";
import {
  fixedBytesOf,
  type Geometry,
  GROUP_BYTES,
  GROUP_SHIFT,
  PAGE_BYTES,
  ROW_BYTES,
  ROW_SHIFT,
} from "./geometry.ts";
import {
  ATTACHED,
  COUNT_MASK,
  FREE,
  PREV,
  SIZE,
  W_GROUPS_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";

/** Counts what the table holds. The bookkeeping is that of groups in use, with all rows that they have. */
export function statsOf(table: ZsmallocTable, counters: Float64Array, geometry: Geometry): PoolStats {
  const { pageSize, firstGroup, firstRow } = geometry;
  const sizes = new SizeCount(pageSize);
  const endRow = firstRow + (table[W_ROWS_TAKEN] << ROW_SHIFT);
  for (let row = firstRow; row < endRow; row += 1 << ROW_SHIFT) sizes.add(table[row | SIZE]);
  const pages = table[W_PAGE_COUNT];
  let metadataBytes = fixedBytesOf(geometry) + pages * PAGE_BYTES;
  const endGroup = firstGroup + (table[W_GROUPS_TAKEN] << GROUP_SHIFT);
  for (let group = firstGroup; group < endGroup; group += 1 << GROUP_SHIFT) {
    if (table[group | PREV] === FREE) continue;
    metadataBytes += GROUP_BYTES + (table[group | ATTACHED] & COUNT_MASK) * ROW_BYTES;
  }
  return poolStats(table, counters, sizes, { pageBytes: pages * pageSize, metadataBytes });
}
