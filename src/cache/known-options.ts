import { checkNames, checkSignal, flagOption, show, ZbudError } from "../base/index.ts";
import { FOREIGN } from "./foreign-options.ts";
import type { GetOptions, GetOrSetOptions, SetStreamOptions } from "./types.ts";

/** Options that each thread has for itself. */
export const THREAD_NAMES: readonly string[] = [
  "serializer",
  "onRemoved",
  "clock",
  "lockTimeout",
  "codec",
  "driver",
  "backing",
  "improve",
  "recompress",
];
const CACHE_NAMES: readonly string[] = [
  "maxBytes",
  "maxEntries",
  "maxEntrySize",
  "ttl",
  "averageBytes",
  "evict",
  "staleWhileRevalidate",
  "allowStale",
  "updateAgeOnGet",
  "tags",
  "poolPageSize",
  "dictionary",
  "shards",
  "shared",
  "whenDifferent",
  "giveBack",
  "maxWriteBytesPerSecond",
  "flushEvery",
  ...THREAD_NAMES,
];
const SET_NAMES: readonly string[] = ["ttl", "staleWhileRevalidate", "tags"];
const STREAM_NAMES: readonly string[] = [...SET_NAMES, "signal"];
const LOAD_NAMES: readonly string[] = [...SET_NAMES, "signal", "forceRefresh", "updateAgeOnGet"];
const PEEK_NAMES: readonly string[] = ["allowStale"];
const GET_NAMES: readonly string[] = [...PEEK_NAMES, "updateAgeOnGet"];

/** @throws {ZbudError} `EINVAL` for an option of the constructor that there is not. */
export function checkCacheNames(options: unknown): void {
  checkNames("a cache", options, CACHE_NAMES, FOREIGN);
}

/** @throws {ZbudError} `EINVAL` for an option of `attach` that there is not. */
export function checkThreadNames(options: object): void {
  for (const name of CACHE_NAMES) {
    if (!THREAD_NAMES.includes(name) && (options as Record<string, unknown> | null)?.[name] !== undefined) {
      throw new ZbudError(
        "EINVAL",
        `attach() takes no ${name}: it is one for all threads, and the thread that made the cache chose it`,
      );
    }
  }
  checkNames("attach", options, THREAD_NAMES, FOREIGN);
}

/** Makes sure of the names of a `set`'s options: `set(key, value, 1000)` means nothing either. */
export function checkSetOptions(options: object | undefined): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    throw new ZbudError("EINVAL", `options of set are an object such as { ttl: 1000 }, not ${show(options)}`);
  }
  // Compared one by one, which costs a set next to nothing.
  for (const name in options) {
    if (name === "ttl" || name === "tags" || name === "staleWhileRevalidate") continue;
    checkNames("set", options, SET_NAMES, FOREIGN);
  }
}

/** Makes sure of the names of the options of `setStream`. */
export function checkSetStreamOptions(options: SetStreamOptions): void {
  checkNames("setStream", options, STREAM_NAMES, FOREIGN);
  checkSignal(options.signal);
}

/** Makes sure of the names of a read's options. */
export function checkGetOptions(options: GetOptions | undefined, owner = "get"): void {
  if (options === undefined) return;
  checkObject(owner, options);
  for (const name in options) {
    // `signal` is one of getAsync, and means nothing to a read that does not wait.
    if (name === "allowStale" || name === "updateAgeOnGet" || name === "signal") continue;
    checkNames(owner, options, GET_NAMES, FOREIGN);
  }
  checkFlag("allowStale", options.allowStale);
  checkFlag("updateAgeOnGet", options.updateAgeOnGet);
}

/** Makes sure of the names of the options of `peek` and `has`, which are no use. */
export function checkPeekOptions(owner: string, options: Pick<GetOptions, "allowStale"> | undefined): void {
  if (options === undefined) return;
  checkObject(owner, options);
  for (const name in options) if (name !== "allowStale") checkNames(owner, options, PEEK_NAMES, FOREIGN);
  checkFlag("allowStale", options.allowStale);
}

function checkObject(owner: string, options: unknown): void {
  if (typeof options === "object" && options !== null) return;
  throw new ZbudError(
    "EINVAL",
    `options of ${owner} are an object such as { allowStale: true }, not ${show(options)}`,
  );
}

/** Makes sure of the names of `getOrSet`'s options. */
export function checkLoadOptions(options: GetOrSetOptions): void {
  checkNames("getOrSet", options, LOAD_NAMES, FOREIGN);
  checkFlag("forceRefresh", options.forceRefresh);
  checkFlag("updateAgeOnGet", options.updateAgeOnGet);
  checkSignal(options.signal);
}

function checkFlag(name: string, value: unknown): void {
  if (value !== undefined) flagOption(name, value);
}
