/**
 * A CompressedCache as the store of undici's cache interceptor.
 *
 * @module
 */
export { undiciStore } from "../adapters/undici.ts";
