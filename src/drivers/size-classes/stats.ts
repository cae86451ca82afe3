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
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { ROW_BYTES, SIZE_MASK, SIZES } from "../zbud/page-table.ts";
import type { Geometry } from "./geometry.ts";
import { liveClasses } from "./open-classes.ts";
import { C_PAGE_COUNT, C_PAGE_SIZE, eachRow, headerBytesOf } from "./table.ts";

/** Counts what the table holds. */
export function statsOf(table: Table, counters: Float64Array, geometry: Geometry): PoolStats {
  const pageSize = table[W_PAGE_SIZE];
  const sizeHistogram = new Array<number>(SIZE_STEPS).fill(0);
  let objects = 0;
  let objectBytes = 0;
  eachRow(table, geometry, (row) => {
    for (let buddy = 0; buddy < 2; buddy++) {
      const size = table[row + SIZES + buddy] & SIZE_MASK;
      if (size === 0) continue;
      objects++;
      objectBytes += size;
      sizeHistogram[Math.min(sizeStepOf(size, pageSize), SIZE_STEPS - 1)]++;
    }
  });
  const classes = liveClasses(table, geometry);
  const pages = table[W_PAGE_COUNT];
  let pageBytes = 0;
  for (const sizeClass of classes)
    pageBytes += table[sizeClass + C_PAGE_COUNT] * table[sizeClass + C_PAGE_SIZE];
  return completeStats({
    objects,
    objectBytes,
    pages,
    pageBytes,
    metadataBytes: headerBytesOf(geometry, classes.length) + pages * ROW_BYTES,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram,
  });
}
