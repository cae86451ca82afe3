/** The store for Keyv 6: its storage contract, with absolute times of expiry. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Keyv, type KeyvStorageAdapter } from "keyv6";
import type { AnyCache } from "../../src/adapters/keys.ts";
import { keyv5Store, keyvStore } from "../../src/adapters/keyv.ts";
import { testCache, tooLarge } from "./caches.ts";

/** Keyv takes any object; this says which members it uses. */
type Used = Omit<KeyvStorageAdapter, "capabilities" | "emit" | "hook">;

function keyvOver(cache: AnyCache, namespace?: string): Keyv {
  const store = keyvStore(cache);
  store satisfies Pick<
    Used,
    "get" | "set" | "setMany" | "delete" | "deleteMany" | "clear" | "has" | "hasMany"
  >;
  return new Keyv({ store, ...(namespace === undefined ? {} : { namespace }) });
}

describe("Keyv 6 over the store", () => {
  it("takes it as one of its own, without a bridge", () => {
    const store = keyvStore(testCache());
    assert.equal(new Keyv({ store }).store, store);
  });

  it("sets, gets, tells and deletes, one and many", async () => {
    const keyv = keyvOver(testCache());
    assert.equal(await keyv.set("a", 1), true);
    assert.deepEqual(
      await keyv.setMany<unknown>([
        { key: "b", value: "B" },
        { key: "c", value: { deep: [null, false, 0, ""] }, ttl: 60_000 },
      ]),
      [true, true],
    );
    assert.equal(await keyv.get("a"), 1);
    assert.deepEqual(await keyv.get(["a", "b", "c", "d"]), [
      1,
      "B",
      { deep: [null, false, 0, ""] },
      undefined,
    ]);
    assert.deepEqual(await keyv.has(["a", "d"]), [true, false]);
    assert.equal(await keyv.delete("a"), true);
    assert.equal(await keyv.delete("a"), false);
    assert.deepEqual(await keyv.delete(["b", "d"]), [true, false]);
    assert.equal(await keyv.get("b"), undefined);
    assert.notEqual(await keyv.get("c"), undefined);
  });

  for (const value of [false, true, null, 0, -1.5, "", "'", '"', "ünïcode", [], {}, { a: { b: [1] } }]) {
    it(`keeps ${JSON.stringify(value)}`, async () => {
      const keyv = keyvOver(testCache());
      await keyv.set("key", value);
      assert.deepEqual(await keyv.get("key"), value);
    });
  }

  it("keeps values as they are where Keyv does not serialize", async () => {
    const keyv = new Keyv({ store: keyvStore(testCache()), serialization: false });
    await keyv.set("a", { b: [1, "2"] }, 60_000);
    assert.deepEqual(await keyv.get("a"), { b: [1, "2"] });
  });

  it("keeps namespaces apart, in a store each over one cache", async () => {
    const cache = testCache();
    const [one, two] = [keyvOver(cache, "one"), keyvOver(cache, "two")];
    await one.set("key", 1);
    await two.set("key", 2);
    cache.set("key", "its own");
    assert.deepEqual([await one.get("key"), await two.get("key")], [1, 2]);
    await one.clear();
    assert.deepEqual([await one.get("key"), await two.get("key")], [undefined, 2]);
    assert.equal(cache.get("key"), "its own");
    const plain = keyvOver(cache);
    await plain.clear();
    assert.equal(cache.size, 0);
  });

  it("iterates over its namespace, by keys without it", async () => {
    const cache = testCache();
    const keyv = keyvOver(cache, "one");
    await keyvOver(cache, "two").set("other", 0);
    for (let i = 0; i < 5; i++) await keyv.set(`key ${i}`, i);
    const found = new Map<string, unknown>();
    for await (const [key, value] of keyv.iterator()) found.set(String(key), value);
    assert.deepEqual(
      [...found].sort(),
      [0, 1, 2, 3, 4].map((i) => [`key ${i}`, i]),
    );
  });

  it("lets values end in the cache itself, at their absolute time", async () => {
    let now = Date.now();
    const cache = testCache({ clock: () => now });
    const store = keyvStore(cache);
    const keyv = new Keyv({ store, checkExpired: false });
    await keyv.set("short", 1, 5000);
    await keyv.set("long", 2);
    const left = cache.getRemainingTTL("short");
    assert.ok(left > 4000 && left <= 5000, `${left} ms are left`);
    now += 5001;
    assert.equal(await keyv.get("short"), undefined);
    assert.equal(await keyv.has("short"), false);
    assert.equal(await keyv.get("long"), 2);
  });

  it("a value whose time is over is not kept, and the one before it is gone", async () => {
    const cache = testCache();
    const store = keyvStore(cache);
    await store.set("key", "old");
    assert.equal(await store.set("key", "new", Date.now() - 1), true);
    assert.equal(await store.get("key"), undefined);
    assert.deepEqual(await store.setMany([{ key: "key", value: 1, expires: 0 }]), [true]);
    assert.equal(cache.size, 0);
    await store.set("key", "old");
    const { now } = Date;
    try {
      Date.now = () => 5000;
      await store.set("key", "new", 5000);
    } finally {
      Date.now = now;
    }
    assert.equal(cache.size, 0, "neither is one that ends at this very moment");
  });

  it("a second Keyv finds what the first one stored", async () => {
    const cache = testCache();
    await keyvOver(cache).set("key", { a: 1 });
    assert.deepEqual(await keyvOver(cache).get("key"), { a: 1 });
  });

  it("says that a value too large is not kept", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    const keyv = keyvOver(cache);
    assert.equal(await keyv.set("large", tooLarge(cache)), false);
    assert.equal(await keyv.get("large"), undefined);
  });

  it("hears of a cache that was closed", async () => {
    const cache = testCache();
    const other = new (cache.constructor as new (options: object) => typeof cache)({ maxBytes: "1MiB" });
    const keyv = keyvOver(other);
    other.close();
    const errors: unknown[] = [];
    keyv.on("error", (error: unknown) => errors.push(error));
    assert.equal(await keyv.set("a", 1), false);
    assert.equal(await keyv.get("a"), undefined);
    assert.match(String(errors), /ECLOSED/);
  });

  it("the store of Keyv 5 is refused at once, with the name of the right one", () => {
    const store = keyv5Store(testCache());
    const refusal = { code: "EINVAL", message: /keyv5Store is for Keyv 5.*keyvStore/ };
    assert.throws(() => new Keyv({ store }), refusal);
    assert.throws(() => new Keyv(store, { namespace: "a" }), refusal);
    assert.throws(() => Object.assign(new Keyv(), { store }), refusal);
  });
});
