import assert from "node:assert/strict";
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { MemoryBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { cacheWithParts } from "../../src/cache/cache.ts";
import {
  type CacheKey,
  type CacheMetric,
  CompressedCache,
  type RemovalReason,
} from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { slotsDriver } from "../../src/drivers/slots/index.ts";
import { zbudDriver } from "../../src/drivers/zbud/index.ts";
import type { Shard } from "../../src/engine/shard.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { checkBooks, FakeClock } from "./cache-checks.ts";

registerBuiltIns();

/** Of 200 to 1000 letters that compress little. */
function randomText(seed: number): string {
  const prng = new Prng(seed);
  return String.fromCharCode(...Array.from({ length: 200 + prng.below(800) }, () => 33 + prng.below(90)));
}

describe("keys whose hashes meet never give one another's value", () => {
  const HASHES: [string, (length: number) => [number, number]][] = [
    ["all the same", () => [7, 7]],
    ["the key's length", (length) => [length, 0]],
    ["two values", (length) => [length & 1, -1]],
  ];
  for (const [name, hash] of HASHES) {
    it(`a hash that gives ${name}`, () => {
      const options = { maxBytes: "4MiB", maxEntries: 1000 };
      const cache = cacheWithParts<string>(options, {
        hash: (_words, length, key) => {
          [key.k0, key.k1] = hash(length);
        },
      });
      const model = new Map<string, string>();
      const prng = new Prng(5);
      for (let i = 0; i < 3000; i++) {
        const key = "k".repeat(prng.below(5)) + prng.below(30);
        if (prng.chance(0.4)) {
          cache.set(key, `${key} ${i}`);
          model.set(key, `${key} ${i}`);
        } else if (prng.chance(0.2)) assert.equal(cache.delete(key), model.delete(key));
        else assert.equal(cache.get(key), model.get(key), key);
      }
      assert.equal(cache.size, model.size);
      checkBooks(cache as CompressedCache<unknown>);
    });
  }
});

describe("removals are told, with the reason", () => {
  function open(options = {}) {
    const events: [CacheKey, RemovalReason][] = [];
    const clock = new FakeClock();
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      maxEntries: 3,
      tags: true,
      clock: clock.read,
      onRemoved: (...event) => events.push(event),
      ...options,
    });
    return { cache, clock, events };
  }

  it("each reason", () => {
    const { cache, clock, events } = open();
    for (const key of ["a", "b", "c"]) cache.set(key, "x", { tags: ["t"] });
    cache.set("d", "x");
    cache.set("d", "y");
    cache.delete("b");
    cache.deleteByTag("t");
    cache.set("e", "x", { ttl: 1 });
    clock.now += 2;
    cache.get("e");
    cache.clear();
    assert.deepEqual(events, [
      ["a", "evicted"],
      ["d", "replaced"],
      ["b", "deleted"],
      ["c", "deleted"],
      ["e", "expired"],
      ["d", "cleared"],
    ]);
    const { evictions, replacements, deletions, expirations, clearDeletions } = cache.stats();
    assert.deepEqual([evictions, replacements, deletions, expirations, clearDeletions], [1, 1, 2, 1, 1]);
  });

  it("keys of every kind come as they are", () => {
    const { cache, events } = open();
    const keys = ["ü\ud800", 1.5, Uint8Array.of(0, 255)];
    for (const key of keys) cache.set(key, "x");
    cache.clear();
    assert.deepEqual(new Set(events.map(([key]) => key)), new Set(keys));
  });

  it("a listener may use the cache", () => {
    const seen: string[] = [];
    const cache: CompressedCache<string> = new CompressedCache<string>({
      maxBytes: "4MiB",
      maxEntries: 2,
      onRemoved: (key, reason) => {
        seen.push(`${String(key)} ${reason} ${cache.size}`);
        if (key === "a") cache.set("from the listener", "x");
      },
    });
    for (const key of ["a", "b", "c"]) cache.set(key, "x");
    assert.deepEqual(seen, ["a evicted 2", "b evicted 2"]);
  });

  it("what a listener throws reaches the caller, after the call did its work; the rest is told later", () => {
    const told: CacheKey[] = [];
    const cache = new CompressedCache<string>({
      maxBytes: "4MiB",
      onRemoved: (key) => {
        told.push(key);
        if (key === "a") throw new RangeError("mine");
      },
    });
    for (const key of ["a", "b", "c"]) cache.set(key, "x");
    assert.throws(() => cache.clear(), RangeError);
    assert.equal(cache.size, 0);
    cache.get("nobody");
    assert.deepEqual(new Set(told), new Set(["a", "b", "c"]));
  });
});

describe("tags", () => {
  const open = () => new CompressedCache<string>({ maxBytes: "8MiB", tags: true });

  it("deleteByTag finds an entry whose time was changed while it was written to the tier", () => {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB", tags: true });
    cache.set("a", "value", { tags: ["t"], ttl: 1000 });
    const shard = cache.inside().shards[0] as Shard;
    shard.locked(() => shard.startWriting(shard.queue.first(), () => {}));
    assert.ok(cache.touch("a", 2000));
    assert.equal(cache.deleteByTag("t"), 1);
    assert.equal(cache.get("a"), undefined);
    checkBooks(cache as CompressedCache<unknown>);
    cache.close();
  });

  it("a tag deletes its entries and no others, however often they were set", () => {
    const cache = open();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 2000; i++)
        cache.set(i, "x", { tags: [`group ${i % 7}`, `parity ${(i + round) % 2}`] });
    }
    assert.equal(cache.deleteByTag("group 3"), 286);
    assert.equal(cache.deleteByTag("group 3"), 0);
    assert.equal(cache.deleteByTag("nobody's"), 0);
    assert.equal(cache.size, 1714);
    assert.equal(cache.deleteByTag("parity 0"), 857);
    assert.equal(cache.deleteByTag("parity 1"), 857);
    assert.equal(cache.size, 0);
    verify(cache);
  });

  it("more tags than there is room for in lists: the search still finds all", () => {
    const cache = new CompressedCache<string>({ maxBytes: "1MiB", maxEntries: 300, tags: true });
    const tags = (i: number) => Array.from({ length: 8 }, (_, j) => `tag ${(i + j) % 16}`);
    for (let i = 0; i < 300; i++) cache.set(i, "x", { tags: tags(i) });
    const expected = Array.from({ length: 300 }, (_, i) => i).filter((i) => tags(i).includes("tag 5"));
    assert.equal(cache.deleteByTag("tag 5"), expected.length);
    for (let i = 0; i < 300; i++) assert.equal(cache.has(i), !expected.includes(i));
    cache.clear();
    for (let i = 0; i < 100; i++) cache.set(i, "x", { tags: ["one"] });
    assert.equal(cache.deleteByTag("one"), 100);
  });

  it("deleting a tag of 10 entries does not look at the 20,000 others", () => {
    const cache = new CompressedCache<string>({ maxBytes: "64MiB", tags: true });
    const time = (others: number): number => {
      for (let i = 0; i < others; i++) cache.set(i, "x", { tags: [`t${i % 1000}`] });
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 10; i++) cache.set(`x${i}`, "x", { tags: ["wanted"] });
        const start = performance.now();
        assert.equal(cache.deleteByTag("wanted"), 10);
        best = Math.min(best, performance.now() - start);
      }
      return best;
    };
    const few = time(100);
    const many = time(20_000);
    assert.ok(many < 5 * few + 0.2, `${many} ms among 20,000, ${few} ms among 100`);
  });

  it("misuse", () => {
    const cache = open();
    assert.throws(() => cache.set("a", "x", { tags: Array(9).fill("t") }), { code: "EINVAL" });
    assert.throws(() => cache.set("a", "x", { tags: [1] as never }), { code: "EINVAL" });
    assert.throws(() => cache.set("a", "x", { tags: "t" as never }), { code: "EINVAL" });
    const plain = new CompressedCache<string>({ maxBytes: "4MiB" });
    assert.throws(() => plain.set("a", "x", { tags: ["t"] }), { code: "EINVAL", message: /tags: true/ });
    assert.throws(() => plain.deleteByTag("t"), { code: "EINVAL", message: /tags: true/ });
    plain.set("a", "x", { tags: [] });
  });
});

describe("metrics", () => {
  function collect(
    run: (cache: CompressedCache<string>, clock: FakeClock) => void,
  ): Omit<CacheMetric, "cache">[] {
    const seen: Omit<CacheMetric, "cache">[] = [];
    const clock = new FakeClock();
    const cache = new CompressedCache<string>({ maxBytes: "4MiB", clock: clock.read });
    const listener = (message: unknown): void => {
      const { cache: from, ...metric } = message as CacheMetric;
      if (from === cache) seen.push(metric);
    };
    subscribe("zbud:cache:metrics", listener);
    try {
      run(cache, clock);
    } finally {
      unsubscribe("zbud:cache:metrics", listener);
    }
    return seen;
  }

  it("each operation, with lru-cache's words", () => {
    const seen = collect((cache, clock) => {
      cache.get("a");
      cache.set("a", "1", { ttl: 10, staleWhileRevalidate: 10 });
      cache.set("a", "2", { ttl: 10, staleWhileRevalidate: 10 });
      cache.get("a");
      cache.peek("a");
      cache.has("b");
      clock.now += 11;
      cache.get("a");
      cache.get("a", { allowStale: true });
      cache.set("large", "x".repeat(2 ** 26 + 1));
      cache.delete("a");
    });
    assert.deepEqual(seen, [
      { op: "get", key: "a", get: "miss" },
      { op: "set", key: "a", set: "add", ttl: 10 },
      { op: "set", key: "a", set: "replace", ttl: 10 },
      { op: "get", key: "a", get: "hit" },
      { op: "peek", key: "a", peek: "hit" },
      { op: "has", key: "b", has: "miss" },
      { op: "get", key: "a", get: "stale" },
      { op: "get", key: "a", get: "stale", returnedStale: true },
      { op: "set", key: "large", set: "miss", refused: "E2BIG", ttl: 0 },
      { op: "delete", key: "a", delete: "deleted" },
    ]);
  });

  it("loads are traced", async () => {
    const seen: unknown[] = [];
    const channel = tracingChannel("zbud:cache");
    const start = (context: unknown): void => void seen.push((context as { key: unknown }).key);
    channel.start.subscribe(start);
    try {
      const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
      await cache.getOrSet("a", () => "loaded");
      await cache.getOrSet("a", () => "loaded");
    } finally {
      channel.start.unsubscribe(start);
    }
    assert.deepEqual(seen, ["a"]);
  });

  it("counts: hits, misses, stale hits", () => {
    const clock = new FakeClock();
    const cache = new CompressedCache<string>({ maxBytes: "4MiB", clock: clock.read });
    cache.set("a", "1", { ttl: 10, staleWhileRevalidate: 10 });
    cache.get("a");
    cache.get("b");
    cache.peek("a");
    cache.peek("b");
    clock.now += 11;
    cache.get("a");
    cache.get("a", { allowStale: true });
    const { hits, misses, staleHits } = cache.stats();
    assert.deepEqual({ hits, misses, staleHits }, { hits: 2, misses: 2, staleHits: 1 });
  });
});

it("a subscriber to the metrics, and the listener, may call the cache: each read gives its own value", () => {
  const cache = new CompressedCache<string>({ maxBytes: "1MiB", onRemoved: () => cache.peek("b") });
  let isCalled = false;
  const listener = (): void => {
    if (isCalled) return;
    isCalled = true;
    cache.peek("b");
    cache.set("c", "third");
    isCalled = false;
  };
  cache.setMany([
    ["a", "first"],
    ["b", "the second"],
  ]);
  subscribe("zbud:cache:metrics", listener);
  try {
    assert.equal(cache.get("a"), "first");
    assert.equal(cache.peek("a"), "first");
    assert.deepEqual(cache.getMany(["a", "b"]), ["first", "the second"]);
    assert.equal(
      cache.withValue("a", (view) => Buffer.from(view).toString()),
      "first",
    );
    const into = Buffer.alloc(5);
    assert.equal(cache.getInto("a", into), 5);
    assert.equal(into.toString(), "first");
    assert.equal(cache.info("a")?.originalBytes, 5);
    assert.equal(cache.touch("a"), true);
    assert.deepEqual([cache.pop(), cache.pop()], ["the second", "first"]);
  } finally {
    unsubscribe("zbud:cache:metrics", listener);
  }
});

describe("drivers and orders of eviction", () => {
  for (const driver of [slotsDriver, zbudDriver, "zsmalloc"]) {
    const name = typeof driver === "string" ? driver : driver.type;
    it(`evict: "page" frees pages of ${name}, and keeps what it keeps whole`, async () => {
      const backing = new MemoryBacking();
      const cache = new CompressedCache<string>({
        maxBytes: "1MiB",
        driver,
        evict: "page",
        tags: true,
        backing,
      });
      const other = CAN_SHARE ? CompressedCache.attach<string>(cache.share(), { backing }) : cache;
      for (let i = 0; i < 3000; i++) {
        cache.set(`key ${i}`, randomText(i), { tags: [`tag ${i % 3}`] });
      }
      const { evictions, entries } = cache.stats();
      assert.ok(evictions > 500 && entries > 200, `${evictions} evicted, ${entries} left`);
      for (const [key, value] of other) assert.equal(value, randomText(Number(String(key).slice(4))));
      await cache.flush();
      assert.equal(await cache.getAsync("key 1"), randomText(1));
      assert.ok(cache.stats().backingHits > 0);
      verify(cache);
      cache.close();
    });
  }
});

describe("misuse throws, and says what to do", () => {
  const CONSTRUCTIONS: [unknown, RegExp][] = [
    [undefined, /options of a cache must be an object such as \{ maxBytes/],
    [{}, /maxBytes must be a whole number of bytes/],
    [{ maxBytes: "lots" }, /maxBytes must be .* not "lots"/],
    [{ maxBytes: 1000 }, /maxBytes must be from 1048576/],
    [{ maxBytes: "4MiB", maxEntries: 0 }, /maxEntries must be/],
    [{ maxBytes: "4MiB", averageBytes: -1 }, /averageBytes must be/],
    [{ maxBytes: "4MiB", ttl: -1 }, /ttl must be/],
    [{ maxBytes: "4MiB", ttl: "1s" }, /ttl must be .* not "1s"/],
    [{ maxBytes: "4MiB", staleWhileRevalidate: 2 ** 31 }, /staleWhileRevalidate must be/],
    [{ maxBytes: "4MiB", tags: "yes" }, /tags must be true or false/],
    [{ maxBytes: "4MiB", serializer: "msgpack" }, /serializer must be/],
    [{ maxBytes: "4MiB", clock: 5 }, /clock must be a function/],
    [{ maxBytes: "4MiB", onRemoved: 5 }, /onRemoved must be a function/],
    [{ maxBytes: "4MiB", dictionary: "big" }, /dictionary must be/],
    [{ maxBytes: "4MiB", dictionary: Buffer.from("x".repeat(100)), codec: "none" }, /takes no dictionary/],
    [{ maxBytes: "4MiB", backing: {} }, /backing must be a backing store/],
    [{ maxBytes: "4MiB", shards: 3 }, /shards/],
    [{ maxBytes: "4MiB", ttl: null }, /ttl must be .* not null/],
    [{ maxBytes: "4MiB", staleWhileRevalidate: null }, /staleWhileRevalidate must be .* not null/],
    [{ maxBytes: "4MiB", allowStale: null }, /allowStale must be .* not null/],
    [{ maxBytes: "4MiB", tags: null }, /tags must be .* not null/],
    [{ maxBytes: "4MiB", evict: null }, /evict must be .* not null/],
  ];
  for (const [options, message] of CONSTRUCTIONS) {
    it(`new CompressedCache(${JSON.stringify(options)?.slice(0, 60)})`, () => {
      assert.throws(() => new CompressedCache(options as never), {
        name: "ZbudError",
        code: "EINVAL",
        message,
      });
    });
  }

  for (const [options, message] of [
    [{ codec: "lz5" }, /no codec is named "lz5"/],
    [{ driver: "zbad" }, /zbad/],
  ] as const) {
    it(`unknown ${Object.keys(options)[0]}`, () => {
      assert.throws(() => new CompressedCache({ maxBytes: "4MiB", ...options }), { code: "ENOENT", message });
    });
  }

  it("keys, times and arguments of methods", async () => {
    const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
    for (const key of [undefined, null, {}, true]) {
      assert.throws(() => cache.get(key as never), { code: "EINVAL", message: /a key must be/ });
      assert.throws(() => cache.set(key as never, "x"), { code: "EINVAL" });
    }
    assert.throws(() => cache.set("a", "x", 1000 as never), { code: "EINVAL", message: /\{ ttl: 1000 \}/ });
    assert.throws(() => cache.set("a", "x", { ttl: -5 }), { code: "EINVAL", message: /ttl/ });
    assert.throws(() => cache.set("a", "x", { ttl: Number.NaN }), { code: "EINVAL" });
    assert.throws(() => cache.getInto("a", [] as never), { code: "EINVAL" });
    assert.throws(() => cache.withValue("a", 1 as never), { code: "EINVAL" });
    await assert.rejects(cache.getOrSet("a", "x" as never), { code: "EINVAL" });
    assert.throws(() => CompressedCache.attach({} as never), { code: "EINVAL", message: /share\(\)/ });
    assert.equal(cache.size, 0);
  });

  it("a key that is too long is never there", () => {
    const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
    const key = "x".repeat(65_536);
    assert.equal(cache.set(key, "x"), "E2BIG");
    assert.equal(cache.get(key), undefined);
    assert.equal(cache.delete(key), false);
    assert.equal(cache.set(key.slice(1), "x"), "add");
    assert.equal(cache.get(key.slice(1)), "x");
  });

  it("after close", async () => {
    const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
    cache.set("a", "x");
    cache.close();
    cache.close();
    const calls = [
      () => cache.get("a"),
      () => cache.set("a", "x"),
      () => cache.has("a"),
      () => cache.delete("a"),
      () => cache.clear(),
      () => cache.size,
      () => [...cache.keys()],
      () => cache.stats(),
      () => cache.share(),
    ];
    for (const call of calls) assert.throws(call, { code: "ECLOSED" }, String(call));
    await assert.rejects(cache.getAsync("a"), { code: "ECLOSED" });
    for (const method of ["keys", "values", "entries"] as const) {
      const open = new CompressedCache({ maxBytes: "1MiB" });
      for (const key of ["a", "b", "c"]) open.set(key, 1);
      const iterator = open[method]();
      iterator.next();
      open.close();
      assert.throws(() => iterator.next(), { code: "ECLOSED", message: /this cache was closed/ });
    }
    await assert.rejects(cache.save("nowhere"), { code: "ECLOSED" });
  });

  it("a cache for one thread cannot be shared", () => {
    const cache = new CompressedCache({ maxBytes: "4MiB", shared: false });
    assert.throws(() => cache.share(), { code: "ENOTSUP", message: /shared: false/ });
  });
});
