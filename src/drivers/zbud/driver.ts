import type { Handle } from "../../base/index.ts";
import type { SharedPool } from "../../pool/index.ts";
import type { DriverPool, PoolFootprint, ZpoolDriver, ZpoolOptions, ZpoolParts } from "../../zpool/index.ts";
import { geometryOf } from "./geometry.ts";
import { checkOptions } from "./options.ts";
import { headerBytesOf, ROW_BYTES } from "./page-table.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud behind the pool interface: two objects a page, a page freed for at most two evictions. */
export const zbudDriver: ZpoolDriver = {
  type: "zbud",
  canReclaim: true,
  create(
    options: ZpoolOptions,
    onEvict: ((handle: Handle) => boolean) | null,
    parts?: ZpoolParts,
  ): DriverPool {
    return new ZbudPool({ ...checkOptions(options), onEvict: onEvict ?? undefined }, parts);
  },
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    return ZbudPool.attach(shared as SharedPool, { onEvict: onEvict ?? undefined });
  },
  footprint(options: ZpoolOptions): PoolFootprint {
    const { pageSize, chunkOrder, maxPages } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometryOf(pageSize, chunkOrder, maxPages)), pageBytes: ROW_BYTES };
  },
};
