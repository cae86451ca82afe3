import { type PoolStats, poolStats, SizeCount, W_PAGE_COUNT } from "../../pool/index.ts";
import {
  FIRST_ROW,
  FREE,
  LRU_PREV,
  ROW_BYTES,
  ROW_WORDS,
  W_EXTRA_COUNT,
  W_HIGH_WATER,
} from "./page-table.ts";
import { eachRecord, type SlotsTable, sizeOf } from "./records.ts";

/** Counts what the table holds. */
export function statsOf(whole: SlotsTable, counters: Float64Array): PoolStats {
  const { table, geometry } = whole;
  const { pageSize } = geometry;
  const sizes = new SizeCount(pageSize);
  const end = FIRST_ROW + table[W_HIGH_WATER] * ROW_WORDS;
  const count = (record: number, half: number): void => sizes.add(sizeOf(whole, record, half));
  for (let row = FIRST_ROW; row < end; row += ROW_WORDS) {
    if (table[row | LRU_PREV] !== FREE) eachRecord(whole, row, count);
  }
  const pages = table[W_PAGE_COUNT];
  return poolStats(table, counters, sizes, {
    pageBytes: pages * pageSize,
    metadataBytes: 4 * FIRST_ROW + (pages + table[W_EXTRA_COUNT]) * ROW_BYTES,
  });
}
