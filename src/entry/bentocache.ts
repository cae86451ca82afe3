/**
 * A CompressedCache as the memory (L1) of bentocache.
 *
 * @module
 */
export { bentoDriver } from "../adapters/bentocache.ts";
