import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { CompressedCache } from "../../src/cache/index.ts";
import { FakeClock } from "./cache-checks.ts";

function open(options = {}) {
  const clock = new FakeClock();
  const cache = new CompressedCache<string>({ maxBytes: "4MiB", tags: true, clock: clock.read, ...options });
  return { cache, clock };
}

/** A loader that ends when it is told to. */
function slow() {
  const calls: { resolve: (value: string) => void; reject: (error: Error) => void; signal: AbortSignal }[] =
    [];
  const load = (_key: unknown, { signal }: { signal: AbortSignal }): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    calls.push({ resolve, reject, signal });
    return promise;
  };
  return { calls, load };
}

describe("getOrSet", () => {
  it("a value that is there needs no loader", async () => {
    const { cache } = open();
    cache.set("a", "there");
    assert.equal(await cache.getOrSet("a", () => assert.fail("not called")), "there");
  });

  it("one load for a hundred callers, and one value stored", async () => {
    const { cache } = open();
    const { calls, load } = slow();
    const all = Array.from({ length: 100 }, () => cache.getOrSet("a", load, { ttl: 50 }));
    await turn();
    assert.equal(calls.length, 1);
    calls[0].resolve("loaded");
    assert.deepEqual(new Set(await Promise.all(all)), new Set(["loaded"]));
    assert.equal(cache.get("a"), "loaded");
    assert.equal(cache.getRemainingTTL("a"), 50);
    const { loads, loadsShared, sets } = cache.stats();
    assert.deepEqual([loads, loadsShared, sets], [1, 99, 1]);
  });

  it("keys of different kinds are different loads", async () => {
    const { cache } = open();
    const keys = ["1", 1, Uint8Array.of(49), Uint8Array.of(1)];
    const values = await Promise.all(keys.map((key, i) => cache.getOrSet(key, () => `${i}`)));
    assert.deepEqual(values, ["0", "1", "2", "3"]);
  });

  it("a failure reaches everybody, stores nothing, and the next call loads again", async () => {
    const { cache } = open();
    const { calls, load } = slow();
    const both = [cache.getOrSet("a", load), cache.getOrSet("a", load)];
    await turn();
    calls[0].reject(new Error("down"));
    for (const one of both) await assert.rejects(one, /down/);
    assert.equal(cache.has("a"), false);
    assert.equal(await cache.getOrSet("a", () => "up"), "up");
    assert.equal(cache.stats().loadsFailed, 1);
  });

  it("a loader that throws before it waits", async () => {
    const { cache } = open();
    await assert.rejects(
      cache.getOrSet("a", () => {
        throw new TypeError("at once");
      }),
      TypeError,
    );
  });

  it("undefined is given, and not stored", async () => {
    const { cache } = open();
    assert.equal(await cache.getOrSet("a", () => undefined as never), undefined);
    assert.equal(cache.size, 0);
  });

  it("a stale value at once, and one load behind it", async () => {
    const { cache, clock } = open();
    const { calls, load } = slow();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 11;
    assert.equal(cache.get("a"), undefined);
    assert.equal(await cache.getOrSet("a", load), "old");
    assert.equal(await cache.getOrSet("a", load), "old");
    assert.equal(calls.length, 1);
    calls[0].resolve("new");
    await turn();
    assert.equal(await cache.getOrSet("a", load), "new");
    assert.equal(calls.length, 1);
  });

  it("a load behind a stale value that fails leaves it, until its time is over", async () => {
    const { cache, clock } = open();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 50;
    assert.equal(await cache.getOrSet("a", () => Promise.reject(new Error("down"))), "old");
    await turn();
    assert.equal(cache.get("a", { allowStale: true }), "old");
    clock.now += 61;
    await assert.rejects(
      cache.getOrSet("a", () => Promise.reject(new Error("down"))),
      /down/,
    );
  });

  it("the loader sees the stale value, and may say how long its own is good", async () => {
    const { cache, clock } = open();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 50;
    const loaded = await cache.getOrSet(
      "a",
      (key, { staleValue, options }) => {
        options.ttl = 77;
        return `${String(key)} after ${staleValue}`;
      },
      { forceRefresh: true },
    );
    assert.equal(loaded, "a after old");
    assert.equal(cache.getRemainingTTL("a"), 77);
  });

  it("an aborted wait ends with the reason; the others go on", async () => {
    const { cache } = open();
    const { calls, load } = slow();
    const controller = new AbortController();
    const first = cache.getOrSet("a", load, { signal: controller.signal });
    const second = cache.getOrSet("a", load);
    await turn();
    controller.abort(new Error("enough"));
    await assert.rejects(first, /enough/);
    assert.equal(calls[0].signal.aborted, false);
    calls[0].resolve("loaded");
    assert.equal(await second, "loaded");
  });

  it("when nobody waits, the loader is told, and the next caller loads anew", async () => {
    const { cache } = open();
    const { calls, load } = slow();
    const controller = new AbortController();
    const only = cache.getOrSet("a", load, { signal: controller.signal });
    await turn();
    controller.abort(new Error("enough"));
    await assert.rejects(only, /enough/);
    assert.equal(calls[0].signal.aborted, true);
    const next = cache.getOrSet("a", load);
    await turn();
    calls[0].resolve("given up");
    await turn();
    assert.equal(cache.has("a"), false);
    calls[1].resolve("second");
    assert.equal(await next, "second");
  });

  it("a signal that was aborted before", async () => {
    const { cache } = open();
    const signal = AbortSignal.abort(new Error("before"));
    await assert.rejects(
      cache.getOrSet("a", () => assert.fail("not called"), { signal }),
      /before/,
    );
  });

  const CHANGES: [string, (cache: CompressedCache<string>) => void, string | undefined][] = [
    ["set", (cache) => void cache.set("a", "set meanwhile"), "set meanwhile"],
    ["deleted", (cache) => void cache.delete("a"), undefined],
    ["set and deleted", (cache) => void [cache.set("a", "x"), cache.delete("a")], undefined],
    ["cleared", (cache) => cache.clear(), undefined],
    ["deleted by its tag", (cache) => void cache.deleteByTag("t"), undefined],
  ];
  for (const [name, change, left] of CHANGES) {
    it(`a key that is ${name} during its load does not get the old result`, async () => {
      const { cache } = open();
      const { calls, load } = slow();
      const before = cache.getOrSet("a", load, { tags: ["t"] });
      await turn();
      change(cache);
      const after = cache.getOrSet("a", load, { tags: ["t"] });
      await turn();
      calls[0].resolve("read before");
      assert.equal(await before, "read before");
      assert.equal(cache.get("a"), left);
      if (left === undefined) {
        calls[1].resolve("read after");
        assert.equal(await after, "read after");
        assert.equal(cache.get("a"), "read after");
      } else {
        assert.equal(await after, left);
      }
    });
  }

  it("closing tells the loads, and those who wait are told at once, whatever the loader does", async () => {
    const { cache } = open();
    const { calls, load } = slow();
    const waiting = [cache.getOrSet("a", load), cache.getOrSet("a", load), cache.getOrSet("b", load)];
    await turn();
    cache.delete("b"); // a load that is not joined any more is waited for as well
    cache.close();
    assert.deepEqual(
      calls.map(({ signal }) => signal.aborted),
      [true, true],
    );
    for (const one of waiting) await assert.rejects(one, { code: "ECLOSED" });
    calls[0].resolve("late");
    await turn();
    await assert.rejects(cache.getOrSet("a", load), { code: "ECLOSED" });
  });
});
