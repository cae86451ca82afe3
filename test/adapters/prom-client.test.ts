/** Metrics of prom-client from the figures of a cache. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import promClient from "prom-client";
import { collectMetrics, type PromClient } from "../../src/adapters/prom-client.ts";
import type { Handle } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { createZpool } from "../../src/entry/zpool.ts";
import { PageStore } from "../../src/store/index.ts";
import { testCache, tooLarge } from "./caches.ts";

const client: PromClient = promClient;

/** The metrics' text as numbers by name, and types by name. */
async function scrape(
  registry: promClient.Registry,
): Promise<{ values: Record<string, number>; types: Record<string, string> }> {
  const text = await registry.metrics();
  const lines = (pattern: RegExp): [string, string][] =>
    [...text.matchAll(pattern)].map(([, name, value]) => [name, value]);
  const values = lines(/^(\w+) ([\d.]+)$/gm).map(([name, value]) => [name, Number(value)]);
  return { values: Object.fromEntries(values), types: Object.fromEntries(lines(/^# TYPE (\w+) (\w+)$/gm)) };
}

describe("the metrics for prom-client", () => {
  it("are those of a page store as well, with the names of zswap", async () => {
    const store = new PageStore({ maxBytes: "1MiB" });
    const registry = new promClient.Registry();
    collectMetrics(client, store, { prefix: "zbud_store", registers: [registry] });
    store.store(1, new Uint8Array(4096).fill(1));
    store.store(1, new Uint8Array(4096).fill(2));
    const { values, types } = await scrape(registry);
    assert.equal(values.zbud_store_stored_pages, 1);
    assert.equal(values.zbud_store_same_filled_pages, 1);
    assert.equal(values.zbud_store_duplicate_entry_total, 1);
    assert.equal(types.zbud_store_stored_pages, "gauge");
    assert.equal(types.zbud_store_pool_total_size, "gauge");
    assert.equal(types.zbud_store_written_back_pages_total, "counter");
    await store.close();
  });

  it("are what the cache says at each scrape", async () => {
    const cache = testCache();
    const registry = new promClient.Registry();
    collectMetrics(client, cache, { registers: [registry] });
    for (let round = 1; round <= 2; round++) {
      cache.set(`key ${round}`, "value");
      cache.get(`key ${round}`);
      cache.get("none");
      const { values, types } = await scrape(registry);
      assert.equal(values.zbud_cache_hits_total, round);
      assert.equal(values.zbud_cache_misses_total, round);
      assert.equal(values.zbud_cache_entries, round);
      assert.equal(values.zbud_cache_bytes_reserved, cache.bytesReserved);
      assert.equal(types.zbud_cache_hits_total, "counter");
      for (const name of ["entries", "bytes_used", "bytes_reserved", "stored_bytes", "original_bytes"]) {
        assert.equal(types[`zbud_cache_${name}`], "gauge", name);
      }
    }
  });

  it("has every figure, and those of groups by both names", async () => {
    const stats = {
      hits: 1,
      isDown: true,
      tier: { reads: 2, bytesUsed: 3 },
      histogram: [1, 2],
      name: "x",
    };
    const registry = new promClient.Registry();
    collectMetrics(client, { stats: () => stats }, { prefix: "app", registers: [registry] });
    const { values } = await scrape(registry);
    assert.deepEqual(values, {
      app_hits_total: 1,
      app_is_down: 1,
      app_tier_reads_total: 2,
      app_tier_bytes_used: 3,
    });
  });

  it("goes to the registry of prom-client without options", async () => {
    promClient.register.clear();
    collectMetrics(client, testCache());
    assert.equal((await scrape(promClient.register)).values.zbud_cache_hits_total, 0);
    promClient.register.clear();
  });

  it("a closed cache reports nothing, and harms nobody else's metrics", async () => {
    const registry = new promClient.Registry();
    new promClient.Gauge({ name: "other", help: "of the program", registers: [registry] }).set(5);
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const store = new PageStore({ maxBytes: "1MiB" });
    collectMetrics(client, cache, { registers: [registry] });
    collectMetrics(client, store, { prefix: "zbud_store", registers: [registry] });
    cache.set("a", 1);
    assert.equal((await scrape(registry)).values.zbud_cache_entries, 1);
    cache.close();
    await store.close();
    for (let round = 0; round < 2; round++) assert.deepEqual((await scrape(registry)).values, { other: 5 });
    assert.deepEqual(registry.getMetricsAsArray().length, 1);
    const next = testCache();
    next.set("b", 1);
    collectMetrics(client, next, { registers: [registry] });
    const { values } = await scrape(registry);
    assert.deepEqual([values.other, values.zbud_cache_entries], [5, 1]);
  });

  it("end when told to, and leave a metric of the same name that somebody else made since", async () => {
    const registers = [new promClient.Registry(), new promClient.Registry()];
    for (let round = 0; round < 2; round++) {
      const collected = collectMetrics(client, testCache(), { registers });
      collected.end();
      for (const registry of registers) assert.deepEqual((await scrape(registry)).values, {});
      new promClient.Gauge({ name: "zbud_cache_entries", help: "of another", registers }).set(7);
      collected.end();
      for (const registry of registers)
        assert.deepEqual((await scrape(registry)).values, { zbud_cache_entries: 7 });
      for (const registry of registers) registry.clear();
    }
    collectMetrics(client, testCache(), { registers })[Symbol.dispose]();
    for (const registry of registers) assert.deepEqual((await scrape(registry)).values, {});
  });

  it("of two caches need two prefixes, and a name that is taken is refused before anything is registered", async () => {
    const registry = new promClient.Registry();
    const [one, two] = [testCache(), testCache()];
    one.set("a", 1);
    collectMetrics(client, one, { registers: [registry] });
    const before = await registry.metrics();
    assert.throws(() => collectMetrics(client, two, { registers: [registry] }), {
      code: "EEXIST",
      message: /zbud_cache_entries.*prefix/,
    });
    const more = { stats: () => ({ another: 1, ...two.stats() }) };
    assert.throws(() => collectMetrics(client, more, { registers: [registry] }), { code: "EEXIST" });
    assert.equal(await registry.metrics(), before);
    collectMetrics(client, two, { prefix: "zbud_second", registers: [registry] });
    const { values } = await scrape(registry);
    assert.deepEqual([values.zbud_cache_entries, values.zbud_second_entries], [1, 0]);
  });

  it("are gauges where they go down, and counters never do", async () => {
    const registry = new promClient.Registry();
    const cache = testCache({ maxBytes: "1MiB", maxEntries: 50 });
    const store = new PageStore({ maxBytes: "1MiB", codec: "none" });
    const pool = createZpool("zbud", { maxPages: 10 });
    const sources = { cache, store, pool };
    for (const [prefix, source] of Object.entries(sources)) {
      collectMetrics(client, source, { prefix, registers: [registry] });
    }
    const handles: Handle[] = [];
    const steps = [
      () => {
        for (let i = 0; i < 100; i++) cache.set(i, "x".repeat(i), { ttl: i % 2 });
        for (let i = 0; i < 20; i++) store.store(i, new Uint8Array(4096).fill(i));
        for (let i = 0; i < 5; i++) handles.push(pool.malloc(2000 - i) as Handle);
      },
      () => {
        for (let i = 0; i < 100; i++) cache.get(i);
        for (let i = 0; i < 20; i++) store.load(i, new Uint8Array(4096));
        pool.malloc(2 ** 20);
        pool.free(handles.pop() as Handle);
      },
      () => {
        cache.delete(99);
        cache.peek(98);
        cache.clear();
        for (let i = 0; i < 20; i++) store.invalidate(i);
        for (const handle of handles) pool.free(handle);
      },
      () => {
        cache.set("large", tooLarge(cache));
        cache.peek("none");
      },
    ];
    let before = (await scrape(registry)).values;
    const fell = new Set<string>();
    for (const step of steps) {
      step();
      const { values, types } = await scrape(registry);
      for (const [name, value] of Object.entries(values)) {
        if (value < before[name]) fell.add(name);
        if (types[name] === "counter")
          assert.ok(value >= before[name], `${name} went from ${before[name]} to ${value}`);
      }
      before = values;
    }
    for (const name of [
      "cache_entries",
      "store_stored_pages",
      "pool_density",
      "pool_utilisation",
      "pool_objects",
    ]) {
      assert.ok(fell.has(name), `${name} went down`);
    }
    await store.close();
  });

  it("a figure that is no longer there is left out", async () => {
    const registry = new promClient.Registry();
    let stats: object = { hits: 1, group: { entries: 2 }, state: { size: 3 } };
    collectMetrics(client, { stats: () => stats }, { prefix: "app", registers: [registry] });
    stats = { hits: 2, group: null, state: { size: "off" } };
    assert.deepEqual((await scrape(registry)).values, { app_hits_total: 2 });
    stats = { hits: 3, group: { entries: 4 } };
    assert.deepEqual((await scrape(registry)).values, { app_hits_total: 3, app_group_entries: 4 });
  });

  it("an error of stats() is one of the scrape, and the next works", async () => {
    const registry = new promClient.Registry();
    let fails = false;
    const stats = (): object => {
      if (fails) throw new Error("no figures now");
      return { hits: 1 };
    };
    collectMetrics(client, { stats }, { prefix: "app", registers: [registry] });
    fails = true;
    await assert.rejects(registry.metrics(), /no figures now/);
    fails = false;
    assert.deepEqual((await scrape(registry)).values, { app_hits_total: 1 });
  });
});
