/** Values of more than 1 MiB, which are kept in blocks. */

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import {
  type BackingKey,
  FileBacking,
  KeyvBacking,
  MemoryBacking,
  type StoredEntry,
} from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { zbudDriver } from "../../src/drivers/zbud/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { isCode } from "../support/is-code.ts";
import { largeLength, largeValue } from "./large-values.ts";
import { RemoteThread, remoteCache } from "./remote-cache.ts";

const MIB = 2 ** 20;
const SEED = 15;

function same(found: unknown, value: Uint8Array): boolean {
  return found instanceof Uint8Array && Buffer.compare(found, value) === 0;
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Runs a cache beside a Map: what was evicted is a miss, and nothing else differs. */
async function runModel(
  options: Partial<CompressedCacheOptions<Uint8Array>>,
  seed: number,
  steps: number,
  other: (cache: CompressedCache<Uint8Array>) => Pick<CompressedCache<Uint8Array>, "set" | "get"> = (cache) =>
    cache,
): Promise<{ hits: number; evictions: number }> {
  const prng = new Prng(seed);
  const model = new Map<number, Uint8Array>();
  const cache = new CompressedCache<Uint8Array>({
    maxBytes: "20MiB",
    onRemoved: (key) => void model.delete(key as number),
    ...options,
  });
  const handles = [cache, other(cache)];
  let hits = 0;
  for (let step = 0; step < steps; step++) {
    const key = prng.below(30);
    const handle = handles[prng.below(2)];
    const action = prng.below(10);
    if (action < 4) {
      const value = largeValue(prng, largeLength(prng));
      const result =
        action < 3 ? handle.set(key, value) : await cache.setStream(key, new Blob([value]).stream());
      // Whoever is told of what was removed is told by the next call of its own.
      cache.has(-1);
      assert.ok(!model.has(key), "the value before is gone");
      if (result === "add" || result === "replace") model.set(key, value);
      else assert.equal(result, "E2BIG");
    } else if (action < 5) {
      cache.delete(key);
    } else {
      const value = model.get(key);
      const how = prng.below(4);
      let found: unknown;
      if (how === 0) found = handle.get(key);
      else if (how === 1) found = cache.withValue(key, (view) => view.slice());
      else if (how === 2) {
        const into = new Uint8Array(6 * MIB);
        const length = cache.getInto(key, into);
        found = length === undefined ? undefined : into.subarray(0, length);
      } else {
        const stream = cache.getStream(key);
        found = stream === undefined ? undefined : new Uint8Array(await collect(stream));
      }
      cache.has(-1);
      if (value === undefined) assert.equal(found, undefined);
      else assert.ok(same(found, value), `key ${key}, read in way ${how}, at step ${step}`);
      if (found !== undefined) hits++;
    }
    if (step % 10 === 0) verify(cache);
  }
  verify(cache);
  const { evictions } = cache.stats();
  cache.close();
  return { hits, evictions };
}

describe(`values of 0 to 5 MiB against a model (seed ${SEED})`, () => {
  const WORLDS: Record<string, Partial<CompressedCacheOptions<Uint8Array>>> = {
    lz4: {},
    "zstd, with a dictionary": { codec: "zstd", dictionary: new Uint8Array(5000).map((_, i) => i * i) },
    "kept as they are": { codec: "none" },
    "another allocator, by page": { driver: zbudDriver, evict: "page" },
    "for one thread, SIEVE, with tags": { shared: false, evict: "sieve", tags: true },
    "two shards": { shards: 2, maxBytes: "17MiB" },
  };
  for (const [name, options] of Object.entries(WORLDS)) {
    it(name, async () => {
      const { hits, evictions } = await runModel(options, SEED, 200);
      assert.ok(hits > 10 && evictions > 0, `${hits} hits, ${evictions} evictions`);
    });
  }

  it("two threads", async (t) => {
    const thread = new RemoteThread(new URL("./remote-cache-worker.ts", import.meta.url));
    t.after(() => thread.close());
    const removed = new Map<unknown, unknown>();
    let cacheOf: CompressedCache<Uint8Array> | null = null;
    const { hits } = await runModel({ evict: "lru", maxBytes: "64MiB" }, SEED + 1, 80, (cache) => {
      cacheOf = cache;
      const remote = remoteCache(thread, cache.share(), Date.now, (key, reason) =>
        removed.set(key, reason),
      ).cache;
      return {
        get: (key) => remote.get(key) as Uint8Array | undefined,
        set: (key, value) => {
          // What another thread removes, it is told.
          (cacheOf as CompressedCache<Uint8Array>).delete(key);
          cache.has(-1);
          return remote.set(key, value as Uint8Array);
        },
      };
    });
    assert.ok(hits > 10, `${hits} hits`);
  });
});

describe("a value of several blocks", () => {
  const prng = new Prng(SEED);
  const open = (options: Partial<CompressedCacheOptions<unknown>> = {}) => {
    const cache = new CompressedCache<unknown>({ maxBytes: "32MiB", dictionary: "none", ...options });
    after(() => cache.close());
    return cache;
  };

  it("of 64 MiB is kept, and of one byte more refused", () => {
    const cache = open();
    const value = new Uint8Array(64 * MIB + 1);
    value[5 * MIB] = 1;
    assert.equal(cache.set("a", value.subarray(1)), "add");
    assert.ok(same(cache.get("a"), value.subarray(1)));
    assert.ok((cache.info("a")?.size ?? 0) < 20_000, "what is filled with a word stays small");
    assert.equal(cache.set("a", value), "E2BIG");
    assert.equal(cache.has("a"), false);
    assert.equal(cache.set("a", "é".repeat(32 * MIB)), "add");
    assert.equal(cache.set("a", "é".repeat(32 * MIB + 1)), "E2BIG");
  });

  it("that is noise is kept without a table, and too much of it is refused at once", () => {
    const cache = open();
    const noise = Uint8Array.from({ length: 3 * MIB }, () => prng.below(256));
    assert.equal(cache.set("a", noise), "add");
    assert.equal(cache.info("a")?.size, 1 + noise.length);
    const more = new Uint8Array(12 * MIB);
    for (let at = 0; at < more.length; at += noise.length) more.set(noise, at);
    assert.equal(cache.set("b", more), "E2BIG");
    assert.ok(same(cache.get("a"), noise));
    assert.equal(cache.stats().rejectTooBig, 1);
  });

  it("of every other kind comes back: text, lone surrogates, JSON, a Buffer, what a serializer made", () => {
    const text = "größer als ein Block; ".repeat(120_000);
    const values = [text, `${text}\ud800`, { text, list: [1, 2, { text }] }, Buffer.from(text)];
    const cache = open();
    for (const value of values) {
      cache.set("a", value);
      assert.ok(Buffer.isBuffer(value) ? value.equals(cache.get("a") as Buffer) : true);
      if (!Buffer.isBuffer(value)) assert.deepEqual(cache.get("a"), value);
      assert.deepEqual(cache.peek("a"), value);
    }
    const own = open({ serializer: "v8" });
    own.set("a", new Map([["text", text]]));
    assert.deepEqual(own.get("a"), new Map([["text", text]]));
    assert.deepEqual([...own.entries()], [["a", new Map([["text", text]])]]);
    assert.deepEqual(own.pop(), new Map([["text", text]]));
  });

  it("is found by its tag, loaded once, and touched", async () => {
    const cache = open({ tags: true, ttl: 60_000 });
    const value = largeValue(prng, 2 * MIB + 7);
    cache.set("a", value, { tags: ["t"] });
    assert.ok(cache.touch("a"));
    assert.equal(cache.deleteByTag("t"), 1);
    assert.ok(same(await cache.getOrSet("a", async () => value), value));
    assert.ok(same(await cache.getOrSet("a", () => assert.fail("not called")), value));
    verify(cache);
  });

  it("goes through a saved cache, with and without a dictionary", async () => {
    const path = freshPath();
    const dictionary = new Uint8Array(3000).map((_, i) => i * 7);
    const values = [5 * MIB, MIB + 1, 300, 2 * MIB].map((length) => largeValue(prng, length));
    const cache = open({ dictionary });
    for (const [key, value] of values.entries()) cache.set(key, value);
    assert.equal(await cache.save(path), values.length);
    for (const options of [{ dictionary }, {}, { codec: "zstd" }, { codec: "none" }]) {
      const loaded = open(options);
      assert.equal(await loaded.load(path), values.length);
      for (const [key, value] of values.entries()) assert.ok(same(loaded.get(key), value), `${key}`);
      verify(loaded);
    }
  });

  it("goes to a second tier and comes back; what is too long for one is refused, and counted", async () => {
    const backings = [
      await FileBacking.open(freshPath(), { maxBytes: "64MiB" }),
      new MemoryBacking(),
      new KeyvBacking({ store: new Map() }),
    ];
    for (const backing of backings) {
      const cache = open({ backing, maxEntries: 1, codec: "none" });
      const values = [10 * MIB, 2 * MIB].map((length) => largeValue(new Prng(length), length));
      for (const [key, value] of values.entries()) {
        if (cache.set(key, value) === "E2BIG") assert.ok(value.length > cache.maxEntrySize);
        await cache.flush();
      }
      cache.set("last", 1);
      await cache.flush();
      assert.ok(same(await cache.getAsync(1), values[1]), backing.name);
      assert.equal(cache.stats().backingWritesFailed, 0);
      assert.equal(cache.stats().isBackingFull, false);
    }
    const small = new KeyvBacking({ store: new Map(), maxRecordBytes: MIB });
    const cache = open({ backing: small, maxEntries: 1, codec: "none" });
    cache.set("a", largeValue(prng, 2 * MIB));
    cache.set("b", 1);
    await cache.flush();
    assert.equal(await cache.getAsync("a"), undefined);
    assert.deepEqual([cache.stats().backingWritesFailed, cache.stats().backingWrites], [1, 0]);
    for (const backing of [...backings, small]) await backing.close();
  });

  it("of a second tier with a wrong table, or with lengths that cannot be, is a miss, and counted", async () => {
    class HostileTier extends MemoryBacking {
      forge: (record: StoredEntry) => StoredEntry = (record) => record;

      override async read(key: BackingKey): Promise<StoredEntry | null> {
        const record = await super.read(key);
        return record === null ? null : this.forge(record);
      }
    }
    const backing = new HostileTier();
    const cache = open({ backing, maxEntries: 1 });
    const value = new Uint8Array(3 * MIB).map((_, i) => i >>> 12);
    cache.set("a", value);
    const set = (): void => {
      cache.set("b", 1);
    };
    set();
    await cache.flush();
    const forge = (change: (bytes: Uint8Array) => Partial<StoredEntry> | undefined) => {
      backing.forge = (record) => {
        const bytes = record.bytes.slice();
        return { ...record, bytes, ...change(bytes) };
      };
    };
    for (let i = 0; i < 60; i++) {
      forge((bytes) => {
        bytes[1 + prng.below(12)] ^= 1 << prng.below(8);
        return undefined;
      });
      assert.equal(await cache.getAsync("a"), undefined);
    }
    for (const length of [
      MIB,
      MIB + 1,
      3 * MIB - 1,
      3 * MIB + 1,
      4 * MIB,
      64 * MIB,
      64 * MIB + 1,
      2 ** 32 - 1,
    ]) {
      forge(() => ({ length }));
      assert.equal(await cache.getAsync("a"), undefined, `${length}`);
    }
    forge(() => ({ codec: 0 }));
    assert.equal(await cache.getAsync("a"), undefined);
    assert.equal(cache.stats().backingReadsFailed, 69);
    backing.forge = (record) => record;
    assert.ok(same(await cache.getAsync("a"), value));
    verify(cache);
  });

  it("of which a block in memory is damaged is EBADMSG for every way to read it", () => {
    const cache = open({ shared: false });
    cache.set(
      "a",
      new Uint8Array(3 * MIB).map((_, i) => i >>> 12),
    );
    const { shards } = cache.inside();
    const [{ fragments, rows, queue }] = shards;
    const row = queue.last();
    const pool = fragments.poolOf(row);
    assert.ok(rows.stateOf(row) !== 0);
    fragments.write(pool, row, 1, Uint8Array.of(1, 2, 3), 0, 3);
    assert.throws(() => cache.get("a"), isCode("EBADMSG"));
    assert.throws(() => cache.getInto("a", new Uint8Array(3 * MIB)), isCode("EBADMSG"));
    assert.throws(() => cache.withValue("a", () => 1), isCode("EBADMSG"));
    assert.throws(() => cache.getStream("a"), isCode("EBADMSG"));
    assert.equal(cache.set("a", "new"), "replace");
  });

  it("says what is wrong where an array is too short", () => {
    const cache = open();
    cache.set("a", largeValue(prng, 2 * MIB));
    const into = new Uint8Array(2 * MIB - 1);
    assert.throws(() => cache.getInto("a", into), isCode("EINVAL", "2097152 bytes", "getInto 2097151"));
    assert.ok(!into.some((byte) => byte !== 0), "it is as it was");
  });
});

describe("a key of up to 65,535 bytes", () => {
  it("is found, in memory, in a second tier, in a saved cache, by a load", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(freshPath(), { maxBytes: "4MiB" });
    const options = { maxBytes: "8MiB", tags: true, dictionary: "none" } as const;
    const cache = new CompressedCache<string>({ ...options, backing });
    const long = "k".repeat(65_533);
    const keys = [`${long}aa`, `${long}ab`, `${long}ü`, new Uint8Array(65_534).fill(7)];
    for (const [i, key] of keys.entries())
      assert.equal(cache.set(key, `value ${i}`, { tags: [long] }), "add");
    for (const [i, key] of keys.entries()) assert.equal(cache.get(key), `value ${i}`);
    assert.deepEqual([...cache.keys()].length, 4);
    assert.equal(await cache.getOrSet(`${long}x`, async () => "loaded"), "loaded");
    assert.equal(await cache.save(path), 5);
    const noise = "0123456789abcdef".repeat(4000);
    for (let i = 0; i < 500; i++) cache.set(`${long.slice(i % 9)}${i}`, `${i}${noise}`);
    await cache.flush();
    for (const [i, key] of keys.entries()) assert.equal(await cache.getAsync(key), `value ${i}`);
    verify(cache);
    const loaded = new CompressedCache<string>(options);
    assert.equal(await loaded.load(path), 5);
    for (const [i, key] of keys.entries()) assert.equal(loaded.get(key), `value ${i}`);
    assert.equal(loaded.deleteByTag(long), 4);
    assert.equal(cache.set(`${long}aaa`, "x"), "E2BIG");
    assert.equal(cache.set(new Uint8Array(65_535), "x"), "E2BIG");
    assert.throws(() => cache.set("a", "x", { tags: [`${long}aaa`] }), isCode("EINVAL", "65,535"));
    cache.close();
    loaded.close();
    await backing.close();
  });
});
