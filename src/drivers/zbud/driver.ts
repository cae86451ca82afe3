import type {
  DriverOptions,
  EvictHandler,
  Pool,
  PoolDriver,
  PoolFootprint,
  PoolParts,
  SharedPool,
} from "../../pool/index.ts";
import { geometryOf } from "./geometry.ts";
import { checkOptions } from "./options.ts";
import { headerBytesOf, ROW_BYTES } from "./page-table.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud: two objects a page, a page freed for at most two evictions. */
export const zbudDriver: PoolDriver = {
  type: "zbud",
  canReclaim: true,
  create(options: DriverOptions, parts?: PoolParts): Pool {
    return new ZbudPool(options, parts);
  },
  attach(shared: SharedPool, options?: { onEvict?: EvictHandler }): Pool {
    return ZbudPool.attach(shared, options);
  },
  footprint(options: DriverOptions): PoolFootprint {
    const { pageSize, chunkOrder, maxPages } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometryOf(pageSize, chunkOrder, maxPages)), pageBytes: ROW_BYTES };
  },
};
