export { STORE_CHANNEL, type StoreEvent } from "./events.ts";
export { STORE_LAYOUT } from "./open-store.ts";
export type { PageStoreOptions, PageStoreThreadOptions } from "./options.ts";
export { PageStore } from "./page-store.ts";
export type { LoadResult, PageStoreStats, SharedPageStore, StoreResult, WaitOptions } from "./types.ts";
