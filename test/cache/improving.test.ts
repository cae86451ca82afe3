/** What a cache betters by itself in the pauses of the event loop. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canShare } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { zsmallocDriver } from "../../src/drivers/zsmalloc/index.ts";
import { isCode } from "../support/is-code.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { record } from "./dictionary-helpers.ts";

const COUNT = 6000;

function fillAtOnce(cache: CompressedCache<unknown>, count = COUNT): void {
  for (let i = 0; i < count; i++) cache.set(i, record(i));
}

/** Stored bytes of an entry, of a cache that was filled once its dictionary was there. */
async function filledTwice(options: CompressedCacheOptions<unknown>, count = COUNT): Promise<number> {
  const cache = new CompressedCache<unknown>({ ...options, improve: false });
  fillAtOnce(cache, count);
  await until("a dictionary", () => cache.stats().dictionary.state !== "learning");
  fillAtOnce(cache, count);
  fillAtOnce(cache, count);
  const { storedBytes, entries, improvement } = cache.stats();
  cache.close();
  assert.deepEqual(improvement, { state: "off", recompressed: 0, recompressedBytesSaved: 0 });
  return storedBytes / entries;
}

const KINDS: Record<string, CompressedCacheOptions<unknown>> = {
  "by default": { maxBytes: "16MiB" },
  "in one thread": { maxBytes: "16MiB", shared: false },
  "with shards, tags and times to live": { maxBytes: "16MiB", shards: 4, tags: true, ttl: 1e9 },
  "by SIEVE": { maxBytes: "16MiB", evict: "sieve" },
  "by zstd": { maxBytes: "16MiB", codec: "zstd" },
  "with pages of other allocators": { maxBytes: "16MiB", driver: zsmallocDriver },
};

describe("what was set before the dictionary was there", () => {
  for (const [name, options] of Object.entries(KINDS)) {
    it(`is compressed anew with it, ${name}: as small as when it is set again`, async () => {
      const wanted = await filledTwice(options);
      const cache = new CompressedCache<unknown>(options);
      fillAtOnce(cache);
      const before = cache.stats();
      assert.ok(before.storedBytes / before.entries > wanted * 1.1, "most have no dictionary yet");
      const isSmall = (): boolean => cache.stats().storedBytes / cache.stats().entries <= wanted * 1.03;
      await until("entries are as small as those of a cache that was filled twice", isSmall);
      const after = cache.stats();
      assert.equal(after.entries, before.entries);
      assert.equal(after.improvement.state, "on");
      assert.ok(after.improvement.recompressed > 1000);
      assert.equal(after.improvement.recompressedBytesSaved, before.storedBytes - after.storedBytes);
      checkBooks(cache);
      for (let i = 0; i < COUNT; i++) assert.equal(cache.get(i), record(i));
      cache.close();
    });
  }

  it("a full cache evicts next to nothing for it, and the order of use stays", async () => {
    const options = { maxBytes: "1MiB" };
    const cache = new CompressedCache<unknown>(options);
    // Few enough that those without a dictionary are still there.
    let count = 0;
    while (cache.stats().evictions === 0) cache.set(count, record(count++));
    const order = [...cache.keys()];
    const before = cache.stats();
    assert.equal(before.dictionary.state, "learning");
    await until("smaller entries", () => cache.stats().storedBytes < before.storedBytes * 0.7);
    const { evictions, improvement } = cache.stats();
    assert.ok(evictions - before.evictions <= 1 + improvement.recompressed / 64);
    const rest = new Set(cache.keys());
    assert.deepEqual(
      [...rest],
      order.filter((key) => rest.has(key)),
    );
    checkBooks(cache);
    cache.close();
  });

  it("one of several threads does it, whichever is left", {
    skip: !canShare() && "nothing is shared",
  }, async () => {
    const first = new CompressedCache<unknown>({ maxBytes: "16MiB", improve: false });
    fillAtOnce(first);
    const second = CompressedCache.attach<unknown>(first.share());
    await until("a dictionary", () => first.stats().dictionary.state === "in-use");
    assert.equal(second.stats().improvement.recompressed, 0, "the first one is asked, and does not want to");
    first.close();
    await until("the other one does it", () => second.stats().improvement.recompressed > 1000);
    second.close();
  });

  it("no more after close, nor with improve: false; another value is refused", () => {
    const cache = new CompressedCache({ maxBytes: "1MiB", improve: false });
    assert.equal(cache.stats().improvement.state, "off");
    cache.close();
    for (const improve of [null, 1, "off"]) {
      assert.throws(
        () => new CompressedCache({ maxBytes: "1MiB", improve: improve as unknown as boolean }),
        isCode("EINVAL", "improve"),
      );
    }
  });
});
