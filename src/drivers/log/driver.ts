import { powerOfTwoAtLeast } from "../../base/index.ts";
import type { DriverOptions, PoolDriver, PoolFootprint, PoolParts } from "../../pool/index.ts";
import { attachLog } from "./attach.ts";
import { LogPool } from "./log-pool.ts";
import { checkOptions } from "./options.ts";
import { DEAD_MIN, DEAD_SHIFT, FIRST_PAGE, PAGE_ROW_BYTES, ROW_BYTES } from "./table.ts";

/** Of 100 bytes that an engine evicts at its limit, 95 are moved at most before they are used again. */
const ENGINE_SLACK = 5;
/** A shard has about so many pages: one of them is being filled, and one there to copy to. */
const PAGES_WANTED = 128;
const PAGE_SIZE_ENGINE_MIN = 4096;
/** What is being filled and what is there to copy to take two of them, whatever the engine holds. */
const PAGE_SIZE_ENGINE_MAX = 16_384;

/** log: objects one behind the other; what lives in pages with gaps is copied together. */
export const logDriver: PoolDriver<LogPool> = {
  type: "log",
  canReclaim: true,
  boundsObjects: true,
  engineDefaults: { slack: ENGINE_SLACK },
  enginePageSize: (bytes) =>
    Math.min(
      PAGE_SIZE_ENGINE_MAX,
      Math.max(PAGE_SIZE_ENGINE_MIN, powerOfTwoAtLeast(bytes / (2 * PAGES_WANTED))),
    ),
  create: (options: DriverOptions, parts?: PoolParts) => new LogPool(options, parts),
  attach: attachLog,
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry } = checkOptions(options);
    return {
      fixedBytes: 4 * FIRST_PAGE + geometry.pageSize + DEAD_MIN * ROW_BYTES,
      pageBytes: PAGE_ROW_BYTES,
      objectBytes: ROW_BYTES * (1 + 2 ** -DEAD_SHIFT),
      unitBytes: 2 ** geometry.granuleShift,
    };
  },
};
