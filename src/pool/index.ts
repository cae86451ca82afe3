export type { Allocator, FreeWalk, ObjectVisitor, Place, PoolInside, Walks } from "./allocator.ts";
export { openPool, type SharedPool } from "./attach.ts";
export { ColumnsBuilder, PageListColumns } from "./columns.ts";
export type { DriverOptions, PoolDriver, PoolParts } from "./driver.ts";
export { GivenBack, verifyGivenBack } from "./given-back.ts";
export { beginTable, type HandleLayout, handleLayoutOf, SLOTS_MAX, TAG_BITS } from "./handle.ts";
export { giveBackWhenIdle, type IdleMemory, stopGivingBack } from "./idle-give-back.ts";
export { corrupt, followLinks } from "./links.ts";
export { makePool, POOL_LAYOUT } from "./named.ts";
export { Observers } from "./observers.ts";
export {
  type CommonOptions,
  checkCommonOptions,
  checkEvictHandler,
  lockingOf,
  maxPagesOf,
  type PoolOptions,
} from "./options.ts";
export * from "./page-lists.ts";
export { type EvictHandler, Pool } from "./pool.ts";
export { askedOnce, rebuiltLru } from "./rebuild-lru.ts";
export {
  checkDriver,
  checkMade,
  countOpenPools,
  driverNamed,
  driverOf,
  driverTypes,
  hasDriver,
  registerDriver,
  unregisterDriver,
} from "./registry.ts";
export { type SnapshotColumns, snapshotOf } from "./snapshot.ts";
export { poolStats, SIZE_STEPS, SizeCount, sizeStepOf } from "./stats.ts";
export * from "./table-header.ts";
export type {
  AllocRefusal,
  CompactResult,
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
  ShrinkResult,
} from "./types.ts";
export {
  check,
  checkBit,
  checkHeader,
  checkMark,
  checkReclaims,
  NO_OBJECT,
  verifyPages,
  walk,
} from "./verify.ts";
