/** The store for Keyv 5: Keyv's own suite, what that leaves out, and what builds on Keyv 5. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { createCache } from "cache-manager";
import { Cacheable } from "cacheable";
import { Keyv } from "keyv";
import { keyv5Store, keyvStore } from "../../src/adapters/keyv.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { testCache, tooLarge } from "./caches.ts";
import { vitest } from "./expect.ts";

describe("Keyv 5's own suite", () => {
  const cache = testCache();
  keyvTestSuite(vitest, Keyv, () => keyv5Store(cache));
});

describe("Keyv 5's own suite of iterators", () => {
  const cache = testCache();
  keyvIteratorTests(vitest, Keyv, () => keyv5Store(cache));
});

describe("the store for Keyv 5", () => {
  it("lets values end in the cache itself, by their time to live", async () => {
    let now = 1_000_000;
    const cache = testCache({ clock: () => now });
    const store = keyv5Store(cache);
    const keyv = new Keyv({ store, namespace: "a" });
    await keyv.set("short", 1, 100);
    await keyv.set("long", 2);
    assert.equal(cache.getRemainingTTL("a:short"), 100);
    assert.equal(cache.getRemainingTTL("a:long"), Number.POSITIVE_INFINITY);
    now += 101;
    assert.equal(await store.has("a:short"), false);
    assert.equal(await keyv.get("long"), 2);
  });

  it("takes and gives many at once", async () => {
    const keyv = new Keyv({ store: keyv5Store(testCache()) });
    await keyv.setMany([
      { key: "a", value: 1 },
      { key: "b", value: { deep: ["x"] }, ttl: 60_000 },
    ]);
    assert.deepEqual(await keyv.getMany(["a", "b", "c"]), [1, { deep: ["x"] }, undefined]);
    assert.deepEqual(await keyv.hasMany(["a", "c"]), [true, false]);
    assert.equal(await keyv.deleteMany(["a", "c"]), true);
    assert.equal(await keyv.has("a"), false);
  });

  it("says that a value too large is not kept", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    const keyv = new Keyv({ store: keyv5Store(cache) });
    assert.equal(await keyv.set("large", tooLarge(cache)), false);
    assert.equal(await keyv.get("large"), undefined);
  });

  it("gives an error of the cache to Keyv", async () => {
    const cache = testCache();
    const keyv = new Keyv({ store: keyv5Store(cache), throwOnErrors: true });
    await assert.rejects(keyv.set("a", 1, Number.NaN), { code: "EINVAL" });
  });

  it("a value whose time is over is not kept, and the one before it is gone", async () => {
    const cache = testCache();
    const keyv = new Keyv({ store: keyv5Store(cache) });
    await keyv.set("t", "old");
    assert.equal(await keyv.set("t", "new", -1), true);
    assert.equal(await keyv.get("t"), undefined);
    await keyv.set("t", "old");
    await keyv.setMany([
      { key: "a", value: 1 },
      { key: "t", value: "new", ttl: -1 },
      { key: "b", value: 2, ttl: 0 },
    ]);
    assert.deepEqual(await keyv.getMany(["a", "t", "b"]), [1, undefined, 2]);
    assert.equal(cache.size, 2);
  });

  it("says of each of many whether it is kept", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    const keyv = new Keyv(keyv5Store(cache));
    await keyv.set("large", "old");
    const entries = [
      { key: "a", value: 1 },
      { key: "large", value: tooLarge(cache) },
    ];
    assert.deepEqual(await keyv.setMany(entries), [true, false]);
    assert.deepEqual(await keyv.getMany(["a", "large"]), [1, undefined]);
  });

  it("hears of a cache that was closed", async () => {
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const keyv = new Keyv({ store: keyv5Store(cache) });
    const strict = new Keyv({ store: keyv5Store(cache), throwOnErrors: true });
    cache.close();
    const errors: unknown[] = [];
    keyv.on("error", (error: unknown) => errors.push(error));
    assert.equal(await keyv.set("a", 1), false);
    assert.equal(await keyv.get("a"), undefined);
    assert.match(String(errors), /ECLOSED/);
    for (const call of [
      strict.set("a", 1),
      strict.get("a"),
      strict.has("a"),
      strict.delete("a"),
      strict.clear(),
    ]) {
      await assert.rejects(call, { code: "ECLOSED" });
    }
  });

  it("the store of Keyv 6 is refused at once, with the name of the right one", () => {
    const store = keyvStore(testCache());
    const refusal = { code: "EINVAL", message: /keyvStore is for Keyv 6.*keyv5Store/ };
    assert.throws(() => new Keyv({ store }), refusal);
    assert.throws(() => new Keyv(store as never, { namespace: "a" }), refusal);
    assert.throws(() => Object.assign(new Keyv(), { store }), refusal);
  });
});

describe("what builds on Keyv 5", () => {
  it("cache-manager", async () => {
    const cache = createCache({ stores: [new Keyv({ store: keyv5Store(testCache()) })], ttl: 60_000 });
    let loads = 0;
    const load = (): Promise<{ id: number }> => Promise.resolve({ id: ++loads });
    assert.deepEqual(await cache.wrap("user", load), { id: 1 });
    assert.deepEqual(await cache.wrap("user", load), { id: 1 });
    await cache.mset([
      { key: "a", value: "A" },
      { key: "b", value: "B" },
    ]);
    assert.deepEqual(await cache.mget(["a", "b", "none"]), ["A", "B", undefined]);
    assert.equal(await cache.del("user"), true);
    assert.deepEqual(await cache.wrap("user", load), { id: 2 });
    const left = (await cache.ttl("user")) ?? 0;
    assert.ok(left > Date.now(), `expires at ${left}`);
    await cache.clear();
    assert.equal(await cache.get("a"), undefined);
  });

  it("cacheable", async () => {
    const cacheable = new Cacheable({ primary: new Keyv({ store: keyv5Store(testCache()) }), ttl: "1h" });
    await cacheable.set("a", { deep: [1, "2"] });
    assert.deepEqual(await cacheable.get("a"), { deep: [1, "2"] });
    assert.equal(await cacheable.take("a").then((value) => value !== undefined), true);
    assert.equal(await cacheable.has("a"), false);
    let calls = 0;
    const wrapped = cacheable.wrap((n: number) => n * ++calls, { ttl: "1m", keyPrefix: "times" });
    assert.equal(await wrapped(7), 7);
    assert.equal(await wrapped(7), 7);
    assert.equal(calls, 1);
  });
});
