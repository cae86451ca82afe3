import type { Handle } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf } from "../../pool/index.ts";
import { GROUP_PAGES_DEFAULT, groupPagesFor } from "./classes.ts";
import { type Geometry, geometryOf, PAGES_MAX } from "./geometry.ts";
import type { ZsmallocPool } from "./zsmalloc-pool.ts";

const PAGE_SIZE_DEFAULT = 4096;

/** What a {@link ZsmallocPool} is made of. */
export interface ZsmallocPoolOptions {
  /** The most pages in use at once. This or `maxBytes` must be given. */
  maxPages?: number;
  /** The most bytes of pages in use at once, instead of `maxPages`. */
  maxBytes?: number;
  /** Bytes, and the largest object; a multiple of 16 from 64 to 1 MiB; default 4096. */
  pageSize?: number;
  /**
   * The most pages a group, 1 to 16; default 4, in small pools 3 or 2 (with pages of 4 KiB, below 2076 and 1380).
   * More pack tighter where objects are many against the number of classes, and take longer to become empty.
   */
  groupPagesMax?: number;
  /**
   * The most objects at once; default as many as the pages can hold. Each has 16 bytes of bookkeeping, so this
   * bounds what the pool costs beside its pages.
   */
  maxObjects?: number | undefined;
  /** Whether the pool lies in memory that other threads can reach; default false. */
  shared?: boolean;
  /** Who keeps threads apart in a shared pool: the pool (`"own"`, the default), or a lock of its `"caller"`. */
  lock?: "own" | "caller";
  /**
   * Called by reclaim for each object of a group, in the order of their places. To evict, save what is to be
   * saved, call `pool.free(handle)` and return true; to keep it, return false, which spares the rest of the group.
   * May allocate, free other objects, map, compact, and reclaim. In a shared pool another thread may free the
   * object meanwhile: then `free` throws `EBADF`, and it is evicted all the same. The handler is synchronous.
   */
  onEvict?: ((handle: Handle, pool: ZsmallocPool) => boolean) | undefined;
}

/** The options with their defaults, and what follows from them. */
export interface CheckedOptions extends CommonOptions {
  geometry: Geometry;
  /** Whether the number of objects was bounded. */
  isBounded: boolean;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: ZsmallocPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["groupPagesMax", "maxObjects"]);
  const { pageSize = PAGE_SIZE_DEFAULT, groupPagesMax, maxObjects } = options;
  // Checks these; the most pages follow from maxBytes only when the size of one is known to be good.
  geometryOf(pageSize, 1, groupPagesMax ?? GROUP_PAGES_DEFAULT, maxObjects);
  const maxPages = maxPagesOf(options, pageSize, PAGES_MAX);
  const geometry = geometryOf(
    pageSize,
    maxPages,
    groupPagesMax ?? groupPagesFor(maxPages, pageSize),
    maxObjects,
  );
  return { ...common, geometry, isBounded: maxObjects !== undefined };
}
