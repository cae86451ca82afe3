export { logDriver } from "./driver.ts";
export { LogPool } from "./log-pool.ts";
export type { LogPoolOptions } from "./options.ts";
