/** A cache whose second tier is a file of the origin. Only workers have such files. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OpfsBacking } from "../../../src/backing/index.ts";
import { Prng } from "../../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../../src/cache/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";

const ENTRIES = 1500;
const FILE = { maxBytes: 2 ** 24 };

let files = 0;

/** Of about 2 KB, half of it noise, so that few fit the memory. */
function textOf(key: number): string {
  const noise = new Prng(key + 1);
  return Array.from({ length: 250 }, () => noise.uint32().toString(36)).join(" ");
}

type Tiered = { cache: CompressedCache<string>; backing: OpfsBacking; name: string };

async function open(options: Partial<CompressedCacheOptions<string>> = {}): Promise<Tiered> {
  const name = `cache-${files++}.zbud`;
  const backing = await OpfsBacking.open(name, FILE);
  return {
    cache: new CompressedCache<string>({ maxBytes: "1MiB", tags: true, ...options, backing }),
    backing,
    name,
  };
}

/** Sets all keys; the file takes what is evicted between two flushes. */
async function fill(cache: CompressedCache<string>): Promise<void> {
  for (let key = 0; key < ENTRIES; key++) {
    assert.equal(cache.set(key, textOf(key), { tags: [`tag ${key % 10}`] }), "add");
    if (key % 50 === 0) await cache.flush();
  }
  await cache.flush();
}

if ("FileSystemSyncAccessHandle" in globalThis) {
  describe("a cache with its second tier over OPFS", () => {
    it(`${crossOriginIsolated ? "shared" : "for one thread"}: what is evicted is in the file, and comes back whole`, async () => {
      const { cache, backing } = await open({ shared: crossOriginIsolated });
      await fill(cache);
      assert.ok(cache.size < ENTRIES / 2, `${cache.size} in memory`);
      for (let key = 0; key < ENTRIES; key++) {
        assert.equal(await cache.getAsync(key), textOf(key), `key ${key}`);
        // What comes back evicts others, which are to be in the file before they are asked for.
        if (key % 20 === 0) await cache.flush();
      }
      const { backingHits, backingWrites, backingReadsFailed, backingWritesFailed } = cache.stats();
      assert.ok(
        backingHits > ENTRIES / 2 && backingWrites > ENTRIES / 2,
        `${backingHits} hits, ${backingWrites} writes`,
      );
      assert.deepEqual([backingReadsFailed, backingWritesFailed], [0, 0]);
      verify(cache);
      cache.close();
      await backing.close();
    });

    it("what was deleted, by key or by tag, or set anew does not come back old", async () => {
      const { cache, backing } = await open();
      await fill(cache);
      cache.delete(0);
      cache.set(2, "new");
      cache.deleteByTag("tag 1");
      for (let key = 100; key < 600; key++) cache.set(key, textOf(key));
      await cache.flush();
      assert.equal(await cache.getAsync(0), undefined);
      assert.equal(await cache.getAsync(1), undefined);
      assert.equal(await cache.getAsync(2), "new");
      assert.equal(await cache.getAsync(11), undefined);
      assert.equal(await cache.getAsync(3), textOf(3));
      let loads = 0;
      const load = (): string => {
        loads++;
        return "loaded";
      };
      assert.equal(await cache.getOrSet(0, load), "loaded");
      assert.equal(await cache.getOrSet(4, load), textOf(4));
      assert.equal(loads, 1);
      verify(cache);
      cache.close();
      await backing.close();
    });

    it("expired entries do not come back from the file", async () => {
      let now = 1e12;
      const { cache, backing } = await open({ ttl: 1000, clock: () => now });
      await fill(cache);
      now += 2000;
      for (const key of [0, 1, 700, ENTRIES - 1]) assert.equal(await cache.getAsync(key), undefined);
      cache.close();
      await backing.close();
    });
  });
}
