import { type Backing, claimBacking } from "../backing/index.ts";
import {
  checkNames,
  choiceOption,
  clockOption,
  flagOption,
  integerOption,
  type Size,
  type SizeRange,
  show,
  sizeOption,
  sizeRangeOption,
  ZbudError,
} from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import type { PoolDriver } from "../pool/index.ts";

/** The smallest and the largest page. */
const PAGE_BYTES_MIN = 512;
const PAGE_BYTES_MAX = 2 ** 20;
/** The smallest page of the pools beneath. */
const POOL_PAGE_BYTES_MIN = 64;
/** Less than this holds nothing worth the name: an index, and a few pages. */
const STORE_BYTES_MIN = 2 ** 17;
const STORE_BYTES_MAX = 2 ** 40;

/** What each thread chooses for itself. */
export interface PageStoreThreadOptions {
  /**
   * Codec of new pages: `"lz4"` (the default), `"zstd"`, `"deflate"`, `"none"`, or one of your own, which every
   * thread then has to register.
   */
  codec?: string | Codec | undefined;
  /**
   * The backing store: where pages go that were not used for long, and come back from. Default: none. Nothing else may
   * use it. Whoever opened it closes it, after the store: `close` of the store writes what is not there yet, and
   * leaves it open.
   */
  backing?: Backing | undefined;
  /**
   * From this share of `maxBytes` on, in percent, pages go to the backing store. Default 90; 100: at the limit only.
   */
  acceptThresholdPercent?: number | undefined;
  /**
   * The most bytes a second that go to the backing store, all threads together, as a number or `"4MiB"`. It waits; the
   * option of this name of a file refuses instead. Give the same in each thread: what a thread without it writes is not counted. Default: no bound.
   */
  maxWriteBytesPerSecond?: Size | undefined;
  /**
   * Whether pages go to the backing store in the background; if not, only `flush` writes. Default true; it can be
   * switched later.
   */
  writeback?: boolean | undefined;
  /**
   * A stronger codec for pages that are not used, such as `"zstd"`: applied when the thread has nothing else to do.
   * Default: none.
   */
  recompress?: string | Codec | undefined;
  /**
   * Milliseconds of a monotonic clock, the same in all threads of a store; for tests. It measures latencies and
   * `maxWriteBytesPerSecond`. Default: `performance.now()`.
   */
  clock?: (() => number) | undefined;
  /**
   * Other allocators that the store may change to later. Default: none. The metadata of each takes its part of the
   * limit from the start: about 1 % for zbud, 3 % for slots, 7 % for zsmalloc, with pages of 4096 bytes. For
   * `attach`: those of the store that are not registered in this thread.
   */
  drivers?: readonly (string | PoolDriver)[] | undefined;
}

/** Options of {@link PageStore}. */
export interface PageStoreOptions extends PageStoreThreadOptions {
  /**
   * The most memory that the store takes, with its index and all metadata: bytes, `"64MiB"`, or `"20%"` of what
   * this process may use (of its control group's limit, or the machine's memory). 0: nothing is kept in memory;
   * every page goes to the backing store, or is refused.
   *
   * Counted are the pools' pages, index and metadata, counters, and what the thread that makes the store works with:
   * up to three pages, and with a backing store a batch of at most 256 KiB or a 32nd of the limit. Not counted: the
   * same again in each thread that attaches, what the codec works with (one for all stores of a thread), and the
   * backing store's own memory.
   */
  maxBytes: Size | SizeRange;
  /** Bytes of a page: 512 to 1 MiB. Default 4096. */
  pageSize?: Size | undefined;
  /**
   * The allocator: a driver such as `zbudDriver`, or the name of one that is registered (`"zbud"`, `"slots"`, …).
   * Default `logDriver`, which fits itself to any pages, or with `evict: "page"` `zbudDriver`.
   */
  driver?: string | PoolDriver | undefined;
  /** Bytes of a page of the allocator. Default: what the allocator finds right, or one that suits `pageSize`. */
  poolPageSize?: Size | undefined;
  /**
   * Which page goes first: the least recently used one (`"lru"`, the default); the oldest that was not used since
   * it was looked at last (`"sieve"`, which keeps pages that are often used while many others are read once); or all
   * that lie on the allocator's oldest page (`"page"`, which frees a whole page of memory for few evictions).
   */
  evict?: "lru" | "sieve" | "page" | undefined;
  /**
   * Pages that do not compress: kept as they are (`"raw"`, the default), given to the backing store at once
   * (`"writeback"`), or refused (`"reject"`).
   */
  incompressible?: "raw" | "writeback" | "reject" | undefined;
  /**
   * Whether pages that are one word of 8 bytes again and again take no memory but their row in the index. Default
   * true.
   */
  sameFilled?: boolean | undefined;
  /**
   * What a full store without a backing store does: it refuses new pages (`"reject"`, the default, which loses
   * nothing), or drops those that would be evicted first (`"drop"`, for what can be made again).
   */
  whenFull?: "reject" | "drop" | undefined;
  /**
   * Usable from several threads, with `share()` (`true`), or by all processes of this machine under a name (`"app"`, or
   * the path of a file): the first one makes it, the others join, and it outlives them. Default false.
   */
  shared?: boolean | string | undefined;
  /**
   * Whether memory that is free for a while goes back to the system by itself, and not only at `trim()` and `resize()`.
   * Default true with a name in `shared`, else false: the first call of the system prints a warning of `node:ffi`.
   */
  giveBack?: boolean | undefined;
  /**
   * With a name: what to do where a store of other options has it. `"reject"`, the default, is an error that names them;
   * `"replace"` puts a new store in its place, and leaves the other to those who use it.
   */
  whenDifferent?: "reject" | "replace" | undefined;
  /**
   * Parts with a lock each, so that threads seldom wait for each other; a power of two. Default 1, or up to 16 if
   * `shared`.
   */
  shards?: number | undefined;
}

/** What all threads of a store agree on: plain data. */
export interface StoreShape {
  readonly maxBytes: number;
  /** The lowest limit of a store that follows the machine; else the same as `maxBytes`. */
  readonly minBytes: number;
  readonly pageSize: number;
  /** Null: each driver's own. */
  readonly poolPageSize: number | null;
  readonly incompressible: "raw" | "writeback" | "reject";
  readonly whenFull: "reject" | "drop";
}

const KNOWN = [
  "maxBytes",
  "pageSize",
  "driver",
  "poolPageSize",
  "evict",
  "incompressible",
  "sameFilled",
  "whenFull",
  "shared",
  "whenDifferent",
  "giveBack",
  "shards",
];
const KNOWN_THREAD = [
  "codec",
  "backing",
  "acceptThresholdPercent",
  "maxWriteBytesPerSecond",
  "writeback",
  "recompress",
  "drivers",
  "clock",
];

/** Names that the same thing has elsewhere. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  maxSize: "use maxBytes",
  tier: "use backing",
  policy: "use evict",
  now: "use clock",
};

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function storeShapeOf(options: PageStoreOptions): StoreShape {
  checkNames("a page store", options, [...KNOWN, ...KNOWN_THREAD], ELSEWHERE);
  checkNoNulls(options);
  const { min: minBytes, max: maxBytes } = rangeOption(options.maxBytes);
  const pageSize = sizeOption("pageSize", options.pageSize ?? 4096, PAGE_BYTES_MIN, PAGE_BYTES_MAX);
  const poolPageSize =
    options.poolPageSize === undefined
      ? null
      : sizeOption("poolPageSize", options.poolPageSize, POOL_PAGE_BYTES_MIN, PAGE_BYTES_MAX);
  const incompressible = choiceOption("incompressible", options.incompressible ?? "raw", [
    "raw",
    "writeback",
    "reject",
  ]);
  choiceOption("evict", options.evict ?? "lru", ["lru", "sieve", "page"]);
  const { drivers = [] } = options;
  if (!Array.isArray(drivers) || drivers.includes(null)) {
    throw new ZbudError(
      "EINVAL",
      `drivers must be an array of drivers such as [zbudDriver], or of their names, not ${show(drivers)}`,
    );
  }
  if (incompressible === "writeback" && options.backing === undefined) {
    throw new ZbudError("EINVAL", 'incompressible: "writeback" needs a backing store');
  }
  const whenFull = choiceOption("whenFull", options.whenFull ?? "reject", ["reject", "drop"]);
  return { maxBytes, minBytes, pageSize, poolPageSize, incompressible, whenFull };
}

/** The limit, or the range of it. */
function rangeOption(value: unknown): { min: number; max: number } {
  if (typeof value === "object" && value !== null) {
    return sizeRangeOption("maxBytes", value, STORE_BYTES_MIN, STORE_BYTES_MAX);
  }
  const bytes = value === 0 ? 0 : sizeOption("maxBytes", value, STORE_BYTES_MIN, STORE_BYTES_MAX);
  return { min: bytes, max: bytes };
}

/** The options of a thread, checked. */
export interface ThreadSettings {
  readonly backing: Backing | null;
  /** 0 to 1. */
  readonly acceptThreshold: number;
  /** Infinity: no bound. */
  readonly maxWriteBytesPerSecond: number;
  readonly writeback: boolean;
  readonly recompress: string | Codec | null;
  readonly clock: () => number;
  /** The same clock in all threads. */
  readonly sharedClock: () => number;
}

/** @throws {ZbudError} `EINVAL` naming a bad option. */
export function threadSettingsOf(options: PageStoreThreadOptions): ThreadSettings {
  const { backing, clock, maxWriteBytesPerSecond } = options;
  if (backing !== undefined && typeof backing?.write !== "function") {
    throw new ZbudError(
      "EINVAL",
      `backing must be a backing store that is open, such as await FileBacking.open(path, options), not ${show(backing)}`,
    );
  }
  if (backing !== undefined) claimBacking("page store", backing);
  const percent = integerOption("acceptThresholdPercent", options.acceptThresholdPercent ?? 90, 1, 100);
  return {
    backing: backing ?? null,
    acceptThreshold: percent / 100,
    maxWriteBytesPerSecond:
      maxWriteBytesPerSecond === undefined
        ? Number.POSITIVE_INFINITY
        : sizeOption("maxWriteBytesPerSecond", maxWriteBytesPerSecond, 1, 2 ** 50, null),
    writeback: flagOption("writeback", options.writeback ?? true),
    recompress: options.recompress ?? null,
    clock: clockOption(clock, () => performance.now()),
    sharedClock: clockOption(clock, () => performance.timeOrigin + performance.now()),
  };
}

/**
 * What another thread sent, checked.
 *
 * @throws {ZbudError} `EBADMSG`.
 */
export function checkShape(shape: StoreShape): StoreShape {
  try {
    const { minBytes, pageSize, poolPageSize, incompressible, whenFull } = shape;
    const maxBytes = shape.maxBytes === 0 ? 0 : { min: minBytes, max: shape.maxBytes };
    const backing = incompressible === "writeback" ? { backing: {} as Backing } : {};
    const own = poolPageSize === null ? {} : { poolPageSize };
    storeShapeOf({ maxBytes, pageSize, ...own, incompressible, whenFull, ...backing });
    return shape;
  } catch (cause) {
    throw new ZbudError(
      "EBADMSG",
      "this does not describe a page store; pass on what share() gave, unchanged",
      {
        cause,
      },
    );
  }
}

/** @throws {ZbudError} `EINVAL` for an option that there is not. */
export function checkThreadNames(options: PageStoreThreadOptions): void {
  checkNames("a page store in one thread", options, KNOWN_THREAD);
  checkNoNulls(options);
}

/** A null is not the default: it would be taken for some value further in. */
function checkNoNulls(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === null) {
      throw new ZbudError(
        "EINVAL",
        `${name} must not be null; leave it out, or give undefined, for its default`,
      );
    }
  }
}

/**
 * Pages of the pool: those of a computer's size hold several small pages or the best part of a large one; a page
 * that does not compress should not need much more than its own size.
 */
export function fixedPageSizeFor(pageSize: number): number {
  return Math.min(2 ** 20, Math.max(4096, Math.ceil((pageSize * 1.0625) / 64) * 64));
}
