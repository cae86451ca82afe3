/** Handles: generations, tags, and forgeries of every kind. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { isCode } from "../../support/is-code.ts";
import { finish, put, take } from "../../support/objects.ts";
import { fullSnapshot } from "./full-snapshot.ts";

/** After how many reuses of its place a stale handle is tried. */
const REUSES = [1, 2, 3, 255, 256, 257, 65_535, 65_536, 65_537, 1_000_000];

function assertStale(pool: ZbudPool, stale: Handle, when: string): void {
  assert.throws(() => pool.free(stale), isCode("EBADF"), when);
  assert.throws(() => pool.map(stale), isCode("EBADF"), when);
  assert.throws(() => pool.inspect(stale), isCode("EBADF"), when);
}

describe("generations", () => {
  for (const [what, maxPages, pageSize] of [
    ["a small pool", 1, 4096],
    ["a pool of 8 GiB", 2 ** 21, 4096],
    ["the most pages there can be", 2 ** 24, 64],
  ] as const) {
    for (const buddy of ["first", "last"] as const) {
      it(`catch a stale handle after a million reuses of the ${buddy} place of ${what}`, () => {
        const pool = new ZbudPool({ maxPages, pageSize });
        const keeper = buddy === "last" ? take(pool, pageSize / 64) : null;
        const size = pageSize / 2;
        pool.free(take(pool, size)); // so that not the pool's first generation is asked for
        const stale = take(pool, size);
        const place = pool.inspect(stale);
        assert.equal(place.buddy, buddy);
        pool.free(stale);
        let handle = stale;
        let reuses = 0;
        for (const target of REUSES) {
          while (reuses < target) {
            handle = take(pool, size);
            if (++reuses < target) pool.free(handle);
          }
          assert.deepEqual(pool.inspect(handle), place, "the very same place");
          assert.notEqual(handle, stale);
          assertStale(pool, stale, `after ${target} reuses, place taken`);
          pool.free(handle);
          assertStale(pool, stale, `after ${target} reuses, place empty`);
          assertStale(pool, handle, "freed just now");
        }
        if (keeper !== null) pool.free(keeper);
        finish(pool);
      });
    }
  }

  it("survive a trim: what was freed before it stays freed", () => {
    const pool = new ZbudPool({ maxPages: 64 });
    const stale = Array.from({ length: 64 }, () => take(pool, 3000));
    for (const handle of stale) pool.free(handle);
    pool.trim();
    for (const handle of stale) assertStale(pool, handle, "after the trim");
    const again = Array.from({ length: 64 }, () => take(pool, 3000));
    for (const handle of stale) assertStale(pool, handle, "after the trim, place taken");
    finish(pool, again);
  });

  it("a handle of one buddy does not name the other", () => {
    const pool = new ZbudPool({ maxPages: 1 });
    const [first, last] = [take(pool, 500), take(pool, 600)];
    pool.free(first);
    assertStale(pool, first, "the first place is empty, the last is taken");
    assert.equal(pool.sizeOf(last), 600);
    finish(pool, [last]);
  });
});

describe("handles", () => {
  it("are exact integers above 0 in the largest pool, after many reuses", () => {
    const pool = new ZbudPool({ maxPages: 2 ** 24, pageSize: 64 });
    for (let i = 0; i < 1000; i++) {
      const handle = take(pool, 60);
      assert.ok(Number.isSafeInteger(handle) && handle > 0, `${handle}`);
      pool.free(handle);
    }
    finish(pool);
  });

  it("go past 2^31 and 2^32 and stay exact", () => {
    const pool = new ZbudPool({ maxPages: 2 ** 21 });
    let past31 = 0;
    let past32 = 0;
    for (let i = 0; i < 5000; i++) {
      const handle = put(pool, 3000, i % 256);
      if (handle > 2 ** 31) past31++;
      if (handle > 2 ** 32) past32++;
      assert.equal(pool.map(handle)[2999], i % 256);
      const near = [
        handle - 1,
        handle + 1,
        handle - 2 ** 32,
        handle + 2 ** 32,
        handle % 2 ** 32,
        handle | 0,
        handle / 2,
      ];
      for (const wrong of near) {
        if (wrong !== handle)
          assert.throws(() => pool.free(wrong as Handle), isCode("EBADF"), `${handle}: ${wrong}`);
      }
      pool.free(handle);
    }
    assert.ok(past31 > 0 && past32 > 0, `${past31} handles past 2^31, ${past32} past 2^32`);
    finish(pool);
  });

  it("made by flipping any bit of a live one name nothing", () => {
    const pool = new ZbudPool({ maxPages: 6 });
    for (let round = 0; round < 5; round++)
      for (const handle of [take(pool, 3000), take(pool, 3000)]) pool.free(handle);
    const live = [40, 23, 30, 33, 62].map((chunks, i) => put(pool, chunks * 64, i));
    const before = fullSnapshot(pool);
    for (const handle of live) {
      for (let bit = 0; bit < 53; bit++) {
        const bits = BigInt(handle) ^ (1n << BigInt(bit));
        const forged = Number(bits) as Handle;
        if (live.includes(forged)) continue;
        assert.throws(() => pool.free(forged), isCode("EBADF"), `bit ${bit} of ${handle}`);
        assert.throws(() => pool.map(forged), isCode("EBADF"), `bit ${bit} of ${handle}`);
      }
      for (const near of [0.5, -0.5, 2 ** -20, 1e-9 * handle]) {
        // Beside a large handle the difference is lost, and it is the handle.
        const wrong = handle + near;
        if (wrong !== handle) assert.throws(() => pool.free(wrong as Handle), isCode("EBADF"));
      }
      for (const other of [-handle, String(handle), BigInt(handle), [handle], { valueOf: () => handle }]) {
        assert.throws(() => pool.free(other as Handle), isCode("EBADF"));
      }
    }
    assert.deepEqual(fullSnapshot(pool), before);
    finish(pool, live);
  });

  it("that an empty place will have next name nothing yet", () => {
    const pool = new ZbudPool({ maxPages: 2 });
    const keeper = take(pool, 100);
    for (const size of [1000, 3900]) {
      const seen: Handle[] = [];
      for (let i = 0; i < 3; i++) {
        seen.push(take(pool, size));
        pool.free(seen[i]);
      }
      const next = (seen[2] + (seen[2] - seen[1])) as Handle;
      const before = fullSnapshot(pool);
      assertStale(pool, next, "not issued yet");
      assert.throws(() => pool.unmap(next), isCode("EBADF"));
      assert.throws(() => pool.read(next, new Uint8Array(4096)), isCode("EBADF"));
      assert.deepEqual(fullSnapshot(pool), before);
      assert.equal(take(pool, size), next, "now it is");
      pool.free(next);
    }
    finish(pool, [keeper]);
  });

  it("of another pool name nothing here, whatever the pools' sizes", () => {
    const pools = [1, 1, 3, 64, 2 ** 21].map((maxPages) => new ZbudPool({ maxPages }));
    const handles = pools.map((pool) => take(pool, 3000));
    for (const [i, pool] of pools.entries()) {
      for (const [j, handle] of handles.entries()) {
        if (i !== j)
          assert.throws(() => pool.free(handle), isCode("EBADF"), `pool ${i}, handle of pool ${j}`);
      }
    }
    for (const [i, pool] of pools.entries()) finish(pool, [handles[i]]);
  });

  it("say what is wrong with them", () => {
    const [pool, other] = [new ZbudPool({ maxPages: 4 }), new ZbudPool({ maxPages: 4 })];
    const freed = take(pool, 10);
    pool.free(freed);
    const messages: [unknown, RegExp][] = [
      [freed, /freed/],
      [take(other, 10), /another pool/],
      ["abc", /"abc"/],
      [Number.NaN, /NaN/],
      [0, /\b0\b/],
      [undefined, /undefined/],
    ];
    for (const [handle, says] of messages) {
      assert.throws(
        () => pool.free(handle as Handle),
        (error) => isCode("EBADF")(error) && says.test(String(error)),
      );
    }
    finish(pool);
    other.close();
  });
});

describe("after close", () => {
  it("every call is ECLOSED", () => {
    const pool = new ZbudPool({ maxPages: 4, onEvict: () => true });
    const handle = take(pool, 100);
    pool.close();
    const calls: Record<string, () => unknown> = {
      alloc: () => pool.alloc(100),
      "alloc(0)": () => pool.alloc(0),
      "alloc(too big)": () => pool.alloc(5000),
      free: () => pool.free(handle),
      "free(0)": () => pool.free(0 as Handle),
      map: () => pool.map(handle),
      unmap: () => pool.unmap(handle),
      read: () => pool.read(handle, new Uint8Array(100)),
      write: () => pool.write(handle, new Uint8Array(100)),
      sizeOf: () => pool.sizeOf(handle),
      inspect: () => pool.inspect(handle),
      reclaimPage: () => pool.reclaimPage(),
      "reclaimPage(0)": () => pool.reclaimPage(0),
      pageCount: () => pool.pageCount,
      stats: () => pool.stats(),
      snapshot: () => snapshot(pool),
      verify: () => verify(pool),
      trim: () => pool.trim(),
      observe: () => pool.observe({}),
    };
    for (const [name, call] of Object.entries(calls)) assert.throws(call, isCode("ECLOSED"), name);
  });

  it("dispose closes, and a pool closed by hand can be disposed of", () => {
    for (const isClosed of [false, true]) {
      const pool = new ZbudPool({ maxPages: 4 });
      if (isClosed) pool.close();
      pool[Symbol.dispose]();
      assert.throws(() => pool.alloc(1), isCode("ECLOSED"));
    }
  });

  it("by its own handler, the reclaim ends with ECLOSED", () => {
    for (const answer of [true, false]) {
      const pool = new ZbudPool({
        maxPages: 4,
        onEvict: (_handle, given) => {
          given.close();
          return answer;
        },
      });
      for (const size of [1000, 1000, 3000]) take(pool, size);
      assert.throws(() => pool.reclaimPage(), isCode("ECLOSED"));
      assert.throws(() => pool.alloc(1), isCode("ECLOSED"));
    }
  });
});
