import type {
  DriverOptions,
  EvictHandler,
  PoolDriver,
  PoolFootprint,
  PoolParts,
  SharedPool,
} from "../../pool/index.ts";
import { checkLadderOptions, type ZbudLadderOptions } from "./ladder-options.ts";
import { LADDER_PAGE_BYTES, ladderFixedBytesOf, RUNGS_MAX } from "./ladder-table.ts";
import { ZbudLadder } from "./zbud-ladder.ts";

/** The smallest page where nobody says: below it, 32 bytes of metadata a page are more than what it saves. */
const MIN_PAGE_SIZE = 512;
/** Objects before page sizes are fitted, where nobody says: few, since their pages are of a size that fits nobody. */
const WARM_UP = 512;

/** Size classes: pages of one to four sizes, each for a range of object sizes; by default fitted to what comes. */
export const ladderDriver: PoolDriver = {
  type: "size-classes",
  canReclaim: true,
  create: (options: DriverOptions, parts?: PoolParts) => new ZbudLadder(fitted(options), parts),
  attach: (shared: SharedPool, options?: { onEvict?: EvictHandler }) => ZbudLadder.attach(shared, options),
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry } = checkLadderOptions(fitted(options));
    return {
      fixedBytes: ladderFixedBytesOf(geometry, RUNGS_MAX),
      pageBytes: LADDER_PAGE_BYTES,
      minPageSize: geometry.segmentBytes >> geometry.rowsShift,
    };
  },
};

/** Page sizes, and nothing that goes with them, have defaults: the first objects decide. */
function fitted(options: DriverOptions | ZbudLadderOptions): ZbudLadderOptions {
  const given = options as Partial<ZbudLadderOptions> & { maxBytes: number };
  const { pageSizes, sample, warmUp = sample === undefined ? WARM_UP : undefined } = given;
  if (pageSizes !== undefined) return { ...given, pageSizes };
  return {
    minPageSize: MIN_PAGE_SIZE,
    ...given,
    ...(warmUp === undefined ? {} : { warmUp }),
    pageSizes: "fit",
  };
}
