import { checkNames, checkSignal, flagOption, show, ZbudError } from "../base/index.ts";
import type { GetOptions, GetOrSetOptions } from "./types.ts";

const THREAD_NAMES: readonly string[] = ["serializer", "onRemoved", "clock", "codec", "driver", "backing"];
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
  ...THREAD_NAMES,
];
const SET_NAMES: readonly string[] = ["ttl", "staleWhileRevalidate", "tags"];
const LOAD_NAMES: readonly string[] = [...SET_NAMES, "signal", "forceRefresh", "updateAgeOnGet"];
const PEEK_NAMES: readonly string[] = ["allowStale"];
const GET_NAMES: readonly string[] = [...PEEK_NAMES, "updateAgeOnGet"];

const BYTES = "the bytes of an entry are counted as they are kept; maxBytes bounds them all";
const REMOVED = "use onRemoved(key, reason) of the cache";
const LOADER = "call getOrSet(key, loader, options)";
const STALE_STAYS =
  "an entry in its staleWhileRevalidate stays when it is read, and when its load fails; choose that time";
const ABORT = "a load that is aborted is not stored";
const MILLISECONDS = "use ttl, in milliseconds";

/** What to do instead of the options that other caches have: lru-cache, quick-lru, node-cache. */
const FOREIGN: Readonly<Record<string, string>> = {
  max: "use maxEntries",
  maxSize: `use maxBytes; ${BYTES}`,
  sizeCalculation: BYTES,
  size: BYTES,
  length: BYTES,
  dispose: REMOVED,
  disposeAfter: REMOVED,
  onEviction: REMOVED,
  onInsert: 'subscribe to the diagnostics channel "zbud:cache:metrics"',
  noDisposeOnSet: `${REMOVED}, and leave out those of reason "replaced"`,
  noUpdateTTL: "a set always gives the entry a new ttl; pass getRemainingTTL(key) as ttl to keep the old one",
  ttlResolution: "times are exact; give clock for a coarser one",
  ttlAutopurge: "expired entries leave as others are set; call purgeStale() for those that are left",
  updateAgeOnHas: "has() prolongs nothing; call touch(key)",
  updateAgeOnGet: "only reads that count as use prolong an entry; call touch(key)",
  start: "an entry's time begins with its set; give a shorter ttl",
  status: 'subscribe to the diagnostics channel "zbud:cache:metrics", or read stats()',
  perf: "use clock, which gives milliseconds since 1970",
  stale: "use allowStale",
  maxAge: MILLISECONDS,
  stdTTL: `${MILLISECONDS}, of the cache`,
  expiresIn: MILLISECONDS,
  fetchMethod: LOADER,
  memoMethod: LOADER,
  context: "what a loader needs it has from where it is written; call getOrSet with it",
  noDeleteOnFetchRejection: STALE_STAYS,
  noDeleteOnStaleGet: STALE_STAYS,
  allowStaleOnFetchRejection: STALE_STAYS,
  allowStaleOnFetchAbort: ABORT,
  ignoreFetchAbort: ABORT,
  backgroundFetchSize: "what is being loaded takes no room in the cache",
  forceRefresh: LOADER,
  signal: "give it to getOrSet, getAsync, save or load",
  checkperiod: "expired entries leave as others are set; call purgeStale() for those that are left",
  maxKeys: "use maxEntries",
  useClones: "what is read is always a copy",
  deleteOnExpire: "expired entries always go; use staleWhileRevalidate to serve them for a while",
};

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
        `attach() takes no ${name}: it is the whole cache's, and the thread that made the cache chose it`,
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

/** Makes sure of the names of a read's options. */
export function checkGetOptions(options: GetOptions | undefined): void {
  if (options === undefined) return;
  checkObject("get", options);
  for (const name in options) {
    // `signal` is one of getAsync, and means nothing to a read that does not wait.
    if (name === "allowStale" || name === "updateAgeOnGet" || name === "signal") continue;
    checkNames("get", options, GET_NAMES, FOREIGN);
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
