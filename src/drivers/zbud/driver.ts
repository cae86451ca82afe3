import type { Handle } from "../../base/index.ts";
import { DRIVER_LADDER, driverIn, type SharedPool } from "../../pool/index.ts";
import type { DriverPool, PoolFootprint, ZpoolDriver, ZpoolOptions, ZpoolParts } from "../../zpool/index.ts";
import { geometryOf } from "./geometry.ts";
import { checkLadderOptions, type ZbudLadderOptions } from "./ladder-options.ts";
import { ladderFixedBytesOf, RUNGS_MAX } from "./ladder-table.ts";
import { checkOptions } from "./options.ts";
import { headerBytesOf, ROW_BYTES } from "./page-table.ts";
import { ZbudLadder } from "./zbud-ladder.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud behind the pool interface: two objects a page, a page freed for at most two evictions; with pages of one size or several. */
export const zbudDriver: ZpoolDriver = {
  type: "zbud",
  canReclaim: true,
  create(
    options: ZpoolOptions,
    onEvict: ((handle: Handle) => boolean) | null,
    parts?: ZpoolParts,
  ): DriverPool {
    const given = { ...options, onEvict: onEvict ?? undefined };
    return isLadder(given)
      ? new ZbudLadder(given, parts)
      : new ZbudPool({ ...checkOptions(options), onEvict: onEvict ?? undefined }, parts);
  },
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    const pool = shared as SharedPool;
    const given = { onEvict: onEvict ?? undefined };
    return driverIn(pool) === DRIVER_LADDER ? ZbudLadder.attach(pool, given) : ZbudPool.attach(pool, given);
  },
  footprint(options: ZpoolOptions): PoolFootprint {
    if (isLadder(options)) {
      const { geometry } = checkLadderOptions(options);
      return { fixedBytes: ladderFixedBytesOf(geometry, RUNGS_MAX), pageBytes: ROW_BYTES };
    }
    const { pageSize, chunkOrder, maxPages } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometryOf(pageSize, chunkOrder, maxPages)), pageBytes: ROW_BYTES };
  },
};

function isLadder(options: ZpoolOptions | ZbudLadderOptions): options is ZbudLadderOptions {
  return (
    typeof options === "object" &&
    options !== null &&
    (options as Partial<ZbudLadderOptions>).pageSizes !== undefined
  );
}
