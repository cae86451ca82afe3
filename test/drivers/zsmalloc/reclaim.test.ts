/** In which order groups are reclaimed, and what evict handlers may do. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZsmallocPool, type ZsmallocPoolOptions } from "../../../src/drivers/index.ts";
import { assertObject, finish, freeIt, put, putMany } from "../../support/objects.ts";

/** Objects of 1024 bytes: four a page, a page a group. */
const SIZE = 1024;

function poolOf(onEvict: ZsmallocPoolOptions["onEvict"], maxPages = 64): ZsmallocPool {
  return new ZsmallocPool({ maxPages, maxGroupPages: 4, onEvict });
}

/** Groups of four objects of 1024 bytes, so many left in each. */
function groupsOf(pool: ZsmallocPool, left: readonly number[]): Handle[][] {
  const groups = left.map(() => putMany(pool, SIZE, 4));
  return groups.map((handles, i) => {
    for (const handle of handles.slice(left[i])) pool.free(handle);
    return handles.slice(0, left[i]);
  });
}

describe("reclaim", () => {
  it("takes the least full group first; of those equally full the one that has been so for longest", () => {
    const evicted: Handle[] = [];
    const pool = poolOf((handle, given) => {
      evicted.push(handle);
      return freeIt(handle, given);
    });
    const [full, three, one, two, oneMore] = groupsOf(pool, [4, 3, 1, 2, 1]);
    for (let i = 0; i < 5; i++) assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(evicted, [one, oneMore, two, three, full].flat());
    assert.equal(pool.reclaimPage(), "EINVAL");
    finish(pool);
  });

  it("compares groups of different classes by their share of places in use", () => {
    const evicted: Handle[] = [];
    const pool = poolOf((handle, given) => {
      evicted.push(handle);
      return freeIt(handle, given);
    });
    const [half] = groupsOf(pool, [2]);
    const few = putMany(pool, 32, 63); // of 128
    const huge = put(pool, 4096);
    for (let i = 0; i < 3; i++) pool.reclaimPage();
    assert.deepEqual(evicted, [...few, ...half, huge]);
    finish(pool);
  });

  it("of groups of different classes, equally full, takes the one that has been so for longest", () => {
    for (const sizes of [
      [1024, 2048],
      [2048, 1024],
    ]) {
      const evicted: Handle[] = [];
      const pool = poolOf((handle, given) => {
        evicted.push(handle);
        return freeIt(handle, given);
      });
      const halves = sizes.map((size) => {
        const handles = putMany(pool, size, 4096 / size);
        for (const handle of handles.splice(handles.length / 2)) pool.free(handle);
        return handles;
      });
      for (const _ of sizes) assert.equal(pool.reclaimPage(), "ok");
      assert.deepEqual(evicted, halves.flat());
      finish(pool);
    }
  });

  it("evicts all objects of a group in the order of their places, and tells the pages that were released", () => {
    const pages = 3;
    const evicted: Handle[] = [];
    const pool = poolOf((handle, given) => {
      evicted.push(handle);
      return freeIt(handle, given);
    });
    const { objects, size } = pool.classes.find((each) => each.pages === pages && each.objects > 2) ?? {
      objects: 0,
      size: 0,
    };
    const handles = putMany(pool, size, objects);
    assert.equal(pool.pageCount, pages);
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(evicted, handles);
    assert.equal(pool.releasedPages, pages);
    assert.equal(pool.stats().pagesReclaimed, pages);
    finish(pool);
  });

  it("spares the rest of a group when one is refused, and tries that group again after all others", () => {
    const calls: Handle[] = [];
    const pinned = new Set<Handle>();
    const pool = poolOf((handle, given) => {
      calls.push(handle);
      return !pinned.has(handle) && freeIt(handle, given);
    });
    const [low, middle, full] = groupsOf(pool, [2, 3, 4]);
    pinned.add(low[0]);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(calls.splice(0), [low[0], ...middle]);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(calls.splice(0), full);
    assert.equal(pool.reclaimPage(), "EAGAIN");
    assert.deepEqual(calls.splice(0), new Array(8).fill(low[0]));
    assert.ok(snapshot(pool).lists.some(({ name }) => name.endsWith("spared")));
    pinned.clear();
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(calls, low);
    finish(pool);
  });

  it("a spared group still takes objects, when no other of its class has room, and is like any other then", () => {
    const pool = poolOf(() => false);
    const [low] = groupsOf(pool, [2]);
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    const more = put(pool, SIZE, 9);
    assert.equal(pool.pageCount, 1);
    assert.ok(!snapshot(pool).lists.some(({ name }) => name.endsWith("spared")));
    finish(pool, [...low, more]);
  });

  it("one object that cannot be evicted does not keep others from being reclaimed", () => {
    const pinned = new Set<Handle>();
    const pool = poolOf((handle, given) => !pinned.has(handle) && freeIt(handle, given));
    // More pinned groups than a reclaim has tries, each with less in it than any other.
    putMany(pool, SIZE, 80);
    for (const [handle] of groupsOf(pool, new Array<number>(20).fill(1))) pinned.add(handle);
    let released = 0;
    for (let i = 0; i < 30; i++) if (pool.reclaimPage() === "ok") released++;
    assert.equal(released, 20);
    assert.equal(pool.stats().objects, pinned.size);
    finish(pool, pinned);
  });
});

describe("evict handlers", () => {
  it("may free others of the group, which are not offered then", () => {
    const calls: Handle[] = [];
    let handles: Handle[] = [];
    const pool = poolOf((handle, given) => {
      calls.push(handle);
      for (const each of handles) given.free(each);
      return true;
    });
    handles = putMany(pool, SIZE, 4);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(calls, [handles[0]]);
    finish(pool);
  });

  it("may allocate: not in the group under reclaim, though it has room", () => {
    const more: Handle[] = [];
    const pool = poolOf((handle, given) => {
      const { page } = given.inspect(handle);
      given.free(handle);
      const other = put(given, SIZE, 5);
      assert.notEqual(given.inspect(other).page, page);
      more.push(other);
      verify(given);
      return true;
    });
    putMany(pool, SIZE, 4);
    assert.equal(pool.reclaimPage(), "ok");
    for (const handle of more) assertObject(pool, handle, SIZE, 5);
    finish(pool, more);
  });

  it("may compact: the group under reclaim is left alone", () => {
    let inside = 0;
    const pool = poolOf((handle, given) => {
      const before = given.inspect(handle);
      if (inside++ === 0) assert.ok(given.compact().pagesReleased > 0);
      assert.deepEqual(given.inspect(handle), before);
      verify(given);
      return freeIt(handle, given);
    });
    const kept = groupsOf(pool, [1, 1, 2, 2, 2, 2]).flat();
    pool.reclaimPage();
    const live = kept.slice(1);
    for (const handle of live) assert.equal(pool.sizeOf(handle), SIZE);
    finish(pool, live);
  });

  it("may reclaim in their turn, as deep as there are groups", () => {
    let depth = 0;
    let deepest = 0;
    const pool = poolOf((handle, given) => {
      deepest = Math.max(deepest, ++depth);
      given.reclaimPage(1);
      verify(given);
      depth--;
      return freeIt(handle, given);
    });
    groupsOf(pool, [1, 2, 3, 4]);
    assert.equal(pool.reclaimPage(), "ok");
    assert.equal(deepest, 4);
    finish(pool);
  });

  it("may throw, refuse after freeing, and lie: the group is whole", () => {
    let act: "throw" | "lie" | "free and refuse" = "throw";
    const pool = poolOf((handle, given) => {
      if (act === "throw") throw new Error("a handler's own");
      if (act === "free and refuse") given.free(handle);
      return act === "lie";
    });
    const handles = putMany(pool, SIZE, 4);
    assert.throws(() => pool.reclaimPage(1), /a handler's own/);
    verify(pool);
    act = "lie";
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.equal(pool.stats().evictionsRefused, 1 + 4);
    act = "free and refuse";
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.equal(pool.stats().objects, 3);
    for (const [i, handle] of handles.slice(1).entries()) assertObject(pool, handle, SIZE, i + 2);
    finish(pool, handles.slice(1));
  });

  it("may write to objects that were mapped, also when they are moved meanwhile", () => {
    const pool = poolOf(undefined);
    const kept = groupsOf(pool, [1, 1, 3]).flat();
    const view = pool.map(kept[0]);
    view.fill(77);
    assert.ok(pool.compact().moved > 0);
    pool.unmap(kept[0]);
    assertObject(pool, kept[0], SIZE, 77);
    finish(pool, kept);
  });
});
