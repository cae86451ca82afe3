/**
 * Pages by number, kept compressed within a limit of memory.
 *
 * @module
 */
export {
  type LoadResult,
  PageStore,
  type PageStoreOptions,
  type PageStoreStats,
  type PageStoreThreadOptions,
  type SharedPageStore,
  type StoreEvent,
  type StoreResult,
} from "../store/index.ts";
