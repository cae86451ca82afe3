import { checkNames } from "../../base/index.ts";
import { attachPageMemory, received } from "../../memory/index.ts";
import {
  badBuffers,
  DRIVER_LOG,
  type EvictHandler,
  openSharedTable,
  type SharedPool,
  type Table,
  tailWordsOf,
  W_INTENT,
  W_LOCKING,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf, type LogGeometry } from "./geometry.ts";
import { LogPool } from "./log-pool.ts";
import { tableWordsOf, W_HIGH_WATER, W_MAX_OBJECTS, W_ROWS_TAKEN } from "./table.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `shared` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachLog(sent: SharedPool, options: { onEvict?: EvictHandler | undefined } = {}): LogPool {
  const shared = received(sent);
  const { table, geometry } = openTable(shared);
  const { pageSize, maxPages, maxObjects } = geometry;
  const memory = attachPageMemory(pageSize, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  const { onEvict } = options;
  return new LogPool({ pageSize, maxPages, maxObjects, shared: true, onEvict }, { memory, table });
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of this layout.
 */
function openTable(shared: SharedPool): { table: Table; geometry: LogGeometry } {
  const table = openSharedTable(shared, DRIVER_LOG);
  let geometry: LogGeometry;
  try {
    geometry = geometryOf(table[W_PAGE_SIZE], table[W_MAX_PAGES], table[W_MAX_OBJECTS]);
  } catch (cause) {
    throw badBuffers("their geometry is impossible", cause);
  }
  const { pageSize, pages, maxObjects } = geometry;
  if (table.length !== tableWordsOf(geometry) + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== pageSize * pages) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  const note = table[W_INTENT]; // once: others may be at work
  if (note < 0 || note > maxObjects) throw badBuffers(`its note says ${note}`);
  if (table[W_HIGH_WATER] < 0 || table[W_HIGH_WATER] > pages) {
    throw badBuffers("more pages in use than there are");
  }
  if (table[W_ROWS_TAKEN] < 0 || table[W_ROWS_TAKEN] > maxObjects) {
    throw badBuffers("more objects than there can be");
  }
  return { table, geometry };
}
