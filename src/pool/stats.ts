import {
  F_EVICTIONS_REFUSED,
  F_OBJECTS_EVICTED,
  F_PAGES_RECLAIMED,
  F_REFUSED_ENOMEM,
  F_REFUSED_ENOSPC,
  type Table,
  W_PAGE_COUNT,
} from "./table-header.ts";
import type { PoolStats } from "./types.ts";

/** Buckets of the size histogram. */
export const SIZE_STEPS = 64;

/** The bucket of an object's size: `i` with `size` in `(i, i + 1] * pageSize / 64`. */
export function sizeStepOf(size: number, pageSize: number): number {
  return Math.ceil((size * SIZE_STEPS) / pageSize) - 1;
}

/** The objects of a pool, by their sizes. */
export class SizeCount {
  objects = 0;
  objectBytes = 0;
  readonly histogram: number[] = new Array<number>(SIZE_STEPS).fill(0);
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Counts an object; of a size of 0 or less there is none. */
  add(size: number): void {
    if (size <= 0) return;
    this.objects++;
    this.objectBytes += size;
    this.histogram[Math.min(sizeStepOf(size, this.#pageSize), SIZE_STEPS - 1)]++;
  }
}

/** What a driver counted, with the figures that all drivers have alike. */
export function poolStats(
  table: Table,
  counters: Float64Array,
  sizes: SizeCount,
  bytes: { pageBytes: number; metadataBytes: number },
): PoolStats {
  const { objects, objectBytes, histogram } = sizes;
  const pages = table[W_PAGE_COUNT];
  return {
    objects,
    objectBytes,
    pages,
    ...bytes,
    pagesReclaimed: counters[F_PAGES_RECLAIMED],
    objectsEvicted: counters[F_OBJECTS_EVICTED],
    evictionsRefused: counters[F_EVICTIONS_REFUSED],
    allocsRefused: { ENOSPC: counters[F_REFUSED_ENOSPC], ENOMEM: counters[F_REFUSED_ENOMEM] },
    sizeHistogram: histogram,
    density: pages === 0 ? 0 : objects / pages,
    utilisation: bytes.pageBytes === 0 ? 0 : objectBytes / bytes.pageBytes,
  };
}
