/** What becomes of loads: which results are stored, who is told of an end, what is counted. */
// Faked timers, and handles of one cache in a page that is not isolated, are not to be had in a browser.
import "node:worker_threads";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { FakeClock } from "./cache-checks.ts";

function open(options: Partial<CompressedCacheOptions<string>> = {}) {
  const clock = new FakeClock();
  const cache = new CompressedCache<string>({ maxBytes: "4MiB", tags: true, clock: clock.read, ...options });
  const other = CompressedCache.attach<string>(cache.share(), { clock: clock.read });
  return { cache, other, clock };
}

/** A loader that ends when it is told to. */
function slow() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { load: () => promise, resolve, reject };
}

type Change = (cache: CompressedCache<string>, clock: FakeClock) => void;

const LONG = "x".repeat(2 ** 26 + 1);
const NOISE = new Prng(1);
const TOO_MUCH = Uint8Array.from({ length: 2 ** 20 - 100 }, () => NOISE.below(256));

/** What leaves no entry of the key behind. */
const GONE: [string, Change][] = [
  ["deleted", (cache) => void cache.delete("a")],
  [
    "set, and expired",
    (cache, clock) => {
      cache.set("a", "newer", { ttl: 10 });
      clock.now += 11;
    },
  ],
  [
    "set, and evicted",
    (cache) => {
      cache.set("a", "newer");
      for (const key of ["p1", "p2", "p3"]) cache.set(key, key);
    },
  ],
  [
    "set, and purged",
    (cache, clock) => {
      cache.set("a", "newer", { ttl: 10 });
      clock.now += 11;
      cache.purgeStale();
    },
  ],
  ["set, and refused for its length", (cache) => assert.equal(cache.set("a", LONG), "E2BIG")],
  [
    "set, and refused as it is kept",
    (cache) => assert.equal((cache as CompressedCache<unknown>).set("a", TOO_MUCH), "E2BIG"),
  ],
  ["set to undefined", (cache) => assert.equal(cache.set("a", undefined), "deleted")],
  ["cleared", (cache) => cache.clear()],
  ["deleted by a tag that only the loader knew of", (cache) => void cache.deleteByTag("late")],
];

describe("a result that is older than a change of its key is given, and not stored", () => {
  for (const [name, change] of GONE) {
    for (const who of ["this thread", "another thread"]) {
      it(`${name}, by ${who}`, async () => {
        const { cache, other, clock } = open({ maxEntries: 3 });
        const { load, resolve } = slow();
        const loading = cache.getOrSet("a", (_, { options }) => {
          options.tags = ["late"];
          return load();
        });
        await turn();
        change(who === "this thread" ? cache : other, clock);
        resolve("read before");
        assert.equal(await loading, "read before");
        assert.equal(cache.get("a"), undefined);
        assert.equal(await cache.getOrSet("a", () => "read after"), "read after");
        assert.equal(cache.get("a"), "read after");
      });
    }
  }

  it("a result that is too long does not remove what was set meanwhile", async () => {
    const { cache, other } = open();
    for (const value of [LONG, TOO_MUCH as never]) {
      const { load, resolve } = slow();
      const loading = cache.getOrSet("a", load, { forceRefresh: true });
      await turn();
      other.set("a", "newer");
      resolve(value);
      await loading;
      assert.equal(cache.get("a"), "newer");
    }
  });

  it("of many loads at a time, more than there are slots, exactly those whose keys were changed", async () => {
    const { cache, other } = open({ maxBytes: "16MiB" });
    for (let round = 0; round < 2; round++) {
      const { load, resolve } = slow();
      const loads = Array.from({ length: 3000 }, (_, i) => cache.getOrSet(i, load, { forceRefresh: true }));
      await turn();
      for (let i = 0; i < 3000; i += 3) other.delete(i);
      resolve("loaded");
      await Promise.all(loads);
      for (let i = 0; i < 3000; i += 3) assert.equal(cache.has(i), false, `${i} in round ${round}`);
      // Those without a slot go by stamps, which some deletions share.
      let stored = 0;
      for (let i = 0; i < 3000; i++) if (i % 3 !== 0 && cache.has(i)) stored++;
      assert.ok(stored > 900, `${stored} of 2000 stored`);
    }
  });

  it("of many loads at a time, all are stored if nobody changes their keys", async () => {
    const { cache } = open({ maxBytes: "16MiB" });
    const { load, resolve } = slow();
    const loads = Array.from({ length: 3000 }, (_, i) => cache.getOrSet(i, load));
    await turn();
    resolve("loaded");
    await Promise.all(loads);
    assert.equal(cache.size, 3000);
  });

  it("sets and deletions of other keys refuse nothing: 10,000 sets a second, loads of 100 ms", async () => {
    const { cache, other } = open({ maxBytes: "16MiB" });
    let stored = 0;
    for (let round = 0; round < 25; round++) {
      const { load, resolve } = slow();
      const loads = Array.from({ length: 40 }, (_, i) =>
        cache.getOrSet(`load ${round} ${i}`, load, { tags: ["t"] }),
      );
      await turn();
      for (let i = 0; i < 1000; i++) {
        const of = i % 2 === 0 ? cache : other;
        of.set(`set ${i}`, "value");
        if (i % 4 === 0) of.delete(`set ${i}`);
      }
      resolve("loaded");
      await Promise.all(loads);
      for (let i = 0; i < 40; i++) if (cache.has(`load ${round} ${i}`)) stored++;
    }
    assert.equal(stored, 1000);
  });

  it("what is read after a change is stored, though the second tier was asked before it", async () => {
    const { MemoryBacking } = await import("../../src/backing/index.ts");
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      backing: new MemoryBacking({ delayMs: 1 }),
    });
    const loading = cache.getOrSet("a", () => "read after");
    cache.delete("a");
    assert.equal(await loading, "read after");
    assert.equal(cache.get("a"), "read after");
  });
});

describe("a caller who gives up ends nobody else's load", () => {
  it("aborted in the loader: the caller is told, and nothing is unhandled", async () => {
    const { cache } = open();
    for (const fails of [true, false]) {
      const controller = new AbortController();
      const loading = cache.getOrSet(
        "a",
        async () => {
          controller.abort(new Error("enough"));
          await turn();
          if (fails) throw new Error("the loader's own");
          return "late";
        },
        { signal: controller.signal },
      );
      await assert.rejects(loading, /enough/);
      await turn();
      await turn();
      assert.equal(cache.has("a"), false);
    }
  });

  it("a background refresh goes on when one who waits for it as well gives up", async () => {
    const { cache, clock } = open();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 11;
    const { load, resolve } = slow();
    let signal: AbortSignal | undefined;
    const loader = (_: unknown, context: { signal: AbortSignal }) => {
      signal = context.signal;
      return load();
    };
    assert.equal(await cache.getOrSet("a", loader), "old");
    const controller = new AbortController();
    const waiting = cache.getOrSet("a", loader, { forceRefresh: true, signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    assert.equal(signal?.aborted, false);
    resolve("new");
    await turn();
    assert.equal(cache.get("a"), "new");
  });

  it("a refresh that a caller with a signal began goes on when it is aborted", async () => {
    const { cache, clock } = open();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 11;
    const { load, resolve } = slow();
    const controller = new AbortController();
    assert.equal(await cache.getOrSet("a", load, { signal: controller.signal }), "old");
    controller.abort();
    resolve("new");
    await turn();
    assert.equal(cache.get("a"), "new");
  });

  it("a load that waited for the second tier is told of the end as well", async () => {
    const never = { name: "never", isSync: false, maxRecordBytes: 1e6 };
    const backing = {
      ...never,
      read: () => new Promise(() => undefined),
      write: () => Promise.resolve([]),
      has: () => "unknown",
      delete: () => undefined,
    } as never;
    const cache = new CompressedCache<string>({ maxBytes: "4MiB", backing });
    const waiting = [cache.getAsync("a"), cache.getOrSet("a", () => "x")];
    cache.close();
    for (const one of waiting) await assert.rejects(one, { code: "ECLOSED" });
  });
});

describe("what is counted", () => {
  it("stale values that getOrSet gave, and loads of all threads", async () => {
    const { cache, other, clock } = open();
    cache.set("a", "old", { ttl: 10, staleWhileRevalidate: 100 });
    clock.now += 11;
    const { load, resolve } = slow();
    await other.getOrSet("a", load);
    await other.getOrSet("a", load);
    resolve("new");
    await turn();
    await assert.rejects(
      other.getOrSet("b", () => Promise.reject(new Error("down"))),
      /down/,
    );
    const { staleHits, loads, loadsFailed, loadsShared } = cache.stats();
    assert.deepEqual(
      { staleHits, loads, loadsFailed, loadsShared },
      { staleHits: 2, loads: 2, loadsFailed: 1, loadsShared: 1 },
    );
    assert.deepEqual(other.stats(), cache.stats());
  });

  it("no counter falls at any moment of any call", () => {
    const { cache, clock } = open();
    let last: Record<string, number> = {};
    const CURRENT = ["entries", "originalBytes", "storedBytes"];
    let looks = 0;
    const look = (): void => {
      const stats = cache.stats() as unknown as Record<string, number>;
      for (const [name, count] of Object.entries(last)) {
        if (!CURRENT.includes(name))
          assert.ok(stats[name] >= count, `${name} fell from ${count} to ${stats[name]}`);
      }
      last = stats;
      looks++;
    };
    // Between what a call does to shared memory, as another thread would see it.
    const add = Atomics.add;
    Atomics.add = ((...args: Parameters<typeof add>) => {
      look();
      return add(...args);
    }) as typeof add;
    try {
      cache.set("a", "value", { ttl: 10, staleWhileRevalidate: 100 });
      for (const now of [0, 20]) {
        clock.now += now;
        for (const key of ["a", "b"]) {
          cache.get(key);
          cache.peek(key);
          cache.get(key, { allowStale: true });
          cache.peek(key, { allowStale: true });
          cache.has(key);
          look();
        }
      }
    } finally {
      Atomics.add = add;
    }
    assert.ok(looks >= 4);
    const { hits, misses, staleHits } = cache.stats();
    assert.deepEqual({ hits, misses, staleHits }, { hits: 3, misses: 5, staleHits: 1 });
  });
});

describe("options of a load", () => {
  it("bad tags and times are found before the loader runs", async () => {
    const { cache } = open();
    const noTags = new CompressedCache<string>({ maxBytes: "4MiB" });
    const fail = (): never => assert.fail("not called");
    const BAD = [
      "t",
      [1],
      Array.from({ length: 9 }, (_, i) => `${i}`),
      ["x".repeat(70_000)],
      null,
      "",
      {},
    ] as never[];
    for (const tags of BAD) await assert.rejects(cache.getOrSet("a", fail, { tags }), { code: "EINVAL" });
    for (const tags of BAD) assert.throws(() => cache.set("a", "x", { tags }), { code: "EINVAL" });
    await assert.rejects(noTags.getOrSet("a", fail, { tags: ["t"] }), { code: "EINVAL" });
    for (const ttl of [-1, Number.NaN, 2 ** 60, "5" as never]) {
      await assert.rejects(cache.getOrSet("a", fail, { ttl }), { code: "EINVAL" });
    }
  });

  it("what the loader made of them is checked again, and nothing is stored", async () => {
    const { cache } = open();
    cache.set("a", "old");
    for (const bad of [
      { tags: "t" },
      { tags: [1] },
      { ttl: -1 },
      { staleWhileRevalidate: 2 ** 40 },
      { tll: 5 },
    ]) {
      const loading = cache.getOrSet(
        "a",
        (_, { options }) => {
          Object.assign(options, bad);
          return "loaded";
        },
        { forceRefresh: true },
      );
      await assert.rejects(loading, { code: "EINVAL" });
      assert.equal(cache.get("a"), "old");
    }
  });

  it("a loader that writes beside them, or in their place, is told so, and nothing is stored", async () => {
    const { cache } = open();
    for (const beside of [{ ttl: 5 }, { options: { ttl: 5 } }]) {
      const loading = cache.getOrSet("a", (_, context) => {
        Object.assign(context, beside);
        return "loaded";
      });
      await assert.rejects(loading, TypeError);
      assert.equal(cache.has("a"), false);
    }
  });

  it("times to live go from 0 to 2^53, or Infinity, and messages say so", () => {
    const { cache } = open();
    for (const ttl of [0, 0.5, 2 ** 31, 2 ** 53, Number.POSITIVE_INFINITY]) {
      assert.equal(cache.set(`${ttl}`, "x", { ttl }), "add");
      assert.equal(cache.get(`${ttl}`), "x");
    }
    assert.equal(cache.getRemainingTTL("Infinity"), Number.POSITIVE_INFINITY);
    for (const ttl of [-1, Number.NaN, 2 ** 60, Number.NEGATIVE_INFINITY]) {
      assert.throws(() => cache.set("a", "x", { ttl }), /ttl must be .* from 0 to 2\^53, or Infinity .*not /);
      assert.throws(() => new CompressedCache({ maxBytes: "4MiB", ttl }), /from 0 to 2\^53/);
    }
  });

  it("the loader gets the old value as long as it is there, be it expired", async () => {
    const { cache, clock } = open();
    const seen: unknown[] = [];
    const ask = (options = {}) =>
      cache.getOrSet(
        "a",
        (_, { staleValue }) => {
          seen.push(staleValue);
          return `${staleValue}!`;
        },
        options,
      );
    await ask({ ttl: 10 });
    clock.now += 11;
    assert.equal(cache.stats().entries, 1);
    await ask({ ttl: 10 });
    clock.now += 11;
    await assert.rejects(
      cache.getOrSet("a", () => Promise.reject(new Error("down"))),
      /down/,
    );
    await ask({ ttl: 10 });
    clock.now += 11;
    assert.equal(cache.get("a"), undefined); // and it is gone
    await ask();
    assert.deepEqual(seen, [undefined, "undefined!", "undefined!!", undefined]);
    const { hits, misses } = cache.stats();
    assert.deepEqual({ hits, misses }, { hits: 0, misses: 6 });
  });

  it("an expired value that cannot be read any more keeps nobody from loading", async () => {
    let isBroken = false;
    const serializer = {
      serialize: (value: string) => new TextEncoder().encode(value),
      deserialize: (bytes: Uint8Array) => {
        if (isBroken) throw new Error("of an older version");
        return new TextDecoder().decode(bytes);
      },
    };
    const clock = new FakeClock();
    const cache = new CompressedCache<string>({ maxBytes: "4MiB", clock: clock.read, serializer });
    cache.set("a", "old", { ttl: 10 });
    clock.now += 11;
    isBroken = true;
    assert.equal(await cache.getOrSet("a", () => "new"), "new");
  });

  it("time that is faked after the cache was made counts, in the cache and in the tiers", async (t) => {
    const { MemoryBacking } = await import("../../src/backing/index.ts");
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      maxEntries: 1,
      backing: new MemoryBacking(),
    });
    t.mock.timers.enable({ apis: ["Date"], now: 5_000_000 });
    cache.set("a", "value", { ttl: 10 });
    cache.set("b", "value", { ttl: 10 });
    assert.equal(cache.getRemainingTTL("b"), 10);
    await cache.flush();
    t.mock.timers.tick(9);
    assert.equal(cache.get("b"), "value");
    assert.equal(await cache.getAsync("a"), "value");
    t.mock.timers.tick(2);
    assert.equal(cache.get("a"), undefined);
    assert.equal(await cache.getAsync("b"), undefined);
  });
});
