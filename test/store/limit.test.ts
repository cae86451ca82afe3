/** What a store takes beside its engine is part of its limit, and little. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { MemoryBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import {
  COUNTERS_BYTES,
  Counters,
  LOADED_BACK,
  WRITTEN_BACK,
  WRITTEN_BACK_BYTES,
} from "../../src/store/counters.ts";
import { PageStore, type PageStoreOptions } from "../../src/store/index.ts";
import { makePage } from "./pages.ts";

registerBuiltIns();

const PAGE = 4096;

/** All buffers that can be reached from what a store shares. */
function sharedBytes(value: unknown, seen: Set<unknown> = new Set()): number {
  if (typeof value !== "object" || value === null || seen.has(value)) return 0;
  seen.add(value);
  if (value instanceof SharedArrayBuffer) return value.byteLength;
  return Object.values(value).reduce((sum: number, each) => sum + sharedBytes(each, seen), 0);
}

describe("the limit of a store", () => {
  it("the counters of all threads take less than a thousandth of 1 MiB", () => {
    assert.ok(COUNTERS_BYTES <= 1024);
  });

  for (const [name, options] of [
    ["by itself", {}],
    ["shared", { shared: true }],
    ["with a backing store", { backing: new MemoryBacking(), recompress: "deflate" }],
  ] as [string, Partial<PageStoreOptions>][]) {
    it(`a store of 1 MiB keeps raw pages in most of it: ${name}`, () => {
      const store = new PageStore({ maxBytes: "1MiB", writeback: false, ...options });
      const prng = new Prng(1);
      const page = new Uint8Array(PAGE);
      const words = new Uint32Array(page.buffer);
      do
        words.forEach((_, at) => {
          words[at] = prng.uint32();
        });
      while (store.store(store.size, page) === "stored");
      const { comprDataSize, memUsedMax, memUsedTotal } = store.stats();
      assert.ok(comprDataSize > 0.8 * 2 ** 20, `${comprDataSize} bytes of pages`);
      assert.ok(memUsedTotal <= memUsedMax && memUsedMax <= store.bytesReserved);
      store[Symbol.dispose]();
    });
  }

  it("which page goes first: what is used often stays through a scan by sieve, and not by lru", () => {
    const missing = (["lru", "sieve"] as const).map((evict) => {
      const store = new PageStore({ maxBytes: "1MiB", evict, whenFull: "drop" });
      const into = new Uint8Array(PAGE);
      const page = (index: number): Uint8Array => {
        const prng = new Prng(index + 1);
        return Uint8Array.from({ length: PAGE }, () => prng.below(256));
      };
      for (let index = 0; index < 50; index++) store.store(index, page(index));
      for (let index = 0; index < 50; index++) store.load(index, into);
      for (let index = 1000; index < 1230; index++) store.store(index, page(index));
      let count = 0;
      for (let index = 0; index < 50; index++) if (store.load(index, into) === "missing") count++;
      verify(store);
      store[Symbol.dispose]();
      return count;
    });
    assert.deepEqual(missing, [50, 0]);
  });

  it("drivers that are named for later take less than an eighth of the limit", () => {
    const kept = [[], ["zbud", "zsmalloc"]].map((drivers) => {
      const store = new PageStore({ maxBytes: "1MiB", driver: "slots", drivers });
      const words = new Uint32Array(PAGE / 4);
      const prng = new Prng(2);
      do for (let at = 0; at < 256; at++) words[at] = prng.uint32();
      while (store.store(store.size, new Uint8Array(words.buffer)) === "stored");
      verify(store);
      const { storedPages } = store.stats();
      store[Symbol.dispose]();
      return storedPages;
    });
    assert.ok(kept[1] > 0.88 * kept[0], `${kept[1]} pages instead of ${kept[0]}`);
  });

  for (const driver of ["slots", "zsmalloc"]) {
    it(`${driver}: pages that take next to nothing are kept up to the rows there are`, () => {
      const store = new PageStore({ maxBytes: "256KiB", driver, sameFilled: false, whenFull: "drop" });
      const page = new Uint8Array(PAGE);
      for (let i = 0; i < 3000; i++) {
        page[0] = i;
        page[1] = i >> 8;
        assert.equal(store.store(i, page), "stored");
        if (i % 500 === 0) verify(store);
      }
      verify(store);
      const { storedPages, memUsedMax, memLimit } = store.stats();
      assert.ok(storedPages > 800, `${storedPages} pages`);
      assert.ok(memUsedMax <= memLimit);
      store[Symbol.dispose]();
    });
  }

  it("what the engine and the counters may take is the limit, for page sizes and options of all kinds", async () => {
    for (const pageSize of [512, 4096, 2 ** 16, 2 ** 18]) {
      for (const incompressible of ["raw", "reject"] as const) {
        for (const backing of [undefined, new MemoryBacking()]) {
          const maxBytes = 2 ** 24;
          const store = new PageStore({ maxBytes, pageSize, incompressible, backing });
          const { memUsedTotal } = store.stats();
          // Nothing is stored: the fixed parts, and what the thread works with.
          const works = (backing === undefined ? 1 : 2) - (incompressible === "reject" ? 1 : 0);
          assert.ok(memUsedTotal >= works * pageSize, `${memUsedTotal} bytes with pages of ${pageSize}`);
          for (let i = 0; i < 64; i++) await store.storeAsync(i, makePage(i, 1, pageSize));
          const { memUsedMax } = store.stats();
          assert.ok(memUsedMax <= maxBytes && store.bytesReserved === maxBytes);
          store[Symbol.dispose]();
        }
      }
    }
  });

  it("batches for the backing store are no larger than their part of the limit", async () => {
    const sizes: number[] = [];
    class Counting extends MemoryBacking {
      override write(...args: Parameters<MemoryBacking["write"]>): ReturnType<MemoryBacking["write"]> {
        sizes.push(args[0].reduce((sum, { bytes }) => sum + bytes.length, 0));
        return super.write(...args);
      }
    }
    for (const [maxBytes, pageSize] of [
      [2 ** 20, PAGE],
      [2 ** 24, PAGE],
      [2 ** 25, 2 ** 20],
    ]) {
      sizes.length = 0;
      const store = new PageStore({
        maxBytes,
        pageSize,
        backing: new Counting(),
        acceptThresholdPercent: 50,
      });
      const count = Math.ceil((0.9 * maxBytes) / pageSize);
      for (let i = 0; i < count; i++) {
        const page = makePage(i, 1, pageSize);
        await store.storeAsync(i, page);
      }
      await store.flush();
      assert.ok(sizes.length > 0);
      const most = Math.max(pageSize, Math.min(2 ** 18, maxBytes / 32));
      assert.ok(Math.max(...sizes) <= most, `${Math.max(...sizes)} bytes at once`);
      await store.close();
    }
  });

  it("a store that is shared lists all its memory, and what is not the engine's is less than 1 KiB", async () => {
    const store = new PageStore({ maxBytes: "1MiB", shared: true });
    const shared = store.share();
    assert.ok(sharedBytes(shared) - sharedBytes(shared.engine) <= 1024);
    await store.close();
  });

  it("threads that count at once lose nothing, beyond 2^32 too", async () => {
    const counters = new Counters(new SharedArrayBuffer(COUNTERS_BYTES));
    counters.count(WRITTEN_BACK_BYTES, 2 ** 31 - 1);
    counters.count(WRITTEN_BACK_BYTES, 2 ** 31 - 1);
    assert.equal(counters.total(WRITTEN_BACK_BYTES), 2 ** 32 - 2);
    const workers = Array.from({ length: 3 }, () => {
      const worker = new Worker(new URL("counters-worker.ts", import.meta.url), {
        workerData: counters.buffer,
      });
      return new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
    });
    await Promise.all(workers);
    assert.equal(counters.total(WRITTEN_BACK), 60_000);
    assert.equal(counters.total(WRITTEN_BACK_BYTES), 2 ** 32 - 2 + 60_000 * 500_000);
    assert.deepEqual(counters.histogram(0), [0, 0, 0, 60_000]);
    assert.equal(counters.total(LOADED_BACK), 0);
  });
});
