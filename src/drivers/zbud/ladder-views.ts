import type { Handle } from "../../base/index.ts";
import {
  completeStats,
  F_EVICTIONS_REFUSED,
  F_OBJECTS_EVICTED,
  F_PAGES_RECLAIMED,
  F_REFUSED_ENOMEM,
  F_REFUSED_ENOSPC,
  PageListColumns,
  type PoolStats,
  SIZE_STEPS,
  type SnapshotColumns,
  sizeStepOf,
  type Table,
  W_MAX_PAGES,
  W_PAGE_COUNT,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import {
  firstSegmentOf,
  LADDER_PAGE_BYTES,
  type LadderGeometry,
  ladderFirstRowOf,
  ladderFixedBytesOf,
  R_CHUNK_SIZE,
  R_HEADS,
  R_PAGE_COUNT,
  R_PAGE_SIZE,
  S_FREE,
  S_HIGH,
  S_OWNER,
  SEGMENT_SHIFT,
  W_SEGMENT_HIGH,
} from "./ladder-table.ts";
import { ROW_SHIFT, SIZE_MASK, SIZES } from "./page-table.ts";
import { rungsAlive } from "./rungs.ts";
import { addBuddies } from "./snapshot.ts";

/** Counts what the table holds. */
export function ladderStatsOf(table: Table, counters: Float64Array, geometry: LadderGeometry): PoolStats {
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
  const rungs = rungsAlive(table, geometry);
  const pages = table[W_PAGE_COUNT];
  let pageBytes = 0;
  for (const rung of rungs) pageBytes += table[rung + R_PAGE_COUNT] * table[rung + R_PAGE_SIZE];
  return completeStats({
    objects,
    objectBytes,
    pages,
    pageBytes,
    metadataBytes: ladderFixedBytesOf(geometry, rungs.length) + pages * LADDER_PAGE_BYTES,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram,
  });
}

/** Copies a table out. */
export function ladderColumnsOf(
  table: Table,
  geometry: LadderGeometry,
  handleAt: (row: number, buddy: number) => Handle,
): SnapshotColumns {
  const most = table[W_SEGMENT_HIGH] << geometry.rowsShift;
  const into = new PageListColumns(table, ladderFirstRowOf(geometry), ROW_SHIFT, most, 2 * most);
  eachRow(table, geometry, (row, rung) => {
    const bytes = table[rung + R_PAGE_SIZE];
    if (into.row(row, bytes)) addBuddies(table, row, bytes, table[rung + R_CHUNK_SIZE], handleAt, into);
  });
  for (const rung of rungsAlive(table, geometry)) {
    for (let list = 0; list < geometry.chunkCount; list++) {
      const name = (): string => `pages of ${table[rung + R_PAGE_SIZE]}, ${list} free chunks`;
      into.list(name, rung + R_HEADS + 2 * list);
    }
  }
  into.lru();
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    if (table[segment + S_OWNER] !== 0) into.free(table[segment + S_FREE]);
  }
  return into.done({ type: "zbud", pageSize: table[W_PAGE_SIZE], maxPages: table[W_MAX_PAGES] });
}

/** Calls `visit` for every row that the owner of its segment has used. */
export function eachRow(
  table: Table,
  geometry: LadderGeometry,
  visit: (row: number, rung: number) => void,
): void {
  for (let i = 0; i < table[W_SEGMENT_HIGH]; i++) {
    const segment = firstSegmentOf(geometry) + (i << SEGMENT_SHIFT);
    const row = ladderFirstRowOf(geometry) + (i << (geometry.rowsShift + ROW_SHIFT));
    // At most as many as a segment has, whatever was written into the table.
    const pages = Math.min(table[segment + S_HIGH], 1 << geometry.rowsShift);
    for (let page = 0; page < pages && table[segment + S_OWNER] !== 0; page++) {
      visit(row + (page << ROW_SHIFT), table[segment + S_OWNER]);
    }
  }
}
