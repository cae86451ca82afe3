export { slotsDriver } from "./driver.ts";
export type { SlotsPoolOptions } from "./options.ts";
export { SlotsPool } from "./slots-pool.ts";
