/** The memory layer of bentocache: its own suite for drivers, and a BentoCache over it. */

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { BentoCache, bentostore } from "bentocache";
import { registerCacheDriverTestSuite } from "bentocache/test_suite";
import { bentoDriver } from "../../src/adapters/bentocache.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { testCache, tooLarge } from "./caches.ts";

type Suite = Parameters<typeof registerCacheDriverTestSuite>[0];
type Cleanup = () => unknown;

/** What the suite uses of japa's assertions. */
const japaAssert = {
  deepEqual: (actual: unknown, expected: unknown) => assert.deepEqual(actual, expected),
  notEqual: (actual: unknown, expected: unknown) => assert.notEqual(actual, expected),
  isTrue: (actual: unknown) => assert.equal(actual, true),
  isFalse: (actual: unknown) => assert.equal(actual, false),
  isUndefined: (actual: unknown) => assert.equal(actual, undefined),
};

/** What the suite uses of japa, on node:test. */
const japa = {
  test: (name: string, run: (context: object) => unknown) => {
    it(name, async () => {
      const cleanups: Cleanup[] = [];
      try {
        await run({ assert: japaAssert, cleanup: (clean: Cleanup) => cleanups.push(clean) });
      } finally {
        for (const clean of cleanups) await clean();
      }
    });
  },
  group: {
    setup: (prepare: () => Promise<Cleanup>) => {
      let clean: Cleanup | undefined;
      before(async () => {
        clean = await prepare();
      });
      after(() => clean?.());
    },
    tap: () => {},
    each: { teardown: (clean: Cleanup) => afterEach(() => clean()) },
  },
};

describe("bentocache's own suite", () => {
  const cache = testCache();
  registerCacheDriverTestSuite({
    ...japa,
    createDriver: (options?: { prefix?: string }) => {
      const prefix = options?.prefix ?? "japa";
      return bentoDriver({ cache, prefix }).factory({ prefix });
    },
  } as unknown as Suite);
});

describe("a BentoCache over a compressed cache", () => {
  it("loads once, gives what it keeps, and deletes by key, tag and namespace", async () => {
    const cache = testCache();
    const bento = new BentoCache({
      default: "memory",
      stores: { memory: bentostore().useL1Layer(bentoDriver({ cache, prefix: "bento" })) },
    });
    let loads = 0;
    const factory = (): { n: number } => ({ n: ++loads });
    const get = (key: string): Promise<{ n: number }> =>
      bento.getOrSet({ key, factory, ttl: "1h", tags: ["all"] });
    assert.deepEqual(await get("a"), { n: 1 });
    assert.deepEqual(await get("a"), { n: 1 });
    assert.ok(cache.size > 0, "it is in the compressed cache");
    await bento.delete({ key: "a" });
    assert.deepEqual(await get("a"), { n: 2 });
    await bento.deleteByTag({ tags: ["all"] });
    // What is made within the millisecond of a deletion counts as deleted.
    const deletedAt = Date.now();
    await until("the next millisecond", () => Date.now() > deletedAt);
    assert.deepEqual(await get("a"), { n: 3 });
    const users = bento.namespace("users");
    await users.set({ key: "a", value: "user" });
    await users.clear();
    assert.equal(await users.get({ key: "a" }), undefined);
    assert.deepEqual(await get("a"), { n: 3 });
    await bento.disconnectAll();
  });

  it("tells how long an entry has, and prunes", () => {
    let now = 1_000_000;
    const cache = testCache({ clock: () => now });
    const driver = bentoDriver({ cache }).factory({ prefix: "p" });
    driver.set("a", "1", 500);
    driver.set("b", "2");
    assert.equal(driver.getRemainingTtl("a"), 500);
    assert.equal(driver.getRemainingTtl("b"), Number.POSITIVE_INFINITY);
    assert.equal(driver.getRemainingTtl("c"), undefined);
    now += 501;
    driver.prune();
    assert.equal(cache.size, 1);
  });

  it("an entry that is over when it comes, or that is refused, takes the one before with it", () => {
    const cache = testCache({ maxBytes: "1MiB" });
    const driver = bentoDriver({ cache }).factory({ prefix: "p" });
    driver.set("a", "old");
    assert.equal(driver.set("a", "new", -1), true);
    assert.equal(driver.get("a"), undefined);
    driver.set("a", "old");
    assert.equal(driver.set("a", tooLarge(cache)), false);
    assert.equal(driver.get("a"), undefined);
  });

  it("tells of a cache that was closed", async () => {
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    const stores = { memory: bentostore().useL1Layer(bentoDriver({ cache })) };
    const bento = new BentoCache({ default: "memory", stores });
    cache.close();
    await assert.rejects(bento.getOrSet({ key: "a", factory: () => 1 }), { code: "ECLOSED" });
    await assert.rejects(bento.set({ key: "a", value: 1 }), { code: "ECLOSED" });
    await assert.rejects(bento.get({ key: "a" }), { code: "ECLOSED" });
    await bento.disconnectAll();
  });
});
