import {
  canShare,
  choiceOption,
  crc32,
  flagOption,
  integerOption,
  isSharedBuffer,
  notShared,
  sharedOption,
  show,
  sizeOption,
  sizeRangeOption,
  ZbudError,
} from "../base/index.ts";
import { type Codec, checkCodec, getCodec } from "../codecs/index.ts";
import { logDriver } from "../drivers/log/index.ts";
import { zbudDriver } from "../drivers/zbud/index.ts";
import { ENGINE_LAYOUT, type EngineOptions, shapeOf } from "../engine/index.ts";
import { type Agreement, received } from "../memory/index.ts";
import { driverOf } from "../pool/index.ts";
import { checkCacheNames, THREAD_NAMES } from "./known-options.ts";
import { DICTIONARIES_MAX, isSharedStateShape } from "./shared-state.ts";
import type { CacheThreadOptions, CompressedCacheOptions, SharedCompressedCache } from "./types.ts";

/** The least that a cache works with. */
const BYTES_MIN = 2 ** 20;
/** 16 TiB: more than an engine takes on any machine, so that the system's refusal is what a user sees. */
const BYTES_MAX = 2 ** 40;
/** What an entry takes on average, if nobody says. */
const AVERAGE_BYTES = 384;
const PAGE_SIZE_MIN = 64;
const PAGE_SIZE_MAX = 2 ** 20;
const LOCK_TIMEOUT_MS = 10_000;
/** What is written ahead a second: a disk or a network that does other work as well has this to spare. */
const WRITE_BYTES_PER_SECOND = 2 ** 25;
/** A window of staleness is kept in 31 bits. */
const STALE_MS_MAX: number = 2 ** 31 - 1;
/**
 * The number, in an engine, of the codec with a cache's first dictionary. Each slot has two: that one, and zstd for what
 * is cold, so numbers go down by two. Other codecs have their own ids.
 */
export const DICTIONARY_CODEC = 127;
/** zstd's own. */
export const ZSTD = 3;

/** The number of the codec that new values get with the dictionary of a slot. */
export function warmCodec(slot: number): number {
  return DICTIONARY_CODEC - 2 * slot;
}

/** That of zstd with it, for what is cold. Without a dictionary it is zstd's own. */
export function coldCodec(slot: number): number {
  return warmCodec(slot) - 1;
}

/** Whether a value of this codec cannot be read without one of the cache's dictionaries, that of {@link slotOf}. */
export function needsDictionary(codec: number): boolean {
  return codec <= DICTIONARY_CODEC && codec > DICTIONARY_CODEC - 2 * DICTIONARIES_MAX;
}

/** Which dictionary it {@link needsDictionary}. */
export function slotOf(codec: number): number {
  return (DICTIONARY_CODEC - codec) >> 1;
}

/** Of a codec that {@link needsDictionary}. */
export function isColdCodec(codec: number): boolean {
  return codec % 2 === 0;
}

/** Says what `share()` gave it. */
export const CACHE_KIND = "zbud-cache";
/** Version of all that lies in a cache's memory. */
export const CACHE_LAYOUT: string = `cache 4 ${ENGINE_LAYOUT}`;

type Evict = NonNullable<CompressedCacheOptions<unknown>["evict"]>;

/** What all threads of a cache agree about. */
export interface CacheSettings {
  readonly ttl: number;
  readonly staleWhileRevalidate: number;
  readonly allowStale: boolean;
  readonly updateAgeOnGet: boolean;
  readonly tags: boolean;
  readonly evict: Evict;
  /** Whether each thread has a backing store. */
  readonly backing: boolean;
  /** What tells it from others, if it says. */
  readonly backingId: string | null;
  /** Of what is written ahead; 0: nothing is. */
  readonly maxWriteBytesPerSecond: number;
  /** Milliseconds; 0: never. */
  readonly flushEvery: number;
  /** Name of the codec, or null for one of the user's own. */
  readonly codec: string | null;
  readonly maxBytes: number;
  /** The lowest limit of a cache that follows the machine; else the same as `maxBytes`. */
  readonly minBytes: number;
}

/** What `share()` gives, in full. */
export interface SharedParts extends SharedCompressedCache {
  readonly engine: unknown;
  readonly sharedState: SharedArrayBuffer;
  readonly shape: unknown;
  /** Of the codec that new values get. */
  readonly codecId: number;
  readonly settings: CacheSettings;
}

/**
 * Reads the options that all threads share.
 *
 * @throws {ZbudError} `EINVAL` naming the option and its value; `ENOENT` for an unknown codec.
 */
export function readSettings<V>(options: CompressedCacheOptions<V>): CacheSettings {
  checkCacheNames(options);
  // A null is not the default: it is refused below, as any other value of a wrong kind.
  const { codec = "lz4", ttl = 0, staleWhileRevalidate = 0, tags = false } = options;
  const { allowStale = false, updateAgeOnGet = false, evict = "lru" } = options;
  if (typeof codec === "string") getCodec(codec);
  else if (typeof codec !== "function") {
    throw new ZbudError(
      "EINVAL",
      `codec must be a name such as "lz4", or a function that makes a codec, not ${show(codec)}`,
    );
  }
  const { min: minBytes, max: maxBytes } = rangeOption(options.maxBytes);
  return {
    maxBytes,
    minBytes,
    ttl: milliseconds("ttl", ttl),
    staleWhileRevalidate: staleMs(staleWhileRevalidate),
    allowStale: flagOption("allowStale", allowStale),
    updateAgeOnGet: flagOption("updateAgeOnGet", updateAgeOnGet),
    tags: flagOption("tags", tags),
    evict: choiceOption("evict", evict, ["lru", "sieve", "page"]),
    backing: options.backing !== undefined,
    backingId: options.backing?.id ?? null,
    ...tierSettings(options),
    codec: typeof codec === "string" ? codec : null,
  };
}

/** The options about the second tier, which mean nothing without one. */
function tierSettings<V>(
  options: CompressedCacheOptions<V>,
): Pick<CacheSettings, "maxWriteBytesPerSecond" | "flushEvery"> {
  const { backing, maxWriteBytesPerSecond = WRITE_BYTES_PER_SECOND, flushEvery = 0 } = options;
  for (const name of ["maxWriteBytesPerSecond", "flushEvery"] as const) {
    if (backing === undefined && options[name] !== undefined) {
      throw new ZbudError(
        "EINVAL",
        `${name} says how a backing store is written; give backing too, or leave it out`,
      );
    }
  }
  const every = integerOption("flushEvery", flushEvery, 0, 2 ** 31 - 1);
  if (every > 0 && !(backing?.isSync === true && backing.findsFlushed !== false)) {
    throw new ZbudError(
      "EINVAL",
      backing?.isSync === true
        ? 'flushEvery is for what is found after a crash, and this backing store finds nothing then; open it with unclean: "flushed"'
        : "flushEvery writes what is in memory to a file, and this backing store is none that can write at once; leave it out",
    );
  }
  return {
    maxWriteBytesPerSecond: sizeOption("maxWriteBytesPerSecond", maxWriteBytesPerSecond, 0, 2 ** 50, null),
    flushEvery: every,
  };
}

/** The limit, or the range of it. */
function rangeOption(value: unknown): { min: number; max: number } {
  if (typeof value === "object" && value !== null) {
    return sizeRangeOption("maxBytes", value, BYTES_MIN, BYTES_MAX);
  }
  const bytes = sizeOption("maxBytes", value, BYTES_MIN, BYTES_MAX);
  return { min: bytes, max: bytes };
}

/** The part of the options that the engine takes as it is; what is absent stays absent. */
export function engineOptions<V>(options: CompressedCacheOptions<V>): Omit<EngineOptions, "maxBytes"> {
  const {
    maxEntries,
    maxEntrySize,
    averageBytes = AVERAGE_BYTES,
    evict = "lru",
    shards = 1,
    poolPageSize,
    shared = canShare(),
    // By pages there are at most two evictions for each.
    driver = evict === "page" ? zbudDriver : logDriver,
  } = options;
  sharedOption(shared);
  const chosen: Omit<EngineOptions, "maxBytes"> = {
    averageBytes: sizeOption("averageBytes", averageBytes, 1, 2 ** 30),
    driver: driverOf(driver),
    evict,
    expiry: true,
    shards,
    shared: shared !== false,
  };
  // Two entries to a page.
  if (evict === "page") chosen.fixedPageSize = pageSizeFor(chosen.averageBytes ?? AVERAGE_BYTES);
  if (options.giveBack !== undefined) chosen.giveBack = flagOption("giveBack", options.giveBack);
  if (maxEntries !== undefined) chosen.maxEntries = entriesOption(maxEntries);
  if (maxEntrySize !== undefined) {
    chosen.maxEntrySize = sizeOption("maxEntrySize", maxEntrySize, 1, BYTES_MAX);
  }
  if (poolPageSize !== undefined) {
    chosen.poolPageSize = sizeOption("poolPageSize", poolPageSize, PAGE_SIZE_MIN, PAGE_SIZE_MAX);
  }
  return chosen;
}

function entriesOption(value: unknown): number {
  if (value === 0 || value === Number.POSITIVE_INFINITY) {
    throw new ZbudError(
      "EINVAL",
      `maxEntries must be an integer from 1, not ${value}; leave it out for as many entries as maxBytes has room for`,
    );
  }
  return integerOption("maxEntries", value, 1, 2 ** 31 - 1);
}

/**
 * The codec of a thread.
 *
 * @throws {ZbudError} `EINVAL` if it must be given here.
 */
export function codecOf<V>(settings: CacheSettings, options: Pick<CacheThreadOptions<V>, "codec">): Codec {
  const { codec } = options;
  if (settings.codec !== null) {
    if (codec === undefined || codec === settings.codec) return getCodec(settings.codec);
    throw new ZbudError(
      "EINVAL",
      `this cache has codec ${show(settings.codec)} in all threads, not ${show(codec)}: leave codec out of attach()`,
    );
  }
  if (typeof codec === "function") {
    const made = codec();
    checkCodec(made);
    return made;
  }
  throw new ZbudError(
    "EINVAL",
    "this cache was made with a codec of its own: give attach() the same function",
  );
}

/** @throws {ZbudError} `EINVAL` for a codec of a thread that is another one than the cache's. */
export function checkSameCodec(codec: Codec, codecId: number): void {
  if (codec.id === codecId) return;
  throw new ZbudError(
    "EINVAL",
    `the function given as codec made ${show(codec.name)} with id ${codec.id}, and the cache has the codec of id ${codecId}: give attach() the same function`,
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
    const codec = settings.codec === null ? "a codec of your own" : `codec ${show(settings.codec)}`;
    throw new ZbudError("EINVAL", `${codec} takes no dictionary from the cache; use "lz4" or "zstd"`);
  }
  if (!mayBeDictionary(dictionary.length, settings.maxBytes)) {
    throw new ZbudError(
      "EINVAL",
      `a dictionary of ${dictionary.length} bytes is too long for a cache of ${settings.maxBytes}`,
    );
  }
  return dictionary;
}

/** Whether a dictionary of so many bytes is not too long for a cache of this size. */
export function mayBeDictionary(bytes: number, maxBytes: number): boolean {
  return bytes <= maxBytes / 8;
}

/** What all processes of a cache must agree about, by the names of the options. */
export function agreementOf(
  { backing, backingId, ...settings }: CacheSettings,
  chosen: EngineOptions,
  dictionary: unknown,
  given: Uint8Array | null,
): Agreement {
  const shape = shapeOf(chosen, [chosen.driver]);
  return {
    ...settings,
    codec: settings.codec ?? "a function",
    dictionary: given === null ? String(dictionary) : `${given.length} bytes, CRC-32 ${crc32(given)}`,
    driver: chosen.driver.type,
    poolPageSize: shape.pools[0].pageSize,
    shards: shape.shards,
    averageBytes: chosen.averageBytes ?? null,
    maxEntries: chosen.maxEntries ?? null,
    maxEntrySize: chosen.maxEntrySize ?? null,
    backing: backing ? (backingId ?? "one") : null,
  };
}

/** Those of a cache's options that each thread has for itself. */
export function threadOptionsOf<V>(options: CompressedCacheOptions<V>): CacheThreadOptions<V> {
  const own: Record<string, unknown> = {};
  for (const name of THREAD_NAMES) {
    const value = options[name as keyof CompressedCacheOptions<V>];
    // A codec that has a name is the cache's.
    if (value !== undefined && !(name === "codec" && typeof value === "string")) own[name] = value;
  }
  return own as CacheThreadOptions<V>;
}

/** What `share()` gave, checked. */
export function sharedParts(sent: SharedCompressedCache): SharedParts {
  const isSegment = (sent as Partial<SharedParts> | null | undefined)?.kind === CACHE_KIND;
  const shared = isSegment ? received(sent) : sent;
  const parts = shared as Partial<SharedParts> | null | undefined;
  if (parts?.kind !== CACHE_KIND || !isSharedBuffer(parts.sharedState)) {
    throw notShared("a cache", shared, parts?.sharedState);
  }
  const { engine, sharedState, shape, settings, codecId } = parts;
  const isWhole =
    typeof engine === "object" &&
    typeof settings === "object" &&
    typeof settings?.maxBytes === "number" &&
    typeof codecId === "number" &&
    isSharedStateShape(shape, sharedState.byteLength);
  if (!isWhole) {
    throw new ZbudError(
      "EINVAL",
      "attach takes what share() of a cache gave, as it is: parts of this are missing",
    );
  }
  return parts as SharedParts;
}

/** The longest time to live, in milliseconds: 285,000 years. */
const TTL_MAX: number = 2 ** 53;

/** Times to live, in milliseconds; 0 is never. */
export function milliseconds(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= TTL_MAX) return value;
  if (value === Number.POSITIVE_INFINITY) return 0;
  throw new ZbudError(
    "EINVAL",
    `${name} must be a number of milliseconds from 0 to 2^53, or Infinity (0 and Infinity: never), not ${show(value)}`,
  );
}

/** How long `getOrSet` waits for one load of another thread. */
export function lockTimeoutOption(value: unknown = LOCK_TIMEOUT_MS): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new ZbudError(
    "EINVAL",
    `lockTimeout must be a number of milliseconds from 0 (each thread loads by itself) to Infinity, not ${show(value)}`,
  );
}

export function staleMs(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= STALE_MS_MAX) return Math.ceil(value);
  throw new ZbudError(
    "EINVAL",
    `staleWhileRevalidate must be a number of milliseconds from 0 to ${STALE_MS_MAX}, not ${show(value)}`,
  );
}

/** Whether the codec of this id is one of those that take a dictionary. */
export function takesDictionary(codecId: number): boolean {
  return codecId === getCodec("lz4").id || codecId === ZSTD;
}

/** Bytes of a page of which two entries of so many bytes fill the most. */
function pageSizeFor(averageBytes: number): number {
  return Math.min(PAGE_SIZE_MAX, 64 * Math.ceil((2.1 * averageBytes) / 64) + 64);
}
