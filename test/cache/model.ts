import type { RemovalReason } from "../../src/cache/index.ts";

interface ModelEntry {
  value: string;
  /** The last moment at which it is fresh, and at which it is there at all. */
  freshUntil: number;
  there: number;
  tags: readonly string[];
}

/**
 * The cache as a Map in order of use, or with the policy SIEVE in that of arrival, by which its public methods are
 * checked. Bounded by count.
 */
export class CacheModel {
  readonly #max: number;
  readonly #policy: "lru" | "sieve";
  /** With SIEVE: what was used since the hand passed by, and the key at the hand; undefined: the oldest. */
  readonly #visited: Set<string> = new Set();
  #hand: string | undefined;
  /** The most recently used last. */
  readonly #entries: Map<string, ModelEntry> = new Map();
  /** What left, in order. */
  readonly removed: [string, RemovalReason][] = [];
  now = 0;

  constructor(max: number, policy: "lru" | "sieve" = "lru") {
    this.#max = max;
    this.#policy = policy;
  }

  get size(): number {
    this.expire();
    return this.#entries.size;
  }

  set(key: string, value: string, ttl = 0, stale = 0, tags: readonly string[] = []): "add" | "replace" {
    this.expire();
    const existed = this.#entries.has(key);
    if (existed) this.#remove(key, "replaced");
    const there = ttl === 0 ? Number.POSITIVE_INFINITY : this.now + ttl + stale;
    if (this.#entries.size === this.#max) this.#remove(this.#nextToGo(), "evicted");
    this.#entries.set(key, { value, freshUntil: there - stale, there, tags });
    return existed ? "replace" : "add";
  }

  get(key: string, allowStale = false): string | undefined {
    const value = this.peek(key, allowStale);
    const entry = this.#entries.get(key);
    if (entry !== undefined && this.#policy === "sieve") this.#visited.add(key);
    else if (entry !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return value;
  }

  peek(key: string, allowStale = false): string | undefined {
    this.expire();
    const entry = this.#entries.get(key);
    return entry !== undefined && (allowStale || this.now <= entry.freshUntil) ? entry.value : undefined;
  }

  remainingTtl(key: string): number {
    this.expire();
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.freshUntil - this.now);
  }

  delete(key: string): boolean {
    this.expire();
    if (!this.#entries.has(key)) return false;
    this.#remove(key, "deleted");
    return true;
  }

  deleteByTag(tag: string): number {
    this.expire();
    const keys = [...this.#entries].filter(([, { tags }]) => tags.includes(tag)).map(([key]) => key);
    for (const key of keys) this.#remove(key, "deleted");
    return keys.length;
  }

  clear(): void {
    this.expire();
    for (const key of [...this.#entries.keys()]) this.#remove(key, "cleared");
  }

  /** Fresh keys, the most recently used first, or the last that came. */
  keys(): string[] {
    this.expire();
    const fresh = [...this.#entries].filter(([, { freshUntil }]) => this.now <= freshUntil);
    return fresh.map(([key]) => key).reverse();
  }

  /** Takes away what is gone by now. */
  expire(): void {
    for (const [key, { there }] of [...this.#entries]) if (this.now > there) this.#remove(key, "expired");
  }

  #nextToGo(): string {
    const keys = [...this.#entries.keys()];
    if (this.#policy === "lru") return keys[0];
    let at = Math.max(0, keys.indexOf(this.#hand ?? keys[0]));
    while (this.#visited.delete(keys[at])) at = (at + 1) % keys.length;
    this.#hand = keys[at];
    return keys[at];
  }

  #remove(key: string, reason: RemovalReason): void {
    if (key === this.#hand) {
      const keys = [...this.#entries.keys()];
      this.#hand = keys[keys.indexOf(key) + 1];
    }
    this.#visited.delete(key);
    this.#entries.delete(key);
    this.removed.push([key, reason]);
  }
}
