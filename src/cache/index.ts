export type { Cache } from "./api.ts";
export { CompressedCache } from "./cache.ts";
export { CoherentTier } from "./coherent-tier.ts";
export { CACHE_LAYOUT } from "./options.ts";
export type { ByteSource } from "./streams.ts";
export type {
  CacheKey,
  CacheMetric,
  CacheStats,
  CacheThreadOptions,
  CompressedCacheOptions,
  DictionaryStats,
  GetOptions,
  GetOrSetOptions,
  ImprovementStats,
  LoadContext,
  RemovalReason,
  Serializer,
  SetOptions,
  SetResult,
  SetStreamOptions,
  SharedCompressedCache,
} from "./types.ts";
