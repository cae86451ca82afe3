/**
 * Size classes: an allocator whose pages have several sizes, each for objects of a range of sizes.
 *
 * @module
 */
export {
  fitPageSizes,
  SizeClassPool,
  type SizeClassPoolOptions,
  sizeClassesDriver,
} from "../../drivers/size-classes/index.ts";
