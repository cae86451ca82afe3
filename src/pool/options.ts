import { checkNames, type Handle, integerOption, show, ZbudError } from "../base/index.ts";
import type { ZpoolOptions } from "../zpool/index.ts";
import { LOCK_CALLER, LOCK_NONE, LOCK_OWN } from "./table-header.ts";

/** What a pool calls to evict an object: given the pool as its users know it. */
export type EvictHandler = (handle: Handle, pool: never) => boolean;

/** Options that every pool takes, checked. */
export interface CommonOptions {
  shared: boolean;
  lock: "own" | "caller";
  onEvict: EvictHandler | null;
}

/** Names of the options that every pool takes. */
const COMMON = ["maxPages", "maxBytes", "pageSize", "shared", "lock", "onEvict"];

/**
 * Checks what every pool takes alike; sizes are the driver's to check.
 *
 * @param own - names of options that this driver takes besides.
 * @throws {ZbudError} `EINVAL` naming a bad or unknown option.
 */
export function checkCommonOptions(options: unknown, own: readonly string[]): CommonOptions {
  checkNames("a pool", options, [...COMMON, ...own]);
  const { shared = false, lock = "own", onEvict } = options as Record<string, unknown>;
  if (typeof shared !== "boolean") {
    throw new ZbudError("EINVAL", `shared must be true or false, not ${show(shared)}`);
  }
  if (lock !== "own" && lock !== "caller") {
    throw new ZbudError("EINVAL", `lock must be "own" or "caller", not ${show(lock)}`);
  }
  return { shared, lock, onEvict: checkEvictHandler(onEvict) };
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
export function maxPagesOf(options: ZpoolOptions, pageSize: number, pagesMax: number): number {
  const { maxPages, maxBytes } = options;
  if (maxBytes === undefined) return integerOption("maxPages", maxPages, 1, pagesMax);
  if (maxPages !== undefined) {
    throw new ZbudError(
      "EINVAL",
      `maxPages (${show(maxPages)}) and maxBytes (${show(maxBytes)}) are both given`,
    );
  }
  return Math.floor(integerOption("maxBytes", maxBytes, pageSize, pagesMax * pageSize) / pageSize);
}

/** The value of {@link W_LOCKING} for a pool of these options. */
export function lockingOf({ shared, lock }: Pick<CommonOptions, "shared" | "lock">): number {
  if (!shared) return LOCK_NONE;
  return lock === "own" ? LOCK_OWN : LOCK_CALLER;
}
