import { checkNames } from "../../base/index.ts";
import { attachPageMemory, received } from "../../memory/index.ts";
import {
  badBuffers,
  DRIVER_ZSMALLOC,
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
import {
  W_GROUP_PAGES_MAX,
  W_GROUPS_TAKEN,
  W_MAX_OBJECTS,
  W_PAGES_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";
import { ZsmallocPool } from "./zsmalloc-pool.ts";

/** A table that was made elsewhere, and what its header says. */
export interface AttachedTable {
  table: ZsmallocTable;
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
export function attachZsmalloc(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): ZsmallocPool {
  const shared = received(sent);
  const { table, geometry } = openTable(shared);
  const { pageSize, maxPages, maxGroupPages, maxObjects } = geometry;
  const memory = attachPageMemory(pageSize, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  const { onEvict } = options;
  return new ZsmallocPool(
    { pageSize, maxPages, maxGroupPages, maxObjects, shared: true, onEvict },
    { memory, table },
  );
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of this layout.
 */
function openTable(shared: SharedPool): AttachedTable {
  const table = openSharedTable(shared, DRIVER_ZSMALLOC);
  let geometry: Geometry;
  try {
    geometry = geometryOf(
      table[W_PAGE_SIZE],
      table[W_MAX_PAGES],
      table[W_GROUP_PAGES_MAX],
      table[W_MAX_OBJECTS],
    );
  } catch (cause) {
    throw badBuffers("their geometry is impossible", cause);
  }
  const { pageSize, maxPages, maxObjects } = geometry;
  if (table.length !== geometry.words + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== pageSize * maxPages) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  if (table[W_INTENT] > maxObjects) throw badBuffers(`its note says ${table[W_INTENT]}`);
  const isWithin = (word: number, most: number): boolean => table[word] >= 0 && table[word] <= most;
  if (!isWithin(W_PAGES_TAKEN, maxPages) || !isWithin(W_GROUPS_TAKEN, maxPages)) {
    throw badBuffers("more pages in use than there are");
  }
  if (!isWithin(W_ROWS_TAKEN, maxObjects)) throw badBuffers("more objects than there can be");
  return { table, geometry };
}
