import type { DriverOptions, PoolDriver, PoolFootprint, PoolParts } from "../../pool/index.ts";
import { attachZbud } from "./attach.ts";
import { geometryOf } from "./geometry.ts";
import { checkOptions } from "./options.ts";
import { headerBytesOf, ROW_BYTES } from "./page-table.ts";
import { ZbudPool } from "./zbud-pool.ts";

/** zbud: two objects a page, a page freed for at most two evictions. */
export const zbudDriver: PoolDriver<ZbudPool> = {
  type: "zbud",
  canReclaim: true,
  create(options: DriverOptions, parts?: PoolParts): ZbudPool {
    return new ZbudPool(options, parts);
  },
  attach: attachZbud,
  footprint(options: DriverOptions): PoolFootprint {
    const { pageSize, chunkOrder, maxPages } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometryOf(pageSize, chunkOrder, maxPages)), pageBytes: ROW_BYTES };
  },
};
