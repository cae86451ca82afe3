import type { Handle } from "../../base/index.ts";
import type { SharedPool } from "../../pool/index.ts";
import type { DriverPool, PoolFootprint, ZpoolDriver, ZpoolOptions, ZpoolParts } from "../../zpool/index.ts";
import { checkOptions } from "./options.ts";
import { FIRST_ROW, ROW_BYTES } from "./page-table.ts";
import { SlotsPool } from "./slots-pool.ts";

/** slots behind the pool interface: objects of whole slots, a page freed for all its objects. */
export const slotsDriver: ZpoolDriver = {
  type: "slots",
  canReclaim: true,
  takesMaxObjects: true,
  create(
    options: ZpoolOptions,
    onEvict: ((handle: Handle) => boolean) | null,
    parts?: ZpoolParts,
  ): DriverPool {
    // As they are given: a copy has no inherited ones, which would go unseen.
    checkOptions(options);
    return new SlotsPool({ ...options, onEvict: onEvict ?? undefined }, parts);
  },
  attach(shared: unknown, onEvict: ((handle: Handle) => boolean) | null): DriverPool {
    return SlotsPool.attach(shared as SharedPool, { onEvict: onEvict ?? undefined });
  },
  footprint(options: ZpoolOptions): PoolFootprint {
    const { geometry } = checkOptions(options);
    return { fixedBytes: 4 * FIRST_ROW + geometry.extrasMax * ROW_BYTES, pageBytes: ROW_BYTES };
  },
};
