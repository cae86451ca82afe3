import { ZbudError } from "../base/index.ts";
import type { Cache, SetResult } from "../cache/index.ts";

/** A cache of any values: an adapter stores what it is given. */
export type AnyCache = Cache<unknown>;

/** Whether a value is in the cache after its `set`. */
export function isKept(result: SetResult): boolean {
  return result === "add" || result === "replace";
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
