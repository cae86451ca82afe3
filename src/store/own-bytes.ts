import { powerOfTwoAtLeast } from "../base/index.ts";
import { COUNTERS_BYTES } from "./counters.ts";
import type { PageStoreOptions, StoreShape } from "./options.ts";

/** The most pages, and bytes of pages, that go to the backing store in one call. */
const BATCH_PAGES_MAX = 64;
const BATCH_BYTES_MAX = 2 ** 18;
/** The share of the limit that a batch may take. */
const BATCH_SHARE = 1 / 32;

/** Pages that go to the backing store in one call: their bytes are copied together first. */
export function batchPages({ maxBytes, pageSize }: StoreShape): number {
  const bytes = Math.min(BATCH_BYTES_MAX, maxBytes * BATCH_SHARE);
  return Math.max(1, Math.min(BATCH_PAGES_MAX, Math.floor(bytes / pageSize)));
}

/**
 * What the limit has to hold beside the engine: the counters, and what the thread that makes the store works with. That
 * is a page on its way out to a hook or to another allocator, a page that is kept as it is on its way to the caller,
 * one that is compressed anew, and a batch for the backing store.
 */
export function workingBytes(options: PageStoreOptions, shape: StoreShape): number {
  const { backing, drivers = [], incompressible, recompress, whenFull } = options;
  const buffer = powerOfTwoAtLeast(shape.pageSize);
  const hasVictims =
    backing !== undefined || whenFull === "drop" || drivers.length > 0 || recompress !== undefined;
  const batch = batchPages(shape);
  return (
    COUNTERS_BYTES +
    (hasVictims ? buffer : 0) +
    (incompressible === "reject" ? 0 : buffer) +
    (recompress === undefined ? 0 : buffer) +
    (backing !== undefined && batch > 1 ? batch * shape.pageSize : 0)
  );
}
