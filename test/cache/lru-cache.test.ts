import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LRUCache } from "lru-cache";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { FakeClock } from "./cache-checks.ts";

type Peer = LRUCache<string, string>;

/** Ours and lru-cache with the same bound and the same clock. */
function pair(max: number, options: Partial<CompressedCacheOptions<string>> = {}) {
  const clock = new FakeClock();
  const ours = new CompressedCache<string>({
    maxBytes: "4MiB",
    maxEntries: max,
    clock: clock.read,
    ...options,
  });
  const { ttl } = options;
  const theirs: Peer = new LRUCache({
    max,
    perf: { now: clock.read },
    ttlResolution: 0,
    ...(ttl === undefined ? {} : { ttl }),
  });
  return { ours, theirs, clock };
}

/** Keys as a server's are asked for: a few often, many once, and sometimes a row of them one after the other. */
function* keyTrace(count: number, seed: number): Generator<string> {
  const prng = new Prng(seed);
  for (let i = 0; i < count; ) {
    if (prng.chance(0.002)) {
      const start = prng.below(5000);
      for (let j = 0; j < 300 && i < count; j++, i++) yield `scan:${start + j}`;
    }
    // Zipf by inversion: rank r about as often as 1 / r.
    yield `item:${Math.floor(2 ** ((prng.uint32() / 2 ** 32) * 13))}`;
    i++;
  }
}

describe("lru-cache's behaviour, checked against lru-cache", () => {
  it("hits on a recorded key trace are those of a plain LRU, to the last one", () => {
    const { ours, theirs } = pair(500);
    let hits = 0;
    let step = 0;
    for (const key of keyTrace(60_000, 11)) {
      step++;
      const value = ours.get(key);
      assert.equal(value, theirs.get(key), `step ${step}, ${key}`);
      if (value === undefined) {
        ours.set(key, `value of ${key}`);
        theirs.set(key, `value of ${key}`);
      } else {
        hits++;
      }
    }
    assert.equal(ours.stats().hits, hits);
    assert.equal(ours.stats().misses, step - hits);
    assert.ok(hits > 10_000 && hits < 50_000, `${hits} hits`);
    assert.deepEqual([...ours.keys()], [...theirs.keys()]);
  });

  it("order: get and set make recent; peek, has and iteration do not", () => {
    const { ours, theirs } = pair(4);
    for (const cache of [ours, theirs] as Pick<Peer, "set" | "get" | "peek" | "has" | "keys">[]) {
      for (const key of ["a", "b", "c", "d"]) cache.set(key, key);
      cache.get("a");
      cache.set("b", "B");
      cache.peek("c");
      cache.has("c");
      for (const _ of cache.keys());
      cache.set("e", "e");
    }
    assert.deepEqual([...ours.keys()], [...theirs.keys()]);
    assert.deepEqual([...ours.keys()], ["e", "b", "a", "d"]);
    assert.deepEqual([...ours.values()], [...theirs.values()]);
    assert.deepEqual([...ours.entries()], [...theirs.entries()]);
    assert.deepEqual([...ours], [...theirs]);
  });

  it("forEach gives value, key and cache", () => {
    const { ours, theirs } = pair(4);
    for (const cache of [ours, theirs]) for (const key of ["a", "b"]) cache.set(key, key.toUpperCase());
    const seen: unknown[][] = [[], []];
    ours.forEach((value, key, cache) => {
      seen[0].push(value, key, cache === ours);
    });
    theirs.forEach((value, key, cache) => {
      seen[1].push(value, key, cache === theirs);
    });
    assert.deepEqual(seen[0], seen[1]);
  });

  it("delete, has, size, clear", () => {
    const { ours, theirs } = pair(4);
    for (const cache of [ours, theirs]) for (const key of ["a", "b", "c"]) cache.set(key, key);
    for (const key of ["a", "a", "x"]) assert.equal(ours.delete(key), theirs.delete(key), key);
    for (const key of ["a", "b", "x"]) assert.equal(ours.has(key), theirs.has(key), key);
    assert.equal(ours.size, theirs.size);
    ours.clear();
    theirs.clear();
    assert.equal(ours.size, theirs.size);
    assert.equal(ours.get("b"), theirs.get("b"));
  });

  it("setting undefined deletes", () => {
    const { ours, theirs } = pair(4);
    for (const cache of [ours, theirs]) cache.set("a", "1");
    assert.equal(ours.set("a", undefined), "deleted");
    theirs.set("a", undefined);
    assert.equal(ours.has("a"), theirs.has("a"));
  });

  it("time to live: given to set, of the cache, none; the last moment counts", () => {
    const { ours, theirs, clock } = pair(10, { ttl: 50 });
    for (const cache of [ours, theirs]) {
      cache.set("own", "x", { ttl: 10 });
      cache.set("common", "x");
      cache.set("never", "x", { ttl: 0 });
    }
    for (const at of [0, 9, 10, 11, 49, 50, 51, 10_000]) {
      clock.now = 1000 + at;
      for (const key of ["own", "common", "never"]) {
        assert.equal(ours.has(key), theirs.has(key), `has ${key} after ${at} ms`);
        assert.equal(ours.peek(key), theirs.peek(key), `peek ${key} after ${at} ms`);
        const left = theirs.getRemainingTTL(key);
        assert.equal(ours.getRemainingTTL(key), Math.max(left, 0), `${key} after ${at} ms`);
      }
    }
    assert.equal(ours.getRemainingTTL("nobody"), theirs.getRemainingTTL("nobody"));
  });

  it("setting again begins the time to live anew", () => {
    const { ours, theirs, clock } = pair(10, { ttl: 50 });
    for (const cache of [ours, theirs]) cache.set("a", "1");
    clock.now += 40;
    for (const cache of [ours, theirs]) cache.set("a", "2");
    clock.now += 40;
    assert.equal(ours.get("a"), theirs.get("a"));
    assert.equal(ours.get("a"), "2");
  });

  it("purgeStale says whether there was anything", () => {
    const { ours, theirs, clock } = pair(10);
    for (const cache of [ours, theirs]) {
      cache.set("a", "1", { ttl: 5 });
      cache.set("b", "1", { ttl: 50 });
    }
    assert.equal(ours.purgeStale(), theirs.purgeStale());
    clock.now += 6;
    assert.equal(ours.size, theirs.size);
    assert.equal(ours.purgeStale(), theirs.purgeStale());
    assert.equal(ours.purgeStale(), theirs.purgeStale());
    assert.equal(ours.size, theirs.size);
  });

  it("a value that is too large is not kept, and the old one goes", () => {
    const ours = new CompressedCache<string>({ maxBytes: "4MiB" });
    const theirs: Peer = new LRUCache({
      maxSize: 2 ** 22,
      maxEntrySize: 2 ** 20,
      sizeCalculation: (v) => v.length,
    });
    for (const cache of [ours, theirs]) cache.set("a", "small");
    const large = "x".repeat(2 ** 26 + 1);
    assert.equal(ours.set("a", large), "E2BIG");
    theirs.set("a", large);
    assert.equal(ours.get("a"), theirs.get("a"));
    assert.equal(ours.get("a"), undefined);
  });

  for (const [name, options, own] of [
    ["of the cache", { ttl: 50, updateAgeOnGet: true }, undefined],
    ["of a get", { ttl: 50 }, { updateAgeOnGet: true }],
    ["not of a get", { ttl: 50, updateAgeOnGet: true }, { updateAgeOnGet: false }],
  ] as const) {
    it(`updateAgeOnGet ${name}: a get begins the time anew, peek and has do not`, () => {
      const { ours, theirs, clock } = pair(10, options);
      const peer = new LRUCache<string, string>({
        max: 10,
        perf: { now: clock.read },
        ttlResolution: 0,
        ...options,
      });
      for (const cache of [ours, peer, theirs]) {
        cache.set("a", "1");
        cache.set("own", "1", { ttl: 30 });
        cache.set("never", "1", { ttl: 0 });
      }
      for (const after of [20, 29, 30, 31, 49, 51, 60]) {
        clock.now += after;
        for (const key of ["a", "own", "never", "nobody"]) {
          assert.equal(ours.has(key), peer.has(key), `has ${key}, ${after} ms later`);
          assert.equal(ours.peek(key), peer.peek(key), `peek ${key}, ${after} ms later`);
          assert.equal(ours.get(key, own), peer.get(key, own), `get ${key}, ${after} ms later`);
          const left = Math.max(peer.getRemainingTTL(key), 0);
          assert.equal(ours.getRemainingTTL(key), left, `${key}, ${after} ms later`);
        }
      }
    });
  }

  it("pop gives the least recently used value and removes it", () => {
    const { ours, theirs } = pair(4);
    for (const cache of [ours, theirs]) {
      for (const key of ["a", "b", "c"]) cache.set(key, key.toUpperCase());
      cache.get("a");
    }
    for (let i = 0; i < 5; i++) {
      assert.equal(ours.pop(), theirs.pop(), `pop ${i}`);
      assert.deepEqual([...ours], [...theirs]);
    }
  });

  it("info has the same ttl and start, for what is there", () => {
    const { ours, theirs, clock } = pair(4, { ttl: 50 });
    for (const cache of [ours, theirs]) {
      cache.set("a", "1");
      cache.set("never", "1", { ttl: 0 });
    }
    for (const after of [0, 20, 30]) {
      clock.now += after;
      for (const key of ["a", "never", "nobody"]) {
        const [own, their] = [ours.info(key), theirs.info(key)];
        assert.deepEqual([own?.ttl, own === undefined], [their?.ttl, their === undefined], key);
        // lru-cache's is that of the wall, whatever clock it was given.
        assert.equal(own?.start, their?.start === undefined ? undefined : clock.now);
      }
    }
  });

  it("maxEntrySize: a larger value is not kept, and the old one goes", () => {
    const ours = new CompressedCache<string>({ maxBytes: "4MiB", maxEntrySize: "1KiB", codec: "none" });
    const theirs: Peer = new LRUCache({
      maxSize: 2 ** 22,
      maxEntrySize: 1024,
      sizeCalculation: (value, key) => value.length + key.length,
    });
    assert.equal(ours.maxEntrySize, theirs.maxEntrySize);
    for (const length of [100, 1023, 1024, 5000, 1023]) {
      const value = "xy".repeat(length).slice(0, length);
      assert.equal(ours.set("a", value) === "E2BIG", length > 1023);
      theirs.set("a", value);
      assert.equal(ours.get("a"), theirs.get("a"), `${length} bytes`);
    }
    assert.equal(ours.stats().rejectTooBig, 2);
  });

  it("iteration while the cache changes passes over what went", () => {
    const { ours, theirs } = pair(10);
    const seen: string[][] = [[], []];
    [ours, theirs].forEach((cache, i) => {
      for (const key of ["a", "b", "c", "d"]) cache.set(key, key);
      for (const key of cache.keys()) {
        seen[i].push(String(key));
        if (key === "d") cache.delete("c");
      }
    });
    assert.deepEqual(seen[0], seen[1]);
  });
});
