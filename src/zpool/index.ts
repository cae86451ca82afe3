export { type SnapshotColumns, snapshotOf } from "./columns.ts";
export { Observers } from "./observer.ts";
export {
  countOpenPools,
  driverOf,
  hasZpoolDriver,
  registerZpoolDriver,
  unregisterZpoolDriver,
  zpoolTypes,
} from "./registry.ts";
export { type CountedStats, completeStats, SIZE_STEPS, sizeStepOf } from "./stats.ts";
export type {
  AllocRefusal,
  CompactResult,
  DriverPool,
  MapMode,
  ObjectPlace,
  ObjectSpan,
  PageSizeRange,
  PageSnapshot,
  PoolFootprint,
  PoolObserver,
  PoolShape,
  PoolSnapshot,
  PoolStats,
  ReclaimResult,
  ZpoolDriver,
  ZpoolOptions,
  ZpoolParts,
} from "./types.ts";
export {
  attachZpool,
  type CreateZpoolOptions,
  createZpool,
  type SharedZpool,
  type ShrinkBytesResult,
  type ShrinkResult,
  Zpool,
} from "./zpool.ts";
