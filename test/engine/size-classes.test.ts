/** Pages of several sizes beneath an engine, a store and a cache: one limit in bytes, whatever the sizes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { sizeClassesDriver } from "../../src/drivers/size-classes/index.ts";
import { Engine, entryAttributes } from "../../src/engine/index.ts";
import type { DriverOptions, PoolDriver } from "../../src/pool/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { CAN_SHARE } from "../contracts/sharing.ts";
import { makePage } from "../store/pages.ts";
import { runModel } from "./engine-model.ts";

/** Page sizes are fitted after so few objects that a short run sees it. */
const early: PoolDriver = {
  ...sizeClassesDriver,
  create: (options, parts) => sizeClassesDriver.create({ ...options, warmUp: 40 } as DriverOptions, parts),
};
const SHARING = CAN_SHARE ? [false, true] : [false];

describe("size classes", () => {
  const run = { steps: 3000, names: 80, maxBytes: 6000 };
  for (const shared of SHARING) {
    const engine = { maxBytes: 220_000, averageBytes: 1000, driver: early, expiry: true, shards: 1, shared };
    for (const evict of ["lru", "sieve", "page"] as const) {
      // Whole pages make room at once, so fewer evictions are needed.
      const small = evict === "page" ? { maxBytes: 150_000 } : {};
      it(`an engine against a Map, pages fitted early, ${evict}${shared ? ", shared" : ""}`, () => {
        const { hits, evicted } = runModel({ ...run, seed: 11, engine: { ...engine, ...small, evict } });
        assert.ok(hits > 300 && evicted > 50, `${hits} hits, ${evicted} evicted`);
      });
    }

    it(`sizes that drift stay within the limit${shared ? ", shared" : ""}`, () => {
      for (const evict of ["lru", "page"] as const) {
        const own = new Engine({ ...engine, maxBytes: 2 ** 20, codec: "none", evict });
        const value = new Uint8Array(4000).map((_, i) => (i * 7919) >> 5);
        let name = 0;
        for (const [least, most] of [
          [200, 600],
          [2000, 3900],
          [50, 200],
        ]) {
          for (let i = 0; i < 4000; i++) {
            const length = least + ((i * 7919) % (most - least));
            assert.equal(own.put(++name, 0, value, length, entryAttributes(), 0), "stored");
            if (i % 64 !== 0) continue;
            const { bytesUsed, bytesReserved, poolBytes, maxPoolBytes } = own.stats();
            assert.ok(bytesUsed <= bytesReserved, `${bytesUsed} of ${bytesReserved} bytes`);
            assert.ok(poolBytes <= maxPoolBytes, `${poolBytes} in use, ${maxPoolBytes} touched`);
          }
          verify(own);
        }
        own.close();
      }
    });

    it(`a store and a cache keep what they are given${shared ? ", shared" : ""}`, async () => {
      const store = new PageStore({ maxBytes: "2MiB", driver: early, shared });
      const into = new Uint8Array(store.pageSize);
      for (let i = 0; i < 200; i++) assert.equal(store.store(i, makePage(i, 1, into.length)), "stored");
      const views = shared ? [store, PageStore.attach(store.share(), { drivers: [early] })] : [store];
      for (const view of views) {
        for (let i = 0; i < 200; i++) {
          assert.equal(view.load(i, into), "loaded");
          assert.deepEqual(into, makePage(i, 1, into.length));
        }
        verify(view);
      }
      for (const view of views.reverse()) await view.close();

      const cache = new CompressedCache<string>({ maxBytes: "2MiB", driver: early, shared });
      const textOf = (i: number): string => `${i} `.repeat(1 + (i % 300));
      for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, textOf(i));
      const caches = shared
        ? [cache, CompressedCache.attach<string>(cache.share(), { driver: early })]
        : [cache];
      for (const each of caches) {
        for (let i = 0; i < 1000; i++) assert.equal(each.get(`key ${i}`), textOf(i));
        verify(each);
      }
      for (const each of caches.reverse()) each.close();
    });
  }

  it("whoever attaches and has not the driver is told which", { skip: !CAN_SHARE }, () => {
    // Under a name that nobody registered: other tests in one bundle may have registered the built-in ones.
    const driver: PoolDriver = { ...sizeClassesDriver, type: "own-classes" };
    const engine = new Engine({ maxBytes: 2 ** 20, driver, shared: true });
    const shared = engine.share();
    assert.throws(() => Engine.attach(shared), {
      code: "ENOENT",
      message: /"own-classes".*give its value to attach\(\)/,
    });
    const bad = { type: "own-classes" } as PoolDriver;
    assert.throws(() => Engine.attach(shared, { drivers: [bad] }), {
      code: "EINVAL",
      message: /create function/,
    });
    Engine.attach(shared, { drivers: [driver] }).close();
    engine.close();
  });
});
