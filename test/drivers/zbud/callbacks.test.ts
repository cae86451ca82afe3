/** Evict handlers that do more than evict, and less: none of it confuses the reclaim that called them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertFill, finish, freeIt, put, take } from "../../support/objects.ts";

describe("family: a callback changed the page under reclaim", () => {
  /** A pool with two full pages, and a third with one object; `act` is what its handler does. */
  function poolWith(act: (handle: Handle, pool: ZbudPool, handles: Handle[]) => boolean): {
    pool: ZbudPool;
    handles: Handle[];
    calls: Handle[];
  } {
    const calls: Handle[] = [];
    const handles: Handle[] = [];
    const pool = new ZbudPool({
      maxPages: 4,
      onEvict: (handle, given) => {
        assert.equal(given, pool);
        verify(given);
        calls.push(handle);
        try {
          return act(handle, given, handles);
        } finally {
          verify(given);
        }
      },
    });
    for (const [i, chunks] of [40, 23, 30, 33, 50].entries()) handles.push(put(pool, chunks * 64, i + 1));
    return { pool, handles, calls };
  }

  it("it freed the other buddy too: that one is not offered, and the page is released", () => {
    const { pool, handles, calls } = poolWith((handle, given, all) => {
      given.free(all[1]);
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(calls, [handles[0]]);
    assert.equal(pool.pageCount, 2);
    finish(pool, handles.slice(2));
  });

  it("it freed the other buddy and refused its own: the page is listed by what is left", () => {
    const { pool, handles } = poolWith((_handle, given, all) => {
      given.free(all[1]);
      return false;
    });
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    verify(pool);
    const beside = take(pool, 23 * 64);
    assert.equal(pool.inspect(beside).page, pool.inspect(handles[0]).page);
    assertFill(pool, handles[0], 1);
    finish(pool, [beside, handles[0], ...handles.slice(2)]);
  });

  it("it freed objects of other pages: those pages are released, and not offered", () => {
    const { pool, handles, calls } = poolWith((handle, given, all) => {
      if (handle === all[0]) for (const other of all.slice(2)) given.free(other);
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(calls, handles.slice(0, 2));
    assert.equal(pool.pageCount, 0);
    finish(pool);
  });

  it("it allocated, before and after freeing: never into the page under reclaim", () => {
    const more: Handle[] = [];
    const { pool, handles } = poolWith((handle, given) => {
      const page = given.inspect(handle).page;
      more.push(put(given, 64, 77));
      given.free(handle);
      more.push(put(given, 40 * 64, 78));
      for (const each of more) assert.notEqual(given.inspect(each).page, page);
      return true;
    });
    const kept = put(pool, 13 * 64, 9);
    for (const handle of handles.splice(2, 2)) pool.free(handle);
    assert.equal(pool.reclaimPage(1), "ok");
    for (const [i, each] of more.entries()) assertFill(pool, each, 77 + (i % 2));
    assertFill(pool, kept, 9);
    finish(pool, [...more, kept, handles[2]]);
  });

  it("it allocated in a full pool: ENOMEM until the page is released, then room", () => {
    const answers: unknown[] = [];
    const pool: ZbudPool = new ZbudPool({
      maxPages: 1,
      onEvict: (handle, given) => {
        given.free(handle);
        answers.push(given.alloc(3968));
        return true;
      },
    });
    take(pool, 3968);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(answers, ["ENOMEM"]);
    finish(pool, [take(pool, 3968)]);
  });

  it("it reclaimed again: the next page at the tail, never the one under reclaim", () => {
    const { pool, handles, calls } = poolWith((handle, given, all) => {
      if (handle === all[0]) assert.equal(given.reclaimPage(1), "ok");
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(1), "ok");
    assert.deepEqual(calls, [handles[0], handles[2], handles[3], handles[1]]);
    assert.equal(pool.pageCount, 1);
    finish(pool, [handles[4]]);
  });

  it("it reclaimed again and again until nothing was left", () => {
    const results: string[] = [];
    const { pool, calls } = poolWith((handle, given) => {
      results.push(given.reclaimPage());
      return freeIt(handle, given);
    });
    assert.equal(pool.reclaimPage(), "ok");
    assert.equal(calls.length, 5);
    assert.equal(pool.pageCount, 0);
    assert.deepEqual([...new Set(results)].sort(), ["EINVAL", "ok"]);
    finish(pool);
  });

  it("it reclaimed again while all others refuse: each page once, and back in order", () => {
    const { pool, handles, calls } = poolWith((handle, given, all) => {
      if (handle === all[0]) assert.equal(given.reclaimPage(2), "EAGAIN");
      return false;
    });
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.deepEqual(calls, [handles[0], handles[2], handles[4]]);
    assert.deepEqual(
      snapshot(pool).lru,
      [0, 4, 2].map((at) => pool.inspect(handles[at]).page),
    );
    finish(pool, handles);
  });

  it("it threw: the error comes through, the page is found again", () => {
    const error = new RangeError("the handler's own");
    for (const frees of [false, true]) {
      const { pool, handles, calls } = poolWith((handle, given) => {
        if (frees) given.free(handle);
        throw error;
      });
      assert.throws(
        () => pool.reclaimPage(),
        (thrown) => thrown === error,
      );
      verify(pool);
      assert.deepEqual(calls, [handles[0]], "the neighbour is spared");
      assert.equal(
        snapshot(pool).lru[0],
        pool.inspect(handles[1]).page,
        "the page is at the head of the LRU",
      );
      assert.ok(snapshot(pool).pages.every(({ underReclaim }) => !underReclaim));
      if (frees) {
        const beside = take(pool, 40 * 64);
        assert.equal(pool.inspect(beside).page, pool.inspect(handles[1]).page);
        handles[0] = beside;
      }
      finish(pool, handles);
    }
  });

  it("it threw after freeing the last object of the page: the page is released", () => {
    const pool = new ZbudPool({
      maxPages: 4,
      onEvict: (handle, given) => {
        given.free(handle);
        throw new Error("after the free");
      },
    });
    take(pool, 3000);
    assert.throws(() => pool.reclaimPage(), /after the free/);
    finish(pool);
  });

  it("it refused the first: the last is spared, and all is as before but the orders", () => {
    const { pool, handles, calls } = poolWith(() => false);
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.deepEqual(calls, [handles[0]]);
    for (const [i, handle] of handles.entries()) assertFill(pool, handle, i + 1);
    finish(pool, handles);
  });

  it("it refused the last: the first is gone, the page stays", () => {
    const { pool, handles, calls } = poolWith(
      (handle, given, all) => handle !== all[1] && freeIt(handle, given),
    );
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.deepEqual(calls, handles.slice(0, 2));
    assert.throws(() => pool.map(handles[0]), isCode("EBADF"));
    assertFill(pool, handles[1], 2);
    assert.equal(pool.pageCount, 3);
    finish(pool, handles.slice(1));
  });

  it("it lied: the object stays, the last is asked too, and the page counts as not reclaimed", () => {
    const { pool, handles, calls } = poolWith(() => true);
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.deepEqual(calls, handles.slice(0, 2));
    for (const [i, handle] of handles.entries()) assertFill(pool, handle, i + 1);
    assert.equal(pool.stats().evictionsRefused, 2);
    assert.equal(pool.stats().objectsEvicted, 0);
    finish(pool, handles);
  });

  it("it freed the object and said it refused: the page is released if that was the last one", () => {
    const { pool, handles } = poolWith((handle, given) => {
      given.free(handle);
      return false;
    });
    assert.equal(pool.reclaimPage(1), "EAGAIN", "the neighbour was spared");
    pool.free(handles[1]);
    pool.free(handles[2]);
    pool.free(handles[3]);
    assert.equal(pool.reclaimPage(1), "ok", "the only object is gone");
    finish(pool);
  });

  it("it freed the object twice: the second is an error that comes through", () => {
    const { pool, handles } = poolWith((handle, given) => freeIt(handle, given) && freeIt(handle, given));
    assert.throws(() => pool.reclaimPage(), isCode("EBADF"));
    verify(pool);
    finish(pool, handles.slice(1));
  });
});
