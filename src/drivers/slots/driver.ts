import type { DriverOptions, PoolDriver, PoolFootprint, PoolParts } from "../../pool/index.ts";
import { attachSlots } from "./attach.ts";
import { checkOptions } from "./options.ts";
import { FIRST_ROW, ROW_BYTES } from "./page-table.ts";
import { SlotsPool } from "./slots-pool.ts";

/** slots: objects of whole slots, a page freed for all its objects. */
export const slotsDriver: PoolDriver<SlotsPool> = {
  type: "slots",
  canReclaim: true,
  takesMaxObjects: true,
  create: (options: DriverOptions, parts?: PoolParts) => new SlotsPool(options, parts),
  attach: attachSlots,
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry } = checkOptions(options);
    return { fixedBytes: 4 * FIRST_ROW + geometry.maxExtras * ROW_BYTES, pageBytes: ROW_BYTES };
  },
};
