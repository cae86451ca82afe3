/**
 * zsmalloc: objects of like size in groups of pages, compacted by moving them.
 *
 * @module
 */
export { ZsmallocPool, type ZsmallocPoolOptions, zsmallocDriver } from "../../drivers/zsmalloc/index.ts";
