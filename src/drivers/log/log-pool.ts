import type { Handle } from "../../base/index.ts";
import { createPageMemory, type PageMemory, type SharedMemory, threadsMemory } from "../../memory/index.ts";
import {
  beginTable,
  type CompactResult,
  handleLayoutOf,
  lockingOf,
  Pool,
  type Table,
  W_POOL_NUMBER,
} from "../../pool/index.ts";
import { LogAllocator } from "./allocator.ts";
import { checkOptions, type LogPoolOptions } from "./options.ts";
import { createLogTable, W_FULL_SLACK, W_SLACK } from "./table.ts";

/**
 * Stores objects one behind the other in pages, as a log: nothing is lost to sizes that do not fit together. Pages from
 * which objects were freed are cleaned when room is wanted: what lives in them is copied together. So objects may move,
 * `map` gives a copy, and reclaim evicts all objects of the page that was opened first.
 *
 * Of all allocators here it wastes least, whatever the sizes are, and fits itself to nothing: an object costs its bytes,
 * rounded up to 8, and 16 bytes of bookkeeping. One page more than `maxPages` is there to copy to.
 *
 * The idea is that of log-structured memory: Rumble, Kejriwal, Ousterhout, "Log-structured Memory for DRAM-based
 * Storage", FAST 2014.
 *
 * @example
 * const pool = new LogPool({ maxBytes: "64MiB" });
 * const handle = pool.alloc(bytes.length);
 * if (typeof handle === "number") pool.write(handle, bytes);
 */
export class LogPool extends Pool {
  readonly #inner: LogAllocator;

  /**
   * @param options - see {@link LogPoolOptions}. Only `maxPages` or `maxBytes` must be given.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for it cannot be reserved.
   * @remarks Reserves addresses only: a pool costs the memory of the pages that are in use.
   */
  constructor(options: LogPoolOptions, parts: LogPoolParts = {}) {
    const checked = checkOptions(options);
    const { geometry, shared, giveBack, onEvict } = checked;
    const { pageSize, maxPages, pages, maxObjects } = geometry;
    const source = shared ? (parts.shared ?? threadsMemory) : null;
    const table = parts.table ?? createLogTable(geometry, checked, lockingOf(checked), source);
    const memory = parts.memory ?? createPageMemory(pageSize, pages, source);
    if (parts.table === undefined) beginTable(table, giveBack);
    const layout = handleLayoutOf(Math.max(2, maxObjects), table[W_POOL_NUMBER]);
    let inner: LogAllocator | undefined;
    super({
      type: "log",
      table,
      memory,
      layout,
      shape: { pageSize, maxPages, maxObjects, ...slackOf(table) },
      allocatorOf: (member) => {
        inner = new LogAllocator(table, geometry, layout, memory, member);
        return inner;
      },
      onEvict,
    });
    this.#inner = inner as unknown as LogAllocator;
  }

  override allowBytes(bytes: number): boolean {
    return this.#inner.allowPages(Math.floor(bytes / this.pageSize));
  }

  override openGap(bytes: number, tight: boolean): boolean {
    return this.underLock(() => this.#inner.openGap(bytes, tight));
  }

  override slotOf(handle: Handle): number {
    return this.#inner.slotOf(handle);
  }

  override handleOf(slot: number): Handle {
    return this.#inner.handleOf(slot);
  }

  override get spareBytes(): number {
    return this.pageSize;
  }

  override get roomLeft(): number {
    return this.#inner.roomInOpenPage();
  }

  /**
   * Moves only what a release comes of, and ends with one: it may move a few pages of objects more than was said. Other
   * threads get the lock after each release.
   */
  protected override compactObjects(maxMoves: number): CompactResult {
    const result = { moved: 0, pagesReleased: 0 };
    while (result.moved < maxMoves) {
      const { moved, pages } = this.underLock(() => this.#inner.compact());
      result.moved += moved;
      result.pagesReleased += pages;
      if (pages <= 0) break;
    }
    return result;
  }

  protected override looseBytes(): number {
    return this.#inner.looseBytes();
  }
}

/** The option that a pool was made with. Without it the two values differ. */
function slackOf(table: Table): { slack?: number } {
  return table[W_SLACK] === table[W_FULL_SLACK] ? { slack: table[W_SLACK] } : {};
}

/** What a pool can be given instead of its own. */
interface LogPoolParts {
  memory?: PageMemory;
  shared?: SharedMemory;
  table?: Table;
}
