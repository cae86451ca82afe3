export { sizeClassesDriver } from "./driver.ts";
export {
  type FitPageSizesOptions,
  type FittedSizeClass,
  type FittedSizeClasses,
  fitPageSizes,
  type SizeHistogram,
} from "./fit.ts";
export type { SizeClassPoolOptions } from "./options.ts";
export { SizeClassPool } from "./size-class-pool.ts";
