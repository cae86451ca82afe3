/** Metrics of prom-client from the figures of a cache. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import promClient from "prom-client";
import { collectMetrics, type PromClient } from "../../src/adapters/prom-client.ts";
import { PageStore } from "../../src/store/index.ts";
import { testCache } from "./caches.ts";

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
      tier: { recordsRead: 2, bytesUsed: 3 },
      histogram: [1, 2],
      name: "x",
    };
    const registry = new promClient.Registry();
    collectMetrics(client, { stats: () => stats }, { prefix: "app", registers: [registry] });
    const { values } = await scrape(registry);
    assert.deepEqual(values, {
      app_hits_total: 1,
      app_is_down: 1,
      app_tier_records_read_total: 2,
      app_tier_bytes_used: 3,
    });
  });

  it("goes to the registry of prom-client without options", async () => {
    promClient.register.clear();
    collectMetrics(client, testCache());
    assert.equal((await scrape(promClient.register)).values.zbud_cache_hits_total, 0);
    promClient.register.clear();
  });
});
