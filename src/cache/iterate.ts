import { type Engine, LISTED_WORDS, listEntries, readListed } from "../engine/index.ts";
import { decodeKey } from "./key.ts";
import type { CacheKey } from "./types.ts";

/**
 * Walks over the entries of all shards, most recently used (by SIEVE: set) first, without touching or counting them. Between
 * two entries anybody may change the cache; each comes as it is then, and what is gone is passed over.
 *
 * @param check - called before each entry; throws if the cache was closed.
 * @param read - called while `engine.found` is the entry; it may decode, and gives what this yields, or
 *   undefined to pass over it.
 */
export function* iterate<T>(
  engine: Engine,
  check: () => unknown,
  read: () => T | undefined,
): Generator<T, void, undefined> {
  for (let shard = 0; shard < engine.shardCount; shard++) {
    const list = listEntries(engine, shard);
    for (let at = 0; at < list.length; at += LISTED_WORDS) {
      check();
      if (!readListed(engine, shard, list, at)) continue;
      const result = read();
      if (result !== undefined) yield result;
    }
  }
}

/** The key of `engine.found`, right after `readRow`. */
export function foundKey(engine: Engine): CacheKey {
  const { bytes, prefixLength } = engine.found;
  return decodeKey(bytes.slice(0, prefixLength), prefixLength);
}
