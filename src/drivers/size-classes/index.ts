export { sizeClassesDriver } from "./driver.ts";
export { type FitPageSizesOptions, fitPageSizes } from "./fit.ts";
export type { SizeClassPoolOptions } from "./options.ts";
export { SizeClassPool } from "./size-class-pool.ts";
