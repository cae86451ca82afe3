import assert from "node:assert/strict";
import type { RemovalReason } from "../../src/cache/index.ts";

/** What the cache has of a key. Keys are numbers here, and values those of their `set`. */
export interface ModelEntry {
  readonly id: number;
  /** The last moment at which it is fresh, and at which it is there at all. */
  readonly freshUntil: number;
  readonly thereUntil: number;
  /** With which its time can begin anew; 0: it never ends. */
  readonly ttl: number;
  /** A bit each. */
  readonly tags: number;
}

/** What the call at hand may take away. */
export interface Allowed {
  /** It may evict, since it puts something in. */
  readonly room?: boolean;
  /** The key that it sets. */
  readonly replaces?: number;
  /** The key that it deletes, or all with a tag. */
  readonly deletes?: number;
  readonly deletesTag?: number;
  readonly clears?: boolean;
}

/** What a value is from `now` on. */
export function entryOf(
  { id, tags }: Pick<ModelEntry, "id" | "tags">,
  now: number,
  ttl: number,
  stale: number,
): ModelEntry {
  const thereUntil = ttl === 0 ? Number.POSITIVE_INFINITY : now + ttl + stale;
  return { id, freshUntil: ttl === 0 ? thereUntil : now + ttl, thereUntil, ttl, tags };
}

function staleOf({ ttl, freshUntil, thereUntil }: ModelEntry): number {
  return ttl === 0 ? 0 : thereUntil - freshUntil;
}

export interface ModelOptions {
  /** Entries at most; Infinity: only bytes are bounded. */
  readonly maxEntries: number;
  readonly evict: "lru" | "sieve";
  /** Whether entries go in one order, so that the next to go is known. */
  readonly isOrdered: boolean;
  /** Whether there is a second tier. */
  readonly hasTier: boolean;
}

/**
 * The cache as a Map in order of use, or with SIEVE in that of arrival. It does nothing by itself: it is
 * told of each removal, and says whether that may be. So what is in it is what must be in the cache, at any time.
 */
export class CacheModel {
  readonly #options: ModelOptions;
  /** The most recently used last. */
  readonly entries: Map<number, ModelEntry> = new Map();
  /** What the second tier has. */
  readonly tier: Map<number, ModelEntry> = new Map();
  readonly removed: Record<RemovalReason, number> = {
    evicted: 0,
    expired: 0,
    replaced: 0,
    deleted: 0,
    cleared: 0,
  };
  now = 1_000;
  /** Whether the second tier takes what is evicted. */
  tierWorks: boolean;
  /** Told of each key whose entry came, went or changed. */
  onChange: (key: number) => void = () => {};
  /** With SIEVE: what was used since the hand passed by, and the key at the hand; undefined: the oldest. */
  readonly #visited: Set<number> = new Set();
  #hand: number | undefined;
  /** Counts what was set, deleted or loaded: loads and files that began before know by it that they are older. */
  #moment = 0;
  readonly #changed: Map<number, number> = new Map();
  readonly #tagDeleted: Map<number, number> = new Map();
  #cleared = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.tierWorks = options.hasTier;
  }

  get moment(): number {
    return this.#moment;
  }

  /** A key was set, deleted or loaded from a file. */
  change(key: number): void {
    this.#changed.set(key, ++this.#moment);
  }

  /** Whether a key, or one of these tags, was changed after a moment. */
  isChangedSince(moment: number, key: number, tags: number): boolean {
    if (this.#cleared > moment || (this.#changed.get(key) ?? 0) > moment) return true;
    for (const [tag, when] of this.#tagDeleted) if ((tags & tag) !== 0 && when > moment) return true;
    return false;
  }

  /** The entry, if its time is not over. */
  find(key: number): ModelEntry | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && this.now <= entry.thereUntil ? entry : undefined;
  }

  isFresh(entry: ModelEntry): boolean {
    return this.now <= entry.freshUntil;
  }

  /** A key was read. */
  touch(key: number): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    if (this.#options.evict === "sieve") this.#visited.add(key);
    else {
      this.entries.delete(key);
      this.entries.set(key, entry);
    }
  }

  /** An entry's time begins anew, with another ttl if it is given one. */
  restart(key: number, ttl?: number): void {
    const entry = this.entries.get(key);
    if (entry === undefined || !this.isFresh(entry)) return;
    this.entries.set(key, entryOf(entry, this.now, ttl ?? entry.ttl, staleOf(entry)));
  }

  /** An entry came in; an older one of the key must have gone before. */
  insert(key: number, entry: ModelEntry): void {
    assert.ok(!this.entries.has(key), `nobody was told that the older value of key ${key} went`);
    this.entries.set(key, entry);
    assert.ok(this.entries.size <= this.#options.maxEntries, `${this.entries.size} entries`);
    this.onChange(key);
  }

  /** The cache says that an entry went. */
  remove(key: number, reason: RemovalReason, allowed: Allowed): void {
    const entry = this.entries.get(key);
    const what = `key ${key} was said to be ${reason}`;
    assert.ok(entry !== undefined, `${what}, and was not there`);
    switch (reason) {
      case "expired":
        assert.ok(this.now > entry.thereUntil, `${what} before its time`);
        break;
      case "evicted":
        assert.ok(allowed.room, `${what} by a call that needs no room`);
        this.#checkEviction(key, what);
        if (this.tierWorks) this.tier.set(key, entry);
        else this.tier.delete(key);
        break;
      case "replaced":
        assert.ok(allowed.replaces === key, `${what} by a call that does not set it`);
        break;
      case "deleted":
        assert.ok(
          allowed.deletes === key || (entry.tags & (allowed.deletesTag ?? 0)) !== 0,
          `${what} by a call that does not delete it`,
        );
        break;
      case "cleared":
        assert.ok(allowed.clears, `${what} by a call that does not clear`);
    }
    this.removed[reason]++;
    this.#takeOut(key);
  }

  deleteTag(tag: number): void {
    this.#tagDeleted.set(tag, ++this.#moment);
    for (const [key, { tags }] of this.entries) {
      assert.ok((tags & tag) === 0, `key ${key} is there after its tag was deleted`);
    }
    for (const [key, { tags }] of this.tier) if ((tags & tag) !== 0) this.tier.delete(key);
  }

  clear(): void {
    this.#cleared = ++this.#moment;
    assert.equal(this.entries.size, 0, "entries are there after clear()");
    this.tier.clear();
  }

  /** The entry that is to be popped. */
  get last(): number | undefined {
    for (const [key, { thereUntil }] of this.entries) if (this.now <= thereUntil) return key;
    return undefined;
  }

  /** How many are over. */
  get due(): number {
    let due = 0;
    for (const { thereUntil } of this.entries.values()) if (this.now > thereUntil) due++;
    return due;
  }

  /** Fresh keys, the most recently used first, or the last that came. */
  keys(): number[] {
    const keys: number[] = [];
    for (const [key, entry] of this.entries) if (this.isFresh(entry)) keys.push(key);
    return keys.reverse();
  }

  #checkEviction(key: number, what: string): void {
    assert.equal(this.due, 0, `${what} while there are expired entries`);
    if (!this.#options.isOrdered) return;
    if (this.#options.maxEntries < Number.POSITIVE_INFINITY) {
      assert.equal(this.entries.size, this.#options.maxEntries, `${what} while there was room`);
    }
    assert.equal(key, this.#nextToGo(), `${what} out of turn`);
  }

  #nextToGo(): number {
    if (this.#options.evict === "lru") return this.entries.keys().next().value as number;
    const keys = [...this.entries.keys()];
    let at = Math.max(0, keys.indexOf(this.#hand ?? keys[0]));
    while (this.#visited.delete(keys[at])) at = (at + 1) % keys.length;
    this.#hand = keys[at];
    return keys[at];
  }

  #takeOut(key: number): void {
    if (key === this.#hand) {
      const keys = [...this.entries.keys()];
      this.#hand = keys[keys.indexOf(key) + 1];
    }
    this.#visited.delete(key);
    this.entries.delete(key);
    this.onChange(key);
  }
}
