/**
 * Compressed memory for JavaScript: a cache that is off the heap, the zbud allocator, and pools behind one interface.
 *
 * @module
 */
export { type Handle, ZbudError, type ZbudErrorCode } from "./base/index.ts";
export { CompressedCache, type CompressedCacheOptions, type SharedCompressedCache } from "./cache/index.ts";
export * from "./drivers/index.ts";
export {
  type AllocRefusal,
  type CompactResult,
  driverNamed,
  driverTypes,
  type EvictHandler,
  hasDriver,
  type MapMode,
  type ObjectPlace,
  type PageSizeRange,
  type PageSnapshot,
  Pool,
  type PoolDriver,
  type PoolFootprint,
  type PoolObserver,
  type PoolOptions,
  type PoolParts,
  type PoolShape,
  type PoolSnapshot,
  type PoolStats,
  type ReclaimResult,
  registerDriver,
  type SharedPool,
  type ShrinkBytesResult,
  type ShrinkResult,
  type SnapshotColumns,
  unregisterDriver,
} from "./pool/index.ts";
