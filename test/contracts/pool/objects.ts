import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertObject, fillUp, finish, put } from "../../support/objects.ts";
import type { PoolFacts, PoolMaker } from "./facts.ts";

/** Allocating, freeing and reaching the bytes of objects. */
export function objectContract(facts: PoolFacts, make: PoolMaker): void {
  const { maxObjectBytes, objectsPerPageMax, mapsInPlace } = facts;

  describe("objects", () => {
    it("keeps one object of every size, byte for byte", () => {
      const most = maxObjectBytes(4096);
      const pool = make({ maxPages: 64 });
      for (let size = 1; size <= most; size += size < 130 || size > most - 130 ? 1 : 37) {
        const handle = put(pool, size, size % 255);
        assertObject(pool, handle, size, size % 255);
        verify(pool);
        pool.free(handle);
      }
      finish(pool);
    });

    it("takes the largest object, and refuses one byte more with ENOSPC", () => {
      for (const pageSize of [4096, 8192, 1024, 65536]) {
        const pool = make({ maxPages: 8, pageSize });
        const most = maxObjectBytes(pageSize);
        const handle = put(pool, most, 1);
        for (const size of [most + 1, pageSize + 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53]) {
          assert.equal(pool.alloc(size), "ENOSPC", `malloc(${size}), pages of ${pageSize}`);
        }
        assertObject(pool, handle, most, 1);
        finish(pool, [handle]);
      }
    });

    it("tells an object that never fits from a pool that is full", () => {
      const pool = make({ maxPages: 8 });
      const most = maxObjectBytes(4096);
      const handles = fillUp(pool, most, 8 * objectsPerPageMax);
      assert.ok(handles.length > 0);
      assert.equal(pool.alloc(most), "ENOMEM");
      assert.equal(pool.alloc(most + 1), "ENOSPC", "full, but this one never fits");
      assert.deepEqual(pool.stats().allocsRefused, { ENOSPC: 1, ENOMEM: 2 });
      verify(pool);
      pool.free(handles.pop() as Handle);
      handles.push(put(pool, most, 9));
      finish(pool, handles);
    });

    it("throws EINVAL for what is no size, and nothing changes", () => {
      const pool = make({ maxPages: 4 });
      const handle = put(pool, 100, 7);
      const before = pool.stats();
      const sizes = [
        0,
        -0,
        -1,
        0.5,
        64.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        "64",
        null,
        undefined,
        64n,
        {},
        [64],
      ];
      for (const size of sizes) assert.throws(() => pool.alloc(size as number), isCode("EINVAL"));
      assert.deepEqual(pool.stats(), before);
      verify(pool);
      assertObject(pool, handle, 100, 7);
      finish(pool, [handle]);
    });

    it("issues handles that are integers above 0, each for one object", () => {
      const pool = make({ maxPages: 64 });
      const handles = fillUp(pool, 500, 64 * objectsPerPageMax);
      for (const handle of handles) assert.ok(Number.isSafeInteger(handle) && handle > 0, `${handle}`);
      assert.equal(new Set(handles).size, handles.length);
      finish(pool, handles);
    });

    it("maps exactly the object's bytes", () => {
      const pool = make({ maxPages: 64 });
      const sizes = [1, 63, 64, 65, 500, 1000, maxObjectBytes(4096)];
      const handles = sizes.map((size, i) => put(pool, size, i + 1));
      for (const [i, handle] of handles.entries()) {
        const view = pool.map(handle, "ro");
        assert.equal(view.length, sizes[i]);
        assert.ok(view.every((byte) => byte === i + 1));
        pool.unmap(handle);
        pool.map(handle, "rw").fill(100 + i);
        pool.unmap(handle);
      }
      for (const [i, handle] of handles.entries()) assertObject(pool, handle, sizes[i], 100 + i);
      finish(pool, handles);
    });

    it(`map's view ${mapsInPlace ? "stays right while others come and go" : "is written back by unmap"}`, () => {
      const pool = make({ maxPages: 64 });
      const handle = put(pool, 900, 1);
      const view = pool.map(handle, "rw");
      view.fill(2);
      if (mapsInPlace) {
        for (let round = 0; round < 4; round++) {
          const others = fillUp(pool, 300 + round * 100, 64 * objectsPerPageMax);
          for (const other of others) pool.free(other);
          pool.trim();
        }
        assert.equal(view.length, 900);
        assertObject(pool, handle, 900, 2);
      }
      view.fill(3);
      pool.unmap(handle);
      assertObject(pool, handle, 900, 3);
      finish(pool, [handle]);
    });

    it("an object that is mapped twice is mapped once: what was written to it is not lost", () => {
      const pool = make({ maxPages: 4 });
      const handle = put(pool, 300, 1);
      pool.map(handle, "rw").fill(2);
      assert.equal(pool.map(handle, "ro")[299], 2);
      assert.equal(pool.map(handle, "rw")[0], 2);
      pool.unmap(handle);
      pool.unmap(handle);
      assertObject(pool, handle, 300, 2);
      finish(pool, [handle]);
    });

    it("reads and writes copies", () => {
      const pool = make({ maxPages: 4 });
      const handle = put(pool, 200, 5);
      const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
      pool.write(handle, bytes);
      bytes.fill(0);
      const into = new Uint8Array(260).fill(0xee);
      assert.equal(pool.read(handle, into), 200);
      for (let i = 0; i < 200; i++) assert.equal(into[i], i);
      assert.ok(
        into.subarray(200).every((byte) => byte === 0xee),
        "nothing is written behind the object's bytes",
      );
      into.fill(9);
      const again = new Uint8Array(200);
      pool.read(handle, again);
      assert.equal(again[7], 7, "read hands out no view");
      finish(pool, [handle]);
    });

    it("refuses to write more bytes than the object has, and its neighbours are untouched", () => {
      const pool = make({ maxPages: 8 });
      const handles = fillUp(pool, 700, 8 * objectsPerPageMax);
      for (const [i, handle] of handles.entries()) pool.write(handle, new Uint8Array(700).fill(i + 1));
      for (const length of [701, 1400, 65536]) {
        assert.throws(() => pool.write(handles[0], new Uint8Array(length).fill(0xff)), isCode("EINVAL"));
      }
      for (const [i, handle] of handles.entries()) assertObject(pool, handle, 700, i + 1);
      finish(pool, handles);
    });

    it("tells where an object lies", () => {
      const pool = make({ maxPages: 16 });
      const handles = [100, 2000, 500, 3000].map((size) => put(pool, size, 1));
      for (const handle of handles) {
        const { page, offset, size } = pool.inspect(handle);
        assert.ok(Number.isInteger(page) && page >= 0 && page < pool.shape.maxPages);
        assert.ok(Number.isInteger(offset) && offset >= 0 && offset < pool.pageSize);
        assert.equal(size, pool.sizeOf(handle));
      }
      finish(pool, handles);
    });
  });
}
