import {
  checkNames,
  choiceOption,
  flagOption,
  integerOption,
  type Size,
  show,
  sizeOption,
  ZbudError,
} from "../base/index.ts";
import type { EvictHandler } from "./pool.ts";
import { LOCK_CALLER, LOCK_NONE, LOCK_OWN } from "./table-header.ts";

/** Options that every driver takes; a driver may take more. */
export interface PoolOptions {
  /** The most pages in use at once. Default: as many as `maxBytes` has room for. One of the two must be given. */
  maxPages?: number;
  /**
   * The most bytes of pages in use at once, instead of `maxPages`: a number, `"64MiB"` or `"20%"`. Default:
   * `maxPages` counts.
   */
  maxBytes?: Size;
  /** Bytes, or `"4KiB"`; default 4096. */
  pageSize?: Size;
  /**
   * Usable from several threads (`true`), or by all processes of this machine under a name (`"app"`, or the path of a
   * file), which `createPool` makes or joins. Default false.
   */
  shared?: boolean | string;
  /**
   * With a name: what to do where a pool of other options has it. `"reject"`, the default, is an error that names them;
   * `"replace"` puts a new pool in its place, and leaves the other to those who use it.
   */
  whenDifferent?: "reject" | "replace" | undefined;
  /**
   * Who keeps threads apart in a shared pool. `"own"`, the default: the pool. `"caller"`: whoever calls holds a
   * lock of its own around every call, and calls `recover()` when it took that lock from a dead thread.
   */
  lock?: "own" | "caller";
  /**
   * Whether the pool gives the memory of free pages back to the system by itself: what a shrink released, and when more
   * than a quarter of what it has touched is free for some time, until an eighth is. Default: true with a name, else
   * false, since Node reaches the system by a part that is experimental, and warns of that once; `trim()` gives back
   * at any time.
   */
  giveBack?: boolean;
  /**
   * Called by reclaim for each object to evict. Default: none, so nothing can be reclaimed. To evict, save what is
   * to be saved, call `pool.free(handle)` and return true; to keep it, return false. May allocate, free other
   * objects, map, and reclaim. In a shared pool another thread may free the object meanwhile: then `free` throws
   * `EBADF`, and it is evicted all the same. The handler is synchronous: a promise is not `true`, and so a refusal.
   */
  onEvict?: EvictHandler | undefined;
}

/** Options that every pool takes, checked. */
export interface CommonOptions {
  shared: boolean;
  lock: "own" | "caller";
  giveBack: boolean;
  onEvict: EvictHandler | null;
}

/** Names of the options that every pool takes. */
const COMMON = ["maxPages", "maxBytes", "pageSize", "shared", "lock", "giveBack", "onEvict", "whenDifferent"];
const LOCKS = ["own", "caller"] as const;
const FOREIGN = {
  pageSizes:
    'pages of several sizes are the driver "size-classes": new SizeClassPool({ maxBytes, pageSizes })',
};

/**
 * Checks what every pool takes alike; sizes are the driver's to check.
 *
 * @param own - names of options that this driver takes besides.
 * @throws {ZbudError} `EINVAL` naming a bad or unknown option.
 */
export function checkCommonOptions(options: unknown, own: readonly string[]): CommonOptions {
  checkNames("a pool", options, [...COMMON, ...own], FOREIGN);
  const { shared = false, lock = "own", giveBack = false, onEvict } = options as Record<string, unknown>;
  if (typeof shared === "string") {
    throw new ZbudError(
      "EINVAL",
      `a pool that processes share under a name (${show(shared)}) is made by createPool(driver, options), which joins the one that is there`,
    );
  }
  if (giveBack === true && lock === "caller") {
    throw new ZbudError(
      "EINVAL",
      `a pool with lock: "caller" cannot give back by itself (giveBack: true), since it does not know when its lock is free; call trim() under it`,
    );
  }
  return {
    shared: flagOption("shared", shared),
    lock: choiceOption("lock", lock, LOCKS),
    giveBack: flagOption("giveBack", giveBack),
    onEvict: checkEvictHandler(onEvict),
  };
}

/** @throws {ZbudError} `EINVAL` if it is neither a function nor missing. */
export function checkEvictHandler(onEvict: unknown): EvictHandler | null {
  if (onEvict !== undefined && onEvict !== null && typeof onEvict !== "function") {
    throw new ZbudError(
      "EINVAL",
      `onEvict must be a function (handle, pool) => boolean, not ${show(onEvict)}`,
    );
  }
  return (onEvict as EvictHandler | null | undefined) ?? null;
}

/**
 * The most pages that a pool may use, from `maxPages` or `maxBytes`.
 *
 * @param pagesMax - the most that the driver can.
 * @throws {ZbudError} `EINVAL` if neither or both are given, or one is out of range.
 */
export function maxPagesOf(options: PoolOptions, pageSize: number, pagesMax: number): number {
  const { maxPages, maxBytes } = options;
  if (maxBytes === undefined) return integerOption("maxPages", maxPages, 1, pagesMax);
  if (maxPages !== undefined) {
    throw new ZbudError(
      "EINVAL",
      `maxPages (${show(maxPages)}) and maxBytes (${show(maxBytes)}) are both given`,
    );
  }
  return Math.floor(sizeOption("maxBytes", maxBytes, pageSize, pagesMax * pageSize) / pageSize);
}

/** The value of {@link W_LOCKING} for a pool of these options. */
export function lockingOf({ shared, lock }: Pick<CommonOptions, "shared" | "lock">): number {
  if (!shared) return LOCK_NONE;
  return lock === "own" ? LOCK_OWN : LOCK_CALLER;
}
