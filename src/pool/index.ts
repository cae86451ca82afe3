export type { Allocator, ObjectVisitor, Place } from "./allocator.ts";
export { badBuffers, driverIn, openSharedTable, type SharedPool } from "./attach.ts";
export { ColumnsBuilder, PageListColumns } from "./columns.ts";
export { type HandleLayout, handleLayoutOf, nextPoolNumber, SLOTS_MAX, TAG_BITS } from "./handle.ts";
export { corrupt, followLinks } from "./links.ts";
export { LockedAllocator } from "./locked-allocator.ts";
export { ObjectPool, type ObjectPoolParts } from "./object-pool.ts";
export {
  type CommonOptions,
  checkCommonOptions,
  checkEvictHandler,
  type EvictHandler,
  lockingOf,
  maxPagesOf,
} from "./options.ts";
export * from "./page-lists.ts";
export { askedOnce, salvageLru } from "./salvage.ts";
export * from "./table-header.ts";
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
