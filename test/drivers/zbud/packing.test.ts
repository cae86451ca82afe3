/** How well objects are packed: cases that other systems test their compressed memory with. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { refillHoles } from "../../support/exact-holes.ts";
import { assertFill, finish, freeIt, take } from "../../support/objects.ts";

describe("packing", () => {
  it("holes that are refilled in another order need no more pages", () => {
    const pairs: [number, number][] = [];
    for (let size = 128; size <= 4096 - 192; size += 64) pairs.push([size, 63 * 64 - size]);
    refillHoles(new ZbudPool({ maxPages: 128 }), pairs);
  });

  it("does no harm: never more pages than objects, whatever is freed", () => {
    const pool = new ZbudPool({ maxPages: 1000 });
    const prng = new Prng(3);
    const live: Handle[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (prng.chance(i < 10_000 ? 0.6 : 0.4) && live.length < 900)
        live.push(take(pool, 1 + prng.below(3968)));
      else if (live.length > 0) pool.free(live.splice(prng.below(live.length), 1)[0]);
      assert.ok(pool.pageCount <= live.length, `${pool.pageCount} pages for ${live.length} objects`);
    }
    finish(pool, live);
  });

  it("a fill of small objects has two to a page", () => {
    const pool = new ZbudPool({ maxPages: 1000 });
    const prng = new Prng(4);
    const live = Array.from({ length: 2000 }, () => take(pool, 1 + prng.below(31 * 64)));
    const { density, utilisation, pages } = pool.stats();
    assert.equal(pages, 1000);
    assert.equal(density, 2);
    assert.ok(utilisation > 0.4 && utilisation < 0.6);
    finish(pool, live);
  });

  it("keeps every byte of objects of every size, full to the limit, and all counters return to 0", () => {
    const pool = new ZbudPool({ maxPages: 200, onEvict: freeIt });
    const live: { handle: Handle; fill: number }[] = [];
    for (let size = 1; ; size = (size % 3968) + 21 > 3968 ? 1 : size + 21) {
      const handle = pool.alloc(size);
      if (typeof handle === "string") {
        assert.equal(handle, "ENOMEM");
        break;
      }
      const fill = live.length % 256;
      pool.map(handle).fill(fill);
      live.push({ handle, fill });
    }
    assert.equal(pool.pageCount, 200);
    assert.ok(live.length >= 200);
    for (const { handle, fill } of live) assertFill(pool, handle, fill);
    for (let page = 199; page >= 0; page--) {
      assert.equal(pool.reclaimPage(), "ok");
      assert.equal(pool.pageCount, page, "each reclaim frees exactly one page");
    }
    assert.equal(pool.stats().objectsEvicted, live.length);
    finish(pool);
  });
});
