/** A file that is read while others write: what was changed since `load()` was called wins. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { temporaryFolder } from "../../scripts/tools.ts";
import { MemoryBacking } from "../../src/backing/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { FakeClock } from "./cache-checks.ts";

const folder = temporaryFolder("load");
const clock = new FakeClock();

function open(options: Partial<CompressedCacheOptions<string>> = {}): CompressedCache<string> {
  return new CompressedCache<string>({ maxBytes: "4MiB", tags: true, clock: clock.read, ...options });
}

const FILE = join(folder, "file");
const COUNT = 4000;
await (async () => {
  const cache = open({ dictionary: "none" });
  for (let i = 0; i < COUNT; i++) cache.set(i, `saved ${i}`);
  cache.set("a", "saved", { tags: ["t"] });
  await cache.save(FILE);
  cache.close();
})();

/** What changes the key "a", and what is to be found of it afterwards. */
const CHANGES: [string, (cache: CompressedCache<string>) => void, string | undefined][] = [
  ["set", (cache) => void cache.set("a", "newer"), "newer"],
  ["deleted", (cache) => void cache.delete("a"), undefined],
  ["set and deleted", (cache) => void [cache.set("a", "newer"), cache.delete("a")], undefined],
  ["set and refused", (cache) => void cache.set("a", "x".repeat(2 ** 26 + 1)), undefined],
  [
    "set and expired",
    (cache) => {
      cache.set("a", "newer", { ttl: 10 });
      clock.now += 11;
      cache.purgeStale();
    },
    undefined,
  ],
  ["cleared with all others", (cache) => cache.clear(), undefined],
  ["deleted by its tag", (cache) => void cache.deleteByTag("t"), undefined],
];

describe("a key that is changed while a file is read", () => {
  for (const [name, change, left] of CHANGES) {
    for (const who of ["this thread", "another thread"]) {
      for (const other of [{}, { codec: "zstd", dictionary: "none" as const }, { shared: false }]) {
        if (who !== "this thread" && "shared" in other) continue;
        it(`${name}, by ${who}, ${JSON.stringify(other)}`, async () => {
          const cache = open(other);
          cache.set("a", "older", { tags: ["t"] });
          cache.set("b", "older");
          const by =
            who === "this thread"
              ? cache
              : CompressedCache.attach<string>(cache.share(), { clock: clock.read });
          const loading = cache.load(FILE);
          change(by);
          await loading;
          assert.equal(cache.get("a"), left);
          if (name !== "cleared with all others") assert.equal(cache.get(7), "saved 7");
          verify(cache);
          by.close();
          cache.close();
        });
      }
    }
  }

  it("what was changed before it is as in the file", async () => {
    const cache = open();
    cache.set("a", "older");
    cache.set(1, "older");
    cache.delete(2);
    cache.deleteByTag("t");
    assert.equal(await cache.load(FILE), COUNT + 1);
    assert.deepEqual([cache.get("a"), cache.get(1), cache.get(2)], ["saved", "saved 1", "saved 2"]);
  });

  it("clear() while it is read: nothing that is read later is added", async () => {
    const cache = open();
    const loading = cache.load(FILE);
    await turn();
    cache.clear();
    assert.equal(await loading, cache.size);
    assert.equal(cache.size, 0);
  });

  it("others' changes keep less than 1 % from being added", async () => {
    const cache = open();
    const other = CompressedCache.attach<string>(cache.share(), { clock: clock.read });
    const loading = cache.load(FILE);
    for (let i = 0; i < 1000; i++) {
      other.set(`other ${i % 100}`, "value");
      if (i % 2 === 0) other.delete(`deleted ${i}`);
    }
    const added = await loading;
    assert.ok(added > COUNT * 0.99, `${added} added`);
  });

  it("two files at once", async () => {
    const cache = open();
    const other = CompressedCache.attach<string>(cache.share(), { clock: clock.read });
    const both = Promise.all([cache.load(FILE), other.load(FILE)]);
    other.delete(5);
    assert.deepEqual(await both, [COUNT, COUNT]);
    assert.equal(cache.get(5), undefined);
    assert.equal(cache.get("a"), "saved");
  });

  it("a load of a key that the file has is given, and not stored", async () => {
    const cache = open();
    const { promise, resolve } = Promise.withResolvers<string>();
    const getting = cache.getOrSet("a", () => promise);
    await cache.load(FILE);
    resolve("loaded");
    assert.equal(await getting, "loaded");
    assert.equal(cache.get("a"), "saved");
  });

  it("an older value of the second tier does not come back for an entry of the file", async () => {
    const backing = new MemoryBacking();
    const cache = open({ backing, maxEntries: COUNT + 1 });
    cache.set("a", "older");
    for (let i = 0; i <= COUNT; i++) cache.set(`push ${i}`, "x");
    await cache.flush();
    await cache.load(FILE);
    assert.equal(cache.get("a"), "saved");
    cache.set("b", "x");
    cache.delete("a");
    assert.equal(await cache.getAsync("a"), undefined);
  });

  it("a file that is not there, or is closed over, leaves nothing that sets pay for", async () => {
    const cache = open();
    await assert.rejects(cache.load(join(folder, "none")), { code: "ENOENT" });
    const loading = cache.load(FILE);
    cache.close();
    await assert.rejects(loading, { code: "ECLOSED", message: /: this cache was closed meanwhile; / });
  });
});
