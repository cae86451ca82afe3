/**
 * Compressed memory for JavaScript: a cache that is off the heap, the zbud allocator, and pools behind one interface.
 *
 * @module
 */
export { type Handle, ZbudError, type ZbudErrorCode } from "./base/index.ts";
export { CompressedCache, type CompressedCacheOptions } from "./cache/index.ts";
export * from "./drivers/index.ts";
export { PageStore, type PageStoreOptions } from "./store/index.ts";
export {
  type AllocRefusal,
  attachZpool,
  type CountedStats,
  type CreateZpoolOptions,
  completeStats,
  createZpool,
  type DriverPool,
  hasZpoolDriver,
  type MapMode,
  type ObjectPlace,
  type ObjectSpan,
  Observers,
  type PageSnapshot,
  type PoolFootprint,
  type PoolObserver,
  type PoolShape,
  type PoolSnapshot,
  type PoolStats,
  type ReclaimResult,
  registerZpoolDriver,
  type SharedZpool,
  type ShrinkBytesResult,
  type ShrinkResult,
  SIZE_STEPS,
  type SnapshotColumns,
  sizeStepOf,
  snapshotOf,
  unregisterZpoolDriver,
  Zpool,
  type ZpoolDriver,
  type ZpoolOptions,
  type ZpoolParts,
  zpoolTypes,
} from "./zpool/index.ts";
