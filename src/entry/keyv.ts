/**
 * A CompressedCache as a store of Keyv 5 and 6, and so of what builds on Keyv, such as cache-manager and
 * cacheable.
 *
 * @module
 */
export { keyv5Store, keyvStore } from "../adapters/keyv.ts";
