import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { onePool } from "../../src/engine/pages.ts";
import { ColumnsBuilder, type SnapshotColumns, snapshotOf } from "../../src/pool/index.ts";

/** Pages with as many objects as their number says, on lists, in an order. */
function poolOf(pages: number[], lists: Record<string, number[]>, lru: number[]): SnapshotColumns {
  const into = new ColumnsBuilder(10, 0);
  for (const page of pages) {
    into.page(page, 4096, page === 2);
    for (let i = 0; i < page; i++) into.object(100 * page + i, 1000 * i, 10 + i);
  }
  for (const [name, listed] of Object.entries(lists)) {
    for (const page of listed) into.listed(page);
    into.endList(() => name);
  }
  for (const page of lru) into.ordered(page);
  into.freed(5);
  return into.done({ type: "zbud", pageSize: 4096, maxPages: 10 });
}

describe("pages of several pools as those of one", () => {
  const one = poolOf([0, 2], { a: [2], b: [0] }, [2, 0]);
  const other = poolOf([1], { c: [], a: [1] }, [1]);

  it("every page has a number of its own, lists of one name are one, the order is by share", () => {
    const merged = snapshotOf(onePool([one, other], true));
    const object = (handle: number, offset: number, size: number): object => ({ handle, offset, size });
    assert.deepEqual(merged, {
      type: "zbud",
      pageSize: 4096,
      maxPages: 20,
      pages: [
        { page: 0, bytes: 4096, underReclaim: false, objects: [] },
        { page: 3, bytes: 4096, underReclaim: false, objects: [object(100, 0, 10)] },
        { page: 4, bytes: 4096, underReclaim: true, objects: [object(200, 0, 10), object(201, 1000, 11)] },
      ],
      lists: [
        { name: "a", pages: [4, 3] },
        { name: "b", pages: [0] },
      ],
      lru: [4, 3, 0],
      free: [10, 11],
    });
  });

  it("orders of any lengths are merged without loss, each in its own order", () => {
    const orders = [[3, 1, 4, 0, 5], [2], [], [9, 8, 7]];
    const { lru } = onePool(
      orders.map((order) => poolOf([], {}, order)),
      true,
    );
    for (const [pool, order] of orders.entries()) {
      assert.deepEqual(
        [...lru].filter((page) => page % orders.length === pool),
        order.map((page) => page * orders.length + pool),
      );
    }
    assert.equal(lru.length, orders.flat().length);
  });

  it("without an order of pages there is none", () => {
    assert.equal(onePool([one, other], false).lru.length, 0);
  });

  it("one pool is itself; none is nothing", () => {
    assert.deepEqual(onePool([one], true), one);
    assert.deepEqual(snapshotOf(onePool([], true)).pages, []);
  });
});
