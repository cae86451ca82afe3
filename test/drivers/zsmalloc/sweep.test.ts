/** Fills pools with objects of every size. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { ZsmallocPool } from "../../../src/drivers/index.ts";
import { finish } from "../../support/objects.ts";

/** Objects of each size. */
const OBJECTS = 182;

/** Every byte depends on the object and on where it is in it. */
function patternOf(size: number, i: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = Math.imul(at + 1, 2 * i + 1) >>> 3;
  return bytes;
}

describe("every size", () => {
  it(`${OBJECTS} objects of every size from 32 bytes up: filled, every byte read back, freed`, (t) => {
    const pool = new ZsmallocPool({ maxPages: 256 });
    const byQuarter: number[][] = [[], [], [], []];
    const patterns = Array.from({ length: OBJECTS }, (_, i) => patternOf(4096, i));
    const handles: Handle[] = [];
    const into = new Uint8Array(4096);
    for (let size = 32; size <= 4096; size++) {
      for (let i = 0; i < OBJECTS; i++) {
        const handle = pool.alloc(size);
        if (typeof handle === "string") assert.fail(`object ${i} of ${size} bytes: ${handle}`);
        pool.write(handle, patterns[i].subarray(0, size));
        handles.push(handle);
      }
      for (const [i, handle] of handles.entries()) {
        assert.equal(pool.read(handle, into), size);
        assert.equal(Buffer.compare(into.subarray(0, size), patterns[i].subarray(0, size)), 0);
      }
      const { objects, utilisation, pages } = pool.stats();
      assert.equal(objects, OBJECTS);
      const used = pool.classes.find((each) => each.size >= size);
      assert.equal(pages, Math.ceil(OBJECTS / (used?.objects ?? 1)) * (used?.pages ?? 1));
      byQuarter[Math.min(3, size >> 10)].push(utilisation);
      for (const handle of handles.splice(0)) pool.free(handle);
      assert.equal(pool.pageCount, 0);
    }
    const figures = byQuarter.map((all) => {
      const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
      return `${(100 * mean).toFixed(1)} % (least ${(100 * Math.min(...all)).toFixed(1)} %)`;
    });
    t.diagnostic(`utilisation of pages by size, up to 1, 2, 3 and 4 KiB: ${figures.join(", ")}`);
    finish(pool);
  });

  it("all sizes together, in pages and groups of several kinds", () => {
    for (const [pageSize, maxGroupPages] of [
      [4096, 1],
      [4096, 16],
      [1024, 4],
      [3328, 5],
      [64, 4],
      [16384, 3],
    ]) {
      const pool = new ZsmallocPool({ maxPages: 4096, pageSize, maxGroupPages });
      const step = Math.max(1, pageSize >> 8);
      const objects = new Map<Handle, [number, number]>();
      for (let size = 1; size <= pageSize; size += step) {
        const handle = pool.alloc(size);
        if (typeof handle === "string") assert.fail(`${size} bytes: ${handle}`);
        pool.write(handle, patternOf(size, size & 0xff));
        objects.set(handle, [size, size & 0xff]);
      }
      verify(pool);
      for (const [handle, [size, i]] of objects) {
        const view = pool.map(handle, "ro");
        assert.deepEqual(view, patternOf(size, i));
        pool.unmap(handle);
      }
      finish(pool, objects.keys());
    }
  });

  it("several pieces: objects cross page borders, and bytes land where they belong", () => {
    const pool = new ZsmallocPool({ maxPages: 64, maxGroupPages: 4 });
    const handles = Array.from({ length: 40 }, () => pool.alloc(1500) as Handle);
    for (const [i, handle] of handles.entries()) pool.write(handle, patternOf(1500, i));
    const crossing = handles.filter((handle) => pool.inspect(handle).offset + 1500 > 4096);
    assert.ok(crossing.length > 5, `${crossing.length} objects lie in two pages`);
    for (const handle of crossing) {
      // Only the first bytes, and only some behind the border.
      pool.write(handle, patternOf(1490, 255));
      const view = pool.map(handle);
      assert.deepEqual(view.subarray(0, 1490), patternOf(1490, 255));
      view[1499] = 7;
      pool.unmap(handle);
      assert.equal(pool.map(handle, "ro")[1499], 7);
      pool.unmap(handle);
    }
    for (const [i, handle] of handles.entries()) {
      if (!crossing.includes(handle)) assert.deepEqual(pool.map(handle, "ro"), patternOf(1500, i));
    }
    finish(pool, handles);
  });
});
