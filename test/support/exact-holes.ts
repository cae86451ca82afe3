import assert from "node:assert/strict";
import { type Handle, Prng } from "../../src/base/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import type { Pool } from "../../src/pool/index.ts";
import { assertFill, finish, put } from "./objects.ts";

/** Fills pages with two objects each, frees one of every page, and puts them back in another order: all fit. */
export function refillHoles(pool: Pool, pairs: readonly (readonly [number, number])[]): void {
  const fills = new Map<Handle, number>();
  const add = (size: number): void => {
    const fill = (fills.size * 7) % 256;
    fills.set(put(pool, size, fill), fill);
  };
  for (const sizes of pairs) sizes.forEach(add);
  const pages = pool.pageCount;
  assert.equal(pages, pairs.length, "each pair fills one page");
  const prng = new Prng(11);
  for (let round = 0; round < 20; round++) {
    const holes: number[] = [];
    for (const { objects } of snapshot(pool).pages) {
      assert.equal(objects.length, 2, "every page is full");
      const { handle, size } = objects[prng.below(2)];
      holes.splice(prng.below(holes.length + 1), 0, size);
      pool.free(handle);
      fills.delete(handle);
    }
    assert.equal(pool.pageCount, pages);
    for (const size of holes) {
      add(size);
      assert.equal(pool.pageCount, pages, "every hole is filled by what fits it exactly");
    }
    verify(pool);
    for (const [handle, fill] of fills) assertFill(pool, handle, fill);
  }
  finish(pool, fills.keys());
}
