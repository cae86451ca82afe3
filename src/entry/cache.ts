/**
 * A bounded cache that is off the heap, compressed, and shared by all worker threads.
 *
 * @module
 */
export {
  type ByteSource,
  type Cache,
  type CacheKey,
  type CacheMetric,
  type CacheStats,
  type CacheThreadOptions,
  CompressedCache,
  type CompressedCacheOptions,
  type GetOptions,
  type GetOrSetOptions,
  type LoadContext,
  type RemovalReason,
  type Serializer,
  type SetOptions,
  type SetResult,
  type SetStreamOptions,
  type SharedCompressedCache,
} from "../cache/index.ts";
