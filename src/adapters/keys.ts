import { show, ZbudError } from "../base/index.ts";
import type { Cache, SetResult } from "../cache/index.ts";

/** A cache of any values: an adapter stores what it is given. */
export type AnyCache = Cache<unknown>;

/**
 * The cache that an adapter was given.
 *
 * @param call - how the adapter is called rightly, for the message: `"keyvStore(cache)"`.
 * @throws {ZbudError} `EINVAL` for what is no cache: otherwise the first use of the adapter would fail, far from here.
 */
export function cacheOf(cache: AnyCache, call: string): AnyCache {
  if (typeof (cache as Partial<AnyCache> | null | undefined)?.getAsync === "function") return cache;
  throw new ZbudError("EINVAL", `${call} takes a CompressedCache, not ${show(cache)}`);
}

/** Whether a value is in the cache after its `set`. */
export function isKept(result: SetResult): boolean {
  return result === "add" || result === "replace";
}

/**
 * Stores a value for so many milliseconds; the cache's time if absent, and 0 is never. One whose time is over already
 * takes the older one with it, as one that the cache refuses does.
 *
 * @returns whether the cache has done so: false if it refused the value.
 */
export function setFor(cache: AnyCache, key: string, value: unknown, ttl: number | undefined): boolean {
  if (ttl === undefined) return isKept(cache.set(key, value));
  if (!(ttl < 0)) return isKept(cache.set(key, value, { ttl }));
  cache.delete(key);
  return true;
}

/** The cache's keys that are strings and begin with `prefix`, found by looking at all keys. */
export function keysWith(cache: AnyCache, prefix: string): string[] {
  const found: string[] = [];
  for (const key of cache.keys()) if (typeof key === "string" && key.startsWith(prefix)) found.push(key);
  return found;
}

/** Removes what begins with `prefix`, or everything for `""`. Other users of the cache keep what is theirs. */
export function clearWith(cache: AnyCache, prefix: string): void {
  if (prefix === "") cache.clear();
  else for (const key of keysWith(cache, prefix)) cache.delete(key);
}

/** What `run` gives; `otherwise` if the cache was closed. */
export function unlessClosed<T>(run: () => T, otherwise: T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ZbudError && error.code === "ECLOSED") return otherwise;
    throw error;
  }
}
