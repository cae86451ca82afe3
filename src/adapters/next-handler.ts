import { type AnyCache, isKept } from "./keys.ts";
import { MachineClock } from "./machine-clock.ts";
import { TagClock } from "./next-tags.ts";
import { notPacked, pack, unpack } from "./packed-value.ts";

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

/** Without end, where JSON has no infinity: seconds or ms. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

/** What is kept of an entry beside its bytes. */
type Kept = Omit<NextCacheEntry, "value">;

/**
 * The handler. Next.js gives and takes times of this process's clock; in the cache are those that all processes have.
 *
 * @param local - this process's clock.
 * @param steady - the machine's, if clocks of processes may differ.
 */
export function handlerWith(
  cache: AnyCache,
  prefix: string,
  local: () => number,
  steady: (() => number) | null,
): NextCacheHandler {
  const machine = steady === null ? null : new MachineClock(cache, `${prefix}clock`, local, steady);
  /** What makes a time of this process's clock one of all processes; looked up whenever Next.js calls. */
  let offset = 0;
  const agree = (): void => {
    offset = machine?.offset() ?? 0;
  };
  agree();
  const clock = (): number => local() + offset;
  const tagClock = new TagClock(cache, `${prefix}tags`, clock);
  const keyOf = (cacheKey: string): string => `${prefix}entry ${cacheKey}`;
  /** Entries that are being made: who asks meanwhile waits for them. */
  const pending = new Map<string, Promise<void>>();

  const keep = async (cacheKey: string, pendingEntry: Promise<NextCacheEntry>): Promise<void> => {
    const made = await collected(pendingEntry);
    if (made === null) return;
    const { kept, parts } = made;
    agree();
    kept.timestamp += offset;
    const ttl = kept.timestamp + kept.expire * 1000 - clock();
    const key = keyOf(cacheKey);
    // One that is over already takes the one before with it, as one that the cache refuses does.
    if (!(ttl > 0)) cache.delete(key);
    else if (isKept(cache.set(key, pack(kept, parts), { ttl: Math.min(ttl, ENDLESS) }))) {
      tagClock.touch(kept.tags);
    }
  };

  const expiration = (tags: readonly string[]): number => {
    agree();
    const { gone } = tagClock.before(tags);
    return gone === 0 ? 0 : gone - offset;
  };
  const revalidate = (tags: readonly string[], expireMs: number): void => {
    agree();
    tagClock.revalidate(tags, expireMs);
  };

  return {
    async get(cacheKey, softTags) {
      await pending.get(cacheKey);
      const value = await cache.getAsync(keyOf(cacheKey));
      if (value === undefined) return undefined;
      agree();
      const kept = usable(value, softTags, tagClock, clock());
      return kept === undefined ? undefined : { ...kept, timestamp: kept.timestamp - offset };
    },

    async set(cacheKey, pendingEntry) {
      const work = keep(cacheKey, pendingEntry);
      // Others that wait for it only want to know when it is over.
      const settled = work.catch(() => {});
      pending.set(cacheKey, settled);
      try {
        await work;
      } finally {
        if (pending.get(cacheKey) === settled) pending.delete(cacheKey);
      }
    },

    // Each lookup reads what there is to know of its tags.
    refreshTags: () => Promise.resolve(),
    getExpiration: (...tags) => done(() => expiration(tags.flat())),
    updateTags: (tags, durations) => done(() => revalidate(tags, staleMs(durations))),
    expireTags: (...tags) => done(() => revalidate(tags, 0)),
  };
}

/** An entry as it was kept, if nothing of it was revalidated and its time is not over. */
function usable(
  value: unknown,
  softTags: readonly string[],
  tagClock: TagClock,
  now: number,
): NextCacheEntry | undefined {
  const { header, body } = unpack(value);
  const kept = keptOf(header);
  if (now >= kept.timestamp + kept.expire * 1000) return undefined;
  const { gone, stale } = tagClock.before(kept.tags);
  if (gone > kept.timestamp || tagClock.before(softTags).gone > kept.timestamp) return undefined;
  const isStale = stale > kept.timestamp;
  return { ...kept, revalidate: isStale ? -1 : kept.revalidate, value: streamOf(body) };
}

/** For how long entries may still be given after their tag was revalidated. */
function staleMs(durations: { expire?: number } | undefined): number {
  if (durations === undefined) return 0;
  return Math.min((durations.expire ?? ENDLESS) * 1000, ENDLESS);
}

/**
 * All of an entry, or null if it could not be made: the cached function threw, or was cut off. Next.js has said so
 * by then, and would say it again of a `set` that rejects.
 */
async function collected(
  pendingEntry: Promise<NextCacheEntry>,
): Promise<{ kept: Kept; parts: Uint8Array[] } | null> {
  try {
    const { value, ...kept } = await pendingEntry;
    for (const time of ["stale", "expire", "revalidate"] as const) kept[time] = Math.min(kept[time], ENDLESS);
    const parts: Uint8Array[] = [];
    for await (const part of value) parts.push(part);
    return { kept, parts };
  } catch {
    return null;
  }
}

/**
 * What was kept of an entry, checked: a snapshot may come from anywhere.
 *
 * @throws {ZbudError} `EBADMSG` if it is something else.
 */
function keptOf(header: unknown): Kept {
  const kept = (typeof header === "object" && header !== null ? header : {}) as Kept;
  const { tags, stale, timestamp, expire, revalidate } = kept;
  const isWhole =
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === "string") &&
    [stale, timestamp, expire, revalidate].every(Number.isFinite);
  if (!isWhole) throw notPacked();
  return kept;
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
