/**
 * A CompressedCache as a handler of Next.js's `cacheHandlers`, which keep what `"use cache"` gives.
 *
 * @module
 */
import { frame, unframe } from "./frame.ts";
import type { AnyCache } from "./keys.ts";
import { TagClock } from "./next-tags.ts";

/** One result of a cached function, as Next.js gives and takes it. Times are in seconds, but for `timestamp`. */
export interface NextCacheEntry {
  value: ReadableStream<Uint8Array>;
  tags: string[];
  /** How long a client may use it without asking. */
  stale: number;
  /** When it was made, in ms since 1970. */
  timestamp: number;
  /** How long it may be used at all. */
  expire: number;
  /** After how long it is to be made anew behind its use. */
  revalidate: number;
}

/** The members of a handler of Next.js 16; those of 15 call {@link NextCacheHandler.expireTags}. */
export interface NextCacheHandler {
  get(cacheKey: string, softTags: string[]): Promise<NextCacheEntry | undefined>;
  set(cacheKey: string, pendingEntry: Promise<NextCacheEntry>): Promise<void>;
  refreshTags(): Promise<void>;
  getExpiration(...tags: (string | string[])[]): Promise<number>;
  updateTags(tags: string[], durations?: { expire?: number }): Promise<void>;
  expireTags(...tags: string[]): Promise<void>;
}

/** Options of {@link nextCacheHandler}. */
export interface NextHandlerOptions {
  /** With what the cache's keys of this handler begin; default `"next "`. */
  prefix?: string;
  /** Milliseconds since 1970; default `Date.now`. */
  clock?: () => number;
}

/** What is kept of an entry beside its bytes. */
type Kept = Omit<NextCacheEntry, "value">;

/**
 * A handler for `cacheHandlers: { default: … }` of next.config: a module whose default export it is.
 *
 * Entries stay for as long as they may be used (`expire`); Next.js itself makes those anew that are older than
 * `revalidate`. Revalidated tags are known to all threads that attach to the cache, from their next request on.
 *
 * @param cache - values are bytes and strings; its serializer has to be `"auto"`.
 */
export function nextCacheHandler(cache: AnyCache, options: NextHandlerOptions = {}): NextCacheHandler {
  const { prefix = "next ", clock = Date.now } = options;
  const tagClock = new TagClock(cache, `${prefix}tags`);
  const keyOf = (cacheKey: string): string => `${prefix}entry ${cacheKey}`;
  /** Entries that are being made: who asks meanwhile waits for them. */
  const pending = new Map<string, Promise<void>>();
  tagClock.refresh(clock());

  const keep = async (cacheKey: string, pendingEntry: Promise<NextCacheEntry>): Promise<void> => {
    const { value, ...kept } = await pendingEntry;
    const parts: Uint8Array[] = [];
    for await (const part of value) parts.push(part);
    const ttl = kept.timestamp + kept.expire * 1000 - clock();
    if (ttl > 0)
      cache.set(keyOf(cacheKey), frame(kept, parts), { ttl: Math.min(ttl, Number.MAX_SAFE_INTEGER) });
  };

  return {
    async get(cacheKey, softTags) {
      await pending.get(cacheKey);
      const value = await cache.getAsync(keyOf(cacheKey));
      if (value === undefined) return undefined;
      const { header, body } = unframe(value);
      const kept = header as Kept;
      const now = clock();
      if (now >= kept.timestamp + kept.expire * 1000) return undefined;
      if (tagClock.goneBefore([...kept.tags, ...softTags], now) > kept.timestamp) return undefined;
      const isStale = tagClock.staleBefore(kept.tags, now) > kept.timestamp;
      return { ...kept, revalidate: isStale ? -1 : kept.revalidate, value: streamOf(body) };
    },

    async set(cacheKey, pendingEntry) {
      const work = keep(cacheKey, pendingEntry);
      // Whoever waits for it only wants to know when it is over.
      const settled = work.catch(() => {});
      pending.set(cacheKey, settled);
      try {
        await work;
      } finally {
        if (pending.get(cacheKey) === settled) pending.delete(cacheKey);
      }
    },

    refreshTags: () => done(() => tagClock.refresh(clock())),
    getExpiration: (...tags) => done(() => tagClock.goneBefore(tags.flat(), clock())),
    updateTags: (tags, durations) =>
      done(() => tagClock.revalidate(tags, clock(), (durations?.expire ?? 0) * 1000)),
    expireTags: (...tags) => done(() => tagClock.revalidate(tags, clock(), 0)),
  };
}

/** A stream of one part. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

function done<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => resolve(run()));
}
