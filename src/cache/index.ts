/**
 * A bounded cache that is off the heap, compressed, and shared by all worker threads.
 *
 * @module
 */
export type { Cache } from "./api.ts";
export { CompressedCache } from "./cache.ts";
export type {
  CacheEntryInfo,
  CacheKey,
  CacheMetric,
  CacheStats,
  CacheThreadOptions,
  CompressedCacheOptions,
  DictionaryStats,
  GetOptions,
  GetOrSetOptions,
  LoadContext,
  RemovalReason,
  Serializer,
  SerializerOption,
  SetOptions,
  SetResult,
  SharedCompressedCache,
} from "./types.ts";
