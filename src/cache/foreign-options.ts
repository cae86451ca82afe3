const BYTES = "the bytes of an entry are counted as they are kept; maxBytes bounds them all";
const REMOVED = "use onRemoved(key, reason) of the cache";
const LOADER = "call getOrSet(key, loader, options)";
const STALE_STAYS =
  "an entry in its staleWhileRevalidate stays when it is read, and when its load fails; choose that time";
const ABORT = "a load that is aborted is not stored";
const MILLISECONDS = "use ttl, in milliseconds";

/** What to do instead of the options that other caches have: lru-cache, quick-lru, node-cache. */
export const FOREIGN: Readonly<Record<string, string>> = {
  flushInterval: "use flushEvery, in milliseconds",
  improvement: "use improve",
  max: "use maxEntries",
  tier: "use backing",
  policy: "use evict",
  now: "use clock",
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
