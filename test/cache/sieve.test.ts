import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POLICIES } from "../../bench/policies.ts";
import { MemoryBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { checkBooks, FakeClock } from "./cache-checks.ts";

function make(options: Partial<CompressedCacheOptions<string>> = {}): CompressedCache<string> {
  return new CompressedCache<string>({ maxBytes: "4MiB", evict: "sieve", ...options });
}

/** Keys as a server's are asked for: a few often, many once, and sometimes a row of them one after the other. */
function keyTrace(count: number, seed: number): number[] {
  const prng = new Prng(seed);
  const keys: number[] = [];
  while (keys.length < count) {
    if (prng.chance(0.002)) for (let i = 0; i < 300; i++) keys.push(8192 + prng.below(5000));
    keys.push(Math.floor(2 ** ((prng.uint32() / 2 ** 32) * 13)));
  }
  return keys;
}

/** How many gets hit; what is missed is set. */
function play(cache: CompressedCache<string>, keys: readonly number[]): number {
  let hits = 0;
  for (const key of keys) {
    if (cache.get(key) === undefined) cache.set(key, `value of ${key}`);
    else hits++;
  }
  return hits;
}

describe("evict: sieve", () => {
  const keys = keyTrace(60_000, 11);
  const sizes = new Uint32Array(Math.max(...keys) + 1).fill(1);

  it("hits on a key trace are those of the policy in its paper's form, to the last one", () => {
    const counts = new Map(
      POLICIES.map(([name, makePolicy]) => {
        const policy = makePolicy(sizes, 500);
        return [name, keys.filter((key) => policy.use(key)).length];
      }),
    );
    const sieve = play(make({ maxEntries: 500 }), keys);
    const lru = play(make({ maxEntries: 500, evict: "lru" }), keys);
    assert.deepEqual([sieve, lru], [counts.get("SIEVE"), counts.get("LRU")]);
    assert.ok(sieve > 1.1 * lru, `${sieve} hits, ${lru} by LRU`);
  });

  it("what was read is spared once; order is that of the sets", () => {
    const cache = make({ maxEntries: 4 });
    for (const key of ["a", "b", "c", "d"]) cache.set(key, key);
    cache.get("a");
    cache.peek("b");
    cache.has("b");
    assert.deepEqual([...cache.keys()], ["d", "c", "b", "a"]);
    cache.set("e", "e");
    assert.deepEqual([...cache.keys()], ["e", "d", "c", "a"]);
    cache.get("c");
    cache.get("d");
    cache.set("f", "f");
    assert.deepEqual([...cache.keys()], ["f", "d", "c", "a"], "the hand passed c and d, and took e");
    cache.set("g", "g");
    assert.deepEqual([...cache.keys()], ["g", "f", "d", "c"], "round again: a has had its turn");
    cache.close();
  });

  it("whoever is attached sees the same order, and moves the same hand", () => {
    const cache = make({ maxEntries: 500 });
    // Where nothing can be shared there is nobody else.
    const other = CAN_SHARE ? CompressedCache.attach<string>(cache.share()) : cache;
    const alone = make({ maxEntries: 500 });
    let hits = 0;
    keys.slice(0, 20_000).forEach((key, i) => {
      const one = i % 3 === 0 ? other : cache;
      if (one.get(key) === undefined) one.set(key, `value of ${key}`);
      else hits++;
    });
    assert.equal(hits, play(alone, keys.slice(0, 20_000)));
    assert.deepEqual([...other.keys()], [...alone.keys()]);
    checkBooks(cache as CompressedCache<unknown>);
    for (const one of [cache, other, alone]) one.close();
  });

  it("bounded by bytes, with entries that expire, change and go: the books balance", () => {
    const clock = new FakeClock();
    const cache = new CompressedCache<string>({ maxBytes: "1MiB", evict: "sieve", clock: clock.read });
    const prng = new Prng(3);
    for (let step = 0; step < 20_000; step++) {
      const key = keys[step];
      clock.now += prng.below(3);
      if (prng.chance(0.02)) cache.delete(key);
      else if (cache.get(key) === undefined || prng.chance(0.05)) {
        const ttl = prng.chance(0.1) ? 1 + prng.below(5000) : 0;
        cache.set(key, `${key}:`.padEnd(prng.below(9000), `${step} `), { ttl });
      }
      if (step % 500 === 0) checkBooks(cache as CompressedCache<unknown>);
    }
    const { evictions, expirations, hits } = cache.stats();
    assert.ok(evictions > 400 && expirations > 100 && hits > 3000, `${evictions}, ${expirations}, ${hits}`);
    checkBooks(cache as CompressedCache<unknown>);
    cache.clear();
    assert.equal(cache.stats().storedBytes, 0);
    cache.close();
  });

  it("what goes is found in the second tier, and comes back", async () => {
    const cache = make({ maxEntries: 20, backing: new MemoryBacking() });
    for (let i = 0; i < 100; i++) {
      cache.set(i, `value ${i}`);
      cache.get(0);
    }
    assert.equal(cache.get(0), "value 0", "read all the time, so it stayed");
    assert.equal(cache.get(1), undefined);
    await cache.flush();
    for (let i = 0; i < 100; i++) assert.equal(await cache.getAsync(i), `value ${i}`);
    assert.ok(cache.stats().backingHits >= 80);
    verify(cache);
    cache.close();
  });

  it("another name is refused, with those that there are", () => {
    assert.throws(() => make({ evict: "arc" as "lru" }), {
      code: "EINVAL",
      message: /evict must be "lru", "sieve" or "page", not "arc"/,
    });
  });
});
