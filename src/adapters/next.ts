import { checkNames } from "../base/index.ts";
import { type AnyCache, cacheOf } from "./keys.ts";
import { handlerWith, type NextCacheHandler } from "./next-handler.ts";

export type { NextCacheEntry, NextCacheHandler } from "./next-handler.ts";

/** Options of {@link nextCacheHandler}. */
export interface NextHandlerOptions {
  /** With what the cache's keys of this handler begin; default `"next "`. */
  prefix?: string;
  /**
   * Milliseconds since 1970, the same in all threads and processes that have the cache. Default the clock that Next.js
   * takes an entry's `timestamp` from; where those of two processes differ, the handler converts between them.
   */
  clock?: () => number;
}

/**
 * Next.js's own clock: finer than `Date.now()`, which may lag behind an entry that was made in the same millisecond,
 * and never set back while the process runs. All threads of a process have the same.
 */
const nextClock = (): number => performance.timeOrigin + performance.now();

/** The machine's, in ms: one for all processes, never set. */
const steadyClock = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * A handler for `cacheHandlers: { default: … }` of next.config: a module whose default export it is.
 *
 * Entries stay for as long as they may be used (`expire`); Next.js itself makes those anew that are older than
 * `revalidate`. Revalidated tags are known to all threads and processes that have the cache as soon as `updateTags`
 * has returned. If the cache evicts or refuses what it has to know of tags, their entries count as revalidated: nothing
 * that was revalidated is given. That takes 130 small entries of the cache, and 16,000 tags are told apart.
 * A saved cache has entries and tags: load it before the handler is made. Next.js names entries by the build, so
 * those of another build are never found, and leave as the least recently used.
 *
 * @param cache - values are bytes and strings; its serializer has to be `"auto"`.
 */
export function nextCacheHandler(cache: AnyCache, options: NextHandlerOptions = {}): NextCacheHandler {
  cacheOf(cache, "nextCacheHandler(cache)");
  checkNames("nextCacheHandler", options, ["prefix", "clock"]);
  const { prefix = "next ", clock } = options;
  return handlerWith(cache, prefix, clock ?? nextClock, clock === undefined ? steadyClock : null);
}
