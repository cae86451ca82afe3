import type { PageMemory, SharedMemory } from "../memory/index.ts";
import type { SharedPool } from "./attach.ts";
import type { PoolOptions } from "./options.ts";
import type { EvictHandler, Pool } from "./pool.ts";
import type { PoolFootprint } from "./types.ts";

/** What a driver can be given instead of its own. */
export interface PoolParts {
  /** Where page bytes come from. */
  memory?: PageMemory;
  /** Where the buffers of a shared pool come from. Default: memory for the threads of this process. */
  shared?: SharedMemory;
}

/**
 * What a driver is given: options of every pool, and those of its own. An engine gives `maxBytes` and `pageSize` only,
 * and what the driver asks for below: what else it has must have a default. For a driver whose pages have several
 * sizes, `pageSize` is that of the pages for the largest objects.
 */
export interface DriverOptions extends PoolOptions {
  /** About how many objects there will be, for drivers that say `takesMaxObjects` or `boundsObjects`. */
  maxObjects?: number | undefined;
}

/** An allocator that pools can be made with. */
export interface PoolDriver<P extends Pool = Pool> {
  /** The name users choose it by. */
  readonly type: string;
  /** Whether pools of this driver can reclaim. A pool without an evict handler cannot in any case. */
  readonly canReclaim: boolean;
  /** Options of its own that an engine gives, where the defaults are those of a pool that stands alone. */
  readonly engineDefaults?: object;
  /** The page size for an engine that has so many bytes for its pages. Default: what the engine finds right. */
  enginePageSize?(bytes: number): number;
  /** Whether `maxObjects` makes its metadata smaller, without refusing objects beyond that which pages take. */
  readonly takesMaxObjects?: boolean;
  /** Whether `maxObjects` makes its metadata smaller, and is the most objects that it takes. */
  readonly boundsObjects?: boolean;
  /**
   * Makes a pool.
   *
   * @param options - as the caller gave them; the driver checks them, and throws `EINVAL` naming a bad one.
   * @param parts - for an engine, and for tests.
   */
  create(options: DriverOptions, parts?: PoolParts): P;
  /**
   * Opens a pool that another thread made.
   *
   * @param shared - what the other's `share()` gave; the driver checks it, and throws `EINVAL` or `EBADMSG`.
   */
  attach(shared: SharedPool, options?: { onEvict?: EvictHandler | undefined }): P;
  /** Metadata that a pool of these options costs. Throws as `create`. */
  footprint(options: DriverOptions): PoolFootprint;
}
