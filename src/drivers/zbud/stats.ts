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
  const sizeHistogram = new Array<number>(SIZE_STEPS).fill(0);
  let objects = 0;
  let objectBytes = 0;
  const firstRow = firstRowOf(geometry);
  const end = firstRow + (table[W_HIGH_WATER] << ROW_SHIFT);
  for (let row = firstRow; row < end; row += 1 << ROW_SHIFT) {
    for (let buddy = 0; buddy < 2; buddy++) {
      const size = table[row + SIZES + buddy] & SIZE_MASK;
      if (size === 0) continue;
      objects++;
      objectBytes += size;
      sizeHistogram[sizeStepOf(size, pageSize)]++;
    }
  }
  const pages = table[W_PAGE_COUNT];
  return completeStats({
    objects,
    objectBytes,
    pages,
    pageBytes: pages * pageSize,
    metadataBytes: headerBytesOf(geometry) + pages * ROW_BYTES,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram,
  });
}
