/**
 * Compressed memory for JavaScript: a cache off the heap, and the pools that compressed memory is kept in. Here the
 * built-in drivers are known by name.
 *
 * @module
 */
import { CompressedCache as Cache } from "../cache/index.ts";
import { withBuiltIns } from "../drivers/index.ts";
import {
  registerDriver as register,
  driverTypes as types,
  unregisterDriver as unregister,
} from "../pool/index.ts";

export { type Handle, ZbudError, type ZbudErrorCode } from "../base/index.ts";
export type { CompressedCacheOptions, SharedCompressedCache } from "../cache/index.ts";
export { snapshot, snapshotColumns, verify } from "../diagnostics/index.ts";
export {
  attachPool,
  createPool,
  fitPageSize,
  fitPageSizes,
  LogPool,
  type LogPoolOptions,
  logDriver,
  SizeClassPool,
  type SizeClassPoolOptions,
  SlotsPool,
  type SlotsPoolOptions,
  sizeClassesDriver,
  slotsDriver,
  ZbudPool,
  type ZbudPoolOptions,
  ZsmallocPool,
  type ZsmallocPoolOptions,
  zbudDriver,
  zsmallocDriver,
} from "../drivers/index.ts";
export { removeShared } from "../memory/index.ts";
export {
  type EvictHandler,
  Pool,
  type PoolDriver,
  type PoolOptions,
  type PoolSnapshot,
  type PoolStats,
  type SharedPool,
} from "../pool/index.ts";

// A bundler may leave out what a program does not use of here. So what finds drivers by name brings them along,
// instead of a registration that nothing refers to.

/** The class of `zbud/cache`, with all built-in drivers known by name. */
export const CompressedCache: typeof Cache = /* @__PURE__ */ withBuiltIns(Cache);
/** A cache that is off the heap, compressed, and shared by all worker threads. */
export type CompressedCache<V = unknown> = Cache<V>;

/** The types that are registered, in the order of their registration. */
export const driverTypes: typeof types = /* @__PURE__ */ withBuiltIns(types);

/**
 * Adds an allocator under `driver.type`.
 *
 * @throws {ZbudError} `EEXIST` if the type is taken; `EINVAL` if `driver` is not a driver.
 */
export const registerDriver: typeof register = /* @__PURE__ */ withBuiltIns(register);

/**
 * Takes an allocator out again.
 *
 * @throws {ZbudError} `ENOENT` if there is none of this type; `EBUSY` while a pool of it is open.
 */
export const unregisterDriver: typeof unregister = /* @__PURE__ */ withBuiltIns(unregister);
