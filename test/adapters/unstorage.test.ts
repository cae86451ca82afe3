/** The driver of unstorage: what its own drivers are tested for, and times to live. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStorage, type Driver, restoreSnapshot, type Storage, snapshot } from "unstorage";
import { unstorageDriver } from "../../src/adapters/unstorage.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { testCache, tooLarge } from "./caches.ts";

function storageOver(prefix?: string, cache = testCache()): Storage {
  const driver: Driver = unstorageDriver(cache, prefix === undefined ? {} : { prefix }) as Driver;
  return createStorage({ driver });
}

for (const prefix of [undefined, "app:"]) {
  describe(`the driver of unstorage, with ${prefix === undefined ? "no prefix" : `prefix ${prefix}`}`, () => {
    it("sets, has, gets and removes", async () => {
      const storage = storageOver(prefix);
      assert.equal(await storage.getItem("s1:a"), null);
      await storage.setItem("s1:a", "test_data");
      await storage.setItem("s2:a", "test_data");
      await storage.setItem("s3:a?q=1", "test_data");
      assert.equal(await storage.hasItem("s1:a"), true);
      assert.equal(await storage.getItem("s1:a"), "test_data");
      assert.equal(await storage.getItem("s3:a?q=2"), "test_data");
      await storage.removeItem("s1:a");
      assert.equal(await storage.hasItem("s1:a"), false);
      assert.equal(await storage.getItem("s1:a"), null);
    });

    it("lists keys, all and under a base", async () => {
      const storage = storageOver(prefix);
      for (const key of ["s1:a", "s2:a", "s3:a"]) await storage.setItem(key, "data");
      assert.deepEqual((await storage.getKeys()).sort(), ["s1:a", "s2:a", "s3:a"]);
      assert.deepEqual(await storage.getKeys("s2"), ["s2:a"]);
    });

    it("keeps objects, arrays, numbers and booleans", async () => {
      const storage = storageOver(prefix);
      for (const value of [{ a: { b: [1, "2", null] } }, [1, 2], 5, true, "text"]) {
        await storage.setItem("item", value as never);
        assert.deepEqual(await storage.getItem("item"), value);
      }
    });

    it("keeps bytes as they are", async () => {
      const storage = storageOver(prefix);
      const bytes = new Uint8Array(1000).map((_, i) => i * 31);
      await storage.setItemRaw("raw", bytes);
      const found = await storage.getItemRaw<Uint8Array>("raw");
      assert.ok(found instanceof Uint8Array);
      assert.deepEqual(new Uint8Array(found), bytes);
    });

    it("sets and gets many", async () => {
      const storage = storageOver(prefix);
      await storage.setItems([
        { key: "a", value: "1st" },
        { key: "b", value: { n: 2 } as never },
      ]);
      assert.deepEqual(await storage.getItems(["a", "b", "c"]), [
        { key: "a", value: "1st" },
        { key: "b", value: { n: 2 } },
        { key: "c", value: null },
      ]);
    });

    it("takes and restores snapshots", async () => {
      const [from, to] = [storageOver(prefix), storageOver(prefix)];
      await from.setItem("a:b", { c: 1 } as never);
      await restoreSnapshot(to, await snapshot(from, ""));
      assert.deepEqual(await to.getItem("a:b"), { c: 1 });
    });

    it("clears all, and under a base", async () => {
      const storage = storageOver(prefix);
      for (const key of ["s1:a", "s1:b", "s2:a"]) await storage.setItem(key, "data");
      await storage.getMount().driver.clear?.("s1:", {});
      assert.deepEqual(await storage.getKeys(), ["s2:a"]);
      await storage.clear();
      assert.deepEqual(await storage.getKeys(), []);
      await storage.dispose();
    });
  });
}

describe("the driver of unstorage", () => {
  it("lets items end after their ttl, in seconds, and tells how long they have", async () => {
    let now = 1_000_000;
    const storage = storageOver("", testCache({ clock: () => now }));
    await storage.setItem("short", "data", { ttl: 10 });
    await storage.setItem("long", "data");
    assert.equal((await storage.getMeta("short")).ttl, 10);
    assert.equal((await storage.getMeta("long")).ttl, undefined);
    now += 10_001;
    assert.equal(await storage.getItem("short"), null);
    assert.equal(await storage.getItem("long"), "data");
  });

  it("leaves what others keep in the cache", async () => {
    const cache = testCache();
    const storage = storageOver("app:", cache);
    cache.set("other", 1);
    await storage.setItem("item", "data");
    await storage.clear();
    assert.equal(cache.get("other"), 1);
    assert.equal(cache.size, 1);
  });

  it("serves as a mount beside others", async () => {
    const storage = createStorage();
    storage.mount("cache", unstorageDriver(testCache()) as Driver);
    await storage.setItem("cache:page", "<p>");
    await storage.setItem("else", "x");
    assert.equal(await storage.getItem("cache:page"), "<p>");
    assert.deepEqual((await storage.getKeys()).sort(), ["cache:page", "else"]);
  });

  it("an item that is over when it comes, or that is refused, takes the one before with it", async () => {
    const cache = testCache({ maxBytes: "1MiB" });
    const storage = storageOver("", cache);
    await storage.setItem("a", "old");
    await storage.setItem("a", "new", { ttl: -1 });
    assert.equal(await storage.getItem("a"), null);
    await storage.setItem("a", "kept", { ttl: 0 });
    assert.equal(await storage.getItem("a"), "kept");
    await storage.setItem("a", tooLarge(cache));
    assert.equal(await storage.getItem("a"), null);
  });

  it("tells of a cache that was closed", async () => {
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const storage = storageOver("", cache);
    cache.close();
    for (const call of [
      storage.getItem("a"),
      storage.hasItem("a"),
      storage.setItem("a", "b"),
      storage.setItemRaw("a", new Uint8Array(1)),
      storage.removeItem("a"),
      Promise.resolve(storage.getMeta("a")),
      storage.getKeys(),
      storage.clear(),
    ]) {
      await assert.rejects(call, { code: "ECLOSED" });
    }
  });
});
