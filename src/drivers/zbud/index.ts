export type { SharedPool as SharedZbudPool } from "../../pool/index.ts";
export { zbudDriver } from "./driver.ts";
export { type FitOptions, type FitResult, type FittedPageSize, fitPageSize } from "./fit.ts";
export type { ZbudPoolOptions } from "./options.ts";
export type { ZbudObjectPlace } from "./places.ts";
export type { BuddySnapshot, ZbudPageSnapshot, ZbudSnapshot } from "./snapshot.ts";
export { ZbudPool } from "./zbud-pool.ts";
