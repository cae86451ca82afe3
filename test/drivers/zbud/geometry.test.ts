/** Where objects land, for every size and pair of sizes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertFill, finish, put, take } from "../../support/objects.ts";

/** Every order with small pages, odd page sizes, and the largest page. */
const SHAPES: readonly (readonly [pageSize: number, chunkOrder: number])[] = [
  [4096, 6],
  [64, 6],
  [4, 2],
  [64, 2],
  [96, 3],
  [1792, 4],
  [2304, 5],
  [3328, 6],
  [5888, 7],
  [11264, 8],
  [1536, 9],
  [1024, 10],
  [2 ** 20, 10],
  [2 ** 20 - 64, 6],
];

describe("geometry", () => {
  it("defaults to pages of 4096 bytes in 64 chunks", () => {
    const pool = new ZbudPool({ maxPages: 1 });
    assert.equal(pool.pageSize, 4096);
    assert.equal(pool.maxObjectBytes, 3968);
    finish(pool);
  });

  it("family: the size limit leaves room for a buddy (3968 fits, 3969 does not)", () => {
    for (const [pageSize, chunkOrder] of SHAPES) {
      const pool = new ZbudPool({ maxPages: 4, pageSize, chunkOrder });
      const chunk = pageSize / 2 ** chunkOrder;
      const most = pageSize - 2 * chunk;
      assert.equal(pool.maxObjectBytes, most);
      assert.equal(pool.alloc(most + 1), "ENOSPC");
      assert.equal(pool.pageCount, 0);
      const large = put(pool, most, 1);
      const small = put(pool, chunk, 2);
      assert.deepEqual(pool.inspect(large), { page: 0, offset: chunk, size: most, buddy: "first" });
      assert.deepEqual(pool.inspect(small), {
        page: 0,
        offset: pageSize - chunk,
        size: chunk,
        buddy: "last",
      });
      assertFill(pool, large, 1);
      assertFill(pool, small, 2);
      finish(pool, [large, small]);
    }
  });

  it("family: every pair of chunk counts that fits a page shares it, in the right places", () => {
    for (const [pageSize, chunkOrder] of [
      [4096, 6],
      [3328, 6],
      [64, 4],
      [64, 6],
      [2560, 7],
    ] as const) {
      const pool = new ZbudPool({ maxPages: 2, pageSize, chunkOrder });
      const chunks = 2 ** chunkOrder;
      const chunk = pageSize / chunks;
      for (let a = 1; a <= chunks - 2; a++) {
        for (let b = 1; b <= chunks - 2; b++) {
          const first = put(pool, a * chunk, 1);
          const second = put(pool, (b - 1) * chunk + 1, 2);
          const place = pool.inspect(second);
          if (a + b <= chunks - 1) {
            const offset = pageSize - b * chunk;
            assert.deepEqual(place, {
              page: pool.inspect(first).page,
              offset,
              size: (b - 1) * chunk + 1,
              buddy: "last",
            });
          } else {
            assert.equal(pool.pageCount, 2, `${a} + ${b} chunks do not fit one page`);
            assert.equal(place.buddy, "first");
            assert.equal(place.offset, chunk);
          }
          if ((a + b) % 16 === 0) verify(pool);
          assertFill(pool, first, 1);
          assertFill(pool, second, 2);
          pool.free(first);
          pool.free(second);
        }
      }
      finish(pool);
    }
  });

  it("an object that comes when the first place was freed goes there, and both may be freed in either order", () => {
    for (const order of [0, 1]) {
      const pool = new ZbudPool({ maxPages: 1 });
      const first = take(pool, 1000);
      const last = put(pool, 2000, 9);
      pool.free(first);
      verify(pool);
      const again = put(pool, 31 * 64, 5);
      assert.deepEqual(pool.inspect(again), { page: 0, offset: 64, size: 31 * 64, buddy: "first" });
      assertFill(pool, last, 9);
      finish(pool, order === 0 ? [again, last] : [last, again]);
    }
  });

  it("a lone last buddy leaves the joined gap in front of it, and not a byte more", () => {
    const pool = new ZbudPool({ maxPages: 2 });
    for (let c = 1; c <= 62; c++) {
      const first = take(pool, 64);
      const last = put(pool, c * 64, 7);
      pool.free(first);
      const exact = put(pool, (63 - c) * 64, 8);
      assert.equal(pool.pageCount, 1, `the gap in front of ${c} chunks takes ${63 - c}`);
      pool.free(exact);
      if (63 - c + 1 <= 62) {
        const tooBig = take(pool, (63 - c) * 64 + 1);
        assert.equal(pool.pageCount, 2, `the gap in front of ${c} chunks does not take ${64 - c}`);
        pool.free(tooBig);
      }
      assertFill(pool, last, 7);
      pool.free(last);
    }
    finish(pool);
  });

  it("family: every chunk count as a lone object is found by what just fits beside it", () => {
    for (const [pageSize, chunkOrder] of SHAPES) {
      const pool = new ZbudPool({ maxPages: 3, pageSize, chunkOrder });
      const chunks = 2 ** chunkOrder;
      const chunk = pageSize / chunks;
      for (let c = 1; c <= chunks - 2; c += chunks > 256 ? 7 : 1) {
        const lone = take(pool, c * chunk);
        if (chunks <= 256) verify(pool);
        const gap = chunks - 1 - c;
        const fits = take(pool, gap * chunk);
        assert.equal(pool.pageCount, 1, `${c} + ${gap} chunks of ${chunks}`);
        pool.free(fits);
        if (gap < chunks - 2) {
          const oneMore = take(pool, gap * chunk + 1);
          assert.equal(pool.pageCount, 2, `${c} + ${gap + 1} chunks of ${chunks}`);
          pool.free(oneMore);
        }
        pool.free(lone);
      }
      finish(pool);
    }
  });

  it("rounds every size up to whole chunks, exactly, whatever the chunk size", () => {
    for (const [pageSize, chunkOrder] of [
      [4096, 6],
      [3328, 6],
      [64, 6],
      [5888, 6],
      [1792, 8],
      [2 ** 20 - 64, 6],
    ] as const) {
      const pool = new ZbudPool({ maxPages: 1, pageSize, chunkOrder });
      const chunk = pageSize / 2 ** chunkOrder;
      for (let c = 1; c <= 2 ** chunkOrder - 2; c++) {
        for (const size of [(c - 1) * chunk + 1, c * chunk]) {
          const handle = take(pool, size);
          const { first } = snapshot(pool).pages[0];
          assert.deepEqual(first, { handle, size, chunks: c }, `${size} bytes, chunks of ${chunk}`);
          pool.free(handle);
        }
      }
      finish(pool);
    }
  });

  const bad: [string, Record<string, unknown>][] = [
    ["maxPages", { maxPages: 0 }],
    ["maxPages", { maxPages: -1 }],
    ["maxPages", { maxPages: 2.5 }],
    ["maxPages", { maxPages: "8" }],
    ["maxPages", { maxPages: 2 ** 40 }],
    ["maxPages", {}],
    ["pageSize", { maxPages: 1, pageSize: 0 }],
    ["pageSize", { maxPages: 1, pageSize: 100 }],
    ["pageSize", { maxPages: 1, pageSize: 4097 }],
    ["pageSize", { maxPages: 1, pageSize: 2 ** 20 + 64 }],
    ["pageSize", { maxPages: 1, pageSize: 1000, chunkOrder: 4 }],
    ["chunkOrder", { maxPages: 1, chunkOrder: 0 }],
    ["chunkOrder", { maxPages: 1, chunkOrder: 1 }],
    ["chunkOrder", { maxPages: 1, chunkOrder: 2.5 }],
    ["chunkOrder", { maxPages: 1, chunkOrder: 40 }],
    ["chunkOrder", { maxPages: 1, chunkOrder: "6" }],
    ["shared", { maxPages: 1, shared: 1 }],
    ["onEvict", { maxPages: 1, onEvict: true }],
  ];
  it("names a bad option", () => {
    for (const [name, options] of bad) {
      const make = (): ZbudPool => new ZbudPool(options as unknown as { maxPages: number });
      assert.throws(make, isCode("EINVAL", name), JSON.stringify(options));
    }
  });
});
