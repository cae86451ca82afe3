import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertObject, fillUp, finish, put } from "../../support/objects.ts";
import type { PoolFacts, PoolMaker } from "./facts.ts";

/** Shrinking, and what evict handlers may do. */
export function reclaimContract(facts: PoolFacts, make: PoolMaker): void {
  const { objectsPerPageMax, canReclaim } = facts;
  const freeIt = (handle: Handle, pool: Pool): boolean => {
    pool.free(handle);
    return true;
  };

  describe("reclaim", () => {
    it("without a handler answers EINVAL at once, and nothing moves", () => {
      const pool = make({ maxPages: 8 });
      assert.equal(pool.evictable, false);
      assert.deepEqual(pool.shrinkPages(1), { reclaimed: 0, result: "EINVAL" }, "an empty pool");
      const handles = fillUp(pool, 1000, 8 * objectsPerPageMax);
      const before = { stats: pool.stats(), places: handles.map((handle) => pool.inspect(handle)) };
      for (const pages of [0, 1, 8, 1000])
        assert.deepEqual(pool.shrinkPages(pages), { reclaimed: 0, result: "EINVAL" });
      const after = { stats: pool.stats(), places: handles.map((handle) => pool.inspect(handle)) };
      assert.deepEqual(after, before);
      finish(pool, handles);
    });

    it("is evictable with a handler if the driver can reclaim", () => {
      const pool = make({ maxPages: 8, onEvict: freeIt });
      assert.equal(pool.evictable, canReclaim);
      pool.close();
    });

    if (!canReclaim) return;

    it("shrink(0) and an empty pool give EINVAL, and call no handler", () => {
      const pool = make({ maxPages: 8, onEvict: () => assert.fail("nothing is to be evicted") });
      assert.deepEqual(pool.shrinkPages(1), { reclaimed: 0, result: "EINVAL" });
      const handle = put(pool, 100, 1);
      assert.deepEqual(pool.shrinkPages(0), { reclaimed: 0, result: "EINVAL" });
      assertObject(pool, handle, 100, 1);
      finish(pool, [handle]);
    });

    it("refuses a number of pages that is none", () => {
      const pool = make({ maxPages: 8, onEvict: () => assert.fail("nothing is to be evicted") });
      const handle = put(pool, 100, 1);
      for (const pages of [-1, 0.5, Number.NaN, "1", null, undefined, {}, 1n]) {
        assert.throws(() => pool.shrinkPages(pages as number), isCode("EINVAL"), `shrink(${String(pages)})`);
      }
      finish(pool, [handle]);
    });

    it("reclaims the pages asked for, and says how many", () => {
      const pool = make({ maxPages: 16, onEvict: freeIt });
      fillUp(pool, 1000, 16 * objectsPerPageMax);
      const pages = pool.pageCount;
      const objects = pool.stats().objects;
      const { reclaimed, result } = pool.shrinkPages(3);
      assert.equal(result, "ok");
      assert.ok(reclaimed >= 3);
      assert.equal(pool.pageCount, pages - reclaimed);
      const stats = pool.stats();
      assert.equal(stats.pagesReclaimed, reclaimed);
      assert.equal(stats.objectsEvicted, objects - stats.objects);
      assert.ok(stats.objectsEvicted <= reclaimed * facts.evictionsPerPageMax);
      assert.equal(stats.evictionsRefused, 0);
      const rest = pool.shrinkPages(1000);
      assert.equal(rest.result, "EINVAL", "the last reclaim found an empty pool");
      assert.equal(rest.reclaimed, pages - reclaimed);
      finish(pool);
    });

    it("gives the handler a live object and the pool itself", () => {
      const seen: [Handle, number][] = [];
      const pool: Pool = make({
        maxPages: 16,
        onEvict: (handle, given) => {
          assert.equal(given, pool, "the pool that evicts");
          seen.push([handle, given.sizeOf(handle)]);
          const bytes = new Uint8Array(given.sizeOf(handle));
          given.read(handle, bytes);
          assert.ok(bytes.every((byte) => byte === bytes.length % 251));
          given.free(handle);
          return true;
        },
      });
      const handles = [300, 500, 700, 900].map((size) => put(pool, size, size % 251));
      pool.shrinkPages(16);
      assert.deepEqual(seen.map(([handle]) => handle).sort(byNumber), [...handles].sort(byNumber));
      finish(pool);
    });

    it("gives up with EAGAIN when the handler refuses, or lies, and every object is still there", () => {
      for (const answer of [false, true]) {
        let calls = 0;
        const pool = make({
          maxPages: 16,
          onEvict: () => {
            calls++;
            return answer;
          },
        });
        const handles = [100, 1500, 2500, 3000].map((size, i) => put(pool, size, i + 1));
        const pages = pool.pageCount;
        assert.deepEqual(pool.shrinkPages(2), { reclaimed: 0, result: "EAGAIN" });
        assert.ok(calls > 0 && calls <= 8 * facts.evictionsPerPageMax, `${calls} calls`);
        assert.equal(pool.pageCount, pages);
        assert.equal(pool.stats().evictionsRefused, calls);
        assert.equal(pool.stats().objectsEvicted, 0);
        for (const [i, size] of [100, 1500, 2500, 3000].entries())
          assertObject(pool, handles[i], size, i + 1);
        finish(pool, handles);
      }
    });

    it("lets the handler's own error through, and the pool goes on", () => {
      const error = new Error("the handler's own");
      let isThrowing = true;
      const pool = make({
        maxPages: 8,
        onEvict: (handle, given) => {
          if (isThrowing) throw error;
          return freeIt(handle, given);
        },
      });
      const handles = fillUp(pool, 700, 8 * objectsPerPageMax);
      for (let i = 0; i < 20; i++) {
        assert.throws(
          () => pool.shrinkPages(1),
          (thrown) => thrown === error,
        );
        verify(pool);
      }
      assert.equal(pool.stats().objects, handles.length);
      isThrowing = false;
      assert.equal(pool.shrinkPages(1).result, "ok");
      pool.shrinkPages(8);
      finish(pool);
    });

    it("lets handlers free others, allocate, and shrink again", () => {
      const live = new Set<Handle>();
      let depth = 0;
      const pool = make({
        maxPages: 8,
        onEvict: (handle, given) => {
          depth++;
          assert.ok(live.has(handle), "only live objects are offered");
          if (live.size % 3 === 0)
            for (const other of live) if (other !== handle) return drop(given, other, handle);
          if (live.size % 3 === 1 && depth < 3) given.shrinkPages(1);
          if (live.has(handle)) drop(given, handle);
          const more = given.alloc(250);
          if (typeof more !== "string") live.add(more);
          verify(given);
          depth--;
          return true;
        },
      });
      const drop = (given: Pool, ...handles: Handle[]): boolean => {
        for (const handle of handles) {
          given.free(handle);
          live.delete(handle);
        }
        return true;
      };
      for (let round = 0; round < 40; round++) {
        depth = 0;
        const handle = pool.alloc(200 + ((round * 397) % 1500));
        if (typeof handle !== "string") live.add(handle);
        if (handle === "ENOMEM" || round % 5 === 0) pool.shrinkPages(2);
        verify(pool);
        assert.equal(pool.stats().objects, live.size);
      }
      finish(pool, live);
    });

    it("makes room: a full pool that shrinks can store again, for ever", () => {
      const evicted: Handle[] = [];
      const pool = make({
        maxPages: 4,
        onEvict: (handle, given) => {
          evicted.push(handle);
          return freeIt(handle, given);
        },
      });
      for (let i = 0; i < 500; i++) {
        const size = 1 + ((i * 769) % facts.maxObjectBytes(4096));
        let handle = pool.alloc(size);
        for (let tries = 0; handle === "ENOMEM" && tries < 4; tries++) {
          assert.equal(pool.shrinkPages(1).result, "ok");
          handle = pool.alloc(size);
        }
        assert.equal(typeof handle, "number", `object ${i} of ${size} bytes: ${handle}`);
      }
      assert.ok(evicted.length > 100);
      pool.shrinkPages(4);
      finish(pool);
    });
  });
}

function byNumber(a: number, b: number): number {
  return a - b;
}
