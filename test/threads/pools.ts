/** The pools that threads are tested with, by driver. */

import { SizeClassPool } from "../../src/drivers/size-classes/index.ts";
import { SlotsPool } from "../../src/drivers/slots/index.ts";
import { ZbudPool } from "../../src/drivers/zbud/index.ts";
import { ZsmallocPool } from "../../src/drivers/zsmalloc/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";

type EvictHandler = (handle: never, pool: never) => boolean;

/** What the classes of pools have in common. */
export interface PoolClass {
  new (options: Record<string, unknown>): Pool;
  attach(shared: SharedPool, options: { onEvict?: EvictHandler }): Pool;
}

/** One driver, as tests of threads use it. */
export interface ThreadDriver {
  /** Name of the class of its pools. */
  className: string;
  /** Where the class is, under src/drivers. */
  poolFile: string;
  pool: PoolClass;
}

export type DriverName = "zbud" | "size-classes" | "slots" | "zsmalloc";

export const DRIVERS: Readonly<Record<DriverName, ThreadDriver>> = {
  zbud: {
    className: "ZbudPool",
    poolFile: "zbud/zbud-pool.ts",
    pool: ZbudPool as unknown as PoolClass,
  },
  "size-classes": {
    className: "SizeClassPool",
    poolFile: "size-classes/size-class-pool.ts",
    pool: SizeClassPool as unknown as PoolClass,
  },
  slots: {
    className: "SlotsPool",
    poolFile: "slots/slots-pool.ts",
    pool: SlotsPool as unknown as PoolClass,
  },
  zsmalloc: {
    className: "ZsmallocPool",
    poolFile: "zsmalloc/zsmalloc-pool.ts",
    pool: ZsmallocPool as unknown as PoolClass,
  },
};

/** A pool that threads share. */
export function makeShared(driver: DriverName, options: Record<string, unknown>): Pool {
  const { maxPages, pageSize, ...others } = options;
  const sizes =
    driver === "size-classes"
      ? { maxBytes: Number(maxPages) * Number(pageSize), pageSizes: [Number(pageSize) / 2, pageSize] }
      : { maxPages, pageSize };
  return new DRIVERS[driver].pool({ ...sizes, ...others, shared: true });
}

export function attachPool(
  driver: DriverName,
  shared: SharedPool,
  options: { onEvict?: EvictHandler } = {},
): Pool {
  return DRIVERS[driver].pool.attach(shared, options);
}
