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
