import {
  completeStats,
  F_EVICTIONS_REFUSED,
  F_OBJECTS_EVICTED,
  F_PAGES_RECLAIMED,
  F_REFUSED_ENOMEM,
  F_REFUSED_ENOSPC,
  type PoolStats,
  SIZE_STEPS,
  sizeStepOf,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
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
  const sizeHistogram = new Array<number>(SIZE_STEPS).fill(0);
  let objects = 0;
  let objectBytes = 0;
  const end = FIRST_ROW + table[W_HIGH_WATER] * ROW_WORDS;
  const count = (record: number, half: number): void => {
    const size = sizeOf(whole, record, half);
    objects++;
    objectBytes += size;
    sizeHistogram[sizeStepOf(size, pageSize)]++;
  };
  for (let row = FIRST_ROW; row < end; row += ROW_WORDS) {
    if (table[row | LRU_PREV] !== FREE) eachRecord(whole, row, count);
  }
  const pages = table[W_PAGE_COUNT];
  return completeStats({
    objects,
    objectBytes,
    pages,
    pageBytes: pages * pageSize,
    metadataBytes: 4 * FIRST_ROW + (pages + table[W_EXTRA_COUNT]) * ROW_BYTES,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram,
  });
}
