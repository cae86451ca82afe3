/**
 * zbud: at most two objects in a page, so that a page is free again after at most two evictions.
 *
 * @module
 */
export {
  fitPageSize,
  ZbudPool,
  type ZbudPoolOptions,
  zbudDriver,
} from "../../drivers/zbud/index.ts";
