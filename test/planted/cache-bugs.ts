/** Bugs to plant in the cache: each is what a user of it, or of one like it, has met. */

import type { PlantedBug } from "./planted-bug.ts";

const CACHE = "src/cache/cache.ts";
const CORE = "src/cache/core.ts";
const FLIGHTS = "src/cache/single-flight.ts";
const LEASES = "src/cache/leases.ts";
const LOADS = "src/cache/loads.ts";
const SNAPSHOT = "src/cache/cache-file.ts";
const TAGS = "src/cache/tags.ts";
const TIER = "src/cache/tier.ts";
const DEADLOCK = "src/cache/deadlock-search.ts";

export const CACHE_BUGS: readonly PlantedBug[] = [
  {
    name: "cache: a load is stored over what was set during it",
    file: CORE,
    find: "this.leases.holds(this.#lease as Lease) && !this.tagsDeletedSince(stamp);",
    replace: "!this.tagsDeletedSince(stamp);",
  },
  {
    name: "cache: a load is stored though its tag was deleted during it",
    file: CORE,
    find: "this.leases.holds(this.#lease as Lease) && !this.tagsDeletedSince(stamp);",
    replace: "this.leases.holds(this.#lease as Lease);",
  },
  {
    name: "cache: a load is stored if what was set during it is gone",
    file: CORE,
    find: "this.leases.holds(this.#lease as Lease) && !this.tagsDeletedSince(stamp);",
    replace:
      "(this.leases.holds(this.#lease as Lease) || this.engine.size === 0) && !this.tagsDeletedSince(stamp);",
  },
  {
    name: "cache: what is refused during a load leaves its lease",
    file: "src/engine/engine.ts",
    find: "        shard.change(k0, k1, hash, prefix, prefixLength);\n        row = shard.find(",
    replace:
      "        if (reason !== REPLACED) shard.change(k0, k1, hash, prefix, prefixLength);\n        row = shard.find(",
  },
  {
    name: "cache: a stream goes on with another value",
    file: "src/engine/block-reader.ts",
    find: "      if (!this.#shard.isCurrent(row, version)) return false;\n",
    replace:
      "      if (!this.#shard.isCurrent(row, this.#shard.words[this.#shard.rows.at(row) + 11])) return false;\n",
  },
  {
    name: "cache: a block that does not compress is kept by its view, which the source of a stream fills anew",
    file: "src/engine/block-packer.ts",
    find: "keeps ? block : copyOf(block, 0, length)",
    replace: "block",
  },
  {
    name: "cache: a tier that is full is asked for each entry",
    file: TIER,
    find: "this.#backing.refuses?.(this.#lastBytes) !== true) return false;",
    replace: "this.#backing.refuses?.(0) !== true) return false;",
  },
  {
    name: "cache: clear() leaves the leases of loads",
    file: LEASES,
    find: "    if (this.#sharedState.clearedSince(stamp)) return false;\n    if (slot === BROAD)",
    replace: "    if (slot === BROAD)",
  },
  {
    name: "cache: a full group of leases knows of no change",
    file: LEASES,
    find: "    if ((lists & HAS_BROAD) !== 0) {",
    replace: "    if ((lists & HAS_BROAD) > HAS_BROAD) {",
  },
  {
    name: "cache: keys that share a group of leases are not told apart",
    file: LEASES,
    find: "if (words[k0At + slot] !== k0 || words[k1At + slot] !== k1) continue;",
    replace: "if (words[k0At + slot] !== k0 && words[k1At + slot] === k1) continue;",
  },
  {
    name: "cache: a file that is read undoes sets and deletes",
    file: SNAPSHOT,
    find: "leases.fileHolds(since, key.k0, key.k1) && !core.tagsDeletedSince(since);",
    replace: "!core.tagsDeletedSince(since);",
  },
  {
    name: "cache: a file that is read undoes deleteByTag",
    file: SNAPSHOT,
    find: "leases.fileHolds(since, key.k0, key.k1) && !core.tagsDeletedSince(since);",
    replace: "leases.fileHolds(since, key.k0, key.k1);",
  },
  {
    name: "cache: a file that is read undoes clear",
    file: LEASES,
    find: "    if (this.#sharedState.clearedSince(since)) return false;\n",
    replace: "",
  },
  {
    name: "cache: an entry of a file leaves an older one in the second tier",
    file: SNAPSHOT,
    find: '    if (result !== "stale") core.dropBelow();\n',
    replace: "",
  },
  {
    name: "cache: who asks after a set joins the load from before it",
    file: FLIGHTS,
    find: "return lease !== null && this.#core.isOutdated(lease, options.tags) ? undefined : flight;",
    replace: "return flight;",
  },
  {
    name: "cache: whoever joins a load from within its loader gets undefined",
    file: FLIGHTS,
    find: "      promise,\n      resolve,\n",
    replace: "      promise: Promise.resolve() as Promise<never>,\n      resolve,\n",
  },
  {
    name: "cache: a load that waits for itself waits for ever",
    file: DEADLOCK,
    find: "    if (cycle !== null) throw deadlock(cycle);\n",
    replace: "",
  },
  {
    name: "cache: every load that is asked for from its own loader is said to wait for itself",
    file: DEADLOCK,
    find: "  if (onlyAwaited && !wait.isAwaited) return null;\n",
    replace: "",
  },
  {
    name: "cache: a load that fails when nobody waits is an unhandled rejection",
    file: FLIGHTS,
    find: "    promise.catch(() => undefined);\n",
    replace: "",
  },
  {
    name: "cache: a caller who gives up ends a refresh behind a stale value",
    file: LOADS,
    find: "      flight.isRefresh = true;\n      return value as V;",
    replace: "      return value as V;",
  },
  {
    name: "cache: a caller who gives up ends the load of the others",
    file: FLIGHTS,
    find: "if (--flight.waiting === 0 && signal?.aborted === true && !flight.isRefresh) {",
    replace: "if (--flight.waiting >= 0 && signal?.aborted === true && !flight.isRefresh) {",
  },
  {
    name: "cache: the loader is not told that nobody waits any more",
    file: FLIGHTS,
    find: "        abort(flight, signal.reason);\n",
    replace: "",
  },
  {
    name: "cache: a load that was given up is stored",
    file: LOADS,
    find: "if (value !== undefined && !signal.aborted) {",
    replace: "if (value !== undefined) {",
  },
  {
    name: "cache: those who wait for a load hang after close()",
    file: FLIGHTS,
    find: "    for (const { reject } of open) reject(reason);\n",
    replace: "",
  },
  {
    name: "cache: close() does not tell loaders",
    file: FLIGHTS,
    find: `    for (const one of open) if ("controller" in one) abort(one, reason);\n`,
    replace: "",
  },
  {
    name: "cache: a loader's failure is stored for those who ask later",
    file: FLIGHTS,
    find: "    if (this.#flights.get(flight.id) === flight) this.#flights.delete(flight.id);\n    this.#open",
    replace: "    this.#open",
  },
  {
    name: "cache: set() throws when its second tier was closed",
    file: TIER,
    find: "      this.noteClosed(error);\n      this.core.sharedState.count(Counter.backingWritesFailed);\n      return false;",
    replace: "      throw error;",
  },
  {
    name: "cache: getOrSet() does not load when its second tier fails",
    file: TIER,
    find: "      this.noteClosed(error);\n      core.sharedState.count(Counter.backingReadsFailed);\n      return null;",
    replace: "      throw error;",
  },
  {
    name: "cache: what a failing second tier was not told of comes back from it",
    file: TIER,
    find: "    if (!this.#delete(name)) this.core.sharedState.invalidateTier();\n",
    replace: "    this.#delete(name);\n",
  },
  {
    name: "cache: set() leaves the older value in the second tier",
    file: CORE,
    find: "    else this.dropBelow();",
    replace: "",
  },
  {
    name: "cache: a value that is too long leaves the older one",
    file: CORE,
    find: "      engine.remove(encoded.k0, encoded.k1, encoded.bytes, encoded.length, guard);\n",
    replace: "",
  },
  {
    name: "cache: what is stale by a moment is given as fresh",
    file: CACHE,
    find: "    const stale = there && now > core.freshUntil();\n    const given",
    replace: "    const stale = there && now > core.freshUntil() + 1;\n    const given",
  },
  {
    name: "cache: an entry lives for its time to live only, without its window of staleness",
    file: CORE,
    find: "attributes.expiresAt = expiresAt(now, ttl, stale);",
    replace: "attributes.expiresAt = expiresAt(now, ttl, 0);",
  },
  {
    name: "cache: an entry's second tag is on no list",
    file: TAGS,
    find: "for (let head = entry.prefixLength; head < end; head += TAG_BYTES) {",
    replace: "for (let head = entry.prefixLength; head < end; head += 2 * TAG_BYTES) {",
  },
  {
    name: "cache: what a load counts is this thread's only",
    file: CACHE,
    find: "      loadsShared: sharedState.counted(Counter.loadsShared),",
    replace: "      loadsShared: 0,",
  },
  {
    name: "cache: touch begins the time anew without the new ttl being kept",
    file: CORE,
    find: "    found.aux = auxOf(kindOf(found.aux), given);\n",
    replace: "",
  },
  {
    name: "cache: a stale value becomes fresh by a read",
    file: CACHE,
    find: "      else if (options?.updateAgeOnGet ??",
    replace: "      if (options?.updateAgeOnGet ??",
  },
  {
    name: "cache: pop leaves a copy in the second tier",
    file: CORE,
    find: "      this.dropBelow(true);\n      if (!this.isTrusted())",
    replace: "      if (!this.isTrusted())",
  },
  {
    name: "cache: an entry whose time began anew is not written to the second tier again",
    file: "src/engine/shard.ts",
    find: "      words[state] &= ~(STATE_CLEAN | STATE_WRITING);",
    replace: "      words[state] &= ~STATE_WRITING;\n      if (this.isClean(row)) words[W_CLEAN]++;",
  },
  {
    name: "cache: what got another time while it was written ahead counts as written",
    file: "src/engine/shard.ts",
    find: "      words[state] &= ~(STATE_CLEAN | STATE_WRITING);",
    replace: "      words[state] &= ~STATE_CLEAN;",
  },
  {
    name: "cache: a burst is refused what the second tier's queue has no room for",
    file: TIER,
    find: "    if (this.#hasRoom(entry)) void this.#handOver(entry, true);\n    else this.writeNow(entry);",
    replace: "    void this.#handOver(entry, true);",
  },
  {
    name: "cache: a tag that is deleted leaves the notes for the next cache as they were",
    file: TIER,
    find: "    sharedState.isNoted = false;\n    this.#delete(NOTES_KEY);",
    replace: "",
  },
  {
    name: "cache: what tags were deleted before a restart is forgotten",
    file: "src/cache/shared-state.ts",
    find: "    for (const [place, at] of tags) words[STAMPS + STAMP_COUNT + place] = at;\n",
    replace: "",
  },
  {
    name: "cache: the first of several threads that close it writes what is in memory, and the last one not",
    file: CORE,
    find: ".isLast(engine.member, closing - 1);",
    replace: ".isFirst(engine.member) && engine.member !== 1;",
  },
  {
    name: "cache: a file that is full at the close gets what was used longest ago",
    file: "src/cache/keep.ts",
    find: 'this.#visit("newest first", false,',
    replace: 'this.#visit("oldest first", false,',
  },
  {
    name: "cache: a file that drops is not given again at the close what it dropped",
    file: "src/cache/keep.ts",
    find: "if (entry.clean && tier.hasRecord(entry)) return true;",
    replace: "if (entry.clean) return true;",
  },
  {
    name: "cache: a clean entry goes though the file dropped it",
    file: CORE,
    find: "...(tier?.isSync === true ? { hasCopy: (entry) => tier.hasRecord(entry) } : {}),",
    replace: "",
  },
  {
    name: "cache: an entry whose time began anew comes back with its old time",
    file: CORE,
    find: "...(tier === null || coherent !== null ? {} : { onOutdated: (...name) => tier.drop(...name) }),",
    replace: "",
  },
  {
    name: "cache: a file as second tier is not told of changes",
    file: CORE,
    find: "if (isFile) this.#hadBelow = tier.drop(k0, k1, prefix, prefixLength);",
    replace: "",
  },
  {
    name: "cache: a ttl beyond 24 bits begins anew as another one",
    file: "src/cache/expiry.ts",
    find: "Math.ceil(ttl / 2 ** exponent) > MANTISSA_MAX",
    replace: "ttl / 2 ** exponent > 2 * MANTISSA_MAX",
  },
  {
    name: "cache: deleteByTag leaves what moves meanwhile",
    file: TAGS,
    find: "if (missed === 0) shard++;",
    replace: "shard++;",
  },
  {
    name: "cache: a walk leaves out what moves meanwhile",
    file: "src/engine/listing.ts",
    find: "if (row === 0) return false;",
    replace: "if (row === 0 || row !== first) return false;",
  },
  {
    name: "cache: a flush goes through the rows once",
    file: "src/cache/keep.ts",
    find: "const PASSES_KEPT_MAX = 3;",
    replace: "const PASSES_KEPT_MAX = 1;",
  },
  {
    name: "cache: a dictionary that the tier did not take counts as there",
    file: TIER,
    find: "dictionaries.note(slot, Array.isArray(outcomes) && isTaken(outcomes[0])),",
    replace: "dictionaries.note(slot, Array.isArray(outcomes)),",
  },
];
