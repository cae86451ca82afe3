/**
 * The counters of a cache or a page store as metrics of prom-client.
 *
 * @module
 */
export { collectMetrics } from "../adapters/prom-client.ts";
