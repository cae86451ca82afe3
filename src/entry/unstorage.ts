/**
 * A CompressedCache as a driver of unstorage, and so of Nitro and Nuxt.
 *
 * @module
 */
export { unstorageDriver } from "../adapters/unstorage.ts";
