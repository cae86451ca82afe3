/** Shrink, counted try by try, over the zbud driver. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { createZpool, type Zpool } from "../../src/entry/zpool.ts";

registerBuiltIns();

function filled(pages: number, onEvict: (handle: Handle, pool: Zpool) => boolean): Zpool {
  const pool = createZpool("zbud", { maxPages: pages, onEvict });
  for (let i = 0; i < pages; i++) assert.equal(typeof pool.malloc(3000), "number");
  return pool;
}

describe("shrink", () => {
  it("gives each page 8 retries", () => {
    for (const refusals of [7, 8, 15, 16]) {
      let calls = 0;
      const pool = filled(40, (handle, given) => {
        if (calls++ < refusals) return false;
        given.free(handle);
        return true;
      });
      const expected = refusals < 8 ? { reclaimed: 3, result: "ok" } : { reclaimed: 0, result: "EAGAIN" };
      assert.deepEqual(pool.shrink(3), expected, `${refusals} refusals`);
      assert.equal(calls, refusals < 8 ? refusals + 3 : 8);
      pool.close();
    }
  });

  it("the 8 retries are for each page anew", () => {
    let calls = 0;
    const pool = filled(40, (handle, given) => {
      if (++calls % 8 !== 0) return false;
      given.free(handle);
      return true;
    });
    assert.deepEqual(pool.shrink(4), { reclaimed: 4, result: "ok" });
    assert.equal(calls, 32);
    pool.close();
  });

  it("stops at the first reclaim that fails, and says how many it released until then", () => {
    let freed = 0;
    const pool = filled(10, (handle, given) => {
      if (freed === 2) return false;
      freed++;
      given.free(handle);
      return true;
    });
    assert.deepEqual(pool.shrink(5), { reclaimed: 2, result: "EAGAIN" });
    assert.equal(pool.totalPages, 8);
    assert.equal(pool.totalSize, 8 * 4096);
    assert.deepEqual(pool.shrink(0), { reclaimed: 0, result: "EINVAL" });
    pool.close();
  });

  it("stops with EINVAL when nothing is left", () => {
    const pool = filled(3, (handle, given) => {
      given.free(handle);
      return true;
    });
    assert.deepEqual(pool.shrink(4), { reclaimed: 3, result: "EINVAL" });
    assert.deepEqual(pool.shrink(4), { reclaimed: 0, result: "EINVAL" });
    pool.close();
  });

  it("pages released before the handler threw stay released", () => {
    let freed = 0;
    const pool = filled(10, (handle, given) => {
      if (freed === 3) throw new Error("enough");
      freed++;
      given.free(handle);
      return true;
    });
    assert.throws(() => pool.shrink(5), /enough/);
    assert.equal(pool.totalPages, 7);
    assert.equal(pool.stats().pagesReclaimed, 3);
    verify(pool.pool);
    pool.close();
  });

  it("tells an observer what happens, in order", () => {
    const seen: unknown[] = [];
    const pool = createZpool("zbud", {
      maxPages: 4,
      onEvict: (handle, given) => {
        if (handle === handles[2]) return false;
        given.free(handle);
        return true;
      },
    });
    const end = pool.pool.observe({
      onAlloc: (size, result) => seen.push(["alloc", size, result]),
      onFree: (handle) => seen.push(["free", handle]),
      onReclaimStart: (retries) => seen.push(["reclaim", retries]),
      onEvictStart: (handle) => seen.push(["evict", handle]),
      onEvictEnd: (handle, returned) => seen.push(["evicted", handle, returned]),
      onReclaimEnd: (result) => seen.push(["reclaimed", result]),
      onShrinkStart: (pages) => seen.push(["shrink", pages]),
      onShrinkEnd: (reclaimed, result) => seen.push(["shrunk", reclaimed, result]),
    });
    const handles = [3000, 500, 2000].map((size) => pool.malloc(size) as Handle);
    assert.equal(pool.malloc(5000), "ENOSPC");
    assert.throws(() => pool.malloc(0));
    assert.deepEqual(pool.shrink(2), { reclaimed: 1, result: "EAGAIN" });
    end();
    pool.free(handles[2]);
    const [a, b, c] = handles;
    assert.equal(pool.stats().objects, 0);
    assert.deepEqual(seen, [
      ["alloc", 3000, a],
      ["alloc", 500, b],
      ["alloc", 2000, c],
      ["alloc", 5000, "ENOSPC"],
      ["alloc", 0, "EINVAL"],
      ["shrink", 2],
      ["reclaim", 8],
      ["evict", a],
      ["free", a],
      ["evicted", a, true],
      ["evict", b],
      ["free", b],
      ["evicted", b, true],
      ["reclaimed", "ok"],
      ["reclaim", 8],
      ...Array.from({ length: 8 }, () => [
        ["evict", c],
        ["evicted", c, false],
      ]).flat(),
      ["reclaimed", "EAGAIN"],
      ["shrunk", 1, "EAGAIN"],
    ]);
    pool.close();
  });

  it("there may be several, each until it is ended, each told what it wants to hear", () => {
    const pool = createZpool("zbud", { maxPages: 4, onEvict: () => false });
    const heard: string[] = [];
    const first = {
      onAlloc: () => heard.push("first alloc"),
      onShrinkStart: () => heard.push("first shrink"),
    };
    const endFirst = pool.pool.observe(first);
    const endTwin = pool.pool.observe(first);
    const endSecond = pool.pool.observe({
      onAlloc: () => heard.push("second alloc"),
      onReclaimStart: () => heard.push("second reclaim"),
    });
    const taken = (): string[] => heard.splice(0);
    pool.malloc(100);
    assert.deepEqual(taken(), ["first alloc", "first alloc", "second alloc"]);
    pool.shrink(1);
    assert.deepEqual(taken(), ["first shrink", "first shrink", "second reclaim"]);
    endTwin();
    endTwin();
    pool.malloc(100);
    assert.deepEqual(taken(), ["first alloc", "second alloc"]);
    endFirst();
    pool.malloc(100);
    pool.shrink(1);
    assert.deepEqual(taken(), ["second alloc", "second reclaim"]);
    endSecond();
    pool.malloc(100);
    pool.pool.observe({ onAlloc: () => heard.push("third alloc") });
    pool.malloc(100);
    assert.deepEqual(taken(), ["third alloc"]);
    pool.close();
    endFirst();
    endSecond();
  });

  it("tells all of several observers, also if one throws, and its caller what the first threw", () => {
    const heard: string[] = [];
    const pool = createZpool("zbud", { maxPages: 4 });
    pool.pool.observe({
      onAlloc: () => {
        throw new Error("of the first");
      },
    });
    pool.pool.observe({
      onAlloc: () => {
        heard.push("second");
        throw new Error("of the second");
      },
    });
    pool.pool.observe({ onAlloc: () => heard.push("third") });
    assert.throws(() => pool.malloc(100), /of the first/);
    assert.deepEqual(heard, ["second", "third"]);
    verify(pool.pool);
    pool.close();
  });
});
