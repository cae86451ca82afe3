/** Which page an object goes to, and which page a reclaim takes: the order in every list. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { finish, freeIt, take } from "../../support/objects.ts";

/** A pool whose handler evicts, and the pages of its objects in the order in which they were evicted. */
function watched(maxPages: number): { pool: ZbudPool; evicted: Handle[] } {
  const evicted: Handle[] = [];
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    evicted.push(handle);
    return freeIt(handle, pool);
  };
  return { pool: new ZbudPool({ maxPages, onEvict }), evicted };
}

describe("order", () => {
  it("alloc takes the tightest gap, not the first that fits", () => {
    const pool = new ZbudPool({ maxPages: 8 });
    const lone = [40, 50, 45, 55].map((chunks) => take(pool, chunks * 64));
    const gaps: Record<string, number> = { "8": 3, "9": 1, "13": 1, "14": 2, "18": 2, "19": 0, "23": 0 };
    for (const [chunks, at] of Object.entries(gaps)) {
      const handle = take(pool, Number(chunks) * 64);
      assert.equal(pool.inspect(handle).page, pool.inspect(lone[at]).page, `${chunks} chunks`);
      pool.free(handle);
    }
    finish(pool, lone);
  });

  it("alloc takes the page listed last among gaps of one size", () => {
    const pool = new ZbudPool({ maxPages: 8 });
    const lone = [1, 2, 3].map(() => take(pool, 40 * 64));
    const order = [1, 2, 3].map(() => pool.inspect(take(pool, 23 * 64)).page);
    assert.deepEqual(order, lone.map((handle) => pool.inspect(handle).page).reverse());
    pool.close();
  });

  it("a page whose buddy is freed goes to the head of its list", () => {
    const pool = new ZbudPool({ maxPages: 8 });
    const firsts = [0, 1, 2].map(() => take(pool, 40 * 64));
    const lasts = [2, 1, 0].map((at) => ({ at, handle: take(pool, 23 * 64) }));
    for (const { at, handle } of lasts)
      assert.equal(pool.inspect(handle).page, pool.inspect(firsts[at]).page);
    for (const at of [2, 0, 1]) pool.free(lasts[2 - at].handle);
    const pages = [1, 0, 2].map((at) => pool.inspect(firsts[at]).page);
    assert.deepEqual(
      [1, 2, 3].map(() => pool.inspect(take(pool, 23 * 64)).page),
      pages,
    );
    pool.close();
  });

  it("the LRU is in order of allocation into pages", () => {
    const { pool, evicted } = watched(8);
    const [a, b, c] = [50, 40, 30].map((chunks) => take(pool, chunks * 64));
    const besideA = take(pool, 13 * 64);
    assert.equal(pool.inspect(besideA).page, pool.inspect(a).page);
    for (let i = 0; i < 3; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(evicted, [b, c, a, besideA], "alloc moved the page of a to the head");
    finish(pool);
  });

  it("free, map, read, write and inspect do not touch the LRU", () => {
    const { pool, evicted } = watched(8);
    const [a, b, c] = [50, 50, 50].map((chunks) => take(pool, chunks * 64));
    const besideA = take(pool, 13 * 64);
    assert.equal(pool.inspect(besideA).page, pool.inspect(c).page);
    pool.map(a).fill(1);
    pool.unmap(a);
    pool.read(a, new Uint8Array(4096));
    pool.write(a, new Uint8Array(64));
    pool.inspect(a);
    pool.sizeOf(a);
    pool.free(besideA);
    const besideC = take(pool, 13 * 64);
    pool.free(besideC);
    for (let i = 0; i < 3; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(evicted, [a, b, c]);
    finish(pool);
  });

  it("free of a buddy leaves its page where it is in the LRU", () => {
    const { pool, evicted } = watched(8);
    const a = take(pool, 50 * 64);
    const besideA = take(pool, 13 * 64);
    const b = take(pool, 50 * 64);
    const besideB = take(pool, 13 * 64);
    pool.free(besideA);
    pool.free(b);
    for (let i = 0; i < 2; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(evicted, [a, besideB]);
    finish(pool);
  });

  it("reclaim offers the first buddy before the last, and frees exactly one page", () => {
    const { pool, evicted } = watched(8);
    const handles = [40, 23, 30, 33, 20, 43].map((chunks) => take(pool, chunks * 64));
    assert.equal(pool.pageCount, 3);
    for (let left = 2; left >= 0; left--) {
      assert.equal(pool.reclaimPage(1), "ok");
      assert.equal(pool.pageCount, left);
    }
    assert.deepEqual(evicted, handles);
    assert.equal(pool.reclaimPage(), "EINVAL");
    finish(pool);
  });

  it("a page that could not be emptied goes to the head of the LRU", () => {
    const asked: Handle[] = [];
    const pool = new ZbudPool({
      maxPages: 8,
      onEvict: (handle) => {
        asked.push(handle);
        return false;
      },
    });
    const [a, b, c] = [50, 50, 50].map((chunks) => take(pool, chunks * 64));
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.equal(pool.reclaimPage(4), "EAGAIN");
    assert.deepEqual(asked, [a, b, c, a, b]);
    finish(pool, [a, b, c]);
  });

  it("a page that could not be emptied goes to the head of its list", () => {
    const pool = new ZbudPool({ maxPages: 8, onEvict: () => false });
    const [a, b, c] = [50, 50, 50].map((chunks) => take(pool, chunks * 64));
    pool.reclaimPage(1);
    const order = [1, 2, 3].map(() => pool.inspect(take(pool, 13 * 64)).page);
    assert.deepEqual(
      order,
      [a, c, b].map((handle) => pool.inspect(handle).page),
    );
    pool.close();
  });
});
