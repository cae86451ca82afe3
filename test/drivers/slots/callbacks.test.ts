/** Evict handlers that do more than evict, and less: none of it confuses the reclaim that called them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { SlotsPool } from "../../../src/drivers/slots/index.ts";
import { assertFill, finish, freeIt, put, take } from "../../support/objects.ts";

/** Page 0 with objects 0 to 3, page 1 with 4 and 5; `act` is what the handler does. */
function poolWith(act: (handle: Handle, pool: SlotsPool, all: Handle[]) => boolean): {
  pool: SlotsPool;
  all: Handle[];
  calls: number[];
} {
  const calls: number[] = [];
  const all: Handle[] = [];
  const pool = new SlotsPool({
    maxPages: 4,
    onEvict: (handle, given) => {
      assert.equal(given, pool);
      verify(given);
      calls.push(all.indexOf(handle));
      try {
        return act(handle, given, all);
      } finally {
        verify(given);
      }
    },
  });
  for (const [i, slots] of [10, 20, 4, 30, 50, 14].entries()) all.push(put(pool, slots * 64, i));
  return { pool, all, calls };
}

describe("an evict handler", () => {
  it("that frees each object: they are offered as they lie, and the page is released", () => {
    const { pool, all, calls } = poolWith(freeIt);
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(calls, [0, 1, 2, 3]);
    assert.equal(pool.pageCount, 1);
    finish(pool, all.slice(4));
  });

  it("that refuses the third: the fourth is spared, the page is listed by its gaps, and is the LRU's head", () => {
    const { pool, all, calls } = poolWith((handle, given, of) => handle !== of[2] && freeIt(handle, given));
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.deepEqual(calls, [0, 1, 2]);
    assert.deepEqual(snapshot(pool).lru, [0, 1]);
    assert.deepEqual(snapshot(pool).lists, [{ name: "30", pages: [0] }]);
    const beside = take(pool, 30 * 64);
    assert.deepEqual(pool.inspect(beside), { page: 0, offset: 0, size: 30 * 64 });
    assertFill(pool, all[3], 3);
    const { objectsEvicted, evictionsRefused } = pool.stats();
    assert.deepEqual([objectsEvicted, evictionsRefused], [2, 1]);
    finish(pool, [beside, ...all.slice(2)]);
  });

  it("that lies, or throws: the objects are still there, and the page is found again", () => {
    for (const act of [
      (): boolean => true,
      (): boolean => {
        throw new Error("its own");
      },
    ]) {
      const { pool, all, calls } = poolWith(act);
      if (act.toString().includes("throw")) assert.throws(() => pool.reclaimPage(1), /its own/);
      else assert.equal(pool.reclaimPage(1), "EAGAIN");
      assert.ok(calls.length === 1 || calls.length === 4);
      assert.deepEqual(snapshot(pool).lru, [0, 1]);
      for (const [i, handle] of all.entries()) assertFill(pool, handle, i);
      finish(pool, all);
    }
  });

  it("that frees others of the page, and of the other page: neither is offered", () => {
    const { pool, all, calls } = poolWith((handle, given, of) => {
      if (handle === of[0]) for (const i of [1, 3, 4, 5]) given.free(of[i]);
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(calls, [0, 2]);
    assert.equal(pool.pageCount, 0);
    finish(pool);
    assert.equal(all.length, 6);
  });

  it("that allocates, before and after: never into the page under reclaim", () => {
    const more: Handle[] = [];
    const { pool, all } = poolWith((handle, given) => {
      const { page } = given.inspect(handle);
      more.push(put(given, 64, 70));
      given.free(handle);
      more.push(put(given, 64, 71));
      for (const each of more) assert.notEqual(given.inspect(each).page, page);
      return true;
    });
    assert.equal(pool.reclaimPage(1), "ok");
    assert.equal(more.length, 8);
    for (const [i, handle] of more.entries()) assertFill(pool, handle, 70 + (i % 2));
    finish(pool, [...more, ...all.slice(4)]);
  });

  it("that reclaims in its turn, until nothing is left", () => {
    const results = new Set<string>();
    const { pool, calls } = poolWith((handle, given) => {
      results.add(given.reclaimPage());
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(calls.toSorted(), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual([...results].sort(), ["EINVAL", "ok"]);
    finish(pool);
  });
});
