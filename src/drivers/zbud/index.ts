export { zbudDriver } from "./driver.ts";
export { type FitOptions, type FitResult, type FittedPageSize, fitPageSize } from "./fit.ts";
export type { ZbudPoolOptions } from "./options.ts";
export type { BuddySnapshot, PageSnapshot, PoolSnapshot } from "./snapshot.ts";
export { type ZbudObjectPlace, ZbudPool } from "./zbud-pool.ts";
