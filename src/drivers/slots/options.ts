import type { Handle } from "../../base/index.ts";
import { integerOption } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf } from "../../pool/index.ts";
import { geometryOf, PAGE_SIZE_DEFAULT, PAGES_MAX, SLOTS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";
import type { SlotsPool } from "./slots-pool.ts";

/** What a {@link SlotsPool} is made of. */
export interface SlotsPoolOptions {
  /** The most pages in use at once. This or `maxBytes` must be given. */
  maxPages?: number;
  /** The most bytes of pages in use at once, instead of `maxPages`. */
  maxBytes?: number;
  /** Bytes; any multiple of 64 up to 1 MiB; default 4096. A page has 64 slots whatever its size. */
  pageSize?: number;
  /**
   * How many objects the pool is to have metadata for, all told; default: as many as its pages have slots. With
   * more, pages that already have 6 objects may take no more although they have room.
   */
  maxObjects?: number | undefined;
  /** Whether the pool lies in memory that other threads can reach; default false. */
  shared?: boolean;
  /** Who keeps threads apart in a shared pool: the pool (`"own"`, the default), or a lock of its `"caller"`. */
  lock?: "own" | "caller";
  /**
   * Called by reclaim for each object to evict, in the order in which they lie in their page. To evict, save what
   * is to be saved, call `pool.free(handle)` and return true; to keep it, return false: that spares the others of
   * the page. May allocate, free other objects, map, and reclaim. In a shared pool another thread may free the
   * object meanwhile: then `free` throws `EBADF`, and it is evicted all the same. The handler is synchronous: a
   * promise is not `true`, and so a refusal.
   */
  onEvict?: ((handle: Handle, pool: SlotsPool) => boolean) | undefined;
}

/** The options with their defaults. */
export interface CheckedOptions extends CommonOptions {
  geometry: SlotsGeometry;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: SlotsPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["maxObjects"]);
  const { pageSize = PAGE_SIZE_DEFAULT, maxObjects } = options;
  // Checks it; the most pages follow from maxBytes only when the size of one is known to be good.
  geometryOf(pageSize, 1);
  const maxPages = maxPagesOf(options, pageSize, PAGES_MAX);
  const slots = SLOTS_PER_PAGE * maxPages;
  const objects = maxObjects === undefined ? slots : integerOption("maxObjects", maxObjects, 1, slots);
  return { ...common, geometry: geometryOf(pageSize, maxPages, objects) };
}
