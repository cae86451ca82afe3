import {
  DRIVER_LADDER,
  type DriverOptions,
  driverIn,
  type EvictHandler,
  type Pool,
  type PoolDriver,
  type PoolFootprint,
  type PoolParts,
  type SharedPool,
} from "../../pool/index.ts";
import { geometryOf } from "./geometry.ts";
import { checkLadderOptions, type ZbudLadderOptions } from "./ladder-options.ts";
import { ladderFixedBytesOf, RUNGS_MAX } from "./ladder-table.ts";
import { checkOptions } from "./options.ts";
import { headerBytesOf, ROW_BYTES } from "./page-table.ts";
import { ZbudLadder } from "./zbud-ladder.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud: two objects a page, a page freed for at most two evictions; with pages of one size or several. */
export const zbudDriver: PoolDriver = {
  type: "zbud",
  canReclaim: true,
  create(options: DriverOptions, parts?: PoolParts): Pool {
    return isLadder(options) ? new ZbudLadder(options, parts) : new ZbudPool(options, parts);
  },
  attach(shared: SharedPool, options?: { onEvict?: EvictHandler }): Pool {
    const isOfLadder = driverIn(shared) === DRIVER_LADDER;
    return isOfLadder ? ZbudLadder.attach(shared, options) : ZbudPool.attach(shared, options);
  },
  footprint(options: DriverOptions): PoolFootprint {
    if (isLadder(options)) {
      const { geometry } = checkLadderOptions(options);
      return { fixedBytes: ladderFixedBytesOf(geometry, RUNGS_MAX), pageBytes: ROW_BYTES };
    }
    const { pageSize, chunkOrder, maxPages } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometryOf(pageSize, chunkOrder, maxPages)), pageBytes: ROW_BYTES };
  },
};

function isLadder(options: DriverOptions | ZbudLadderOptions): options is ZbudLadderOptions {
  return (
    typeof options === "object" &&
    options !== null &&
    (options as Partial<ZbudLadderOptions>).pageSizes !== undefined
  );
}
