import type { Handle } from "../../base/index.ts";
import { createPageMemory, type PageMemory, type SharedMemory, threadsMemory } from "../../memory/index.ts";
import { beginTable, handleLayoutOf, lockingOf, Pool, W_POOL_NUMBER } from "../../pool/index.ts";
import { ZbudAllocator } from "./allocator.ts";
import { geometryOf } from "./geometry.ts";
import { checkOptions, type ZbudPoolOptions } from "./options.ts";
import { createPageTable, type PageTable } from "./page-table.ts";
import type { ZbudObjectPlace } from "./places.ts";
import { isFirstBuddy } from "./snapshot.ts";

/**
 * Stores objects of varying size in pages of one size, at most two to a page: the *first buddy* at the
 * front, the *last buddy* at the back. Nothing moves, a pool never holds more pages than objects, and
 * evicting the at most two objects of the least recently used page frees exactly that page.
 *
 * alloc and free take a fixed number of steps whatever the pool's size, allocate no JavaScript object and
 * touch no page bytes. What is where in memory is told in page-table.ts.
 *
 * @example
 * const pool = new ZbudPool({ maxPages: 1000 });
 * const handle = pool.alloc(bytes.length);
 * if (typeof handle === "number") pool.write(handle, bytes);
 */
export class ZbudPool extends Pool {
  readonly #chunkSize: number;

  /**
   * @param options - see {@link ZbudPoolOptions}. Only `maxPages` or `maxBytes` must be given.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for `maxPages` cannot
   *   be reserved.
   * @remarks Reserves addresses only: a pool costs the memory of the pages that are in use.
   */
  constructor(options: ZbudPoolOptions, parts: PoolParts = {}) {
    const { pageSize, chunkOrder, maxPages, shared, lock, giveBack, onEvict } = checkOptions(options);
    const geometry = geometryOf(pageSize, chunkOrder, maxPages);
    const source = shared ? (parts.shared ?? threadsMemory) : null;
    const table = parts.table ?? createPageTable(geometry, lockingOf({ shared, lock }), source);
    const memory = parts.memory ?? createPageMemory(pageSize, maxPages, source);
    if (parts.table === undefined) beginTable(table, giveBack);
    const layout = handleLayoutOf(2 * maxPages, table[W_POOL_NUMBER]);
    super({
      type: "zbud",
      table,
      memory,
      layout,
      shape: { pageSize, chunkOrder, maxPages },
      allocatorOf: (member) => new ZbudAllocator(table, geometry, layout, memory, member),
      onEvict,
    });
    this.#chunkSize = geometry.chunkSize;
  }

  /** Where an object lies. Throws `EBADF`, `ECLOSED` as {@link free}. */
  override inspect(handle: Handle): ZbudObjectPlace {
    const place = super.inspect(handle);
    return { ...place, buddy: isFirstBuddy(place.offset, this.#chunkSize) ? "first" : "last" };
  }
}

/** What a pool can be given instead of its own. */
interface PoolParts {
  memory?: PageMemory;
  shared?: SharedMemory;
  table?: PageTable;
}
