import { createPageMemory, type PageMemory, type SharedMemory, threadsMemory } from "../../memory/index.ts";
import { beginTable, handleLayoutOf, lockingOf, Pool, W_POOL_NUMBER } from "../../pool/index.ts";
import { SlotsAllocator } from "./allocator.ts";
import { checkOptions, type SlotsPoolOptions } from "./options.ts";
import { createSlotsTable, generationBitsOf, slotCountOf, type Table } from "./page-table.ts";

/**
 * Stores objects of varying size in pages of 64 slots: an object takes a run of whole slots in one page, as many
 * objects to a page as fit. An object may be as large as a page. Nothing moves, a pool never holds more pages
 * than objects, and evicting the objects of the least recently used page frees exactly that page.
 *
 * Denser than zbud where objects are small beside the page: two to four objects of compressed 4 KiB blocks, where
 * zbud has at most two. Reclaim needs so many evictions more. Where half the objects were freed it stays denser
 * than size classes.
 *
 * @example
 * const pool = new SlotsPool({ maxPages: 1000 });
 * const handle = pool.alloc(bytes.length);
 * if (typeof handle === "number") pool.write(handle, bytes);
 */
export class SlotsPool extends Pool {
  /**
   * @param options - see {@link SlotsPoolOptions}. Only `maxPages` or `maxBytes` must be given.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for `maxPages` cannot
   *   be reserved.
   * @remarks Reserves addresses only: a pool costs the memory of the pages that are in use.
   */
  constructor(options: SlotsPoolOptions, parts: SlotsPoolParts = {}) {
    const { geometry, shared, lock, giveBack, onEvict } = checkOptions(options);
    const { pageSize, maxPages, maxObjects } = geometry;
    const source = shared ? (parts.shared ?? threadsMemory) : null;
    const table = parts.table ?? createSlotsTable(geometry, lockingOf({ shared, lock }), source);
    const memory = parts.memory ?? createPageMemory(pageSize, maxPages, source);
    if (parts.table === undefined) beginTable(table, giveBack);
    const layout = handleLayoutOf(slotCountOf(geometry), table[W_POOL_NUMBER], generationBitsOf(geometry));
    super({
      type: "slots",
      table,
      memory,
      layout,
      shape: { pageSize, maxPages, maxObjects },
      allocatorOf: (member) => new SlotsAllocator(table, geometry, layout, memory, member),
      onEvict,
    });
  }
}

/** What a pool can be given instead of its own. */
interface SlotsPoolParts {
  memory?: PageMemory;
  shared?: SharedMemory;
  table?: Table;
}
