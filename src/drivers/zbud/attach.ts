import { checkNames } from "../../base/index.ts";
import { attachPageMemory, received } from "../../memory/index.ts";
import {
  badBuffers,
  DRIVER_ZBUD,
  type EvictHandler,
  openSharedTable,
  type SharedPool,
  tailWordsOf,
  W_INTENT,
  W_LOCKING,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { type PageTable, tableWordsOf, W_CHUNK_ORDER, W_HIGH_WATER } from "./page-table.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** A table that was made elsewhere, and what its header says. */
export interface AttachedTable {
  table: PageTable;
  geometry: Geometry;
}

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `shared` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachZbud(sent: SharedPool, options: { onEvict?: EvictHandler | undefined } = {}): ZbudPool {
  const shared = received(sent);
  const { table, geometry } = openTable(shared);
  const { pageSize, chunkOrder, maxPages } = geometry;
  const memory = attachPageMemory(pageSize, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  const { onEvict } = options;
  return new ZbudPool({ pageSize, chunkOrder, maxPages, shared: true, onEvict }, { memory, table });
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of this layout.
 */
function openTable(shared: SharedPool): AttachedTable {
  const table = openSharedTable(shared, DRIVER_ZBUD);
  let geometry: Geometry;
  try {
    geometry = geometryOf(table[W_PAGE_SIZE], table[W_CHUNK_ORDER], table[W_MAX_PAGES]);
  } catch (cause) {
    throw badBuffers("their geometry is impossible", cause);
  }
  const { pageSize, maxPages } = geometry;
  if (table.length !== tableWordsOf(geometry) + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== pageSize * maxPages) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  if (table[W_INTENT] > 2 * maxPages) throw badBuffers(`its note says ${table[W_INTENT]}`);
  if (table[W_HIGH_WATER] < 0 || table[W_HIGH_WATER] > maxPages) {
    throw badBuffers("more pages in use than there are");
  }
  return { table, geometry };
}
