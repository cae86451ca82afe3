import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { assertObject, fillUp, finish, put } from "../../support/objects.ts";
import { SHARING } from "../sharing.ts";
import type { PoolFacts, PoolMaker } from "./facts.ts";

/** What a pool says of its memory, and what it gives back. */
export function memoryContract(facts: PoolFacts, make: PoolMaker): void {
  const { maxObjectBytes, objectsPerPageMax } = facts;

  describe("memory", () => {
    it("counts pages and bytes in use, never above maxPages", () => {
      for (const pageSize of [4096, 2048]) {
        const pool = make({ maxPages: 16, pageSize });
        assert.equal(pool.pageSize, pageSize);
        assert.equal(pool.pageCount, 0);
        assert.equal(pool.totalBytes, 0);
        const handles = fillUp(pool, 400, 16 * objectsPerPageMax);
        assert.ok(pool.pageCount > 0 && pool.pageCount <= 16);
        assert.equal(pool.totalBytes, pool.pageCount * pageSize);
        finish(pool, handles);
      }
    });

    it("is empty again after everything was freed, in any order", () => {
      const pool = make({ maxPages: 32 });
      for (let round = 0; round < 6; round++) {
        const handles = fillUp(pool, 200 + 450 * round, 32 * objectsPerPageMax);
        if (round % 2 === 1) handles.reverse();
        const odd = handles.filter((_, i) => i % 2 === 1);
        for (const handle of odd) pool.free(handle);
        verify(pool);
        for (const [i, handle] of handles.entries()) if (i % 2 === 0) pool.free(handle);
        assert.equal(pool.pageCount, 0);
        assert.equal(pool.stats().objects, 0);
      }
      finish(pool);
    });

    it("gives stats that agree with what is stored", () => {
      const pool = make({ maxPages: 64 });
      const most = maxObjectBytes(4096);
      const sizes = [1, 63, 64, 65, 128, 129, 1000, 1024, 1025, 2048, most - 1, most];
      const empty = pool.stats();
      assert.equal(empty.density, 0);
      assert.equal(empty.utilisation, 0);
      assert.deepEqual(empty.allocsRefused, { ENOSPC: 0, ENOMEM: 0 });
      const handles = sizes.map((size) => put(pool, size, 3));
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      const stats = pool.stats();
      assert.equal(stats.objects, sizes.length);
      assert.equal(stats.objectBytes, bytes);
      assert.equal(stats.pages, pool.pageCount);
      assert.equal(stats.pageBytes, pool.totalBytes);
      assert.ok(stats.metadataBytes > 0 && stats.metadataBytes < stats.pageBytes);
      assert.equal(stats.density, sizes.length / stats.pages);
      assert.equal(stats.utilisation, bytes / stats.pageBytes);
      const histogram = new Array<number>(64).fill(0);
      for (const size of sizes) histogram[Math.ceil(size / 64) - 1]++;
      assert.deepEqual([...stats.sizeHistogram], histogram);
      finish(pool, handles);
    });

    it("keeps the size histogram in 64 steps of any page size, and forgets what was freed", () => {
      for (const pageSize of [1024, 4096, 65536]) {
        const pool = make({ maxPages: 64, pageSize });
        const step = pageSize / 64;
        const handles: Handle[] = [];
        for (let i = 1; i * step <= maxObjectBytes(pageSize); i++) {
          for (const size of [i * step, (i - 1) * step + 1]) handles.push(put(pool, size, 1));
          const { sizeHistogram } = pool.stats();
          assert.equal(sizeHistogram.length, 64);
          assert.equal(sizeHistogram[i - 1], 2, `step ${i - 1} of pages of ${pageSize}`);
          for (const handle of handles.splice(0)) pool.free(handle);
          assert.equal(pool.stats().sizeHistogram[i - 1], 0);
        }
        finish(pool);
      }
    });

    it("gives a snapshot: later operations do not change it", () => {
      const pool = make({ maxPages: 4 });
      const before = pool.stats();
      const copy = structuredClone(before);
      const handle = put(pool, 100, 1);
      pool.alloc(2 ** 20);
      assert.deepEqual(before, copy);
      finish(pool, [handle]);
    });

    it("trims without touching what is stored", () => {
      for (const shared of SHARING) {
        const pool = make({ maxPages: 1024, shared });
        const handles = fillUp(pool, 1000, 1024 * objectsPerPageMax);
        const kept = handles.splice(handles.length >>> 1, 3);
        for (const [i, handle] of kept.entries()) pool.write(handle, new Uint8Array(1000).fill(i + 1));
        for (const handle of handles) pool.free(handle);
        const given = pool.trim();
        assert.ok(Number.isInteger(given) && given >= 0, `trim gave ${given}`);
        for (const [i, handle] of kept.entries()) assertObject(pool, handle, 1000, i + 1);
        verify(pool);
        const refilled = fillUp(pool, 1000, 1024 * objectsPerPageMax);
        for (const [i, handle] of kept.entries()) assertObject(pool, handle, 1000, i + 1);
        finish(pool, [...kept, ...refilled]);
      }
    });
  });
}
