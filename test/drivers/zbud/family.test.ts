/**
 * Bugs that allocators of this family had, one test each. More of them are in geometry.test.ts (limits, the
 * search), callbacks.test.ts (handlers), handles.test.ts (freeing twice) and faults.test.ts (no memory).
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { isCode } from "../../support/is-code.ts";
import { finish, freeIt, put, take } from "../../support/objects.ts";
import { fullSnapshot } from "./full-snapshot.ts";

describe("family: shrink spun with no evict handler", () => {
  it("EINVAL at once, and nothing moved", () => {
    const pool = new ZbudPool({ maxPages: 8 });
    const handles = [100, 2000, 3000, 500].map((size) => take(pool, size));
    const before = fullSnapshot(pool);
    for (const retries of [undefined, 0, 1, 8, 2 ** 31, 2 ** 52])
      assert.equal(pool.reclaimPage(retries), "EINVAL");
    assert.deepEqual(fullSnapshot(pool), before);
    finish(pool, handles);
  });

  it("EINVAL with nothing to reclaim, or with no try", () => {
    const pool = new ZbudPool({ maxPages: 8, onEvict: () => assert.fail("nothing is to be evicted") });
    assert.equal(pool.reclaimPage(), "EINVAL");
    const handle = take(pool, 100);
    const before = fullSnapshot(pool);
    assert.equal(pool.reclaimPage(0), "EINVAL");
    assert.deepEqual(fullSnapshot(pool), before);
    finish(pool, [handle]);
  });
});

describe("family: a page was not listed again after a failed eviction", () => {
  it("after a refusal alloc finds the page again", () => {
    for (const answer of [false, true]) {
      const pool = new ZbudPool({ maxPages: 1, onEvict: () => answer });
      for (let c = 1; c <= 62; c++) {
        const lone = take(pool, c * 64);
        assert.equal(pool.reclaimPage(3), "EAGAIN");
        verify(pool);
        const beside = take(pool, (63 - c) * 64);
        assert.equal(pool.inspect(beside).page, pool.inspect(lone).page);
        assert.equal(pool.reclaimPage(3), "EAGAIN");
        verify(pool);
        pool.free(lone);
        const again = take(pool, c * 64);
        assert.equal(pool.inspect(again).buddy, "first");
        pool.free(again);
        pool.free(beside);
      }
      finish(pool);
    }
  });
});

describe("family: a recycled page kept old state", () => {
  it("a page that was used in every way serves like a fresh one", () => {
    const used = new ZbudPool({ maxPages: 4, onEvict: freeIt });
    for (let round = 0; round < 3; round++) {
      const handles = [40, 23, 30, 33, 62, 1, 20].map((chunks) => put(used, chunks * 64, 0xdb));
      used.free(handles[0]);
      used.free(handles[3]);
      for (let i = 0; i < 20; i++) used.reclaimPage();
      assert.equal(used.pageCount, 0);
    }
    const fresh = new ZbudPool({ maxPages: 4, onEvict: freeIt });
    const script = [3968, 64, 1000, 2000, 500, 3000, 1, 65];
    const places = (pool: ZbudPool): unknown =>
      script.map((size) => {
        const handle = pool.alloc(size);
        if (typeof handle === "string") return handle;
        const { offset, buddy } = pool.inspect(handle);
        verify(pool);
        return { offset, buddy, size: pool.sizeOf(handle), length: pool.map(handle).length };
      });
    assert.deepEqual(places(used), places(fresh));
    assert.deepEqual(
      snapshot(used).unbuddied.map((list) => list.length),
      snapshot(fresh).unbuddied.map((list) => list.length),
    );
    used.close();
    fresh.close();
  });
});

describe("family: unbounded retry", () => {
  it("a reclaim calls the handler at most twice for each try", () => {
    for (const retries of [1, 2, 8, 1000]) {
      let calls = 0;
      const pool = new ZbudPool({
        maxPages: 4,
        onEvict: () => {
          calls++;
          return true;
        },
      });
      const handles = [40, 23, 30, 33].map((chunks) => take(pool, chunks * 64));
      assert.equal(pool.reclaimPage(retries), "EAGAIN");
      assert.equal(calls, 2 * retries);
      finish(pool, handles);
    }
  });

  it("a handler that replaces each object by another does not keep a reclaim going", () => {
    let calls = 0;
    const pool = new ZbudPool({
      maxPages: 64,
      onEvict: (handle, given) => {
        calls++;
        const size = given.sizeOf(handle);
        given.free(handle);
        return typeof given.alloc(size) === "number";
      },
    });
    for (let i = 0; i < 32; i++) take(pool, 1900);
    for (let i = 0; i < 100; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.equal(calls, 200);
    verify(pool);
    assert.equal(pool.stats().objects, 32);
    pool.close();
  });

  it("retries that are no count are misuse", () => {
    const pool = new ZbudPool({ maxPages: 4, onEvict: () => false });
    const handle = take(pool, 100);
    for (const retries of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "8", null, {}]) {
      assert.throws(() => pool.reclaimPage(retries as number), isCode("EINVAL"));
    }
    finish(pool, [handle]);
  });
});
