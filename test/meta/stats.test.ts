/**
 * The rule for figures: one that is named after an event counts since the thing was made, and never falls; any other
 * says what is there now, and is what it was at first when the thing is empty again. The table has every figure, and
 * metrics know them by the same rule.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { collectMetrics, type PromClient } from "../../src/adapters/prom-client.ts";
import { type Backing, FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { fallbacks, Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { createPool } from "../../src/entry/index.ts";
import { driverTypes } from "../../src/pool/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { keyOf, recordOf } from "../backing/records.ts";
import { makePage } from "../store/pages.ts";
import { freshPath } from "../support/fresh-path.ts";

/**
 * - `ever`: counts since the thing was made.
 * - `now`: what is there.
 * - `most`: the most that was there, which falls only when memory is given back to the system.
 * - `estimate`: may be less than nothing.
 */
type Kind = "ever" | "now" | "most" | "estimate";
type Table = Record<string, Kind>;

function table(lists: Partial<Record<Kind, string>>): Table {
  const entries = Object.entries(lists) as [Kind, string][];
  return Object.fromEntries(
    entries.flatMap(([kind, names]) => names.split(/\s+/).map((name) => [name, kind])),
  );
}

const POOL: Table = table({
  now: "objects objectBytes pages pageBytes metadataBytes density utilisation",
  ever: "pagesReclaimed objectsEvicted evictionsRefused allocsRefused.ENOSPC allocsRefused.ENOMEM",
});
const STORE: Table = table({
  now: `poolTotalSize storedPages sameFilledPages storedIncompressiblePages origDataSize comprDataSize memUsedTotal
    memLimit cleanPages isBackingFull`,
  // Those before `stores` have their names from zswap and zram.
  ever: `poolLimitHit writtenBackPages rejectReclaimFail rejectCompressFail rejectCompressPoor rejectAllocFail
    duplicateEntry decompressFail recompressedPages recompressedBytesSaved
    stores loads loadsAway loadsMissing readBacks evictions invalidations drops bytesWrittenBack writebacksFailed`,
  most: "memUsedMax",
});
const BACKING: Table = table({
  now: "records bytesUsed maxBytes memoryBytes bytesInFlight isDown",
  ever: "writes bytesWritten reads bytesRead deletions drops writesRefused writesFailed readsFailed readsDamaged",
});
const CACHE: Table = table({
  now: "entries originalBytes storedBytes bytesReserved isBackingFull isBackingTold dictionary.bytes",
  ever: `hits misses staleHits sets rejectTooBig rejectNoMemory evictions expirations replacements deletions clearDeletions
    backingHits backingMisses backingReadsFailed backingWrites backingWritesFailed loads loadsFailed loadsShared
    backingRefusedBusy backingRefusedFull flushesFailed hitsNotTrusted backingChecks backingTold backingUntold
    improvement.recompressed improvement.recompressedBytesSaved`,
  most: "bytesUsed",
  estimate: "dictionary.savedBytes",
});

/** All figures, those of groups by both names. Lists and words are none. */
function figuresOf(stats: object, prefix = ""): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, value] of Object.entries(stats) as [string, unknown][]) {
    if (typeof value === "number" || typeof value === "boolean") figures[prefix + name] = Number(value);
    else if (typeof value === "object" && value !== null && !Array.isArray(value))
      Object.assign(figures, figuresOf(value, `${prefix}${name}.`));
  }
  return figures;
}

/** Looks at all figures again and again. */
class Watch {
  readonly #source: { stats(): object };
  readonly #table: Table;
  readonly #first: Record<string, number>;
  #last: Record<string, number>;

  constructor(source: { stats(): object }, table: Table) {
    this.#source = source;
    this.#table = table;
    this.#first = figuresOf(source.stats());
    this.#last = this.#first;
    assert.deepEqual(Object.keys(this.#first).sort(), Object.keys(table).sort(), "the table has all figures");
  }

  look(): void {
    const figures = figuresOf(this.#source.stats());
    for (const [name, kind] of Object.entries(this.#table)) {
      const [before, now] = [this.#last[name], figures[name]];
      if (kind === "ever") assert.ok(now >= before, `${name} fell from ${before} to ${now}`);
    }
    this.#last = figures;
  }

  /** @param moved - figures that must have counted something. */
  empty(moved: string): void {
    this.look();
    for (const [name, kind] of Object.entries(this.#table)) {
      if (kind === "now") assert.equal(this.#last[name], this.#first[name], `${name} of what is empty again`);
    }
    for (const name of moved.split(/\s+/)) assert.ok(this.#last[name] > 0, `${name} counted nothing`);
  }
}

/** What each figure is to Prometheus. */
function metricsOf(source: { stats(): object }): Table {
  const kinds: Table = {};
  const metric = (kind: Kind) =>
    class {
      constructor({ help }: { help: string }) {
        kinds[help.replace(/ of stats\(\)$/, "")] = kind;
      }
    };
  const register = { getSingleMetric: () => undefined, removeSingleMetric: () => undefined };
  collectMetrics(
    { Gauge: metric("now"), Counter: metric("ever"), register } as unknown as PromClient,
    source,
  );
  return kinds;
}

function checkMetrics(source: { stats(): object }, table: Table): void {
  const expected = Object.entries(table).map(([name, kind]) => [name, kind === "ever" ? "ever" : "now"]);
  assert.deepEqual(metricsOf(source), Object.fromEntries(expected));
}

const SEED = 20;
const PAGE = 4096;

describe(`figures: those of events never fall, others are what is there now (seed ${SEED})`, () => {
  for (const type of driverTypes()) {
    it(`a pool of ${type}`, () => {
      const prng = new Prng(SEED);
      const live: unknown[] = [];
      const pool = createPool(type as "zbud", {
        maxPages: 30,
        onEvict: (handle) => {
          if (prng.chance(0.3)) return false;
          pool.free(handle);
          live.splice(live.indexOf(handle), 1);
          return true;
        },
      });
      const watch = new Watch(pool, POOL);
      for (let step = 0; step < 3000; step++) {
        const handle = prng.chance(0.55) ? pool.alloc(1 + prng.below(4500)) : undefined;
        if (handle === undefined && live.length > 0)
          pool.free(live.splice(prng.below(live.length), 1)[0] as never);
        else if (handle !== undefined && handle !== "ENOMEM" && handle !== "ENOSPC") live.push(handle);
        if (step % 50 === 0) pool.shrinkPages(1);
        if (step % 20 === 0) watch.look();
      }
      for (const handle of live) pool.free(handle as never);
      watch.empty("allocsRefused.ENOSPC allocsRefused.ENOMEM");
      checkMetrics(pool, POOL);
      pool.close();
    });
  }

  it("a page store", async () => {
    const backing = new MemoryBacking({ maxBytes: "400KiB" });
    const store = new PageStore({ maxBytes: "256KiB", backing });
    const watch = new Watch(store, STORE);
    const prng = new Prng(SEED);
    const into = new Uint8Array(PAGE);
    for (let step = 0; step < 4000; step++) {
      const index = prng.below(400);
      const action = prng.below(100);
      if (action < 50) store.store(index, makePage(index, step, PAGE));
      else if (action < 65) store.load(index, into);
      else if (action < 80) await store.loadAsync(index, into);
      else if (action < 97) store.invalidate(index);
      else if (action < 98) store.shrinkBytes(20_000);
      else if (action < 99) store.recompress("deflate", 20);
      else await store.flush().catch(() => undefined);
      if (step % 20 === 0) watch.look();
    }
    await store.clear();
    await store.flush();
    watch.empty(`poolLimitHit writtenBackPages duplicateEntry stores loads loadsAway loadsMissing readBacks evictions
      invalidations bytesWrittenBack writebacksFailed`);
    checkMetrics(store, STORE);
    assert.deepEqual(store.stats().fallbacks, fallbacks());
    await store.close();
  });

  const backings: Record<string, () => Promise<Backing>> = {
    file: () => FileBacking.open(freshPath(), { maxBytes: 2 ** 18, averageBytes: 512, whenFull: "drop" }),
    memory: async () => new MemoryBacking({ maxBytes: 2 ** 17 }),
    keyv: async () => new KeyvBacking({ store: new Map(), maxRecordBytes: 4096 }),
  };
  for (const [name, open] of Object.entries(backings)) {
    it(`a backing store: ${name}`, async () => {
      const backing = await open();
      const watch = new Watch(backing, BACKING);
      const prng = new Prng(SEED);
      for (let step = 0; step < 1500; step++) {
        const number = prng.below(200);
        const action = prng.below(100);
        if (action < 50) void backing.write([recordOf(number, step, prng.below(6000))]);
        else if (action < 75) await backing.read(keyOf(number));
        else if (action < 97) backing.delete(keyOf(number));
        else await backing.flush();
        if (step % 20 === 0) watch.look();
      }
      await backing.flush();
      await backing.clear();
      await backing.flush();
      watch.empty(
        `writes bytesWritten reads bytesRead deletions ${name === "file" ? "drops" : "writesRefused"}`,
      );
      checkMetrics(backing, BACKING);
      await backing.close();
    });
  }

  it("a cache", async () => {
    let now = 1;
    const backing = new MemoryBacking({ maxBytes: "200KiB" });
    const cache = new CompressedCache<string>({
      maxBytes: "1MiB",
      backing,
      dictionary: "none",
      clock: () => now,
    });
    const watch = new Watch(cache, CACHE);
    const prng = new Prng(SEED);
    for (let step = 0; step < 4000; step++) {
      now += 1;
      const key = `key ${prng.below(900)}`;
      const action = prng.below(100);
      if (action < 50) {
        const value = Array.from({ length: prng.below(1500) }, () => prng.uint32().toString(36)).join("");
        cache.set(key, value, prng.chance(0.2) ? { ttl: 50 } : {});
      } else if (action < 70) cache.get(key);
      else if (action < 85) await cache.getAsync(key);
      else if (action < 95) cache.delete(key);
      else
        await cache
          .getOrSet(key, async () => (prng.chance(0.5) ? "x" : Promise.reject(new Error("none"))))
          .catch(() => undefined);
      if (step % 20 === 0) watch.look();
    }
    await cache.flush();
    cache.clear();
    await cache.flush();
    watch.empty(
      "hits misses sets evictions expirations replacements deletions clearDeletions backingHits backingWrites loads loadsFailed",
    );
    checkMetrics(cache, CACHE);
    assert.deepEqual(cache.stats().fallbacks, fallbacks());
    cache.close();
    await backing.close();
  });
});
