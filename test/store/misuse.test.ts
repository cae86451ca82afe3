import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { heapDelta } from "../../bench/harness.ts";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { attachPool, createPool, ZbudPool, zbudDriver } from "../../src/entry/index.ts";
import { PageStore, STORE_CHANNEL, type StoreEvent } from "../../src/store/index.ts";
import { freshPath } from "../support/fresh-path.ts";

const page = new Uint8Array(4096).map((_, i) => (i * i) >> 3);
const into = new Uint8Array(4096);

describe("calls that cannot be", () => {
  const OPTIONS: [object, RegExp][] = [
    [{}, /maxBytes/],
    [{ maxBytes: "a lot" }, /maxBytes/],
    [{ maxBytes: 1000 }, /maxBytes/],
    [{ maxBytes: "1MiB", pageSize: 100 }, /pageSize/],
    [{ maxBytes: "1MiB", pageSize: 2 ** 21 }, /pageSize/],
    [{ maxBytes: "1MiB", evict: "fifo" }, /evict must be "lru", "sieve" or "page"/],
    [{ maxBytes: "1MiB", incompressible: "keep" }, /incompressible/],
    [{ maxBytes: "1MiB", incompressible: "writeback" }, /backing/],
    [{ maxBytes: "1MiB", whenFull: "grow" }, /whenFull/],
    [{ maxBytes: "1MiB", backing: {} }, /backing/],
    [{ maxBytes: "1MiB", acceptThresholdPercent: 0 }, /acceptThresholdPercent/],
    [{ maxBytes: "1MiB", shards: 3 }, /shards/],
    [{ maxBytes: "1MiB", pages: 4 }, /unknown option "pages"/],
    [{ maxBytes: "1MiB", drivers: null }, /drivers must not be null/],
    [{ maxBytes: "1MiB", drivers: "zbud" }, /drivers must be an array/],
    [{ maxBytes: "1MiB", drivers: [null] }, /drivers must be an array of drivers such as \[zbudDriver\]/],
    [{ maxBytes: "1MiB", codec: null }, /codec must not be null/],
    [{ maxBytes: "1MiB", recompress: null }, /recompress must not be null/],
    [{ maxBytes: "200KiB", pageSize: 2 ** 20 }, /maxBytes/],
  ];
  for (const [options, message] of OPTIONS) {
    it(`options ${JSON.stringify(options)}`, () => {
      assert.throws(() => new PageStore(options as never), { code: "EINVAL", message });
    });
  }

  it("indices and buffers", async () => {
    await withStore(async (store) => {
      for (const index of [-1, 1.5, 2 ** 40 + 1, Number.NaN, "1"]) {
        assert.throws(() => store.store(index as number, page), { code: "EINVAL" });
        assert.throws(() => store.load(index as number, into), { code: "EINVAL" });
        assert.throws(() => store.invalidate(index as number), { code: "EINVAL" });
        await assert.rejects(store.loadAsync(index as number, into), { code: "EINVAL" });
      }
      assert.throws(() => store.store(1, page.subarray(1)), { code: "EINVAL" });
      assert.throws(() => store.load(1, into.subarray(1)), { code: "EINVAL" });
      assert.throws(() => store.store(1, [...page] as never), { code: "EINVAL" });
      assert.throws(() => store.shrinkBytes(-1), { code: "EINVAL" });
      assert.throws(() => store.useCodec("lzma"), { code: "ENOENT" });
      assert.throws(() => store.useDriver("slab"), { code: "ENOENT" });
      for (const index of [0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40])
        assert.equal(store.store(index, page), "stored");
      assert.equal(store.size, 5);
    });
  });

  it("options of calls that wait", async () => {
    const store = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking() });
    for (const options of [null, 7, { signal: 7 }, { signal: null }] as never[]) {
      const expected = { code: "EINVAL", message: /options of this call|signal/ };
      await assert.rejects(store.storeAsync(1, page, options), expected);
      await assert.rejects(store.loadAsync(1, into, options), expected);
      await assert.rejects(store.flush(options), expected);
    }
    await store.close();
  });

  it("attach to what share() did not give", async () => {
    const store = new PageStore({ maxBytes: "1MiB", shared: true });
    const shared = store.share();
    const { engine } = shared;
    const changed = (change: object): unknown => ({ ...shared, engine: { ...engine, ...change } });
    const FORGED: unknown[] = [
      { ...shared, counters: new SharedArrayBuffer(8) },
      { ...shared, engine: undefined },
      { ...shared, engine: {} },
      { ...shared, shape: {} },
      { ...shared, shape: { ...shared.shape, maxBytes: 0 } },
      changed({ shape: null }),
      changed({ shape: {} }),
      changed({ tables: engine?.tables.map(() => new SharedArrayBuffer(7)) }),
      changed({ pools: engine?.pools.map(() => []) }),
      changed({ pools: engine?.pools.map(() => null) }),
    ];
    for (const forged of FORGED) {
      assert.throws(
        () => PageStore.attach(forged as never),
        (error: { code: string }) => ["EINVAL", "EBADMSG"].includes(error.code),
      );
    }
    await store.close();
  });

  it("attach in another process, or after JSON, says who can share", async () => {
    const store = new PageStore({ maxBytes: "1MiB", shared: true });
    const pool = new ZbudPool({ maxPages: 8, shared: true });
    const zpool = createPool("slots", { maxPages: 8, shared: true });
    const cache = new CompressedCache({ maxBytes: "1MiB" });
    // What child_process makes of a message that is not "advanced"; that one refuses shared memory by itself.
    const sent = (shared: unknown): never => JSON.parse(JSON.stringify(shared)) as never;
    const message = /Processes cannot share it.* worker threads of one process can/;
    assert.throws(() => PageStore.attach(sent(store.share())), { code: "EINVAL", message });
    assert.throws(() => zbudDriver.attach(sent(pool.share())), { code: "EINVAL", message });
    assert.throws(() => attachPool(sent(zpool.share())), { code: "EINVAL", message });
    assert.throws(() => CompressedCache.attach(sent(cache.share())), { code: "EINVAL", message });
    const file = await FileBacking.open(freshPath(), { maxBytes: 2 ** 18 });
    assert.throws(() => FileBacking.attach(sent(file.share())), { code: "EINVAL", message });
    assert.throws(() => FileBacking.attach({ ...file.share(), settings: null } as never), {
      code: "EBADMSG",
    });
    assert.throws(() => FileBacking.attach({ ...file.share(), geometry: null } as never), {
      code: "EBADMSG",
    });
    await file.close();
    await store.close();
    cache.close();
  });

  it("a cache's pages too large complain of the option that was given", () => {
    assert.throws(() => new CompressedCache({ maxBytes: "4MiB", poolPageSize: 2 ** 21 }), {
      code: "EINVAL",
      message: /^poolPageSize must be/,
    });
  });

  it("after close everything is ECLOSED, and a second close does nothing", async () => {
    const store = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking() });
    store.store(1, page);
    await store.close();
    await store.close();
    store[Symbol.dispose]();
    for (const call of [
      () => store.store(1, page),
      () => store.load(1, into),
      () => store.invalidate(1),
      () => store.clear(),
      () => store.shrinkBytes(1),
      () => store.stats(),
      () => verify(store),
      () => store.size,
    ]) {
      assert.throws(call, { code: "ECLOSED" });
    }
    await assert.rejects(store.flush(), { code: "ECLOSED" });
    await assert.rejects(store.loadAsync(1, into), { code: "ECLOSED" });
  });
});

describe("what a store tells", () => {
  it("every call is published while somebody listens", async () => {
    await withStore((store) => {
      const events: unknown[] = [];
      const listen = (event: unknown): void => {
        events.push(event);
      };
      subscribe(STORE_CHANNEL, listen);
      store.store(7, page);
      store.load(7, into);
      store.invalidate(7);
      store.load(7, into);
      unsubscribe(STORE_CHANNEL, listen);
      store.load(7, into);
      assert.deepEqual(events, [
        { op: "store", index: 7, result: "stored" },
        { op: "load", index: 7, result: "loaded" },
        { op: "invalidate", index: 7, result: "dropped" },
        { op: "load", index: 7, result: "missing" },
      ] satisfies StoreEvent[]);
    });
  });

  it("of every 64th call, how long it took", async () => {
    await withStore((store) => {
      for (let i = 0; i < 640; i++) store.store(i % 64, page);
      const { storeLatencyNs, loadLatencyNs } = store.stats();
      assert.equal(
        storeLatencyNs.reduce((sum, count) => sum + count, 0),
        10,
      );
      assert.deepEqual(loadLatencyNs, []);
    });
  });

  it("loads and stores leave the collector nothing but large handles", async () => {
    await withStore((store) => {
      const work = (): void => {
        for (let i = 0; i < 20_000; i++) {
          store.store(i & 63, page);
          store.load(i & 63, into);
        }
      };
      work();
      // V8 boxes a large handle, 16 bytes, where it crosses a call that it did not inline: up to four times in a
      // store and a load. A view would be 100 bytes.
      const grown = Math.min(...Array.from({ length: 5 }, () => heapDelta(work) ?? 0));
      assert.ok(grown < 40_000 * 40, `${grown} bytes in 40,000 calls`);
    });
  });
});

async function withStore(work: (store: PageStore) => void | Promise<void>): Promise<void> {
  const store = new PageStore({ maxBytes: "4MiB" });
  try {
    await work(store);
    verify(store);
  } finally {
    await store.close();
  }
}
