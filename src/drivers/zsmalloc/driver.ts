import type { Handle } from "../../base/index.ts";
import type { SharedPool } from "../../pool/index.ts";
import type { DriverPool, PoolFootprint, ZpoolDriver, ZpoolOptions, ZpoolParts } from "../../zpool/index.ts";
import { SIZE_MIN } from "./classes.ts";
import { fixedBytesOf, GROUP_BYTES, PAGE_BYTES, ROW_BYTES } from "./geometry.ts";
import { checkOptions, type ZsmallocPoolOptions } from "./options.ts";
import { ZsmallocPool } from "./zsmalloc-pool.ts";

/** Size classes behind the pool interface: tightest after a fill; objects may move. */
export const zsmallocDriver: ZpoolDriver = {
  type: "zsmalloc",
  canReclaim: true,
  boundsObjects: true,
  create(
    options: ZpoolOptions,
    onEvict: ((handle: Handle) => boolean) | null,
    parts?: ZpoolParts,
  ): DriverPool {
    // Checked here as well: a handler among the options is the caller's, and is not called.
    checkOptions(options);
    const own: ZsmallocPoolOptions = { ...options, onEvict: onEvict ?? undefined };
    return new ZsmallocPool(own, parts);
  },
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    return ZsmallocPool.attach(shared as SharedPool, { onEvict: onEvict ?? undefined });
  },
  /** With `maxObjects` the rows of objects are in the fixed part; without, each page may be full of the smallest. */
  footprint(options: ZpoolOptions): PoolFootprint {
    const { geometry, isBounded } = checkOptions(options);
    const rowBytes = isBounded ? geometry.maxObjects * ROW_BYTES : 0;
    const rowBytesPerPage = isBounded ? 0 : Math.ceil(geometry.pageSize / SIZE_MIN) * ROW_BYTES;
    return {
      fixedBytes: fixedBytesOf(geometry) + rowBytes,
      pageBytes: GROUP_BYTES + PAGE_BYTES + rowBytesPerPage,
    };
  },
};
