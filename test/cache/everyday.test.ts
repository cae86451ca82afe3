/** Methods that lru-cache has not, or not so: of a few entries at a time, of an entry's time, of what is known of it. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { MemoryBacking } from "../../src/backing/index.ts";
import { auxOf, kindOf, ttlOf } from "../../src/cache/expiry.ts";
import { type CacheKey, CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { FakeClock } from "./cache-checks.ts";

function open(options: Partial<CompressedCacheOptions<string>> = {}) {
  const clock = new FakeClock();
  const removed: string[] = [];
  const cache = new CompressedCache<string>({
    maxBytes: "4MiB",
    tags: true,
    clock: clock.read,
    onRemoved: (key, reason) => removed.push(`${key} ${reason}`),
    ...options,
  });
  return { cache, clock, removed };
}

const DAY = 86_400_000;

describe("a ttl is kept with its entry", () => {
  it("in 24 bits: exact where it is round, and never shorter", () => {
    const exact = [0, 1, 50, 2 ** 24 - 1, 2 ** 24, 5 * 3_600_000, DAY, 30 * DAY, 2 ** 40, 2 ** 53];
    for (const ttl of exact) assert.equal(ttlOf(auxOf(5, ttl)), ttl);
    for (const ttl of [0.2, 7.5, 2 ** 24 - 0.5, 2 ** 24 + 1, 365 * DAY + 1, 2 ** 53 - 1]) {
      const kept = ttlOf(auxOf(3, ttl));
      assert.ok(kept >= ttl && kept - ttl <= Math.max(1, ttl / 2 ** 23), `${ttl} is kept as ${kept}`);
      assert.equal(auxOf(3, kept), auxOf(3, ttl));
    }
    for (let kind = 0; kind < 8; kind++) assert.equal(kindOf(auxOf(kind, 2 ** 53)), kind);
  });

  it("touch begins it anew, with another one if it is given one, and counts as use", () => {
    const { cache, clock } = open({ staleWhileRevalidate: 7, maxEntries: 3 });
    cache.set("a", "1", { ttl: 100 });
    cache.set("never", "1");
    cache.set("stale", "1", { ttl: 10, staleWhileRevalidate: 1000 });
    clock.now += 60;
    assert.deepEqual([cache.touch("a"), cache.touch("never"), cache.touch("stale")], [true, true, false]);
    assert.equal(cache.getRemainingTTL("a"), 100);
    assert.equal(cache.getRemainingTTL("never"), Number.POSITIVE_INFINITY);
    assert.equal(cache.touch("a", 300), true);
    clock.now += 10;
    assert.equal(cache.touch("a"), true);
    assert.equal(cache.getRemainingTTL("a"), 300);
    cache.touch("a", 0);
    cache.touch("never", 20);
    clock.now += 25;
    assert.equal(cache.getRemainingTTL("a"), Number.POSITIVE_INFINITY);
    assert.equal(cache.get("never"), undefined);
    assert.equal(cache.get("never", { allowStale: true }), "1", "it has the cache's window");
    assert.equal(cache.touch("nobody"), false);
    cache.touch("stale", Number.POSITIVE_INFINITY);
    cache.touch("a");
    const { hits, misses } = cache.stats();
    assert.deepEqual([hits, misses], [1, 1], "touch is no read");
    for (const key of ["x", "y"]) cache.set(key, "1");
    assert.equal(cache.has("a"), true, "it was the most recently used one");
    for (const ttl of [-1, "5", { ttl: 5 }, null])
      assert.throws(() => cache.touch("a", ttl as never), { code: "EINVAL", message: /ttl must be/ });
    verify(cache);
  });

  it("all that counts as a use of the value can begin it anew", async () => {
    const uses: [string, (cache: CompressedCache<string>, updateAgeOnGet: boolean) => unknown][] = [
      ["get", (cache, updateAgeOnGet) => cache.get("a", { updateAgeOnGet })],
      ["getInto", (cache, updateAgeOnGet) => cache.getInto("a", new Uint8Array(9), { updateAgeOnGet })],
      ["withValue", (cache, updateAgeOnGet) => cache.withValue("a", () => 1, { updateAgeOnGet })],
      ["getAsync", (cache, updateAgeOnGet) => cache.getAsync("a", { updateAgeOnGet })],
      ["getMany", (cache, updateAgeOnGet) => cache.getMany(["a"], { updateAgeOnGet })],
      ["getOrSet", (cache, updateAgeOnGet) => cache.getOrSet("a", () => assert.fail(), { updateAgeOnGet })],
    ];
    for (const [name, use] of uses) {
      const { cache, clock } = open({ ttl: 100 });
      cache.set("a", "1");
      clock.now += 60;
      await use(cache, false);
      assert.equal(cache.getRemainingTTL("a"), 40, name);
      await use(cache, true);
      assert.equal(cache.getRemainingTTL("a"), 100, name);
    }
  });

  it("a stale value does not become fresh by a read", () => {
    const { cache, clock } = open({
      ttl: 10,
      staleWhileRevalidate: 50,
      updateAgeOnGet: true,
      allowStale: true,
    });
    cache.set("a", "1");
    clock.now += 20;
    assert.equal(cache.get("a"), "1");
    assert.equal(cache.has("a"), false);
    assert.equal(cache.has("a", { allowStale: true }), true);
    assert.equal(cache.info("a")?.ttl, -10);
    clock.now += 41;
    assert.equal(cache.has("a", { allowStale: true }), false);
  });

  it("goes along to the backing store and to a file, and what is newer there counts", async () => {
    const clock = new FakeClock();
    const backing = new MemoryBacking({ clock: clock.read });
    const { cache } = open({ maxEntries: 1, ttl: 100, backing, clock: clock.read });
    cache.set("a", "1");
    cache.set("b", "2");
    await cache.flush();
    clock.now += 60;
    assert.equal(await cache.getAsync("a", { updateAgeOnGet: true }), "1");
    assert.equal(cache.getRemainingTTL("a"), 100);
    // Its copy has the old time: it is written anew.
    cache.set("c", "3");
    await cache.flush();
    clock.now += 90;
    assert.equal(await cache.getAsync("a"), "1");
    assert.equal(cache.getRemainingTTL("a"), 10);
    const folder = mkdtempSync(join(tmpdir(), "zbud-ttl-"));
    await cache.save(join(folder, "file"));
    const other = open({ clock: clock.read }).cache;
    assert.equal(await other.load(join(folder, "file")), 1);
    assert.equal(other.touch("a"), true);
    assert.equal(other.getRemainingTTL("a"), 100);
    rmSync(folder, { recursive: true });
  });
});

describe("several at a time", () => {
  it("getMany and setMany: as one after the other", () => {
    const { cache, clock, removed } = open({ maxEntries: 3 });
    assert.deepEqual(
      cache.setMany(
        [
          ["a", "1"],
          [2, "2"],
          ["a", "3"],
          ["c", undefined],
        ],
        { ttl: 10 },
      ),
      ["add", "add", "replace", "deleted"],
    );
    assert.deepEqual(cache.getMany(["nobody", 2, "a"]), [undefined, "2", "3"]);
    assert.deepEqual(
      cache.setMany(
        new Map([
          ["b", "4"],
          ["c", "5"],
        ]),
      ),
      ["add", "add"],
    );
    assert.deepEqual([...cache.keys()], ["c", "b", "a"], "in the order of their use");
    clock.now += 11;
    assert.deepEqual(cache.getMany(new Set<CacheKey>(["a", "b"])), [undefined, "4"]);
    assert.deepEqual(removed, ["a replaced", "2 evicted", "a expired"]);
    const { hits, misses, sets } = cache.stats();
    assert.deepEqual([hits, misses, sets], [3, 2, 5]);
    const copy = open().cache;
    copy.setMany(cache.entries());
    assert.deepEqual(copy.getMany(["b", "c"]), ["4", "5"]);
    assert.deepEqual([cache.getMany([]), cache.setMany([])], [[], []]);
  });

  it("what is not several is refused, before anything is done", () => {
    const { cache } = open();
    for (const keys of ["abc", new Uint8Array(3), 5, null, undefined, {}])
      assert.throws(() => cache.getMany(keys as never), {
        code: "EINVAL",
        message: /getMany takes keys such as/,
      });
    for (const entries of ["abc", 5, null, { a: 1 }])
      assert.throws(() => cache.setMany(entries as never), {
        code: "EINVAL",
        message: /setMany takes pairs/,
      });
    assert.throws(() => cache.setMany([["a", "1"], "b"] as never), { code: "EINVAL", message: /not "b"/ });
    assert.throws(() => cache.getMany(["a", null] as never), { code: "EINVAL", message: /a key must be/ });
    assert.equal(cache.get("a"), "1", "the pairs before it are set");
    cache.close();
    for (const call of [
      () => cache.getMany([]),
      () => cache.touch("a"),
      () => cache.info("a"),
      () => cache.pop(),
    ])
      assert.throws(call, { code: "ECLOSED" });
  });
});

describe("pop and info", () => {
  it("pop takes what is stale, passes over what expired, and counts as a delete", async () => {
    const backing = new MemoryBacking();
    const { cache, clock, removed } = open({ maxEntries: 3, backing });
    cache.set("old", "0");
    cache.set("over", "1", { ttl: 5 });
    cache.set("stale", "2", { ttl: 5, staleWhileRevalidate: 50 });
    cache.set("last", "3");
    clock.now += 10;
    assert.deepEqual([cache.pop(), cache.pop(), cache.pop()], ["2", "3", undefined]);
    assert.deepEqual(removed, ["old evicted", "over expired", "stale deleted", "last deleted"]);
    await cache.flush();
    assert.equal(await cache.getAsync("last"), undefined);
    assert.equal(await cache.getAsync("old"), "0", "what was evicted before is there");
    assert.equal(cache.pop(), "0");
    assert.equal(await cache.getAsync("old"), undefined, "and is not any more");
  });

  it("pop of several shards, and of SIEVE, empties the cache, each value once", () => {
    for (const options of [
      { shards: 4 },
      { evict: "sieve" },
      { evict: "page" },
      { shared: false },
    ] as const) {
      const { cache } = open(options);
      const values = new Set(Array.from({ length: 100 }, (_, i) => `value ${i}`));
      for (const value of values) cache.set(value, value);
      if ("evict" in options && options.evict === "sieve") {
        cache.get("value 0");
        assert.equal(cache.pop(), "value 0", "the one that was set first");
        values.delete("value 0");
      }
      while (values.size > 0) assert.ok(values.delete(cache.pop() ?? ""), `${values.size} are left`);
      assert.deepEqual([cache.pop(), cache.size], [undefined, 0]);
      verify(cache);
    }
  });

  it("a load of a popped key is not stored", async () => {
    const { cache } = open();
    cache.set("a", "1");
    const load = Promise.withResolvers<string>();
    const got = cache.getOrSet("a", () => load.promise, { forceRefresh: true });
    assert.equal(cache.pop(), "1");
    load.resolve("read before");
    assert.equal(await got, "read before");
    assert.equal(cache.has("a"), false);
  });

  it("info tells sizes, and reads nothing", () => {
    const { cache } = open({ maxEntries: 2, dictionary: "none" });
    const value = "compresses well ".repeat(100);
    cache.set("key", value, { tags: ["a", "b"] });
    cache.set("other", value);
    const { size = 0, originalBytes, ...times } = cache.info("key") ?? {};
    assert.equal(originalBytes, value.length);
    assert.ok(size > 3 + 16 && size < value.length / 4, `${size} bytes`);
    assert.deepEqual(times, {});
    cache.set("third", value);
    assert.equal(cache.info("key"), undefined, "info is no use");
    const { hits, misses } = cache.stats();
    assert.deepEqual([hits, misses], [0, 0]);
  });
});

describe("console.log", () => {
  it("says what a cache holds, in a line, also of one that is attached or closed", () => {
    const { cache } = open({ dictionary: "none", evict: "sieve" });
    assert.match(
      inspect(cache),
      /^CompressedCache: 0 entries, 0 B kept in [\d.]+ KiB of 4 MiB, not read yet, evict: "sieve"$/,
    );
    for (let i = 0; i < 1234; i++) cache.set(i, "compresses well ".repeat(10));
    assert.equal(cache.getMany([1, 2, 3, "nobody"]).length, 4);
    const expected =
      /^CompressedCache: 1,234 entries, 193 KiB kept in [\d.]+ KiB of 4 MiB, 75 % hits, evict: "sieve"$/;
    assert.match(inspect(cache), expected);
    assert.equal(`${cache}`, inspect(cache));
    if (CAN_SHARE) {
      const other = CompressedCache.attach(cache.share());
      assert.equal(String(other), String(cache));
      other.close();
      assert.equal(inspect(other), "CompressedCache (closed)");
    }
    for (const text of ["1 value refused", "2 values refused"]) {
      assert.equal(cache.set("large", "x".repeat(2 ** 26 + 1)), "E2BIG");
      assert.match(String(cache), new RegExp(`evict: "sieve", ${text}$`));
    }
    cache.close();
    assert.equal(String(cache), "CompressedCache (closed)");
    const backed = open({ backing: new MemoryBacking() }).cache;
    assert.match(String(backed), /, evict: "lru", with a backing store/);
  });
});

describe("maxEntrySize", () => {
  it("more than the cache can take is what it can take", () => {
    const most = new CompressedCache({ maxBytes: "1MiB" }).maxEntrySize;
    for (const [maxEntrySize, expected] of [
      [1000, 1000],
      ["64KiB", 65_536],
      ["1GiB", most],
    ] as const) {
      const cache = new CompressedCache({ maxBytes: "1MiB", maxEntrySize });
      assert.equal(cache.maxEntrySize, expected);
      if (CAN_SHARE) assert.equal(CompressedCache.attach(cache.share()).maxEntrySize, expected);
    }
    for (const maxEntrySize of [0, -1, 1.5, "big", null])
      assert.throws(() => new CompressedCache({ maxBytes: "1MiB", maxEntrySize } as never), {
        code: "EINVAL",
        message: /^maxEntrySize must be/,
      });
  });
});
