import { Lru } from "./lru.ts";
import { byPage } from "./page.ts";
import type { EvictionPolicy } from "./policy.ts";
import type { EntryQueue } from "./queue.ts";
import { Sieve } from "./sieve.ts";

/**
 * Which entries go when memory is wanted.
 *
 * | value | what goes |
 * | --- | --- |
 * | `"lru"` | the least recently used entry: every hit makes one the last to go |
 * | `"sieve"` | the oldest entry that was not used since its turn last came: what is used once and never again goes sooner, and hits cost less |
 * | `"page"` | the entries of the page that the allocator frees next: a page of memory for few evictions |
 */
export type Eviction = "lru" | "sieve" | "page";

const POLICIES: Readonly<Record<Eviction, (queue: EntryQueue) => EvictionPolicy>> = {
  lru: (queue) => new Lru(queue),
  sieve: (queue) => new Sieve(queue),
  page: byPage,
};

/** The names of all policies. */
export const EVICTIONS: readonly Eviction[] = Object.keys(POLICIES) as Eviction[];

export function evictionPolicy(evict: Eviction, queue: EntryQueue): EvictionPolicy {
  return POLICIES[evict](queue);
}

export type { EvictionPolicy } from "./policy.ts";
export { EntryQueue } from "./queue.ts";
