import type { Handle } from "../../base/index.ts";
import { createPageMemory, type PageMemory, type SharedMemory, threadsMemory } from "../../memory/index.ts";
import {
  beginTable,
  type CompactResult,
  handleLayoutOf,
  lockingOf,
  Pool,
  W_POOL_NUMBER,
} from "../../pool/index.ts";
import { ZsmallocAllocator } from "./allocator.ts";
import type { SizeClass } from "./classes.ts";
import type { Geometry } from "./geometry.ts";
import { checkOptions, type ZsmallocPoolOptions } from "./options.ts";
import { createZsmallocTable, type ZsmallocTable } from "./table.ts";

/** Moves under one hold of the lock, so that other threads need not wait long. */
const MOVES_A_STEP = 64;

/**
 * Stores objects in places of some 70 fixed sizes, which lie side by side in groups of one to four pages, across
 * the pages' borders: little is lost in a page, and most of the codec's ratio is kept. In return objects may
 * move ({@link compact}), so `map` gives a copy; and reclaim evicts a whole group of them.
 *
 * alloc and free take a fixed number of steps whatever the pool's size, and touch no page bytes. What is where in
 * memory is told in table.ts.
 *
 * @example
 * const pool = new ZsmallocPool({ maxPages: 1000 });
 * const handle = pool.alloc(bytes.length);
 * if (typeof handle === "number") pool.write(handle, bytes);
 */
export class ZsmallocPool extends Pool {
  readonly #inner: ZsmallocAllocator;
  readonly #geometry: Geometry;

  /**
   * @param options - see {@link ZsmallocPoolOptions}. Only `maxPages` or `maxBytes` must be given.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for it cannot be reserved.
   * @remarks Reserves addresses only: a pool costs the memory of the pages that are in use.
   */
  constructor(options: ZsmallocPoolOptions, parts: PoolParts = {}) {
    const { geometry, shared, lock, giveBack, onEvict } = checkOptions(options);
    const { pageSize, maxPages, maxGroupPages, maxObjects } = geometry;
    const source = shared ? (parts.shared ?? threadsMemory) : null;
    const table = parts.table ?? createZsmallocTable(geometry, lockingOf({ shared, lock }), source);
    const memory = parts.memory ?? createPageMemory(pageSize, maxPages, source);
    if (parts.table === undefined) beginTable(table, giveBack);
    const layout = handleLayoutOf(Math.max(2, maxObjects), table[W_POOL_NUMBER]);
    let inner: ZsmallocAllocator | undefined;
    super({
      type: "zsmalloc",
      table,
      memory,
      layout,
      shape: { pageSize, maxPages, maxGroupPages, maxObjects },
      allocatorOf: (member) => {
        inner = new ZsmallocAllocator(table, geometry, layout, memory, member);
        return inner;
      },
      onEvict,
    });
    this.#inner = inner as unknown as ZsmallocAllocator;
    this.#geometry = geometry;
  }

  /** The size classes of this pool, smallest first. */
  get classes(): readonly SizeClass[] {
    return this.#geometry.classes;
  }

  /** Moves only what a release comes of. In a shared pool others get the lock every 64 moves. */
  protected override compactObjects(maxMoves: number): CompactResult {
    const result = { moved: 0, pagesReleased: 0 };
    for (let isDone = false; !isDone; ) {
      const step = Math.min(MOVES_A_STEP, maxMoves - result.moved);
      const { moved, pages } = this.underLock(() => this.#inner.compact(step));
      result.moved += moved;
      result.pagesReleased += pages;
      isDone = moved < step || result.moved === maxMoves;
    }
    return result;
  }

  protected override looseBytes(): number {
    return this.#inner.looseBytes();
  }

  /** Where an object begins, and its class. Throws `EBADF`, `ECLOSED` as {@link free}. */
  override inspect(handle: Handle): ZsmallocObjectPlace {
    return this.underLock(() => {
      const place = super.inspect(handle);
      const { classes, layoutOf } = this.#geometry;
      return { ...place, classSize: classes[layoutOf[(place.size + 15) >> 4] - 1].size };
    });
  }
}

/** Where an object begins. It may go on in the next page of its group, wherever that lies. */
export interface ZsmallocObjectPlace {
  page: number;
  offset: number;
  size: number;
  /** Bytes of the place that it has. */
  classSize: number;
}

/** What a pool can be given instead of its own. */
interface PoolParts {
  memory?: PageMemory;
  shared?: SharedMemory;
  table?: ZsmallocTable;
}
