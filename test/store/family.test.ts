/**
 * The bugs that zswap and its relatives had, and the cases by which kselftest and zram's tests hold them, in the
 * terms of a page store.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { MemoryBacking } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { type Codec, codecNames, getCodec, registerCodec } from "../../src/codecs/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { driverTypes } from "../../src/pool/index.ts";
import { PageStore, type PageStoreOptions } from "../../src/store/index.ts";
import { until } from "../support/until.ts";
import { makePage } from "./pages.ts";

registerBuiltIns();

const PAGE = 4096;
const into = new Uint8Array(PAGE);
const prng = new Prng(1);

/** A page that does not compress. */
function noise(seed: number): Uint8Array {
  const random = new Prng(seed);
  return new Uint8Array(PAGE).map(() => random.below(256));
}

function text(seed: number): Uint8Array {
  return new TextEncoder().encode(`a line that says ${seed}, among others; `.repeat(150)).slice(0, PAGE);
}

/** Stores a page so often that writeback is thought of once. */
function wake(store: PageStore): void {
  for (let i = 0; i < 64; i++) store.store(100, text(100));
}

/** A store with a page on its way to the backing store. */
function onItsWay(): { store: PageStore; backing: MemoryBacking } {
  const backing = new MemoryBacking({ delayMs: 10 });
  const store = new PageStore({ maxBytes: 140_000, backing, acceptThresholdPercent: 1 });
  for (let i = 0; i < 20; i++) store.store(i, text(i));
  wake(store);
  assert.ok(backing.stats().bytesInFlight > 0, "a page is on its way");
  return { store, backing };
}

/** A codec that fails when it is told to. */
class Failing implements Codec {
  readonly name = "failing";
  readonly id = 201;
  fails = false;
  readonly #inner = getCodec("lz4");
  maxCompressedLength(n: number): number {
    return this.#inner.maxCompressedLength(n);
  }
  compress(source: Uint8Array, target: Uint8Array): number {
    if (this.fails) throw new Error("the codec failed");
    return this.#inner.compress(source, target);
  }
  decompress(source: Uint8Array, target: Uint8Array): number {
    if (this.fails) throw new ZbudError("EBADMSG", "the codec failed");
    return this.#inner.decompress(source, target);
  }
}

/** A store that is full, so that new pages are refused. */
function fill(options: Partial<PageStoreOptions> = {}): { store: PageStore; count: number } {
  const store = new PageStore({ maxBytes: 140_000, ...options });
  let count = 0;
  while (store.store(count, noise(count)) === "stored" && count < 1000) count++;
  return { store, count };
}

describe("bugs of the family", () => {
  it("a failed store left the older value behind: incompressible and refused", async () => {
    const store = new PageStore({ maxBytes: "1MiB", incompressible: "reject" });
    assert.equal(store.store(7, text(1)), "stored");
    assert.equal(store.store(7, noise(1)), "poor");
    assert.equal(store.load(7, into), "missing");
    assert.equal(store.stats().rejectCompressPoor, 1);
    await store.close();
  });

  it("a failed store left the older value behind: no room", async () => {
    const { store, count } = fill();
    assert.equal(store.store(count + 1, noise(9)), "full");
    // A page that takes less room than there is, then more: it is dropped, and the new one finds no room.
    store.store(count + 2, new Uint8Array(PAGE).fill(7));
    assert.equal(store.store(count + 2, noise(8)), "full");
    assert.equal(store.load(count + 2, into), "missing");
    assert.ok(store.stats().rejectReclaimFail > 0);
    verify(store);
    await store.close();
  });

  it("a failed store left the older value behind: the codec threw", async () => {
    const codec = new Failing();
    const store = new PageStore({ maxBytes: "1MiB", codec });
    store.store(7, text(1));
    codec.fails = true;
    assert.throws(() => store.store(7, text(2)), /the codec failed/);
    codec.fails = false;
    assert.equal(store.load(7, into), "missing");
    assert.equal(store.stats().rejectCompressFail, 1);
    await store.close();
  });

  it("a stored page that cannot be read is a typed error and a count", async () => {
    const codec = new Failing();
    const store = new PageStore({ maxBytes: "1MiB", codec });
    store.store(7, text(1));
    codec.fails = true;
    assert.throws(() => store.load(7, into), { code: "EBADMSG" });
    assert.equal(store.stats().decompressFail, 1);
    await store.close();
  });

  for (const second of ["store", "invalidate", "clear"] as const) {
    it(`writeback after ${second} and reuse: the older version does not come back`, async () => {
      const backing = new MemoryBacking({ delayMs: 20 });
      const store = new PageStore({ maxBytes: 140_000, backing, acceptThresholdPercent: 1 });
      store.store(1, text(1));
      wake(store); // which takes page 1
      assert.ok(backing.stats().bytesInFlight > 0, "the page is on its way");
      if (second === "store") store.store(1, text(2));
      else if (second === "invalidate") store.invalidate(1);
      else store.clear();
      await until("the write has ended", () => backing.stats().bytesInFlight === 0);
      const result = await store.loadAsync(1, into);
      assert.equal(result, second === "store" ? "loaded" : "missing");
      if (second === "store") assert.deepEqual(into, text(2));
      // And out of the backing store alone.
      store.shrinkBytes(1e9);
      assert.equal(await store.loadAsync(1, into), result);
      if (second === "store") assert.deepEqual(into, text(2));
      verify(store);
      await store.close();
    });
  }

  it("invalidate during its own writeback leaked the object: memory returns to 0", async () => {
    const { store, backing } = onItsWay();
    await turn();
    for (let i = 0; i < 20; i++) store.invalidate(i);
    store.invalidate(100);
    assert.equal(store.stats().poolTotalSize, 0);
    await until("the write has ended", () => backing.stats().bytesInFlight === 0);
    verify(store);
    const { storedPages, poolTotalSize } = store.stats();
    assert.deepEqual({ storedPages, poolTotalSize }, { storedPages: 0, poolTotalSize: 0 });
    assert.equal(backing.stats().records, 0);
    await store.close();
  });

  it("close while a page is on its way", async () => {
    const { store } = onItsWay();
    await turn();
    await store.close();
    assert.throws(() => store.load(1, into), { code: "ECLOSED" });
    const other = onItsWay();
    other.store[Symbol.dispose]();
    await until("its writes have ended", () => other.backing.stats().bytesInFlight === 0);
  });

  it("shrink spun with nothing that may go: it frees nothing, at once", async () => {
    const { store, count } = fill();
    assert.deepEqual(store.shrinkBytes(1e9), { bytesFreed: 0, pagesEvicted: 0 });
    assert.equal(store.size, count);
    await store.close();
  });

  it("new pages were refused while old ones could go: each is taken, the oldest go", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: 140_000, backing });
    for (let i = 0; i < 300; i++) assert.equal(store.store(i, noise(i)), "stored");
    assert.equal(store.load(299, into), "loaded");
    assert.equal(store.load(0, into), "away");
    assert.equal(store.stats().rejectReclaimFail, 0);
    for (let i = 0; i < 300; i += 17) {
      assert.equal(await store.loadAsync(i, into), "loaded");
      assert.deepEqual(into, noise(i));
    }
    await store.close();
  });

  it("the order is that of access: what was loaded last stays", async () => {
    const { store, count } = fill({ whenFull: "drop", maxBytes: 200_000, shards: 1 });
    const limit = Math.min(count, 30);
    store.clear();
    let kept = 0;
    for (let i = 0; i < limit * 4; i++) {
      store.store(1000 + i, noise(i));
      kept += store.load(1000, into) === "loaded" ? 1 : 0;
    }
    assert.equal(kept, limit * 4, "a page that is loaded each time is never the one to go");
    await store.close();
  });
});

describe("kselftest's cases of zswap", () => {
  it("limit 0 is a bypass", async () => {
    const bare = new PageStore({ maxBytes: 0 });
    assert.equal(bare.store(1, text(1)), "full");
    assert.equal(bare.load(1, into), "missing");
    assert.equal(bare.stats().rejectAllocFail, 1);
    assert.equal(bare.stats().memUsedTotal, 0);
    await bare.close();
    const store = new PageStore({ maxBytes: 0, backing: new MemoryBacking() });
    assert.equal(store.store(1, text(1)), "stored");
    assert.equal(store.load(1, into), "away");
    assert.equal(await store.loadAsync(1, into), "loaded");
    assert.deepEqual(into, text(1));
    assert.equal(store.loadSync(1, into), "loaded");
    store.invalidate(1);
    assert.equal(await store.loadAsync(1, into), "missing");
    await store.close();
  });

  it("data is intact under pressure", async () => {
    const store = new PageStore({ maxBytes: 200_000, backing: new MemoryBacking() });
    for (let i = 0; i < 500; i++) store.store(i, makePage(i, 1, PAGE));
    for (let i = 0; i < 500; i++) {
      assert.equal(await store.loadAsync(i, into), "loaded");
      assert.deepEqual(into, makePage(i, 1, PAGE));
    }
    await store.close();
  });

  it("the writeback switch is honoured", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: 140_000, backing, writeback: false });
    for (let i = 0; i < 200; i++) store.store(i, noise(i));
    await turn();
    assert.equal(store.stats().writtenBackPages, 0);
    assert.ok(store.stats().rejectReclaimFail > 0);
    store.writeback = true;
    assert.equal(store.store(1000, noise(1)), "stored");
    assert.ok(store.stats().writtenBackPages > 0);
    await store.close();
  });

  it("one tenant's pressure never evicts another's", async () => {
    const quiet = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking() });
    quiet.store(1, text(1));
    const { store } = fill({ backing: new MemoryBacking() });
    assert.equal(quiet.load(1, into), "loaded");
    assert.equal(quiet.stats().evictions, 0);
    await quiet.close();
    await store.close();
  });
});

describe("zram's cases", () => {
  for (const codec of codecNames()) {
    for (const driver of driverTypes()) {
      it(`${codec} in ${driver}: fill to the limit, ratio of at least 1, read back, reset to 0`, async () => {
        const store = new PageStore({ maxBytes: 400_000, codec, driver });
        let count = 0;
        while (store.store(count, text(count)) === "stored" && count < 300) count++;
        const { origDataSize, comprDataSize, memUsedTotal, memLimit } = store.stats();
        assert.ok(origDataSize >= comprDataSize && memUsedTotal <= memLimit);
        for (let i = 0; i < count; i++) {
          assert.equal(store.load(i, into), "loaded");
          assert.deepEqual(into, text(i));
        }
        store.clear();
        assert.equal(store.stats().poolTotalSize, 0);
        await store.close();
      });
    }
  }
  it("a codec that is unknown is refused by name", () => {
    assert.throws(() => new PageStore({ maxBytes: "1MiB", codec: "lzma" }), {
      code: "ENOENT",
      message: /lzma/,
    });
    assert.throws(() => new PageStore({ maxBytes: "1MiB", driver: "slab" }), {
      code: "ENOENT",
      message: /slab/,
    });
  });
  it("idle pages are compressed again with a stronger codec, and kept only if that frees memory", async () => {
    const store = new PageStore({ maxBytes: "4MiB", recompress: "zstd", driver: "slots" });
    for (let i = 0; i < 100; i++) store.store(i, makePage(i, 2, PAGE));
    const before = store.stats();
    await until("pages are compressed again", () => store.stats().recompressedPages >= 20);
    const after = store.stats();
    assert.ok(after.recompressedPages > 0 && after.comprDataSize < before.comprDataSize);
    assert.ok(after.poolTotalSize <= before.poolTotalSize);
    for (let i = 0; i < 100; i++) {
      assert.equal(store.load(i, into), "loaded");
      assert.deepEqual(into, makePage(i, 2, PAGE));
    }
    verify(store);
    await store.close();
  });
  it("codec and driver changed at run time: new pages use the new one, old ones drain", async () => {
    registerCodec(new Failing());
    const store = new PageStore({ maxBytes: "2MiB", driver: "zbud", drivers: ["slots", "zsmalloc"] });
    for (let round = 0; round < 6; round++) {
      store.useCodec(["lz4", "zstd", "failing", "deflate", "none", "lz4"][round]);
      store.useDriver(["zbud", "slots", "zsmalloc"][round % 3]);
      for (let i = 0; i < 100; i++) store.store(prng.below(300), text(i));
      verify(store);
      for (let i = 0; i < 300; i++) assert.notEqual(store.load(i, into), "away");
    }
    for (let i = 0; i < 300; i++) store.invalidate(i);
    assert.equal(store.stats().poolTotalSize, 0);
    await store.close();
  });
});
