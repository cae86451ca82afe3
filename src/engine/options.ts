import { integerOption, powerOfTwoAtLeast, show, ZbudError } from "../base/index.ts";
import { checkDriver, type DriverOptions, type PoolDriver, type PoolFootprint } from "../pool/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import { rowBytesOf, type ShardBudget } from "./budget.ts";
import { EVICTIONS, type Eviction } from "./eviction/index.ts";
import { headerWords, layoutOf, POOLS_MAX, ROWS_MAX, SHARDS_MAX, type ShardLayout } from "./table.ts";
import type { EngineOptions, SecondaryIndex } from "./types.ts";

/** Shards that a shared engine has, if each is at least so large. */
const SHARED_SHARDS = 16;
const SHARD_BYTES_MIN = 2 ** 22;
/** Rows take no more of the limit than this: those that were used once are not there for pages any more. */
const ROWS_SHARE = 0.6;
/** A shard has at least this many pages. */
const PAGES_MIN = 8;
/**
 * Objects that pools have metadata for, by reserved rows: there are twice as many entries if they are a third as
 * long as was said. One for so many bytes in any case, so that a store whose pages leave next to nothing has them.
 */
const OBJECTS_PER_ROW = 2;
const BYTES_PER_OBJECT = 384;
/** More objects no pool has. */
const OBJECTS_MAX = 2 ** 25;

/** What follows from the options, and what other threads must know: plain data. */
export interface EngineShape {
  readonly maxBytes: number;
  /** Types of the drivers, in the order of the pools' numbers. */
  readonly drivers: readonly string[];
  readonly maxValueBytes: number;
  readonly shards: number;
  readonly shared: boolean;
  readonly evict: Eviction;
  readonly incompressible: "raw" | "reject";
  readonly sameFilled: boolean;
  readonly expiry: boolean;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly maxEntrySize: number;
  /** The pools of each shard, by their numbers. */
  readonly pools: readonly PoolPart[];
}

/** One pool of each shard. */
export interface PoolPart {
  /** Bytes. */
  readonly pageSize: number;
  /** At most. */
  readonly maxPages: number;
  /** Objects that it has metadata for, if its driver asks. */
  readonly maxObjects: number;
  /** Bytes that sizes of objects are rounded up to. */
  readonly unitBytes: number;
}

/**
 * The drivers of a new engine, its own first.
 *
 * @throws {ZbudError} `EINVAL` for what is no driver, or too many.
 */
export function driversOf(options: EngineOptions): PoolDriver[] {
  if (typeof options !== "object" || options === null) {
    throw new ZbudError("EINVAL", `options must be an object such as { maxBytes }, not ${show(options)}`);
  }
  const { driver, drivers = [] } = options;
  if (!Array.isArray(drivers)) {
    throw new ZbudError("EINVAL", `drivers must be an array of drivers, not ${show(drivers)}`);
  }
  const byType = new Map<string, PoolDriver>();
  for (const each of [driver, ...drivers]) {
    const { type } = checkDriver(each);
    if (!byType.has(type)) byType.set(type, each);
  }
  if (byType.size > POOLS_MAX) {
    throw new ZbudError("EINVAL", `at most ${POOLS_MAX} drivers can be given, not ${byType.size}`);
  }
  return [...byType.values()];
}

/** @throws {ZbudError} `EINVAL` naming a bad option. */
export function shapeOf(options: EngineOptions, drivers: readonly PoolDriver[]): EngineShape {
  const maxBytes = integerOption("maxBytes", options.maxBytes, 1, 2 ** 40);
  const shared = flag("shared", options.shared, false);
  const expiry = flag("expiry", options.expiry, false);
  const { poolPageSize, fixedPageSize = 4096 } = options;
  if (poolPageSize !== undefined) integerOption("poolPageSize", poolPageSize, 64, 2 ** 20);
  const averageBytes = integerOption("averageBytes", options.averageBytes ?? 1024, 16, 2 ** 20);
  const shards = options.shards ?? (shared ? shardsFor(maxBytes, poolPageSize ?? fixedPageSize) : 1);
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX || (shards & (shards - 1)) !== 0) {
    throw new ZbudError(
      "EINVAL",
      `shards must be a power of two from 1 to ${SHARDS_MAX}, not ${show(shards)}`,
    );
  }
  const maxEntries = integerOption("maxEntries", options.maxEntries ?? ROWS_MAX, 1, ROWS_MAX);
  const { secondaryIndex = null } = options;
  const bytes = Math.floor((maxBytes - 4 * headerWords(shards, shared)) / shards);
  const pageSizes = drivers.map((each) => poolPageSize ?? each.enginePageSize?.(bytes) ?? fixedPageSize);
  const { layout, budget, pools } = divide({
    bytes,
    drivers,
    pageSizes,
    averageBytes,
    maxEntries: Math.ceil(maxEntries / shards),
    expiry,
    secondaryIndex,
  });
  return {
    maxBytes,
    drivers: drivers.map(({ type }) => type),
    maxValueBytes: integerOption("maxValueBytes", options.maxValueBytes ?? BLOCK_BYTES, 1, BLOCK_BYTES),
    shards,
    shared,
    evict: choice("evict", options.evict === undefined ? "lru" : options.evict, EVICTIONS),
    incompressible: choice("incompressible", options.incompressible ?? "raw", ["raw", "reject"]),
    sameFilled: flag("sameFilled", options.sameFilled, true),
    expiry,
    layout,
    budget,
    pools,
    maxEntrySize: Math.min(
      options.maxEntrySize ?? 2 ** 30,
      Math.floor(Math.min(...pools.map(({ maxPages, pageSize }) => maxPages * pageSize)) / 4),
    ),
  };
}

function shardsFor(maxBytes: number, pageSize: number): number {
  // Twice as many pages as a shard must have leave room for index and metadata.
  const bytesMin = Math.max(SHARD_BYTES_MIN, 2 * PAGES_MIN * pageSize);
  let shards = SHARED_SHARDS;
  while (shards > 1 && maxBytes / shards < bytesMin) shards /= 2;
  return shards;
}

interface Division {
  bytes: number;
  drivers: readonly PoolDriver[];
  /** By the drivers. */
  pageSizes: readonly number[];
  averageBytes: number;
  maxEntries: number;
  expiry: boolean;
  secondaryIndex: SecondaryIndex | null;
}

/**
 * How a shard's bytes are divided. With `e` bytes an entry on average there will be about
 * `bytes / (e + row + bucket)` of them: so many rows and buckets are set aside, the rest is for pages.
 */
function divide(division: Division): { layout: ShardLayout; budget: ShardBudget; pools: PoolPart[] } {
  const { bytes, drivers, pageSizes, averageBytes, maxEntries, expiry, secondaryIndex } = division;
  const secondaryIndexEach =
    secondaryIndex === null ? 0 : secondaryIndex.words(1001) - secondaryIndex.words(1);
  const indexBytes = rowBytesOf(expiry, Math.ceil(Math.max(0, secondaryIndexEach) / 1000));
  const objectBytes = objectBytesOf(drivers, pageSizes);
  // An entry is in one of the pools, and has an object there.
  const rowBytes = indexBytes + objectBytes;
  const rowsReserved = Math.max(PAGES_MIN, Math.floor(bytes / (averageBytes + rowBytes + 8)));
  const bucketCount = Math.max(16, powerOfTwoAtLeast(rowsReserved));
  const rowsShare = Math.floor((ROWS_SHARE * bytes) / rowBytes);
  const maxRows = Math.min(ROWS_MAX, Math.max(rowsReserved, rowsShare), 4 * rowsReserved);
  const secondaryIndexWords = secondaryIndex === null ? 0 : secondaryIndex.words(maxRows + 1);
  const layout = layoutOf(maxRows, bucketCount, expiry, secondaryIndexWords);
  const tableBytes =
    layout.rowsAt * 4 + indexBytes + 8 + (secondaryIndex === null ? 0 : 4 * secondaryIndex.words(1));
  const objects = Math.max(OBJECTS_PER_ROW * rowsReserved, Math.floor(bytes / BYTES_PER_OBJECT));
  const maxObjects = Math.min(maxRows, objects);
  const parts = drivers.map((driver, i) => ({
    driver,
    pageSize: pageSizes[i],
    maxPages: Math.max(PAGES_MIN, Math.floor(bytes / pageSizes[i])),
    maxObjects,
    unitBytes: 0,
  }));
  let fixedBytes = 0;
  // Fewer pages may have more metadata beside them (slots), so it is counted anew until it is that of the pages.
  for (;;) {
    const footprints = parts.map(footprintOf);
    const fixed = footprints.reduce((sum, each) => sum + each.fixedBytes, tableBytes);
    const pageCost = footprints.reduce(
      (sum, { pageBytes, minPageSize }, i) => sum + pageBytes / (minPageSize ?? pageSizes[i]),
      0,
    );
    if (fixed <= fixedBytes) {
      const pools = parts.map(({ pageSize, maxPages }, i) => {
        return { pageSize, maxPages, maxObjects, unitBytes: footprints[i].unitBytes ?? pageSize >> 6 };
      });
      const budget = {
        bytes,
        fixedBytes,
        tableBytes,
        objectBytes,
        rowBytes,
        pageCost,
        rowsReserved,
        maxEntries,
      };
      return { layout, budget, pools };
    }
    fixedBytes = fixed;
    const left = bytes - fixedBytes - rowsReserved * rowBytes;
    for (const part of parts) {
      // Of rows that nobody needs pages are made: budget.ts. So there may be more than are left beside all rows.
      part.maxPages = Math.floor((bytes - fixedBytes) / (part.pageSize * (1 + pageCost)));
      if (left >= PAGES_MIN * part.pageSize * (1 + pageCost)) continue;
      throw new ZbudError(
        "EINVAL",
        `maxBytes leaves ${Math.max(0, left)} bytes of each shard for pages of ${part.pageSize}; a shard needs ${PAGES_MIN} pages: give a larger maxBytes, or fewer shards`,
      );
    }
  }
}

/** What an object costs beside its bytes and pages, of whichever driver has most. */
function objectBytesOf(drivers: readonly PoolDriver[], pageSizes: readonly number[]): number {
  const bytes = drivers.map((driver, i) => {
    const part = { pageSize: pageSizes[i], maxPages: PAGES_MIN, maxObjects: PAGES_MIN, unitBytes: 0 };
    return footprintOf({ driver, ...part }).objectBytes ?? 0;
  });
  return Math.max(...bytes);
}

function footprintOf({ driver, ...part }: PoolPart & { driver: PoolDriver }): PoolFootprint {
  const options = poolOptions(driver, part, false);
  try {
    return driver.footprint(options);
  } catch (cause) {
    if (!(cause instanceof ZbudError) || cause.code !== "EINVAL") throw cause;
    throw new ZbudError(
      "EINVAL",
      `a shard cannot have ${part.maxPages} pages of ${part.pageSize} bytes of ${show(driver.type)}: ${cause.message.replace(/ \(EINVAL\)$/, "")}; give another page size, a lower maxBytes, or more shards`,
      { cause },
    );
  }
}

/** Options of one shard's pool. The engine's lock is the pool's. */
export function poolOptions(
  driver: PoolDriver,
  { pageSize, maxPages, maxObjects }: PoolPart,
  shared: boolean,
): DriverOptions {
  const options: DriverOptions = shared
    ? { ...driver.engineDefaults, pageSize, maxBytes: maxPages * pageSize, shared, lock: "caller" }
    : { ...driver.engineDefaults, pageSize, maxBytes: maxPages * pageSize };
  // No object takes less than a 64th of a page.
  if (driver.takesMaxObjects) options.maxObjects = Math.min(maxObjects, 64 * maxPages);
  // At least as many as a shard has rows, and each object has one of these.
  if (driver.boundsObjects) options.maxObjects = Math.min(2 * maxObjects, OBJECTS_MAX);
  return options;
}

function flag(name: string, value: unknown, preset: boolean): boolean {
  if (value === undefined) return preset;
  if (typeof value !== "boolean") {
    throw new ZbudError("EINVAL", `${name} must be true or false, not ${show(value)}`);
  }
  return value;
}

function choice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (!choices.includes(value)) {
    throw new ZbudError(
      "EINVAL",
      `${name} must be ${choices.map((each) => show(each)).join(" or ")}, not ${show(value)}`,
    );
  }
  return value;
}
