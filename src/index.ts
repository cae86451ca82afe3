/**
 * Compressed memory for JavaScript: the zbud allocator, and pools behind one interface.
 *
 * @module
 */
export { type Handle, ZbudError, type ZbudErrorCode } from "./base/index.ts";
export * from "./drivers/index.ts";
export * from "./zpool/index.ts";
