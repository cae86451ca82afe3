/** The pools that threads are tested with, by driver. */

import { LogPool, logDriver } from "../../src/drivers/log/index.ts";
import { SizeClassPool, sizeClassesDriver } from "../../src/drivers/size-classes/index.ts";
import { SlotsPool, slotsDriver } from "../../src/drivers/slots/index.ts";
import { ZbudPool, zbudDriver } from "../../src/drivers/zbud/index.ts";
import { ZsmallocPool, zsmallocDriver } from "../../src/drivers/zsmalloc/index.ts";
import type { Pool, PoolDriver, SharedPool } from "../../src/pool/index.ts";

type EvictHandler = (handle: never, pool: never) => boolean;

/** What the classes of pools have in common. */
export interface PoolClass {
  new (options: Record<string, unknown>): Pool;
}

/** One driver, as tests of threads use it. */
export interface ThreadDriver {
  /** Name of the driver, as its module exports it. */
  name: string;
  /** Where both are, under src/drivers. */
  poolFile: string;
  pool: PoolClass;
  driver: PoolDriver;
}

export type DriverName = "zbud" | "size-classes" | "slots" | "zsmalloc" | "log";

export const DRIVERS: Readonly<Record<DriverName, ThreadDriver>> = {
  zbud: {
    name: "zbudDriver",
    poolFile: "zbud/index.ts",
    pool: ZbudPool as unknown as PoolClass,
    driver: zbudDriver,
  },
  "size-classes": {
    name: "sizeClassesDriver",
    poolFile: "size-classes/index.ts",
    pool: SizeClassPool as unknown as PoolClass,
    driver: sizeClassesDriver,
  },
  slots: {
    name: "slotsDriver",
    poolFile: "slots/index.ts",
    pool: SlotsPool as unknown as PoolClass,
    driver: slotsDriver,
  },
  log: {
    name: "logDriver",
    poolFile: "log/index.ts",
    pool: LogPool as unknown as PoolClass,
    driver: logDriver,
  },
  zsmalloc: {
    name: "zsmallocDriver",
    poolFile: "zsmalloc/index.ts",
    pool: ZsmallocPool as unknown as PoolClass,
    driver: zsmallocDriver,
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
  return DRIVERS[driver].driver.attach(shared, options as never);
}
