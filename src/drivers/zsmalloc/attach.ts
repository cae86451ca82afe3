import {
  DRIVER_ZSMALLOC,
  type EvictHandler,
  openPool,
  type SharedPool,
  W_INTENT,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf } from "./geometry.ts";
import { W_GROUP_PAGES_MAX, W_GROUPS_TAKEN, W_MAX_OBJECTS, W_PAGES_TAKEN, W_ROWS_TAKEN } from "./table.ts";
import { ZsmallocPool } from "./zsmalloc-pool.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachZsmalloc(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): ZsmallocPool {
  const { table, geometry, memory, onEvict } = openPool(sent, options, {
    driver: DRIVER_ZSMALLOC,
    geometryOf: (opened) =>
      geometryOf(opened[W_PAGE_SIZE], opened[W_MAX_PAGES], opened[W_GROUP_PAGES_MAX], opened[W_MAX_OBJECTS]),
    tableWordsOf: ({ words }) => words,
    pagesOf: ({ pageSize, maxPages }) => ({ bytes: pageSize, count: maxPages }),
    faultOf: (opened, { maxPages, maxObjects }) => {
      const note = opened[W_INTENT]; // once: others may be at work
      if (note > maxObjects) return `its note says ${note}`;
      const isWithin = (word: number, most: number): boolean => opened[word] >= 0 && opened[word] <= most;
      if (!isWithin(W_PAGES_TAKEN, maxPages) || !isWithin(W_GROUPS_TAKEN, maxPages))
        return "more pages in use than there are";
      return isWithin(W_ROWS_TAKEN, maxObjects) ? null : "more objects than there can be";
    },
  });
  const { pageSize, maxPages, maxGroupPages, maxObjects } = geometry;
  return new ZsmallocPool(
    { pageSize, maxPages, maxGroupPages, maxObjects, shared: true, onEvict },
    { memory, table },
  );
}
