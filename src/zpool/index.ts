export { checkObserver } from "./observer.ts";
export { hasZpoolDriver, registerZpoolDriver, unregisterZpoolDriver, zpoolTypes } from "./registry.ts";
export { type CountedStats, completeStats, SIZE_STEPS, sizeStepOf } from "./stats.ts";
export type {
  AllocRefusal,
  DriverPool,
  MapMode,
  ObjectPlace,
  PoolObserver,
  PoolShape,
  PoolStats,
  ReclaimResult,
  ZpoolDriver,
  ZpoolOptions,
} from "./types.ts";
export {
  attachZpool,
  type CreateZpoolOptions,
  createZpool,
  type SharedZpool,
  type ShrinkResult,
  Zpool,
} from "./zpool.ts";
