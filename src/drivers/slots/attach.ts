import {
  DRIVER_SLOTS,
  type EvictHandler,
  openPool,
  type SharedPool,
  W_INTENT,
  W_MAX_PAGES,
  W_PAGE_SIZE,
} from "../../pool/index.ts";
import { geometryOf, SLOTS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";
import {
  EXTRA_RECORD_WORDS,
  PAGE_RECORD_WORDS,
  ROW_WORDS,
  slotCountOf,
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
 * @throws {ZbudError} `EINVAL` if `sent` is no such thing; `EBADMSG` if its buffers hold no pool of this
 *   layout; `EBUSY` if 127 threads use the pool already.
 */
export function attachSlots(
  sent: SharedPool,
  options: { onEvict?: EvictHandler | undefined } = {},
): SlotsPool {
  const { table, geometry, memory, onEvict } = openPool(sent, options, {
    driver: DRIVER_SLOTS,
    geometryOf: (opened) => geometryOf(opened[W_PAGE_SIZE], opened[W_MAX_PAGES], opened[W_MAX_OBJECTS]),
    tableWordsOf,
    pagesOf: ({ pageSize, maxPages }) => ({ bytes: pageSize, count: maxPages }),
    faultOf: (opened, whole) => {
      const { maxPages, maxObjects, maxExtras } = whole;
      if (maxObjects < 1 || maxObjects > SLOTS_PER_PAGE * maxPages)
        return `they are for ${maxObjects} objects`;
      const isWithin = (word: number, most: number): boolean => opened[word] >= 0 && opened[word] <= most;
      if (!isWithin(W_HIGH_WATER, maxPages)) return "more pages in use than there are";
      if (!isWithin(W_EXTRA_HIGH_WATER, maxExtras)) return "more rows in use than there are";
      const note = opened[W_INTENT]; // once: others may be at work
      return note !== 0 && !namesRecord(whole, note - 1) ? `its note says ${note}` : null;
    },
  });
  const { pageSize, maxPages, maxObjects } = geometry;
  return new SlotsPool({ pageSize, maxPages, maxObjects, shared: true, onEvict }, { memory, table });
}

function namesRecord(geometry: SlotsGeometry, slot: number): boolean {
  if (slot >= slotCountOf(geometry)) return false;
  const words = slot < geometry.maxPages * ROW_WORDS ? PAGE_RECORD_WORDS : EXTRA_RECORD_WORDS;
  return ((words >> (slot % ROW_WORDS)) & 1) === 1;
}
