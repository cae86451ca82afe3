import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import {
  type Backing,
  type BackingKey,
  FileBacking,
  KeyvBacking,
  MemoryBacking,
  type StoredEntry,
  type WriteOutcome,
} from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { keyIn } from "../backing/records.ts";
import { FakeClock } from "./cache-checks.ts";

function open(backing: Backing, options: Partial<CompressedCacheOptions<string>> = {}) {
  const clock = new FakeClock();
  const cache = new CompressedCache<string>({
    maxBytes: "4MiB",
    maxEntries: 3,
    tags: true,
    clock: clock.read,
    backing,
    ...options,
  });
  return { cache, clock };
}

/** Sets other keys until nothing older is in memory. */
function push(cache: CompressedCache<string>): void {
  for (const key of ["p1", "p2", "p3"]) cache.set(key, key);
}

describe("what is evicted goes to the second tier, and comes back", () => {
  it("getAsync and getOrSet find it, and it is in memory again", async () => {
    const { cache } = open(new MemoryBacking());
    for (let i = 0; i < 10; i++) cache.set(`k${i}`, `value ${i}`);
    assert.equal(cache.get("k1"), undefined);
    await cache.flush();
    assert.equal(await cache.getAsync("k1"), "value 1");
    assert.equal(cache.get("k1"), "value 1");
    assert.equal(await cache.getOrSet("k2", () => assert.fail("not called")), "value 2");
    assert.equal(await cache.getAsync("nobody"), undefined);
    const { backingHits, backingMisses, backingWrites, backingWritesFailed } = cache.stats();
    assert.deepEqual([backingHits, backingMisses, backingWritesFailed], [2, 1, 0]);
    assert.ok(backingWrites >= 7, `${backingWrites} written`);
  });

  it("what was just evicted is found at once, before its write has begun", async () => {
    const file = await FileBacking.open(join(temporaryFolder("cache-tier"), "tier"), { maxBytes: 2 ** 22 });
    const stores: Backing[] = [new MemoryBacking(), file, new KeyvBacking({ store: new Map() })];
    for (const backing of stores) {
      const { cache } = open(backing);
      for (let i = 0; i < 200; i++) {
        cache.set(`k${i}`, `value ${i}`);
        // Those before it were evicted in this turn of the event loop.
        const key = Math.max(0, i - 4);
        assert.equal(await cache.getAsync(`k${key}`), `value ${key}`, backing.name);
        assert.equal(await cache.getOrSet("k0", () => assert.fail("it is there")), "value 0");
      }
      cache.delete("k0");
      assert.equal(await cache.getAsync("k0"), undefined);
      cache.set("k1", "other");
      push(cache);
      assert.equal(await cache.getAsync("k1"), "other", backing.name);
      verify(cache);
      await cache[Symbol.asyncDispose]();
      await backing.close();
    }
  });

  it("an entry that came back and is evicted again is not written twice", async () => {
    const backing = new MemoryBacking();
    const { cache } = open(backing);
    cache.set("a", "value");
    push(cache);
    await cache.flush();
    await cache.getAsync("a");
    const { writes } = backing.stats();
    for (let i = 0; i < 3; i++) cache.get("a");
    cache.set("q1", "x");
    cache.set("q2", "x");
    cache.set("q3", "x");
    await cache.flush();
    assert.equal(await cache.getAsync("a"), "value");
    assert.equal(backing.stats().writes - writes <= 6, true);
  });

  it("every kind of value, key and length", async () => {
    const backing = new MemoryBacking();
    const cache = new CompressedCache<unknown>({ maxBytes: "4MiB", maxEntries: 1, backing });
    const values: unknown[] = [
      "",
      "text",
      "a\ud800",
      Buffer.from("bytes"),
      { a: 1 },
      new Uint8Array(100_000),
      null,
    ];
    values.push(Uint8Array.from({ length: 30_000 }, (_, i) => Math.imul(i * i, 0x9e37_79b1) >>> 24));
    const keys = ["", "ü", 1.5, Uint8Array.of(0, 255)];
    for (const key of keys) {
      for (const value of values) {
        cache.set(key, value);
        cache.set("other", "x");
        await cache.flush();
        assert.equal(cache.has(key), false);
        assert.deepEqual(await cache.getAsync(key), value);
      }
    }
  });

  it("through a real file, with more than fits in memory", async () => {
    const folder = temporaryFolder("cache-tier");
    const backing = await FileBacking.open(join(folder, "tier"), { maxBytes: 2 ** 26 });
    try {
      const cache = new CompressedCache<string>({ maxBytes: "4MiB", backing });
      const prng = new Prng(1);
      const textOf = (i: number): string => {
        const noise = new Prng(i + 1);
        return Array.from({ length: 250 }, () => noise.uint32().toString(36)).join(" ");
      };
      for (let i = 0; i < 6000; i++) {
        cache.set(i, textOf(i));
        if (i % 200 === 0) await cache.flush();
      }
      await cache.flush();
      assert.ok(cache.size < 5000, `${cache.size} in memory`);
      let found = 0;
      for (let round = 0; round < 500; round++) {
        const i = prng.below(6000);
        const value = await cache.getAsync(i);
        if (value === undefined) continue;
        found++;
        assert.equal(value, textOf(i));
      }
      assert.ok(found > 490, `${found} of 500 found, ${JSON.stringify(cache.stats())}`);
      verify(cache);
      cache.close();
    } finally {
      await backing.close();
    }
  });

  it("another cache on the same tier reads what this one's dictionary compressed", async () => {
    const backing = new MemoryBacking();
    const dictionary = Buffer.from("the quick brown fox jumps over the lazy dog ".repeat(10));
    const { cache: writer } = open(backing, { dictionary });
    const value = "the lazy dog jumps over the quick brown fox";
    writer.set("a", value);
    push(writer);
    await writer.flush();
    const { cache: reader } = open(backing, { dictionary: "none" });
    assert.equal(await reader.getAsync("a"), value);
    writer.close();
    reader.close();
  });
});

describe("no old value is ever read from the tier", () => {
  const CHANGES: [string, (cache: CompressedCache<string>, clock: FakeClock) => void][] = [
    ["deleted", (cache) => void cache.delete("a")],
    ["deleted by its tag", (cache) => void cache.deleteByTag("t")],
    ["cleared", (cache) => cache.clear()],
    ["set anew, and deleted", (cache) => void [cache.set("a", "v2"), cache.delete("a")]],
    [
      "set anew, and expired",
      (cache, clock) => {
        cache.set("a", "v2", { ttl: 10 });
        clock.now += 11;
      },
    ],
    ["refused", (cache) => void cache.set("a", "x".repeat(2 ** 26 + 1))],
  ];
  const TIERS: [string, (clock: () => number) => Backing | Promise<Backing>][] = [
    ["memory", (clock) => new MemoryBacking({ delayMs: 5, clock })],
    [
      "a file",
      (clock) => FileBacking.open(join(temporaryFolder("tier"), "file"), { maxBytes: "1MiB", clock }),
    ],
  ];
  for (const [[name, change], [tier, make]] of CHANGES.flatMap((each) =>
    TIERS.map((tier) => [each, tier] as const),
  )) {
    for (const when of ["after its write", "during its write"]) {
      it(`a key that was ${name}, ${when}, in ${tier}`, async () => {
        const { cache, clock } = open(await make(Date.now));
        cache.set("a", "v1", { tags: ["t"] });
        push(cache);
        assert.equal(cache.has("a"), false);
        if (when === "after its write") await cache.flush();
        change(cache, clock);
        await cache.flush();
        assert.equal(await cache.getAsync("a"), undefined);
      });
    }

    it(`a key that was ${name} while it was being read, in ${tier}`, async () => {
      const { cache, clock } = open(await make(Date.now));
      cache.set("a", "v1", { tags: ["t"] });
      push(cache);
      await cache.flush();
      const reading = cache.getAsync("a");
      change(cache, clock);
      await reading;
      assert.equal(cache.get("a"), undefined);
      assert.equal(await cache.getAsync("a"), undefined);
    });
  }

  for (const [tier, make] of TIERS) {
    it(`an entry that came back and was given another time, in ${tier}`, async () => {
      const clock = new FakeClock();
      const { cache } = open(await make(clock.read), { clock: clock.read });
      cache.set("a", "v1", { ttl: 1000 });
      push(cache);
      await cache.flush();
      assert.equal(await cache.getAsync("a"), "v1");
      cache.touch("a", 10);
      clock.now += 11;
      assert.equal(await cache.getAsync("a"), undefined);
      // Nor has another one that comes after it.
      cache.set("b", "v1", { ttl: 1000 });
      push(cache);
      await cache.flush();
      assert.equal(await cache.getAsync("b"), "v1");
      cache.touch("b", 2000);
      push(cache);
      await cache.flush();
      clock.now += 1500;
      assert.equal(await cache.getAsync("b"), "v1", "it was written with its new time");
    });
  }

  it("an entry with tags that another cache evicted: which tags were deleted there, nobody knows here", async () => {
    const backing = new MemoryBacking();
    const before = open(backing).cache;
    for (let i = 0; i < 50; i++) before.delete(`stamp ${i}`);
    before.set("a", "v1", { tags: ["t"] });
    before.set("b", "v1");
    push(before);
    await before.flush();
    before.deleteByTag("t");
    before.close();
    const { cache } = open(backing);
    assert.equal(await cache.getAsync("a"), undefined);
    assert.equal(await cache.getAsync("b"), "v1");
    cache.deleteByTag("t");
    assert.equal(await cache.getAsync("a"), undefined);
  });

  it("a write that comes to a server after another thread's delete of its key is undone", async () => {
    const server = new Map<string, string>();
    const begun = Promise.withResolvers<void>();
    const comes = Promise.withResolvers<void>();
    const connection = (isLate: boolean): KeyvBacking => {
      return new KeyvBacking({
        store: {
          get: async (key: string) => server.get(key),
          set: async (key: string, value: unknown) => {
            begun.resolve();
            if (isLate) await comes.promise;
            server.set(key, String(value));
            return true;
          },
          delete: async (key: string) => server.delete(key),
          clear: async () => server.clear(),
        },
      });
    };
    const { cache } = open(connection(true), { shared: true });
    const other = CompressedCache.attach<string>(cache.share(), { backing: connection(false) });
    cache.set("a", "v1");
    push(cache);
    await begun.promise;
    assert.equal(other.get("a"), undefined);
    other.delete("a");
    await other.flush();
    comes.resolve();
    await cache.flush();
    await cache.flush(); // of the delete that the write called for
    assert.equal(await other.getAsync("a"), undefined);
    assert.equal(await cache.getAsync("a"), undefined);
    other.close();
    cache.close();
  });

  it("a key that is set anew while it is being read gives the new value", async () => {
    const { cache } = open(new MemoryBacking({ delayMs: 5 }));
    cache.set("a", "v1");
    push(cache);
    await cache.flush();
    const reading = cache.getAsync("a");
    cache.set("a", "v2");
    assert.equal(await reading, "v2");
    assert.equal(cache.get("a"), "v2");
  });

  for (let seed = 1; seed <= 12; seed++) {
    it(`random operations around slow writes and reads, seed ${seed}`, async () => {
      const prng = new Prng(seed);
      const { cache } = open(new MemoryBacking({ delayMs: seed % 3 }), { maxEntries: 4 });
      const model = new Map<string, string>();
      const waiting: Promise<void>[] = [];
      for (let step = 0; step < 300; step++) {
        const key = `k${prng.below(12)}`;
        const what = prng.below(10);
        if (what < 4) {
          model.set(key, `${step}`);
          cache.set(key, `${step}`);
        } else if (what === 4) {
          model.delete(key);
          cache.delete(key);
        } else {
          const before = model.get(key);
          const changes = step;
          waiting.push(
            cache.getAsync(key).then((value) => {
              // What was there when the read began, what is there now, what was between, or a miss.
              if (value === undefined || value === before || value === model.get(key)) return;
              assert.ok(Number(value) > changes, `${key} is ${value}, read in step ${changes}`);
            }),
          );
        }
        if (prng.chance(0.1)) await Promise.all(waiting.splice(0));
      }
      await Promise.all(waiting);
      await cache.flush();
      for (let i = 0; i < 12; i++) {
        const value = await cache.getAsync(`k${i}`);
        assert.ok(value === undefined || value === model.get(`k${i}`), `k${i} is ${value}`);
      }
      verify(cache);
      cache.close();
    });
  }
});

/** A tier of which each call may fail, by seed. */
class FaultyTier extends MemoryBacking {
  readonly #prng: Prng;
  fails = true;

  constructor(seed: number) {
    super();
    this.#prng = new Prng(seed);
  }

  override write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    if (!this.#isFault()) return super.write(records);
    for (const record of records) super.delete(keyIn(record));
    const outcome = new ZbudError("EIO", "a fault of the test");
    return Promise.resolve(records.map(() => outcome));
  }

  override async read(key: BackingKey): Promise<StoredEntry | null> {
    if (this.#isFault()) throw new ZbudError("EIO", "a fault of the test");
    const record = await super.read(key);
    if (record === null || !this.#isFault()) return record;
    return { ...record, bytes: record.bytes.map((byte) => byte ^ 0x55) };
  }

  #isFault(): boolean {
    return this.fails && this.#prng.chance(0.3);
  }
}

describe("a tier that fails is a miss, and the cache goes on", () => {
  for (let seed = 1; seed <= 5; seed++) {
    it(`writes and reads that fail, bytes that are damaged, seed ${seed}`, async () => {
      const backing = new FaultyTier(seed);
      const { cache } = open(backing);
      for (let i = 0; i < 200; i++) {
        cache.set(`k${i % 20}`, `value of k${i % 20}`);
        const key = `k${(i * 7) % 20}`;
        const value = await cache.getAsync(key);
        assert.ok(value === undefined || value === `value of ${key}`, `${key} is ${value}`);
      }
      const { backingWritesFailed, backingReadsFailed } = cache.stats();
      assert.ok(backingWritesFailed > 0 && backingReadsFailed > 0);
      backing.fails = false;
      cache.set("a", "later");
      push(cache);
      await cache.flush();
      assert.equal(await cache.getAsync("a"), "later");
      verify(cache);
    });
  }
});
