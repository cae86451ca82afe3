/** What a cache betters by itself in the pauses of the event loop. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
import { canShare, stopWorking, workWhenIdle } from "../../src/base/index.ts";
import { CacheCore } from "../../src/cache/core.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { zsmallocDriver } from "../../src/drivers/zsmalloc/index.ts";
import type { EngineInside } from "../../src/engine/index.ts";
import type { Shard } from "../../src/engine/shard.ts";
import { CODEC_SHIFT, STATE } from "../../src/engine/table.ts";
import { PageStore } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { isCode } from "../support/is-code.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { fill, record } from "./dictionary-helpers.ts";
import { SharedStore } from "./shared-store.ts";

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
  const nothing = { coldCodec: "none", recompressed: 0, recompressedBytesSaved: 0 };
  assert.deepEqual(improvement, { state: "off", ...nothing });
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
    for (const recompress of [null, "lz4", true]) {
      assert.throws(
        () => new CompressedCache({ maxBytes: "1MiB", recompress: recompress as unknown as "none" }),
        isCode("EINVAL", "recompress"),
      );
    }
    for (const improve of [null, 1, "off"]) {
      assert.throws(
        () => new CompressedCache({ maxBytes: "1MiB", improve: improve as unknown as boolean }),
        isCode("EINVAL", "improve"),
      );
    }
  });
});

/** A cache that is told how late it is. */
function withClock(options: Partial<CompressedCacheOptions<unknown>>): {
  cache: CompressedCache<unknown>;
  codecs: () => string;
  pass: () => Promise<void>;
} {
  let now = 1e6;
  const cache = new CompressedCache<unknown>({
    maxBytes: "8MiB",
    recompress: "zstd",
    clock: () => now,
    ...options,
  });
  return {
    cache,
    codecs: () => codecsOf(cache),
    pass: async () => {
      now += 31_000;
      await quiet();
    },
  };
}

/** The numbers of the codecs that entries have, in the order of use, a letter each: d with dictionary, c cold, z zstd. */
function codecsOf(cache: CompressedCache<unknown>): string {
  const letters: Record<number, string> = { 0: ".", 1: "l", 2: "l", 3: "z", 126: "c", 127: "d" };
  let text = "";
  for (const { queue, rows, words } of cache.inside().shards) {
    for (let row = queue.first(); row !== 0; row = queue.after(row)) {
      text += letters[(words[rows.at(row) + STATE] >> CODEC_SHIFT) & 0xff] ?? "?";
    }
  }
  return text;
}

/** Waits until idle work had time for all that there is to do: it looks every tenth of a second. */
async function quiet(): Promise<void> {
  const asked = { count: 0, work: () => ++asked.count < 0, failed: () => undefined };
  workWhenIdle(asked);
  // What was added last is asked last; when it was asked often nobody has had more to do for as many looks.
  await until("idle work was looked for", () => asked.count > 6);
  stopWorking(asked);
}

describe("what is cold", () => {
  const COLD = 600;
  const value = (i: number): string => [0, 1, 2, 3, 4, 5].map((each) => record(6 * i + each)).join();

  for (const dictionary of ["auto", "none"] as const) {
    const isLearned = dictionary === "auto";
    it(`gets zstd, and what is used again lz4: dictionary ${dictionary}`, async () => {
      const { cache, codecs, pass } = withClock({ dictionary });
      if (isLearned) {
        await fill(cache, value);
        cache.clear();
      }
      for (let i = 0; i < COLD; i++) cache.set(i, value(i));
      const [warm, cold] = isLearned ? ["d", "c"] : ["l", "z"];
      assert.equal(codecs(), warm.repeat(COLD));
      await pass();
      assert.equal(codecs(), warm.repeat(COLD), "nothing is cold yet");
      // Of the colder half, some are used.
      for (let i = 0; i < 100; i++) assert.equal(cache.get(i), value(i));
      const before = cache.stats().storedBytes;
      await pass();
      await pass();
      await until("the colder half has it", () => codecs().split(cold).length > COLD / 2 - 50);
      assert.ok(cache.stats().storedBytes < before * 0.95);
      assert.equal(codecs().slice(0, COLD / 2), warm.repeat(COLD / 2), "the warmer half stays");
      assert.equal(cache.stats().improvement.coldCodec, "zstd");
      checkBooks(cache);
      for (let i = 300; i < 400; i++) assert.equal(cache.get(i), value(i));
      await pass();
      assert.equal(codecs().slice(0, COLD / 2), warm.repeat(COLD / 2), "what was used has lz4 again");
      checkBooks(cache);
      for (let i = 0; i < COLD; i++) assert.equal(cache.get(i), value(i));
      cache.close();
    });
  }

  it("is saved and loaded with what it needs", async () => {
    const { cache, codecs, pass } = withClock({});
    await fill(cache, value);
    await pass();
    await pass();
    await until("some is cold", () => codecs().includes("c"));
    const path = freshPath();
    await cache.save(path);
    const other = new CompressedCache<unknown>({ maxBytes: "8MiB", clock: () => 1e6 });
    assert.equal(await other.load(path), cache.size);
    assert.ok(codecsOf(other).includes("c"), "as it is");
    const tiered = new CompressedCache<unknown>({
      maxBytes: "8MiB",
      clock: () => 1e6,
      backing: new MemoryBacking(),
    });
    assert.equal(await tiered.load(path), cache.size);
    assert.ok(!codecsOf(tiered).includes("c"), "a second tier has no name for it");
    for (const key of cache.keys()) {
      assert.equal(other.peek(key), cache.peek(key));
      assert.equal(tiered.peek(key), cache.peek(key));
    }
    for (const each of [cache, other, tiered]) each.close();
  });

  it("stays as it is by default, and with a second tier where there is a dictionary; another codec is refused", async () => {
    for (const other of [{ codec: "zstd" }, { codec: "none" }, { improve: false }] as const) {
      const options = { maxBytes: "1MiB", recompress: "zstd", ...other } as const;
      assert.throws(() => new CompressedCache(options), {
        code: "EINVAL",
        message: /^recompress: "zstd" is for/,
      });
    }
    const kinds: Partial<CompressedCacheOptions<unknown>>[] = [
      { recompress: "none" },
      { backing: new MemoryBacking() },
    ];
    for (const kind of kinds) {
      const { cache, codecs, pass } = withClock(kind);
      await fill(cache, value);
      for (let i = 0; i < 3; i++) await pass();
      assert.ok(!codecs().includes("c"));
      assert.equal(cache.stats().improvement.coldCodec, "none");
      cache.close();
    }
  });
});

describe("while another thread is stopped within a lock", {
  skip: !canShare() && "nothing is shared",
}, () => {
  /** Waits until idle work was asked for often, while somebody who lives holds the lock of the first shard. */
  async function quietWhileHeld(other: Attached): Promise<void> {
    const [shard] = other.inside().shards as readonly Shard[];
    shard.enter();
    // Who waits for a lock does so for 10 s each time.
    await quiet();
    shard.leave();
    other.close();
  }
  /** Of the same thread, and another member of those that share the memory. */
  interface Attached {
    inside(): EngineInside;
    close(): unknown;
  }

  it("a cache does nothing for itself, and keeps no event loop waiting", async () => {
    const cache = new CompressedCache<unknown>({ maxBytes: "16MiB" });
    fillAtOnce(cache, 20_000);
    await until("a dictionary", () => cache.stats().dictionary.state === "in-use");
    const { recompressed } = cache.stats().improvement;
    await quietWhileHeld(CompressedCache.attach(cache.share(), { improve: false }));
    assert.equal(cache.stats().improvement.recompressed, recompressed);
    await until("it goes on", () => cache.stats().improvement.recompressed > recompressed);
    cache.close();
  });

  it("nor does it write ahead", async () => {
    const backing = new MemoryBacking();
    const options = { backing, improve: false };
    const cache = new CompressedCache<unknown>({ maxBytes: "1MiB", ...options });
    const other = CompressedCache.attach(cache.share(), options);
    while (cache.stats().evictions < 16) fillAtOnce(cache);
    const { backingWrites } = cache.stats();
    await quietWhileHeld(other);
    await until("it goes on", () => cache.stats().backingWrites > backingWrites);
    cache.close();
  });

  it("nor does it flush, which counts as failed", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: "8MiB", unclean: "flushed" });
    const options = { backing, improve: false };
    const cache = new CompressedCache<unknown>({ maxBytes: "1MiB", flushEvery: 50, ...options });
    const other = CompressedCache.attach(cache.share(), options);
    cache.set("a", 1);
    await quietWhileHeld(other);
    assert.ok(cache.stats().flushesFailed > 0);
    await until("it goes on", () => backing.stats().records > 0);
    cache.close();
    await backing.close();
  });

  it("nor does it look how long it may serve what a server has", async () => {
    const backing = new SharedStore(400);
    const core = CacheCore.create<number>({ maxBytes: "1MiB", backing, dictionary: "none" }, {});
    const trusts = (): boolean => core.contains("a", core.clock());
    core.put("a", 1, 0, 0, 0, [], null);
    assert.ok(trusts());
    const other = CacheCore.attach<number>(core.buffers(), { backing }, {});
    await quietWhileHeld({ inside: () => other.engine.inside(), close: () => other.close() });
    assert.equal(trusts(), false);
    core.close();
  });

  it("nor does a store", async () => {
    const store = new PageStore({ maxBytes: "4MiB", recompress: "zstd", shared: true });
    const page = new Uint8Array(4096).map((_, i) => (i * i) >> 7);
    for (let i = 0; i < 500; i++) {
      page[i] = i;
      store.store(i, page);
    }
    await quietWhileHeld(PageStore.attach(store.share()));
    assert.equal(store.stats().recompressedPages, 0);
    await until("it goes on", () => store.stats().recompressedPages > 0);
    store.close();
  });
});
