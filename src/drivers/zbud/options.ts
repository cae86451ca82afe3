import type { Handle } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf } from "../../pool/index.ts";
import { CHUNK_ORDER_DEFAULT, geometryOf, PAGE_SIZE_DEFAULT, PAGES_MAX } from "./geometry.ts";
import type { ZbudPool } from "./zbud-pool.ts";

/** What a {@link ZbudPool} is made of. */
export interface ZbudPoolOptions {
  /** The most pages in use at once. This or `maxBytes` must be given. */
  maxPages?: number;
  /** The most bytes of pages in use at once, instead of `maxPages`. */
  maxBytes?: number;
  /** Bytes; any multiple of `2^chunkOrder` up to 1 MiB; default 4096. The first thing to choose: see `fitPageSize`. */
  pageSize?: number;
  /** Chunks a page = `2^chunkOrder`, 2 to 10; default 6. */
  chunkOrder?: number;
  /** Whether the pool lies in memory that other threads can reach; default false. */
  shared?: boolean;
  /** Who keeps threads apart in a shared pool: the pool (`"own"`, the default), or a lock of its `"caller"`. */
  lock?: "own" | "caller";
  /**
   * Called by reclaim for each object to evict, first buddy first. To evict, save what is to be saved, call
   * `pool.free(handle)` and return true; to keep it, return false. May allocate, free other objects, map,
   * and reclaim. In a shared pool another thread may free the object meanwhile: then `free` throws `EBADF`,
   * and it is evicted all the same. The handler is synchronous: a promise is not `true`, and so a refusal.
   */
  onEvict?: ((handle: Handle, pool: ZbudPool) => boolean) | undefined;
}

/** The options with their defaults. Ranges are the geometry's to check. */
export interface CheckedOptions extends CommonOptions {
  pageSize: number;
  chunkOrder: number;
  maxPages: number;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: ZbudPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["chunkOrder"]);
  const { pageSize = PAGE_SIZE_DEFAULT, chunkOrder = CHUNK_ORDER_DEFAULT } = options;
  // Checks these two; the most pages follow from maxBytes only when the size of one is known to be good.
  geometryOf(pageSize, chunkOrder, 1);
  return { ...common, pageSize, chunkOrder, maxPages: maxPagesOf(options, pageSize, PAGES_MAX) };
}
