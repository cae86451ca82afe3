import type {
  DriverOptions,
  EvictHandler,
  Pool,
  PoolDriver,
  PoolFootprint,
  PoolParts,
  SharedPool,
} from "../../pool/index.ts";
import { ROW_BYTES } from "../zbud/page-table.ts";
import { checkOptions } from "./options.ts";
import { SizeClassPool } from "./size-class-pool.ts";
import { CLASSES_MAX, headerBytesOf } from "./table.ts";

/** Size classes: two objects a page as zbud has, in pages of several sizes. */
export const sizeClassesDriver: PoolDriver = {
  type: "size-classes",
  canReclaim: true,
  create(options: DriverOptions, parts?: PoolParts): Pool {
    return new SizeClassPool(options, parts);
  },
  attach(shared: SharedPool, options?: { onEvict?: EvictHandler }): Pool {
    return SizeClassPool.attach(shared, options);
  },
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry } = checkOptions(options);
    return { fixedBytes: headerBytesOf(geometry, CLASSES_MAX), pageBytes: ROW_BYTES };
  },
};
