import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertObject, finish, put } from "../../support/objects.ts";
import type { PoolFacts, PoolMaker } from "./facts.ts";
import { FORGED_HANDLES } from "./forged.ts";

/** Every operation that takes a handle, as misuse calls it. */
const HANDLE_CALLS: Record<string, (pool: Pool, handle: Handle) => unknown> = {
  free: (pool, handle) => pool.free(handle),
  map: (pool, handle) => pool.map(handle, "rw"),
  "map read-only": (pool, handle) => pool.map(handle, "ro"),
  unmap: (pool, handle) => pool.unmap(handle),
  read: (pool, handle) => pool.read(handle, new Uint8Array(4096)),
  write: (pool, handle) => pool.write(handle, new Uint8Array(1)),
  sizeOf: (pool, handle) => pool.sizeOf(handle),
  inspect: (pool, handle) => pool.inspect(handle),
};

/** Wrong handles and calls after close are typed errors, and do no harm. */
export function misuseContract(_facts: PoolFacts, make: PoolMaker): void {
  describe("misuse", () => {
    for (const [name, call] of Object.entries(HANDLE_CALLS)) {
      it(`${name}: EBADF for a handle that was freed, is another pool's, or was never issued`, () => {
        const pool = make({ maxPages: 8 });
        const other = make({ maxPages: 8 });
        const kept = [100, 1000, 2000].map((size, i) => put(pool, size, i + 1));
        const freed = put(pool, 300, 9);
        pool.free(freed);
        const foreign = [50, 60, 3000]
          .map((size) => put(other, size, 1))
          .filter((each) => !kept.includes(each));
        const before = pool.stats();
        for (const handle of [freed, freed, ...foreign, ...FORGED_HANDLES]) {
          if (kept.includes(handle as Handle)) continue;
          assert.throws(() => call(pool, handle as Handle), isCode("EBADF"), `${name}(${String(handle)})`);
        }
        verify(pool);
        assert.deepEqual(pool.stats(), before);
        for (const [i, size] of [100, 1000, 2000].entries()) assertObject(pool, kept[i], size, i + 1);
        finish(pool, kept);
        other.close();
      });
    }

    it("a handle stays wrong when its place is taken by another object", () => {
      const pool = make({ maxPages: 8 });
      const stale: Handle[] = [];
      for (let i = 0; i < 1000; i++) {
        const handle = put(pool, 400, i % 256);
        assert.ok(!stale.includes(handle), `handle ${handle} was issued before`);
        for (const old of [stale[0], stale[i >>> 1], stale[i - 1]]) {
          if (old !== undefined) assert.throws(() => pool.free(old), isCode("EBADF"));
        }
        assertObject(pool, handle, 400, i % 256);
        pool.free(handle);
        stale.push(handle);
      }
      finish(pool);
    });

    it("the object of another pool with the same history is not reached", () => {
      const pools = [make({ maxPages: 4 }), make({ maxPages: 4 }), make({ maxPages: 4 })];
      const handles = pools.map((pool, i) => put(pool, 800, i + 1));
      for (const [i, pool] of pools.entries()) {
        for (const [j, handle] of handles.entries()) {
          if (i !== j) assert.throws(() => pool.free(handle), isCode("EBADF"));
        }
        assertObject(pool, handles[i], 800, i + 1);
        finish(pool, [handles[i]]);
      }
    });

    it("is ECLOSED after close, whatever is called", () => {
      const pool = make({ maxPages: 4, onEvict: () => false });
      const handle = put(pool, 100, 1);
      pool.close();
      const calls: Record<string, () => unknown> = {
        malloc: () => pool.alloc(100),
        shrinkPages: () => pool.shrinkPages(1),
        "shrinkPages(0)": () => pool.shrinkPages(0),
        stats: () => pool.stats(),
        trim: () => pool.trim(),
        verify: () => verify(pool),
        observe: () => pool.observe({}),
        totalPages: () => pool.pageCount,
        totalSize: () => pool.totalBytes,
      };
      for (const [name, call] of Object.entries(calls)) assert.throws(call, isCode("ECLOSED"), name);
      for (const [name, call] of Object.entries(HANDLE_CALLS)) {
        assert.throws(() => call(pool, handle), isCode("ECLOSED"), name);
        assert.throws(() => call(pool, 0 as Handle), isCode("ECLOSED"), name);
      }
    });

    it("closes at the end of a using block, also if it was closed before", () => {
      for (const isClosed of [false, true]) {
        const pool = make({ maxPages: 4 });
        put(pool, 100, 1);
        if (isClosed) pool.close();
        pool[Symbol.dispose]();
        assert.throws(() => pool.alloc(1), isCode("ECLOSED"));
      }
    });

    it("takes bytes only as Uint8Array", () => {
      const pool = make({ maxPages: 4 });
      const handle = put(pool, 100, 1);
      for (const bytes of ["text", 5, null, undefined, {}, [1, 2], new ArrayBuffer(4), new Float64Array(2)]) {
        assert.throws(() => pool.write(handle, bytes as Uint8Array), isCode("EINVAL"));
        assert.throws(() => pool.read(handle, bytes as Uint8Array), isCode("EINVAL"));
      }
      assertObject(pool, handle, 100, 1);
      finish(pool, [handle]);
    });

    it("survives a close by its own evict handler", () => {
      const pool = make({
        maxPages: 4,
        onEvict: (_handle, given) => {
          given.close();
          return true;
        },
      });
      put(pool, 100, 1);
      if (!pool.evictable) return pool.close();
      assert.throws(() => pool.shrinkPages(1), isCode("ECLOSED"));
      assert.throws(() => pool.alloc(1), isCode("ECLOSED"));
    });
  });
}
