import {
  canShare,
  integerOption,
  isSharedBuffer,
  notShared,
  show,
  sizeOption,
  ZbudError,
} from "../base/index.ts";
import { type Codec, getCodec } from "../codecs/index.ts";
import type { EngineOptions } from "../engine/index.ts";
import type {
  CacheThreadOptions,
  CompressedCacheOptions,
  SetOptions,
  SharedCompressedCache,
} from "./types.ts";

/** The least that a cache works with. */
const BYTES_MIN = 2 ** 20;
/** 16 TiB: more than an engine takes on any machine, so that the system's refusal is what a user sees. */
const BYTES_MAX = 2 ** 44;
/** What an entry takes on average, if nobody says. */
const AVERAGE_BYTES = 384;
/** Holds the most under eviction, of records of any length; docs/which-cache.md has the figures. */
const DRIVER = "slots";
/** Slots of 32 bytes: with those of 64, what rounding costs an entry of 0.5 KB is a quarter of what it takes. */
const PAGE_SIZE = 2048;
/** A pool of that driver has no more pages, and no larger ones. */
const PAGES_MAX = 2 ** 20;
const PAGE_SIZE_MAX = 2 ** 20;
/** The longest value. */
export const VALUE_BYTES_MAX: number = 2 ** 20;
/** A window of staleness is kept in 31 bits. */
const STALE_MS_MAX: number = 2 ** 31 - 1;
/** The slot, in an engine, of the codec with the cache's dictionary. Other slots are the ids of their codecs. */
export const DICTIONARY_SLOT = 127;

/** What all threads of a cache agree about. */
export interface CacheSettings {
  readonly ttl: number;
  readonly staleWhileRevalidate: number;
  readonly allowStale: boolean;
  readonly tags: boolean;
  /** Whether each thread has a second tier. */
  readonly tier: boolean;
  /** Name of the codec, or null for one of the user's own. */
  readonly codec: string | null;
  readonly maxBytes: number;
}

/** What `share()` gives, in full. */
export interface SharedParts extends SharedCompressedCache {
  readonly engine: unknown;
  readonly control: SharedArrayBuffer;
  readonly shape: unknown;
  readonly settings: CacheSettings;
}

/**
 * Reads the options that all threads share.
 *
 * @throws {ZbudError} `EINVAL` naming the option and its value; `ENOENT` for an unknown codec.
 */
export function readSettings<V>(options: CompressedCacheOptions<V>): CacheSettings {
  if (typeof options !== "object" || options === null) {
    throw new ZbudError("EINVAL", `a cache needs options with maxBytes, not ${show(options)}`);
  }
  const { codec = "lz4" } = options;
  if (typeof codec === "string") getCodec(codec);
  return {
    maxBytes: sizeOption("maxBytes", options.maxBytes, BYTES_MIN, BYTES_MAX),
    ttl: milliseconds("ttl", options.ttl ?? 0),
    staleWhileRevalidate: staleMs(options.staleWhileRevalidate ?? 0),
    allowStale: flag("allowStale", options.allowStale ?? false),
    tags: flag("tags", options.tags ?? false),
    tier: options.tier !== undefined,
    codec: typeof codec === "string" ? codec : null,
  };
}

/** The part of the options that the engine takes as it is; what is absent stays absent. */
export function engineOptions<V>(
  options: CompressedCacheOptions<V>,
  maxBytes: number,
): Partial<EngineOptions> {
  const {
    max,
    averageBytes = AVERAGE_BYTES,
    driver = DRIVER,
    policy = "lru",
    shards = 1,
    pageSize = driver === DRIVER ? pageSizeFor(maxBytes / shards) : undefined,
    shared = canShare(),
  } = options;
  flag("shared", shared);
  const chosen: Partial<EngineOptions> = {
    averageBytes: integerOption("averageBytes", averageBytes, 1, 2 ** 30),
    valueBytesMax: VALUE_BYTES_MAX,
    driver,
    policy,
    expiry: true,
    shards,
    shared,
  };
  if (max !== undefined) chosen.entriesMax = integerOption("max", max, 1, 2 ** 31 - 1);
  if (pageSize !== undefined) chosen.poolPageSize = integerOption("pageSize", pageSize, 64, PAGE_SIZE_MAX);
  return chosen;
}

/** The preset, or as much larger as a shard of so many bytes must have it. */
function pageSizeFor(bytes: number): number {
  let pageSize = PAGE_SIZE;
  while (bytes > pageSize * PAGES_MAX && pageSize < PAGE_SIZE_MAX) pageSize *= 2;
  return pageSize;
}

/**
 * The codec of a thread.
 *
 * @throws {ZbudError} `EINVAL` if it must be given here.
 */
export function codecOf<V>(settings: CacheSettings, options: Pick<CacheThreadOptions<V>, "codec">): Codec {
  const { codec } = options;
  if (settings.codec !== null) return getCodec(settings.codec);
  if (typeof codec === "function") return codec();
  throw new ZbudError(
    "EINVAL",
    "this cache was made with a codec of its own: give attach() the same function",
  );
}

/**
 * The bytes of a dictionary that was given.
 *
 * @throws {ZbudError} `EINVAL` for what is none, or is too long, or if the codec takes none.
 */
export function givenDictionary(dictionary: unknown, settings: CacheSettings): Uint8Array | null {
  if (dictionary === "auto" || dictionary === "none") return null;
  if (!(dictionary instanceof Uint8Array) || dictionary.length === 0) {
    throw new ZbudError("EINVAL", `dictionary must be "auto", "none" or bytes, not ${show(dictionary)}`);
  }
  if (settings.codec !== "lz4" && settings.codec !== "zstd") {
    throw new ZbudError("EINVAL", `codec ${show(settings.codec)} takes no dictionary; use "lz4" or "zstd"`);
  }
  if (dictionary.length > settings.maxBytes / 8) {
    throw new ZbudError(
      "EINVAL",
      `a dictionary of ${dictionary.length} bytes is too long for a cache of ${settings.maxBytes}`,
    );
  }
  return dictionary;
}

/** What `share()` gave, checked. */
export function sharedParts(shared: SharedCompressedCache): SharedParts {
  const parts = shared as Partial<SharedParts> | null | undefined;
  if (parts?.kind !== "zbud-cache" || !isSharedBuffer(parts.control)) {
    throw notShared("a cache", shared);
  }
  return parts as SharedParts;
}

/** Times of a `set`, in milliseconds; 0 is never. */
export function milliseconds(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value;
  if (value === Number.POSITIVE_INFINITY) return 0;
  throw new ZbudError("EINVAL", `${name} must be a number of milliseconds, 0 or more, not ${show(value)}`);
}

export function staleMs(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= STALE_MS_MAX) return Math.ceil(value);
  throw new ZbudError(
    "EINVAL",
    `staleWhileRevalidate must be a number of milliseconds from 0 to ${STALE_MS_MAX}, not ${show(value)}`,
  );
}

/** Makes sure that options of a `set` are an object at all: `set(key, value, 1000)` means nothing. */
export function checkSetOptions(options: SetOptions | undefined): void {
  if (options !== undefined && (typeof options !== "object" || options === null)) {
    throw new ZbudError("EINVAL", `options of set are an object such as { ttl: 1000 }, not ${show(options)}`);
  }
}

function flag(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new ZbudError("EINVAL", `${name} must be true or false, not ${show(value)}`);
}
