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
  type Table,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
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
  const sizeHistogram = new Array<number>(SIZE_STEPS).fill(0);
  const rows = table[W_ROWS_TAKEN];
  const firstRow = firstRowOf(geometry);
  let objects = 0;
  let objectBytes = 0;
  for (let i = 0; i < rows; i++) {
    const size = table[(firstRow + (i << ROW_SHIFT)) | SIZE];
    if (size <= 0) continue;
    objects++;
    objectBytes += size;
    sizeHistogram[sizeStepOf(size, pageSize)]++;
  }
  const pages = table[W_PAGE_COUNT];
  return completeStats({
    objects,
    objectBytes,
    pages,
    pageBytes: pages * pageSize,
    metadataBytes: 4 * FIRST_PAGE + pages * PAGE_ROW_BYTES + (objects + table[W_DEAD]) * ROW_BYTES,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram,
  });
}
