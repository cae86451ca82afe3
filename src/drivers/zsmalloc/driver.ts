import type { DriverOptions, PoolDriver, PoolFootprint, PoolParts } from "../../pool/index.ts";
import { attachZsmalloc } from "./attach.ts";
import { SIZE_MIN } from "./classes.ts";
import { fixedBytesOf, GROUP_BYTES, PAGE_BYTES, ROW_BYTES } from "./geometry.ts";
import { checkOptions } from "./options.ts";
import { ZsmallocPool } from "./zsmalloc-pool.ts";

/** Size classes: tightest after a fill; objects may move. */
export const zsmallocDriver: PoolDriver<ZsmallocPool> = {
  type: "zsmalloc",
  canReclaim: true,
  boundsObjects: true,
  create: (options: DriverOptions, parts?: PoolParts) => new ZsmallocPool(options, parts),
  attach: attachZsmalloc,
  /** With `maxObjects` the rows of objects are in the fixed part; without, each page may be full of the smallest. */
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry, isBounded } = checkOptions(options);
    const rowBytes = isBounded ? geometry.maxObjects * ROW_BYTES : 0;
    const rowBytesPerPage = isBounded ? 0 : Math.ceil(geometry.pageSize / SIZE_MIN) * ROW_BYTES;
    return {
      fixedBytes: fixedBytesOf(geometry) + rowBytes,
      pageBytes: GROUP_BYTES + PAGE_BYTES + rowBytesPerPage,
    };
  },
};
