import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache, ZbudPool } from "../../src/entry/index.ts";
import { PageStore } from "../../src/entry/store.ts";
import { flattenStats, overviewOf, type Tick, usersText } from "../../src/viewer/index.ts";

function tickOf(
  stats: object,
  at: number,
  change: Record<string, number> = {},
  texts: Record<string, string> = {},
): Tick {
  const flat = flattenStats(stats);
  return {
    at,
    counters: { ...flat.counters, ...change },
    histograms: flat.histograms,
    texts: { ...flat.texts, ...texts },
    ...{ users: null, entries: null, evictedFrom: [], decisions: [], player: null },
  };
}

describe("what one wants to know first", () => {
  it("of a cache: well, how full, what it saves, what it does", () => {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB" });
    for (let i = 0; i < 100; i++) cache.set(`key ${i}`, "value ".repeat(100));
    const stats = cache.stats();
    const before = tickOf(stats, 1000);
    const after = tickOf(stats, 3000, { hits: 30, misses: 10, sets: stats.sets + 2 });
    const overview = overviewOf(after, before);
    assert.ok(overview !== null);
    const { faults, full, share, saves, now } = overview;
    assert.deepEqual(
      faults.filter((fault) => !stats.fallbacks.includes(fault)),
      [],
    );
    assert.match(full, /^[\d.]+ KiB of 1 MiB, 100 entries$/);
    assert.ok(share !== null && Math.abs(share - stats.bytesUsed / stats.bytesReserved) < 1e-9);
    assert.match(saves, /^[\d.]+ KiB in [\d.]+ KiB \([\d.]+x\)/);
    assert.equal(now, "hit rate 75 %; a second: 15 hits, 5 misses, 1 set, 0 evictions");
    assert.match(
      overviewOf(before, null)?.now ?? "",
      /^no reads yet; so far: 0 hits, 0 misses, 100 sets, 0 evictions$/,
    );
    const once = tickOf(stats, 1000, { hits: 30, misses: 10 });
    assert.match(overviewOf(once, null)?.now ?? "", /^hit rate 75 %; so far: 30 hits, 10 misses/);
    const quiet = overviewOf({ ...once, at: 2000 }, once)?.now ?? "";
    assert.match(quiet, /^hit rate 75 % so far; a second: 0 hits/);
    cache.close();
  });

  it("what went wrong since, and what is wrong", () => {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB" });
    const stats = cache.stats();
    const faultsOf = (
      change: Record<string, number>,
      texts: Record<string, string> = {},
    ): readonly string[] => {
      const faults = overviewOf(tickOf(stats, 2000, change, texts), tickOf(stats, 1000))?.faults ?? [];
      return faults.filter((fault) => !stats.fallbacks.includes(fault));
    };
    assert.deepEqual(faultsOf({ rejectNoMemory: 3 }), ["3 refused: no memory for them"]);
    assert.deepEqual(faultsOf({ loads: 1, loadsFailed: 1 }), ["1 of 1 load failed"]);
    assert.deepEqual(faultsOf({ backingWritesFailed: 1200 }), [
      "1,200 evicted, and the second tier did not take them",
    ]);
    assert.deepEqual(faultsOf({}, { isBackingFull: "yes" }), ["the second tier takes nothing now"]);
    assert.deepEqual(faultsOf({}, { "dictionary.state": "failed", "dictionary.error": "why" }), [
      "no dictionary could be learned: why",
    ]);
    assert.deepEqual(faultsOf({ "dictionary.savedBytes": -5 }), [
      "the dictionary does not fit the values any more",
    ]);
    assert.deepEqual(faultsOf({}, { "fallbacks.0": "no locks" }).slice(0, 1), ["no locks"]);
    // What failed before somebody looked is no fault now.
    const old = tickOf(stats, 1000, { loadsFailed: 9 });
    assert.deepEqual(
      overviewOf(tickOf(stats, 2000, { loadsFailed: 9 }), old)?.faults.filter(
        (fault) => !stats.fallbacks.includes(fault),
      ),
      [],
    );
    cache.close();
  });

  it("of a page store, of a pool, of neither", async () => {
    const store = new PageStore({ maxBytes: "1MiB" });
    store.store(1, new Uint8Array(4096).fill(1, 0, 100));
    const ofStore = overviewOf(tickOf(store.stats(), 1), null);
    assert.match(ofStore?.full ?? "", /^[\d.]+ (B|KiB) of 1 MiB, 1 page$/);
    assert.match(ofStore?.now ?? "", /^so far: 0 loads, 1 store, 0 evictions, 0 written back$/);
    await store.close();
    const pool = new ZbudPool({ maxPages: 1 });
    const before = tickOf(pool.stats(), 0);
    for (let i = 0; i < 3; i++) pool.alloc(1500);
    const ofPool = overviewOf(tickOf(pool.stats(), 1000), before);
    assert.deepEqual(ofPool?.faults, ["1 refused: the pool is full (ENOMEM)"]);
    assert.equal(ofPool?.full, "2.93 KiB in 4 KiB, 1 page");
    assert.equal(ofPool?.saves, "2 objects, 2.00 in a page");
    assert.equal(ofPool?.now, "a second: 0 pages reclaimed, 0 objects evicted");
    pool.close();
    assert.equal(overviewOf(tickOf({ hits: 3 }, 1), null), null);
    assert.equal(
      usersText([
        { pid: 1, threads: 1 },
        { pid: 2, threads: 3 },
      ]),
      "2 processes, 4 threads",
    );
  });
});
