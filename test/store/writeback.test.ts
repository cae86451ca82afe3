/** When pages go to the backing store, and what is believed of a write. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { MemoryBacking, type WriteOutcome } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { until } from "../support/until.ts";
import { quarterPage } from "./pages.ts";

const PAGE = 4096;
const into = new Uint8Array(PAGE);

/** Stores pages, each in a turn of its own, until the store holds a share of its limit. */
async function fillTo(store: PageStore, share: number): Promise<number> {
  let count = 0;
  while (store.stats().memUsedTotal < share * store.bytesReserved) {
    store.store(count, quarterPage(count));
    count++;
    if (count % 32 === 0) await turn();
  }
  // Writeback is thought of at one of so many calls.
  for (let i = 0; i < 64; i++) store.store(count, quarterPage(count));
  for (let i = 0; i < 20; i++) await turn();
  return count;
}

describe("writeback", () => {
  for (const percent of [60, 90]) {
    it(`nothing is written below the accept threshold of ${percent} %, and the coldest pages above it`, {
      timeout: 60_000,
    }, async () => {
      const backing = new MemoryBacking();
      const store = new PageStore({ maxBytes: "1MiB", backing, acceptThresholdPercent: percent });
      let index = await fillTo(store, percent / 100 - 0.05);
      assert.equal(backing.stats().writes, 0);
      assert.equal(store.stats().evictions, 0);
      while (backing.stats().writes === 0 && index < 2000) {
        store.store(++index, quarterPage(index));
        await turn();
      }
      const enough = (percent / 100 + 0.03) * store.bytesReserved;
      await until("there is room again", () => store.stats().memUsedTotal < enough);
      const { poolLimitHit, evictions, writtenBackPages, memUsedTotal } = store.stats();
      assert.ok(writtenBackPages > 0);
      assert.equal(evictions, writtenBackPages);
      assert.equal(poolLimitHit, 0, "before a store had to make room");
      assert.ok(memUsedTotal > (percent / 100 - 0.05) * store.bytesReserved);
      assert.equal(store.load(0, into), "away");
      verify(store);
      await store.close();
    });
  }

  for (const other of ["load", "invalidate"] as const) {
    for (const first of [true, false]) {
      it(`begins above the threshold in a program with ${first ? "a" : "no"} ${other} before, and one after each store`, async () => {
        const backing = new MemoryBacking();
        const store = new PageStore({ maxBytes: "1MiB", backing, acceptThresholdPercent: 60 });
        if (first) store.invalidate(0);
        for (
          let index = 0;
          store.stats().memUsedTotal < 0.85 * store.bytesReserved && index < 2000;
          index++
        ) {
          store.store(index, quarterPage(index));
          if (other === "load") store.load(index, into);
          else store.invalidate(2 ** 30);
          await turn();
          if (backing.stats().writes > 0) break;
        }
        assert.ok(backing.stats().writes > 0);
        assert.equal(store.stats().poolLimitHit, 0);
        await store.close();
      });
    }
  }

  it("a page whose write failed stays in memory, in the background, at the limit, and in a flush", async () => {
    class Failing extends MemoryBacking {
      override write(...[records]: Parameters<MemoryBacking["write"]>): Promise<WriteOutcome[]> {
        return Promise.resolve(records.map(() => new ZbudError("EIO", "the disk is gone")));
      }
      override writeSync(): WriteOutcome {
        return new ZbudError("EIO", "the disk is gone");
      }
    }
    const store = new PageStore({ maxBytes: "1MiB", backing: new Failing(), acceptThresholdPercent: 20 });
    const stored = new Set<number>();
    for (let i = 0; i < 1500; i++) {
      if (store.store(i, quarterPage(i)) === "stored") stored.add(i);
      if (i % 100 === 0) await turn();
    }
    await assert.rejects(store.flush(), { code: "EIO" });
    assert.ok(stored.size > 500 && stored.size < 1500);
    for (const i of stored) {
      assert.equal(store.load(i, into), "loaded");
      assert.deepEqual(into, quarterPage(i));
    }
    assert.equal(store.stats().writtenBackPages, 0);
    assert.ok(store.stats().writebacksFailed > 0);
    verify(store);
    store[Symbol.dispose]();
  });

  it("a store without memory that is refused a page has its older version no more", async () => {
    class Failing extends MemoryBacking {
      fails = false;
      override writeSync(...args: Parameters<MemoryBacking["writeSync"]>): WriteOutcome {
        return this.fails ? "EAGAIN" : super.writeSync(...args);
      }
    }
    const backing = new Failing();
    const store = new PageStore({ maxBytes: 0, backing });
    assert.equal(store.store(1, quarterPage(1)), "stored");
    backing.fails = true;
    assert.equal(store.store(1, quarterPage(1, 2)), "full");
    assert.equal(await store.loadAsync(1, into), "missing");
    assert.equal(store.stats().rejectAllocFail, 1);
    await store.close();
  });

  it("a record of another page size is a typed error", async () => {
    const backing = new MemoryBacking();
    const first = new PageStore({ maxBytes: "1MiB", backing });
    first.store(1, quarterPage(1));
    await first.close();
    const second = new PageStore({ maxBytes: "1MiB", pageSize: 8192, backing });
    await assert.rejects(second.loadAsync(1, new Uint8Array(8192)), { code: "EBADMSG" });
    second[Symbol.dispose]();
  });

  it("pages whose indices differ by 2^32 are told apart, in memory and behind it", async () => {
    const store = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking() });
    const indices = [5, 2 ** 32 + 5, 2 ** 39 + 5, 2 ** 40];
    for (const [i, index] of indices.entries()) store.store(index, quarterPage(i));
    for (const from of ["memory", "behind"]) {
      for (const [i, index] of indices.entries()) {
        assert.equal(await store.loadAsync(index, into), "loaded", from);
        assert.deepEqual(into, quarterPage(i));
      }
      await store.flush();
      store.shrinkBytes(2 ** 20);
    }
    store.invalidate(2 ** 32 + 5);
    assert.equal(await store.loadAsync(2 ** 32 + 5, into), "missing");
    assert.equal(await store.loadAsync(5, into), "loaded");
    await store.close();
  });

  it("a signal that was aborted before ends each wait at once", async () => {
    const store = new PageStore({ maxBytes: "1MiB", backing: new MemoryBacking({ delayMs: 50 }) });
    store.store(1, quarterPage(1));
    await store.flush();
    store.shrinkBytes(2 ** 20);
    const signal = AbortSignal.abort(new Error("no more"));
    await assert.rejects(store.loadAsync(1, into, { signal }), /no more/);
    await assert.rejects(store.storeAsync(2, quarterPage(2), { signal }), /no more/);
    let isOver = false;
    const flushed = store.flush({ signal }).catch(() => {
      isOver = true;
    });
    await turn();
    assert.ok(
      isOver,
      "a flush that has nothing to write waits for the backing store's, and not with this signal",
    );
    await flushed;
    await store.close();
  });
});
