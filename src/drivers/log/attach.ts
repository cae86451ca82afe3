import {
  DRIVER_LOG,
  type EvictHandler,
  openPool,
  type SharedPool,
  W_INTENT,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf } from "./geometry.ts";
import { LogPool } from "./log-pool.ts";
import { tableWordsOf, W_HIGH_WATER, W_MAX_OBJECTS, W_ROWS_TAKEN } from "./table.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachLog(sent: SharedPool, options: { onEvict?: EvictHandler | undefined } = {}): LogPool {
  const { table, geometry, memory, onEvict } = openPool(sent, options, {
    driver: DRIVER_LOG,
    geometryOf: (opened) => geometryOf(opened[W_PAGE_SIZE], opened[W_MAX_PAGES], opened[W_MAX_OBJECTS]),
    tableWordsOf,
    pagesOf: ({ pageSize, pages }) => ({ bytes: pageSize, count: pages }),
    faultOf: (opened, { pages, maxObjects }) => {
      const note = opened[W_INTENT]; // once: others may be at work
      if (note < 0 || note > maxObjects) return `its note says ${note}`;
      if (opened[W_HIGH_WATER] < 0 || opened[W_HIGH_WATER] > pages) return "more pages in use than there are";
      const rows = opened[W_ROWS_TAKEN];
      return rows < 0 || rows > maxObjects ? "more objects than there can be" : null;
    },
  });
  const { pageSize, maxPages, maxObjects } = geometry;
  return new LogPool({ pageSize, maxPages, maxObjects, shared: true, onEvict }, { memory, table });
}
