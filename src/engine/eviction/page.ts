import { Lru } from "./lru.ts";
import type { EvictionPolicy } from "./policy.ts";
import type { EntryQueue } from "./queue.ts";

/**
 * The allocator's own order: the entries of the page that its pool frees next go together, which gives a page of
 * memory for few evictions. Where no page can be freed, and where a row is wanted and no memory, the least recently
 * used entry goes.
 */
export function byPage(queue: EntryQueue): EvictionPolicy {
  return new Lru(queue, true);
}
