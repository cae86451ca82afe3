import {
  DRIVER_ZBUD,
  type EvictHandler,
  openPool,
  type SharedPool,
  W_INTENT,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf } from "./geometry.ts";
import { tableWordsOf, W_CHUNK_ORDER, W_HIGH_WATER } from "./page-table.ts";
import { ZbudPool } from "./zbud-pool.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachZbud(sent: SharedPool, options: { onEvict?: EvictHandler | undefined } = {}): ZbudPool {
  const { table, geometry, memory, onEvict } = openPool(sent, options, {
    driver: DRIVER_ZBUD,
    geometryOf: (opened) => geometryOf(opened[W_PAGE_SIZE], opened[W_CHUNK_ORDER], opened[W_MAX_PAGES]),
    tableWordsOf,
    pagesOf: ({ pageSize, maxPages }) => ({ bytes: pageSize, count: maxPages }),
    faultOf: (opened, { maxPages }) => {
      const note = opened[W_INTENT]; // once: others may be at work
      if (note > 2 * maxPages) return `its note says ${note}`;
      const high = opened[W_HIGH_WATER];
      return high < 0 || high > maxPages ? "more pages in use than there are" : null;
    },
  });
  const { pageSize, chunkOrder, maxPages } = geometry;
  return new ZbudPool({ pageSize, chunkOrder, maxPages, shared: true, onEvict }, { memory, table });
}
