import { type Handle, show, ZbudError } from "../../base/index.ts";
import type { ZbudPool } from "./zbud-pool.ts";

/** What a {@link ZbudPool} is made of. */
export interface ZbudPoolOptions {
  /** The most pages in use at once. */
  maxPages: number;
  /** Bytes; any multiple of `2^chunkOrder` up to 1 MiB; default 4096. The first thing to choose: see `fitPageSize`. */
  pageSize?: number;
  /** Chunks a page = `2^chunkOrder`, 2 to 10; default 6. */
  chunkOrder?: number;
  /** Whether the pool lies in memory that other threads can reach; default false. */
  shared?: boolean;
  /**
   * Called by reclaim for each object to evict, first buddy first. To evict, save what is to be saved, call
   * `pool.free(handle)` and return true; to keep it, return false. May allocate, free other objects, map,
   * and reclaim. In a shared pool another thread may free the object meanwhile: then `free` throws `EBADF`,
   * and it is evicted all the same. The handler is synchronous: a promise is not `true`, and so a refusal.
   */
  onEvict?: ((handle: Handle, pool: ZbudPool) => boolean) | undefined;
}

const KNOWN = ["maxPages", "pageSize", "chunkOrder", "shared", "onEvict"];

/** The options with their defaults. Ranges are the geometry's to check. */
export interface CheckedOptions {
  pageSize: number;
  chunkOrder: number;
  maxPages: number;
  shared: boolean;
  onEvict: ((handle: Handle, pool: ZbudPool) => boolean) | null;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: ZbudPoolOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) {
    throw new ZbudError(
      "EINVAL",
      `options must be an object such as { maxPages: 1000 }, not ${show(options)}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      throw new ZbudError("EINVAL", `unknown option ${show(name)}; known: ${KNOWN.join(", ")}`);
    }
  }
  const { maxPages, pageSize = 4096, chunkOrder = 6, shared = false, onEvict } = options;
  if (typeof shared !== "boolean") {
    throw new ZbudError("EINVAL", `shared must be true or false, not ${show(shared)}`);
  }
  if (onEvict !== undefined && onEvict !== null && typeof onEvict !== "function") {
    throw new ZbudError(
      "EINVAL",
      `onEvict must be a function (handle, pool) => boolean, not ${show(onEvict)}`,
    );
  }
  return { maxPages, pageSize, chunkOrder, shared, onEvict: onEvict ?? null };
}
