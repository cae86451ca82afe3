/** A change of the allocator at the limit: what the old pool has touched and what the new one takes stay within it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { memoryUsage } from "node:process";
import { describe, it } from "node:test";
import { MemoryBacking } from "../../src/backing/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { PageStore, type PageStoreOptions } from "../../src/store/index.ts";
import { isPageOf, makePage, quarterPage } from "./pages.ts";

registerBuiltIns();

const PAGE = 4096;
const MIB = 2 ** 20;
const into = new Uint8Array(PAGE);

const bytes = new Uint8Array(PAGE);
/** Always in the same bytes: garbage would show in resident memory. */
const page = (index: number): Uint8Array => quarterPage(index, 1, bytes);

function fill(store: PageStore, from: number, count: number): void {
  for (let i = from; i < from + count; i++) store.store(i, page(i));
}

/** The most memory that was touched, checked. */
function touched(store: PageStore): number {
  verify(store);
  const { memUsedMax, memLimit } = store.stats();
  assert.ok(memUsedMax <= memLimit, `${memUsedMax} bytes touched, the limit is ${memLimit}`);
  return memUsedMax;
}

const ZBUD_FIRST: Partial<PageStoreOptions> = { driver: "zbud", drivers: ["slots", "zsmalloc"] };

describe("another allocator for a store that is full", () => {
  it("resident memory does not grow by a second pool", async () => {
    const store = new PageStore({
      maxBytes: "48MiB",
      whenFull: "drop",
      driver: "zbud",
      drivers: ["slots"],
    });
    fill(store, 0, 45_000);
    const before = memoryUsage().rss;
    store.useDriver("slots");
    fill(store, 45_000, 45_000);
    const grown = memoryUsage().rss - before;
    assert.ok(grown < 16 * MIB, `${(grown / MIB).toFixed(1)} MiB more`);
    assert.ok(touched(store) > 30 * MIB);
    assert.equal(store.load(89_999, into), "loaded");
    assert.deepEqual(into, page(89_999));
    await store.close();
  });

  it("what is there moves to the new pool: nothing but what lacks room is evicted", async () => {
    const store = new PageStore({
      maxBytes: "4MiB",
      whenFull: "drop",
      driver: "slots",
      drivers: ["zsmalloc"],
    });
    fill(store, 0, 5000);
    const { storedPages, evictions } = store.stats();
    store.useDriver("zsmalloc");
    for (let i = 0; i < 2000; i++) {
      store.store(10_000, page(10_000));
      if (i % 100 === 0) touched(store);
    }
    const evicted = store.stats().evictions - evictions;
    assert.ok(evicted < storedPages / 5, `${evicted} of ${storedPages} pages went`);
    // Of two pools, the first has the pages of even numbers.
    const left = snapshot(store).pages.filter(({ page: number }) => number % 2 === 0);
    assert.equal(left.length, 0, "pages of the old pool");
    for (let i = 0; i < 5000; i++) if (store.load(i, into) === "loaded") assert.deepEqual(into, page(i));
    await store.close();
  });

  it("with a backing store no page is lost, back and forth", async () => {
    const backing = new MemoryBacking();
    const store = new PageStore({ maxBytes: "2MiB", backing, ...ZBUD_FIRST });
    for (let round = 0; round < 6; round++) {
      store.useDriver(["zbud", "slots", "zsmalloc"][round % 3]);
      for (let i = 0; i < 600; i++) {
        const index = round * 400 + i;
        assert.equal(await store.storeAsync(index, makePage(index, round, PAGE)), "stored");
        if (i % 100 === 0) touched(store);
      }
      touched(store);
    }
    for (let index = 0; index < 2600; index++) {
      assert.equal(await store.loadAsync(index, into), "loaded");
      assert.ok(isPageOf(index, into));
    }
    await store.close();
  });

  it("a full store that may drop nothing refuses, and takes pages again once there is room", async () => {
    const store = new PageStore({ maxBytes: "1MiB", ...ZBUD_FIRST });
    let count = 0;
    while (store.store(count, page(count)) === "stored") count++;
    store.useDriver("slots");
    assert.equal(store.store(5000, page(5000)), "full");
    for (let i = 0; i < count; i++) assert.equal(store.load(i, into), "loaded");
    for (let i = 0; i < count; i += 2) store.invalidate(i);
    for (let i = 0; i < count / 4; i++) assert.equal(store.store(6000 + i, page(6000 + i)), "stored");
    touched(store);
    for (let i = 1; i < count; i += 2) assert.equal(store.load(i, into), "loaded");
    await store.close();
  });

  it("a shared store uses the old pool's memory on, which it cannot give back", async () => {
    const store = new PageStore({
      maxBytes: "4MiB",
      shared: true,
      shards: 1,
      whenFull: "drop",
      ...ZBUD_FIRST,
    });
    fill(store, 0, 5000);
    const { storedPages } = store.stats();
    store.useDriver("slots");
    fill(store, 5000, 5000);
    touched(store);
    assert.ok(store.stats().storedPages > storedPages * 0.8, "it holds as much as before");
    await store.close();
  });

  it("an allocator that was not named at construction has no part of the limit", async () => {
    const store = new PageStore({ maxBytes: "1MiB", driver: "zbud" });
    assert.throws(() => store.useDriver("slots"), {
      code: "EINVAL",
      message: /drivers: \[\.\.\., "slots"\]/,
    });
    assert.throws(() => store.useDriver("slab"), { code: "ENOENT" });
    await store.close();
  });

  it("what it freed is there for the other one, where memory goes back by itself", () => {
    const options = {
      maxBytes: "700KiB",
      whenFull: "drop",
      evict: "sieve",
      shards: 2,
      shared: true,
    } as const;
    const store = new PageStore({ ...options, drivers: ["zbud"], giveBack: true });
    const held = (make: (index: number) => Uint8Array): number => {
      store.clear();
      const { evictions } = store.stats();
      for (let i = 0; store.store(i, make(i)) === "stored" && store.stats().evictions === evictions; ) i++;
      return store.size;
    };
    const rates = (): number[] => [held((index) => quarterPage(index)), held((index) => makePage(5 * index))];
    const before = rates();
    for (let i = 0; i < 5000; i++) {
      if (i % 50 === 0) store.useDriver(i % 100 === 0 ? "log" : "zbud");
      store.store(i % 600, i % 3 === 0 ? quarterPage(i) : makePage(i));
      if (i % 70 === 0) store.shrinkBytes(8192);
    }
    store.useDriver("log");
    // The end of a pool's memory that shares a page of the machine with nothing stays.
    const after = rates();
    for (const [i, count] of before.entries()) assert.ok(after[i] > 0.97 * count, `${before}, then ${after}`);
    store.close();
  });

  it("a store that does not give memory back calls nothing of the system", () => {
    const program = `
      import { registerBuiltIns } from ${JSON.stringify(new URL("../../src/drivers/index.ts", import.meta.url).href)};
      import { PageStore } from ${JSON.stringify(new URL("../../src/store/index.ts", import.meta.url).href)};
      registerBuiltIns();
      const store = new PageStore({ maxBytes: "700KiB", whenFull: "drop", shared: true, shards: 2, drivers: ["zbud"] });
      for (let i = 0; i < 3000; i++) {
        if (i % 50 === 0) store.useDriver(i % 100 === 0 ? "log" : "zbud");
        store.store(i % 600, new Uint8Array(4096).map((_, at) => Math.imul(at * (i + 1), 2654435761) >>> (i % 29)));
      }
      await store.close();`;
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    assert.deepEqual([status, stderr], [0, ""]);
  });
});
