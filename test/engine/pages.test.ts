import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { onePool } from "../../src/engine/pages.ts";
import type { Handle } from "../../src/index.ts";
import type { PoolSnapshot } from "../../src/zpool/index.ts";

function poolOf(pages: number[], lists: PoolSnapshot["lists"], lru: number[]): PoolSnapshot {
  const objects = [{ handle: 1 as Handle, offset: 0, size: 10 }];
  return {
    type: "zbud",
    pageSize: 4096,
    maxPages: 10,
    pages: pages.map((page) => ({ page, bytes: 4096, underReclaim: false, objects })),
    lists,
    lru,
    free: [],
  };
}

suite("pages of several pools as those of one", () => {
  const one = poolOf([0, 2], [{ name: "a", pages: [2] }], [2, 0]);
  const other = poolOf([1], [{ name: "a", pages: [1] }], [1]);

  test("every page has a number of its own, lists of one name are one, the order is by share", () => {
    const merged = onePool([one, other], true);
    assert.deepEqual(
      merged.pages.map(({ page }) => page),
      [0, 3, 4],
    );
    assert.deepEqual(merged.lists, [{ name: "a", pages: [4, 3] }]);
    assert.deepEqual(merged.lru, [4, 3, 0]);
    assert.equal(merged.maxPages, 20);
  });

  test("without an order of pages there is none", () => {
    assert.deepEqual(onePool([one, other], false).lru, []);
  });

  test("one pool is itself; none is nothing", () => {
    assert.deepEqual(onePool([one], true), one);
    assert.deepEqual(onePool([], true).pages, []);
  });
});
