export { BUILT_IN_WALKS } from "./built-in-walks.ts";
export { attachPool, type CreatePoolOptions, createPool, registerBuiltIns, withBuiltIns } from "./create.ts";
export * from "./log/index.ts";
export * from "./size-classes/index.ts";
export * from "./slots/index.ts";
export * from "./zbud/index.ts";
export * from "./zsmalloc/index.ts";
