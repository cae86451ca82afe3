import type { AnyCache } from "./keys.ts";

/** How many tags the record holds; of those beyond, only the newest time is kept, for all of them together. */
const TAGS_MAX = 10_000;

/** When a tag was revalidated. All are in ms since 1970; 0 is never. */
interface TagTimes {
  /** Entries made before this are gone. */
  hard: number;
  /** Entries made before this are stale, and gone once `due` has come. */
  soft: number;
  due: number;
}

/**
 * When each tag was last revalidated, in all threads: one record in the cache, which every request reads, so that
 * it is among the most recently used and not evicted.
 *
 * Times are merged so that nothing is given for longer than any thread allowed. A thread that finds a time of its
 * own missing from the record puts it back: whatever order threads write in, all end up with the same. `floor`
 * stands for tags that the record does not name: it grows when tags are dropped, or when the record itself was
 * lost, so that what was forgotten counts as revalidated.
 */
export class TagClock {
  readonly #cache: AnyCache;
  readonly #key: string;
  readonly #tags = new Map<string, TagTimes>();
  #floor = 0;
  /** The record as last read or written. */
  #seen: string | undefined;

  constructor(cache: AnyCache, key: string) {
    this.#cache = cache;
    this.#key = key;
  }

  /** Learns what other threads revalidated. */
  refresh(now: number): void {
    const text = this.#cache.get(this.#key) as string | undefined;
    if (text !== undefined && text === this.#seen) return;
    if (text === undefined) {
      // Nobody knows what was revalidated by threads that are gone.
      if (this.#seen === undefined) this.#floor = now;
      this.#write();
      return;
    }
    const { floor, tags } = JSON.parse(text) as { floor: number; tags: Record<string, TagTimes> };
    this.#floor = Math.max(this.#floor, floor);
    for (const [tag, times] of Object.entries(tags)) this.#merge(tag, times, now);
    this.#seen = text;
    if (this.#text() !== text) this.#write();
  }

  /** @param expireMs - how long entries of these tags may still be given, as stale ones. */
  revalidate(tags: readonly string[], now: number, expireMs: number): void {
    this.refresh(now);
    const times = expireMs > 0 ? { hard: 0, soft: now, due: now + expireMs } : { hard: now, soft: 0, due: 0 };
    for (const tag of tags) this.#merge(tag, times, now);
    this.#write();
  }

  /** Entries made before this are gone, if they have any of these tags. */
  goneBefore(tags: readonly string[], now: number): number {
    return Math.max(0, ...tags.map((tag) => this.#of(tag, now).hard));
  }

  /** Entries made before this are stale or gone, if they have any of these tags. */
  staleBefore(tags: readonly string[], now: number): number {
    return Math.max(this.goneBefore(tags, now), ...tags.map((tag) => this.#of(tag, now).soft));
  }

  #of(tag: string, now: number): TagTimes {
    return settled(this.#tags.get(tag) ?? { hard: this.#floor, soft: 0, due: 0 }, now);
  }

  #merge(tag: string, times: TagTimes, now: number): void {
    const a = settled(times, now);
    const b = settled(this.#tags.get(tag) ?? { hard: 0, soft: 0, due: 0 }, now);
    const hard = Math.max(a.hard, b.hard);
    const soft = Math.max(a.soft, b.soft);
    const due = Math.min(a.due || Number.POSITIVE_INFINITY, b.due || Number.POSITIVE_INFINITY);
    // Put anew where it changed, so that the map is in the order of revalidation.
    if (hard > b.hard || soft > b.soft) this.#tags.delete(tag);
    this.#tags.set(tag, { hard, soft, due: soft > 0 ? due : 0 });
    if (this.#tags.size <= TAGS_MAX) return;
    const [[dropped, old]] = this.#tags;
    this.#tags.delete(dropped);
    this.#floor = Math.max(this.#floor, old.hard, old.soft);
  }

  #text(): string {
    const tags = [...this.#tags].sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify({ floor: this.#floor, tags: Object.fromEntries(tags) });
  }

  #write(): void {
    this.#seen = this.#text();
    this.#cache.set(this.#key, this.#seen, { ttl: 0 });
  }
}

/** What was due is done. */
function settled({ hard, soft, due }: TagTimes, now: number): TagTimes {
  if (due === 0 || due > now) return { hard, soft, due };
  return { hard: Math.max(hard, soft), soft: 0, due: 0 };
}
