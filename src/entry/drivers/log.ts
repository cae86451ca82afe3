/**
 * log: objects one behind the other, copied together where pages have gaps.
 *
 * @module
 */
export { LogPool, type LogPoolOptions, logDriver } from "../../drivers/log/index.ts";
