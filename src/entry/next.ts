/**
 * A CompressedCache as a handler of Next.js's `cacheHandlers`, which keep what `"use cache"` gives.
 *
 * @module
 */
export { nextCacheHandler } from "../adapters/next.ts";
