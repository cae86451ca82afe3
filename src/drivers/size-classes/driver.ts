import type { DriverOptions, PoolDriver, PoolFootprint, PoolParts } from "../../pool/index.ts";
import { ROW_BYTES } from "../zbud/page-table.ts";
import { attachSizeClass } from "./attach.ts";
import { checkOptions, type SizeClassPoolOptions } from "./options.ts";
import { SizeClassPool } from "./size-class-pool.ts";
import { CLASSES_MAX, headerBytesOf } from "./table.ts";

/**
 * In a shard of an engine: few objects before page sizes are fitted, since their pages are of a size that fits nobody;
 * and no page so small that its 32 bytes of metadata, which have their part of the limit, are more than it saves.
 */
const ENGINE_DEFAULTS: Readonly<Partial<SizeClassPoolOptions>> = { warmUp: 512, minPageSize: 512 };

/** Size classes: two objects a page as zbud has, in pages of several sizes. */
export const sizeClassesDriver: PoolDriver<SizeClassPool> = {
  type: "size-classes",
  canReclaim: true,
  engineDefaults: ENGINE_DEFAULTS,
  create(options: DriverOptions, parts?: PoolParts): SizeClassPool {
    return new SizeClassPool(options, parts);
  },
  attach: attachSizeClass,
  footprint(options: DriverOptions): PoolFootprint {
    const { geometry } = checkOptions(options);
    return {
      fixedBytes: headerBytesOf(geometry, CLASSES_MAX),
      pageBytes: ROW_BYTES,
      minPageSize: geometry.segmentBytes >> geometry.rowsShift,
    };
  },
};
