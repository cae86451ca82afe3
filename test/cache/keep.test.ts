import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import {
  type Backing,
  FileBacking,
  type FileBackingOptions,
  KeyvBacking,
  MemoryBacking,
  type StoredEntry,
  type WriteOutcome,
} from "../../src/backing/index.ts";
import { nextTurn } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import type { FlushedCache } from "../../src/cache/types.ts";
import { verify } from "../../src/diagnostics/index.ts";
import type { Shard } from "../../src/engine/shard.ts";
import { RowPacker } from "../../src/engine/shrinking.ts";
import { canGiveRoom } from "../../src/memory/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { isCode } from "../support/is-code.ts";
import { FakeClock } from "./cache-checks.ts";

const fileAt = (path: string, options: Partial<FileBackingOptions> = {}): Promise<FileBacking> =>
  FileBacking.open(path, { maxBytes: 2 ** 25, ...options });

function cacheOn(backing: Backing, options: Partial<CompressedCacheOptions<unknown>> = {}) {
  return new CompressedCache<unknown>({ maxBytes: "8MiB", tags: true, backing, ...options });
}

/** A value that compresses to about so many bytes. */
function noise(seed: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.imul(seed * 7919 + i, 0x9e37_79b1) >>> 24);
}

/** Ends with what a tick of the timers began. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>(nextTurn);
}

/** Has the cache write ahead now. Its timers are the test's. */
async function writeAhead(context: TestContext, backing: Backing): Promise<void> {
  context.mock.timers.tick(25);
  await backing.flush();
  await turns(3);
}

describe("close() writes what is in memory to a tier that can write at once", () => {
  const kinds: Record<string, (path: string, clock: () => number) => Promise<Backing>> = {
    "a file": (path, clock) => fileAt(path, { clock }),
    "a file that drops": (path, clock) => fileAt(path, { clock, whenFull: "drop" }),
    "a file with the least queue": (path, clock) => fileAt(path, { clock, maxInFlightBytes: 4096 }),
    "a file for crashes": (path, clock) => fileAt(path, { clock, unclean: "flushed" }),
  };
  const memory = new MemoryBacking({ clock: () => 1000 });
  const end = memory.close.bind(memory);
  memory.close = async () => undefined;
  kinds.memory = async () => memory;

  for (const [name, open] of Object.entries(kinds)) {
    it(`${name}: after a restart all is found, with tags, times and kinds`, async () => {
      const path = freshPath();
      const clock = new FakeClock();
      const values: [string | number | Uint8Array, unknown, object][] = [
        ["text", "a\ud800b", {}],
        ["tagged", { a: [1, null] }, { tags: ["one", "two"] }],
        ["of two", "x", { tags: ["two"] }],
        [1.5, new Uint8Array(100_000), { ttl: 500 }],
        [Uint8Array.of(0, 255), noise(1, 30_000), { ttl: 500, staleWhileRevalidate: 100, tags: ["one"] }],
        ["", null, {}],
      ];
      const first = await open(path, clock.read);
      const cache = cacheOn(first, { clock: clock.read, dictionary: "none" });
      for (const [key, value, options] of values) cache.set(key, value, options);
      cache.set("over", "x", { ttl: 10 });
      clock.now += 100;
      assert.deepEqual(cache.close(), { entriesWritten: values.length, entriesLost: 0, backingFullOf: null });
      assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
      await first.close();

      clock.now += 100;
      const second = await open(path, clock.read);
      const again = cacheOn(second, { clock: clock.read, dictionary: "none" });
      assert.equal(again.size, 0);
      for (const [key, value] of values) assert.deepEqual(await again.getAsync(key), value);
      assert.equal(await again.getAsync("over"), undefined);
      assert.equal(again.getRemainingTTL(1.5), 300);
      assert.equal(again.deleteByTag("one"), 2);
      assert.equal(await again.getAsync("tagged"), undefined);
      assert.equal(await again.getAsync("of two"), "x");
      // What is there already is not written again.
      assert.deepEqual(again.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
      await second.close();
    });
  }

  it("a tag that is deleted after the restart takes what is only in the file, in that run and later ones", async () => {
    const path = freshPath();
    for (let run = 0; run < 4; run++) {
      const backing = await fileAt(path);
      const cache = cacheOn(backing);
      if (run === 0) for (let i = 0; i < 9; i++) cache.set(`k${i}`, `v${i}`, { tags: [`t${i % 3}`] });
      else {
        assert.equal(cache.deleteByTag(`t${run - 1}`), 0);
        cache.set(`k${run - 1}`, "new", { tags: [`t${run - 1}`] });
      }
      if (run === 3) {
        for (let i = 0; i < 9; i++) assert.equal(await cache.getAsync(`k${i}`), i < 3 ? "new" : undefined);
      }
      cache.close();
      await backing.close();
    }
  });

  it("a clear is one after a restart too, and a run whose cache was not closed keeps its tags for itself", async () => {
    const path = freshPath();
    const first = await fileAt(path);
    const cache = cacheOn(first, { maxEntries: 3 });
    cache.set("a", 1, { tags: ["t"] });
    for (const key of ["p", "q", "r"]) cache.set(key, key);
    await cache.flush();
    // It is in the file only, where nothing tells of this but the notes.
    cache.deleteByTag("t");
    cache.set("b", 2, { tags: ["t"] });
    cache.set("c", 3);
    await first.close(); // before the cache: what is in memory is lost, and so are the notes
    assert.equal(cache.close().entriesLost, 2);
    const second = await fileAt(path);
    const next = cacheOn(second);
    assert.equal(await next.getAsync("a"), undefined);
    next.set("d", 4, { tags: ["t"] });
    await next.flush();
    next.clear();
    next.set("e", 5, { tags: ["t"] });
    next.close();
    await second.close();
    const third = await fileAt(path);
    const last = cacheOn(third);
    assert.equal(await last.getAsync("d"), undefined);
    assert.equal(await last.getAsync("e"), 5);
    last.close();
    await third.close();
  });

  it("the next cache goes on with the dictionary", async () => {
    const path = freshPath();
    const textOf = (i: number): string =>
      `{"id":${i},"kind":"invoice","currency":"EUR","customer":{"name":"somebody ${i * 7}","city":"Paris"}}`;
    const dictionary = Buffer.from(textOf(1) + textOf(22));
    const first = await fileAt(path);
    const cache = cacheOn(first, { dictionary });
    for (let i = 0; i < 100; i++) cache.set(i, textOf(i));
    cache.close();
    await first.close();
    const second = await fileAt(path);
    const next = cacheOn(second);
    assert.equal(next.stats().dictionary.state, "in-use");
    for (let i = 0; i < 100; i++) assert.equal(await next.getAsync(i), textOf(i));
    assert.equal(next.size, 100);
    assert.equal(next.get(5), textOf(5));
    next.close();
    await second.close();
  });

  for (const whenFull of ["reject", "drop"] as const) {
    it(`a file that is too small has what was used last, and the rest is counted (${whenFull})`, async () => {
      const path = freshPath();
      const small = { maxBytes: 400_000, whenFull };
      const first = await FileBacking.open(path, small);
      const cache = cacheOn(first, { dictionary: "none" });
      for (let i = 0; i < 600; i++) cache.set(i, noise(i, 1000), { tags: ["t"] });
      for (let i = 0; i < 50; i++) cache.get(i);
      const { entriesWritten, entriesLost, backingFullOf } = cache.close();
      assert.ok(entriesLost > 200 && entriesLost < 350, `${entriesLost} lost`);
      assert.equal(entriesWritten + entriesLost, 600, "each counts once");
      assert.equal(backingFullOf, "bytes");
      await first.close();
      const second = await FileBacking.open(path, small);
      const next = cacheOn(second, { dictionary: "none" });
      let found = 0;
      for (let i = 0; i < 600; i++) {
        const value = await next.getAsync(i);
        if (value !== undefined) found++;
        if (i < 50 || i >= 550) assert.deepEqual(value, noise(i, 1000), `value ${i}`);
      }
      assert.equal(found, 600 - entriesLost);
      next.close();
      await second.close();
    });
  }

  it("flushes of a full file lose nothing, and say what is left; an entry that is lost counts once", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 400_000, averageBytes: 4096 });
    const cache = cacheOn(backing, { dictionary: "none" });
    for (let i = 0; i < 300; i++) cache.set(i, noise(i, 1000));
    const first = await cache.flush();
    // Rows of the index, and one of them for what the next cache must know.
    assert.equal(first.entriesWritten + first.entriesLeft, 300);
    assert.ok(first.entriesWritten >= 96 && first.entriesWritten <= 97, JSON.stringify(first));
    assert.equal(first.backingFullOf, "records");
    for (let i = 0; i < 3; i++) assert.equal((await cache.flush()).entriesLeft, first.entriesLeft);
    const { backingWritesFailed, backingFullOf, isBackingFull } = cache.stats();
    assert.deepEqual([backingWritesFailed, backingFullOf, isBackingFull], [0, "records", true]);
    assert.match(String(backing), /full: its index has 97 records at most/);
    const attached = CompressedCache.attach<unknown>(cache.share(), { backing });
    assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
    const { entriesWritten, entriesLost } = attached.close();
    assert.deepEqual([entriesWritten, entriesLost], [0, first.entriesLeft]);
    await backing.close();
  });

  it("a file that drops has at the end what it had at the beginning, if it was used since", async () => {
    const path = freshPath();
    const small = { maxBytes: 400_000, averageBytes: 512, whenFull: "drop" as const };
    const backing = await FileBacking.open(path, small);
    const cache = cacheOn(backing, { dictionary: "none", maxEntries: 200 });
    const useOld = (): void => {
      for (let i = 0; i < 100; i++) assert.deepEqual(cache.get(`old ${i}`), noise(i, 1000));
    };
    for (let i = 0; i < 100; i++) cache.set(`old ${i}`, noise(i, 1000));
    await cache.flush();
    for (let i = 0; i < 250; i++) {
      if (i % 50 === 0) useOld();
      cache.set(i, noise(i, 1000));
    }
    useOld();
    await backing.flush();
    // What is written now drops the oldest records, and of what is in memory these are the old ones'.
    const { entriesWritten, entriesLost } = cache.close();
    assert.equal(entriesLost, 0);
    assert.ok(entriesWritten > 100, `${entriesWritten} written`);
    await backing.close();
    const second = await FileBacking.open(path, small);
    const next = cacheOn(second, { dictionary: "none" });
    for (let i = 0; i < 100; i++) assert.deepEqual(await next.getAsync(`old ${i}`), noise(i, 1000));
    for (let i = 150; i < 250; i++) assert.deepEqual(await next.getAsync(i), noise(i, 1000));
    next.close();
    await second.close();
  });

  it("what a file dropped since it was written is written again when it is evicted", async () => {
    const small = { maxBytes: 400_000, averageBytes: 512, whenFull: "drop" as const };
    const backing = await FileBacking.open(freshPath(), small);
    const cache = cacheOn(backing, { dictionary: "none", maxEntries: 100 });
    cache.set("hot", noise(1, 1000));
    await cache.flush();
    for (let i = 0; i < 1000; i++) {
      cache.set(i, noise(i, 1000));
      cache.get("hot");
    }
    for (let i = 0; i < 100; i++) cache.set(`new ${i}`, i);
    await backing.flush();
    assert.equal(cache.has("hot"), false);
    assert.deepEqual(await cache.getAsync("hot"), noise(1, 1000));
    cache.close();
    await backing.close();
  });

  it("of several threads the last one does, and a server is given nothing", async () => {
    const path = freshPath();
    const backing = await fileAt(path);
    const cache = cacheOn(backing);
    const attached = CompressedCache.attach<unknown>(cache.share(), {
      backing: FileBacking.attach(backing.share()),
    });
    for (let i = 0; i < 10; i++) cache.set(i, i);
    assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
    assert.deepEqual(attached.close(), { entriesWritten: 10, entriesLost: 0, backingFullOf: null });
    await backing.close();

    const store = new Map<string, unknown>();
    const remote = new KeyvBacking({ store });
    const other = cacheOn(remote);
    other.set("a", 1);
    await other.flush();
    assert.deepEqual(other.close(), { entriesWritten: 0, entriesLost: 0, backingFullOf: null });
    await remote.close();
    assert.equal(store.size, 0);
  });

  it("a file that was closed or fails loses what is in memory, and close() says how much", async () => {
    const backing = await fileAt(freshPath());
    const cache = cacheOn(backing, { tags: false });
    for (let i = 0; i < 10; i++) cache.set(i, i);
    await backing.close();
    assert.deepEqual(cache.close(), { entriesWritten: 0, entriesLost: 10, backingFullOf: null });

    const memory = new MemoryBacking();
    memory.writeSync = () => {
      throw new Error("broken");
    };
    const other = cacheOn(memory);
    for (let i = 0; i < 10; i++) other.set(i, i, { tags: ["t"] });
    assert.deepEqual(other.close(), { entriesWritten: 0, entriesLost: 10, backingFullOf: null });
  });

  it("flush() also writes what comes to another row while it goes on", {
    skip: canGiveRoom() ? false : "memory cannot be given back here",
  }, async () => {
    const cache = cacheOn(new MemoryBacking(), { improve: false, maxWriteBytesPerSecond: 0, tags: false });
    for (let i = 0; i < 9000; i++) cache.set(i, `value ${i}`);
    for (let i = 0; i < 9000; i++) if (i % 3 !== 1) cache.delete(i);
    const packer = new RowPacker(cache.inside().shards as readonly Shard[]);
    let flushed: FlushedCache | null = null;
    void cache.flush().then((result) => {
      flushed = result;
    });
    let moves = 0;
    while (flushed === null) {
      let looks = 0;
      if (packer.step(() => looks++ > 2) > 0) moves++;
      await turns(1);
    }
    assert.ok(moves > 5, `${moves} turns in which entries were moved`);
    assert.deepEqual(flushed, { entriesWritten: 3000, entriesLeft: 0, backingFullOf: null });
    assert.equal(cache.close().entriesWritten, 0);
  });

  it("flush() does the same and goes on", async () => {
    const backing = await fileAt(freshPath());
    const cache = cacheOn(backing);
    for (let i = 0; i < 1000; i++) cache.set(i, `value ${i}`);
    await cache.flush();
    assert.equal(backing.stats().records, 1001); // and the notes
    assert.equal(cache.size, 1000);
    cache.set(5, "new");
    cache.delete(6);
    assert.deepEqual(cache.close(), { entriesWritten: 1, entriesLost: 0, backingFullOf: null });
    await backing.close();
    await end();
  });
});

describe("a burst", () => {
  it("of 20,000 values at once loses none of them, and the queue stays within its bound", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 26, averageBytes: 1024 });
    const cache = cacheOn(backing, { maxBytes: "4MiB", tags: false, dictionary: "none" });
    for (let i = 0; i < 20_000; i++) {
      cache.set(i, noise(i, 700));
      if (i % 1000 === 0) assert.ok(backing.stats().bytesInFlight <= 2 ** 23);
    }
    assert.ok(cache.stats().evictions > 15_000);
    await cache.flush();
    const { backingWritesFailed, backingRefusedBusy } = cache.stats();
    assert.deepEqual([backingWritesFailed, backingRefusedBusy], [0, 0]);
    for (let i = 0; i < 20_000; i += 7) assert.deepEqual(await cache.getAsync(i), noise(i, 700));
    verify(cache);
    cache.close();
    await backing.close();
  });

  it("is counted by reason where a server or a full file takes no more", async () => {
    const remote = new KeyvBacking({ store: new Map(), maxInFlightBytes: 8192 });
    const cache = cacheOn(remote, { maxBytes: "1MiB", dictionary: "none" });
    for (let i = 0; i < 3000; i++) cache.set(i, noise(i, 700));
    await cache.flush();
    const { backingWritesFailed, backingRefusedBusy, backingRefusedFull } = cache.stats();
    assert.ok(backingRefusedBusy > 1000 && backingWritesFailed === backingRefusedBusy);
    assert.equal(backingRefusedFull, 0);
    cache.close();
    await remote.close();

    const full = await FileBacking.open(freshPath(), { maxBytes: 65_536 });
    const other = cacheOn(full, { maxBytes: "1MiB", dictionary: "none" });
    for (let i = 0; i < 3000; i++) other.set(i, noise(i, 700));
    await other.flush();
    const stats = other.stats();
    assert.ok(stats.backingRefusedFull > 1000 && stats.backingWritesFailed === stats.backingRefusedFull);
    other.close();
    await full.close();
  });
});

/** A backing store whose asynchronous writes end when a test says. */
class Gated extends MemoryBacking {
  readonly open: (() => void)[] = [];
  calls = 0;

  override async write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    this.calls++;
    const outcomes = super.write(records);
    await new Promise<void>((resolve) => this.open.push(resolve));
    return await outcomes;
  }

  release(): void {
    for (const open of this.open.splice(0)) open();
  }
}

describe("writing ahead", () => {
  /** 80 entries in a cache of 80: the 10 that go first are written ahead. */
  function nearlyFull(context: TestContext, backing: Backing, options: object = {}) {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const clock = new FakeClock();
    const cache = cacheOn(backing, { maxEntries: 80, clock: clock.read, dictionary: "none", ...options });
    for (let i = 0; i < 80; i++) cache.set(i, `value ${i}`);
    return { cache, clock };
  }

  it("writes what goes next, once, and its eviction writes nothing", async (context) => {
    const backing = await fileAt(freshPath());
    const { cache } = nearlyFull(context, backing);
    assert.equal(backing.stats().writes, 0);
    await writeAhead(context, backing);
    assert.equal(backing.stats().records, 10);
    await writeAhead(context, backing);
    assert.equal(backing.stats().writes, 10);
    for (let i = 0; i < 10; i++) cache.set(`new ${i}`, i);
    assert.equal(cache.stats().evictions, 10);
    await backing.flush();
    assert.equal(backing.stats().writes, 10);
    for (let i = 0; i < 10; i++) assert.equal(await cache.getAsync(i), `value ${i}`);
    cache.close();
    await backing.close();
  });

  it("a cache that is far from full writes nothing ahead, nor one that is not to", async (context) => {
    const backing = await fileAt(freshPath());
    const { cache } = nearlyFull(context, backing, { maxEntries: 200 });
    await writeAhead(context, backing);
    assert.equal(backing.stats().writes, 0);
    cache.close();
    context.mock.timers.reset();
    const { cache: other } = nearlyFull(context, backing, { maxWriteBytesPerSecond: 0 });
    await writeAhead(context, backing);
    assert.equal(backing.stats().writes, 81); // what the first one's close() wrote, with its notes
    other.close();
    await backing.close();
  });

  it("goes by the bytes a second that it may", async (context) => {
    const backing = await fileAt(freshPath());
    const { cache, clock } = nearlyFull(context, backing, { maxEntries: 2000, maxWriteBytesPerSecond: 2000 });
    for (let i = 0; i < 2000; i++) cache.set(i, noise(i, 500));
    const ahead: number[] = [];
    for (let second = 0; second < 3; second++) {
      for (let i = 0; i < 20; i++) {
        context.mock.timers.tick(1000);
        await backing.flush();
        await turns(3);
      }
      ahead.push(backing.stats().writes);
      clock.now += 20_000;
    }
    // A batch goes at once, which 16 seconds pay off; then the next.
    assert.deepEqual(ahead, [64, 128, 192]);
    cache.close();
    await backing.close();
  });

  const changes = [
    ["set", (cache: CompressedCache<unknown>) => cache.set(0, "new"), "new"],
    ["deleted", (cache: CompressedCache<unknown>) => cache.delete(0), undefined],
    ["cleared", (cache: CompressedCache<unknown>) => cache.clear(), undefined],
    ["touched", (cache: CompressedCache<unknown>) => cache.touch(0, 5000), "value 0"],
  ] as const;
  for (const [name, change, expected] of changes) {
    for (const isThere of [false, true]) {
      const when = isThere ? "before its write is known to have ended" : "while it is written ahead";
      it(`an entry that is ${name} ${when} has no copy from before`, async (context) => {
        // The same clock as the cache's, which is made after it.
        const backing = new Gated({ clock: () => 1000 });
        const { cache, clock } = nearlyFull(context, backing);
        context.mock.timers.tick(25);
        assert.equal(backing.calls, 10);
        if (isThere) await turns(3);
        assert.equal(backing.stats().records, isThere ? 10 : 0);
        change(cache);
        backing.release();
        await turns(5);
        // It goes to the tier now, if it is there.
        for (let i = 0; i < 80; i++) cache.set(`new ${i}`, i);
        backing.release();
        await turns(5);
        assert.equal(cache.has(0), false);
        clock.now += 10;
        assert.equal(await cache.getAsync(0), expected);
        if (name === "touched") assert.equal(cache.getRemainingTTL(0), 4990);
        clock.now += 5000;
        if (name === "touched") assert.equal(await cache.getAsync(0), undefined);
        backing.release();
        cache.close();
      });
    }
  }

  it("what a tier does not take stays dirty, and is written when it goes", async (context) => {
    const backing = new MemoryBacking();
    const write = backing.write.bind(backing);
    backing.write = async (records) => records.map(() => "EAGAIN" as const);
    const { cache } = nearlyFull(context, backing);
    await writeAhead(context, backing);
    assert.equal(backing.stats().records, 0);
    backing.write = write;
    for (let i = 0; i < 10; i++) cache.set(`new ${i}`, i);
    await backing.flush();
    await turns(3);
    for (let i = 0; i < 10; i++) assert.equal(await cache.getAsync(i), `value ${i}`);
    cache.close();
  });
});

describe("options about the second tier", () => {
  it("are refused where they mean nothing", async () => {
    const memory = new MemoryBacking();
    const make = (options: object) => () => new CompressedCache({ maxBytes: "1MiB", ...options });
    assert.throws(make({ maxWriteBytesPerSecond: 1 }), isCode("EINVAL"));
    assert.throws(make({ flushEvery: 1000 }), isCode("EINVAL"));
    assert.throws(make({ backing: memory, maxWriteBytesPerSecond: -1 }), isCode("EINVAL"));
    assert.throws(make({ backing: memory, maxWriteBytesPerSecond: "much" }), isCode("EINVAL"));
    assert.throws(make({ backing: memory, flushEvery: 1.5 }), isCode("EINVAL"));
    assert.throws(make({ backing: memory, flushEvery: Number.POSITIVE_INFINITY }), isCode("EINVAL"));
    assert.throws(make({ backing: new KeyvBacking({ store: new Map() }), flushEvery: 1 }), isCode("EINVAL"));
    const backing = await fileAt(freshPath());
    assert.throws(make({ backing, flushEvery: 1000 }), /unclean: "flushed"/);
    await backing.close();
  });

  it("flushEvery flushes, and counts the times that it could not", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const backing = await fileAt(freshPath(), { unclean: "flushed" });
    const cache = cacheOn(backing, { flushEvery: 1000 });
    for (let i = 0; i < 10; i++) cache.set(i, i);
    context.mock.timers.tick(1000);
    while (backing.stats().records < 11) await turns(1);
    await turns(20);
    assert.equal(cache.stats().flushesFailed, 0);
    await backing.close();
    cache.set("more", 1);
    while (cache.stats().flushesFailed === 0) {
      context.mock.timers.tick(1000);
      await turns(1);
    }
    assert.equal(cache.close().entriesLost, 1);
  });
});
