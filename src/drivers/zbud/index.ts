export type { SharedPool as SharedZbudPool } from "../../pool/index.ts";
export { zbudDriver } from "./driver.ts";
export { type FitOptions, fitPageSize } from "./fit.ts";
export type { ZbudPoolOptions } from "./options.ts";
export type { ZbudSnapshot } from "./snapshot.ts";
export { ZbudPool } from "./zbud-pool.ts";
