import { checkNames } from "../../base/index.ts";
import { attachPageMemory, received } from "../../memory/index.ts";
import {
  badBuffers,
  DRIVER_SLOTS,
  type EvictHandler,
  openSharedTable,
  type SharedPool,
  tailWordsOf,
  W_INTENT,
  W_LOCKING,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf, SLOTS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";
import {
  EXTRA_RECORD_WORDS,
  PAGE_RECORD_WORDS,
  ROW_WORDS,
  slotCountOf,
  type Table,
  tableWordsOf,
  W_EXTRA_HIGH_WATER,
  W_HIGH_WATER,
  W_MAX_OBJECTS,
} from "./page-table.ts";
import { SlotsPool } from "./slots-pool.ts";

/**
 * Opens a pool that another thread made.
 *
 * @param sent - what its `share()` gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread reclaims.
 * @throws {ZbudError} `EINVAL` if `shared` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachSlots(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): SlotsPool {
  const shared = received(sent);
  const { table, geometry } = openTable(shared);
  const { pageSize, maxPages, maxObjects } = geometry;
  const memory = attachPageMemory(pageSize, shared.pages);
  checkNames("attach", options, ["onEvict"]);
  const { onEvict } = options;
  return new SlotsPool({ pageSize, maxPages, maxObjects, shared: true, onEvict }, { memory, table });
}

/**
 * Opens the table of a shared pool.
 *
 * @throws {ZbudError} `EINVAL` if `shared` is not what `share()` gives; `EBADMSG` if its buffers do not hold
 *   a pool of this layout.
 */
function openTable(shared: SharedPool): { table: Table; geometry: SlotsGeometry } {
  const table = openSharedTable(shared, DRIVER_SLOTS);
  let geometry: SlotsGeometry;
  try {
    geometry = geometryOf(table[W_PAGE_SIZE], table[W_MAX_PAGES], table[W_MAX_OBJECTS]);
  } catch (cause) {
    throw badBuffers("their geometry is impossible", cause);
  }
  const { pageSize, maxPages, maxObjects, maxExtras } = geometry;
  if (maxObjects < 1 || maxObjects > SLOTS_PER_PAGE * maxPages) {
    throw badBuffers(`they are for ${maxObjects} objects`);
  }
  if (table.length !== tableWordsOf(geometry) + tailWordsOf(table[W_LOCKING], shared.pages.byteLength)) {
    throw badBuffers("the table's length is not its geometry's");
  }
  if (shared.pages.byteLength !== pageSize * maxPages) {
    throw badBuffers("the length of the pages is not their geometry's");
  }
  if (table[W_HIGH_WATER] < 0 || table[W_HIGH_WATER] > maxPages) {
    throw badBuffers("more pages in use than there are");
  }
  if (table[W_EXTRA_HIGH_WATER] < 0 || table[W_EXTRA_HIGH_WATER] > maxExtras) {
    throw badBuffers("more rows in use than there are");
  }
  const note = table[W_INTENT]; // once: others may be at work
  if (note !== 0 && !namesRecord(geometry, note - 1)) throw badBuffers(`its note says ${note}`);
  return { table, geometry };
}

function namesRecord(geometry: SlotsGeometry, slot: number): boolean {
  if (slot >= slotCountOf(geometry)) return false;
  const words = slot < geometry.maxPages * ROW_WORDS ? PAGE_RECORD_WORDS : EXTRA_RECORD_WORDS;
  return ((words >> (slot % ROW_WORDS)) & 1) === 1;
}
