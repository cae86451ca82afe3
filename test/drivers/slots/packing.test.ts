/** How well objects are packed: cases that other systems test their compressed memory with, and further rows. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { SlotsPool } from "../../../src/drivers/slots/index.ts";
import { refillHoles } from "../../support/exact-holes.ts";
import { assertFill, finish, freeIt, put, take } from "../../support/objects.ts";
import { fullSnapshot } from "./full-snapshot.ts";

const PAGE = 4096;
const SLOT = 64;

describe("packing", () => {
  it("holes that are refilled in another order need no more pages", () => {
    const pairs: [number, number][] = [];
    for (let size = 128; size <= PAGE - 128; size += SLOT) pairs.push([size, PAGE - size]);
    refillHoles(new SlotsPool({ maxPages: 128 }), pairs);
  });

  it("182 objects of every size from 32 bytes up, every byte checked, and every slot used again", () => {
    const pool = new SlotsPool({ maxPages: 182 });
    for (let size = 32; size <= PAGE; size += size < 512 ? 13 : 97) {
      const handles = Array.from({ length: 182 }, (_, i) => put(pool, size, i));
      const perPage = Math.floor(SLOT / Math.ceil(size / SLOT));
      assert.equal(pool.pageCount, Math.ceil(182 / perPage), `${size} bytes, ${perPage} a page`);
      for (const [i, handle] of handles.entries()) assertFill(pool, handle, i);
      verify(pool);
      for (const handle of handles) pool.free(handle);
      assert.equal(pool.pageCount, 0);
    }
    finish(pool);
  });

  it("takes the tightest gap of all pages, and inside a page the tightest, the lowest of several", () => {
    const pool = new SlotsPool({ maxPages: 8 });
    // Gaps in one page: 5 slots at 3, 3 at 10, 9 at 20, 3 at 40; and a page whose only gap is 4.
    const spans = [3, 5, 2, 3, 7, 9, 11, 3, 21].map((slots) => take(pool, slots * SLOT));
    const other = take(pool, 60 * SLOT);
    for (const i of [1, 3, 5, 7]) pool.free(spans[i]);
    const placeOf = (slots: number): [page: number, slot: number] => {
      const handle = take(pool, slots * SLOT - 1);
      const { page, offset } = pool.inspect(handle);
      verify(pool);
      pool.free(handle);
      return [page, offset / SLOT];
    };
    assert.deepEqual(placeOf(1), [1, 60], "the page with the tightest longest gap");
    assert.deepEqual(placeOf(4), [1, 60]);
    assert.deepEqual(placeOf(5), [0, 3]);
    assert.deepEqual(placeOf(6), [0, 20]);
    assert.deepEqual(placeOf(9), [0, 20]);
    assert.deepEqual(placeOf(10), [2, 0], "no gap of all takes it");
    pool.free(other);
    assert.deepEqual(placeOf(1), [0, 10], "the lowest of the tightest gaps");
    assert.deepEqual(placeOf(4), [0, 3]);
    finish(
      pool,
      [0, 2, 4, 6, 8].map((i) => spans[i]),
    );
  });

  it("a page is released with its last object, and a freed gap joins both its neighbours", () => {
    const pool = new SlotsPool({ maxPages: 8 });
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [1, 2, 0],
      [0, 2, 1],
    ]) {
      const handles = [10, 22, 32].map((slots) => take(pool, slots * SLOT));
      assert.equal(pool.pageCount, 1);
      for (const i of order) {
        pool.free(handles[i]);
        verify(pool);
      }
      assert.equal(pool.pageCount, 0);
      const whole = take(pool, PAGE);
      assert.equal(pool.pageCount, 1, "a whole page is free again");
      pool.free(whole);
    }
    finish(pool);
  });

  it("never holds more pages than objects, whatever is freed", () => {
    const pool = new SlotsPool({ maxPages: 1000 });
    const prng = new Prng(3);
    const live: Handle[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (prng.chance(i < 10_000 ? 0.6 : 0.4) && live.length < 900)
        live.push(take(pool, 1 + prng.below(PAGE)));
      else if (live.length > 0) pool.free(live.splice(prng.below(live.length), 1)[0]);
      assert.ok(pool.pageCount <= live.length, `${pool.pageCount} pages for ${live.length} objects`);
    }
    finish(pool, live);
  });

  it("keeps every byte of a pool full to the limit, and each reclaim frees exactly one page", () => {
    const pool = new SlotsPool({ maxPages: 200, onEvict: freeIt });
    const live: { handle: Handle; fill: number }[] = [];
    for (let size = 1; ; size = size + 21 > PAGE ? 1 : size + 21) {
      const handle = pool.alloc(size);
      if (typeof handle === "string") {
        assert.equal(handle, "ENOMEM");
        break;
      }
      const fill = live.length % 256;
      pool.map(handle).fill(fill);
      live.push({ handle, fill });
    }
    for (const { handle, fill } of live) assertFill(pool, handle, fill);
    for (let page = 199; page >= 0; page--) {
      assert.equal(pool.reclaimPage(), "ok");
      assert.equal(pool.pageCount, page);
    }
    assert.equal(pool.stats().objectsEvicted, live.length);
    finish(pool);
  });
});

describe("pages of many objects", () => {
  it("take 64 of one slot each, in any order of frees, and give their further rows back", () => {
    const pool = new SlotsPool({ maxPages: 4 });
    const prng = new Prng(8);
    const live = new Map<Handle, number>();
    const { metadataBytes: empty } = pool.stats();
    for (let round = 0; round < 30; round++) {
      while (live.size < 256) {
        const fill = prng.below(256);
        live.set(put(pool, 1 + prng.below(SLOT), fill), fill);
      }
      assert.equal(pool.pageCount, 4);
      assert.equal(pool.alloc(1), "ENOMEM");
      // 6 objects in a page's own row, 9 in each further one.
      assert.equal(pool.stats().metadataBytes - empty, 4 * (1 + 7) * 64);
      verify(pool);
      for (const [handle, fill] of live) {
        assertFill(pool, handle, fill);
        if (prng.chance(round / 30)) {
          pool.free(handle);
          live.delete(handle);
          verify(pool);
        }
      }
    }
    finish(pool, live.keys());
    assert.equal(new SlotsPool({ maxPages: 4 }).stats().metadataBytes, empty);
  });

  it("when there are no further rows left, go on in a new page; with no page left, ENOMEM", () => {
    const pool = new SlotsPool({ maxPages: 3, maxObjects: 7 });
    const handles = Array.from({ length: 15 }, () => take(pool, SLOT));
    assert.equal(pool.pageCount, 1, "6 objects in the row of the page, 9 in the only further one");
    while (handles.length < 15 + 2 * 6) handles.push(take(pool, SLOT));
    assert.equal(pool.pageCount, 3);
    assert.equal(pool.alloc(SLOT), "ENOMEM");
    const before = fullSnapshot(pool);
    assert.equal(pool.alloc(SLOT), "ENOMEM");
    before.stats.allocsRefused.ENOMEM++;
    assert.deepEqual(fullSnapshot(pool), before, "a refused alloc changes nothing but its counter");
    for (const handle of handles.splice(6, 9)) pool.free(handle);
    while (handles.length < 3 * 6 + 9) handles.push(take(pool, SLOT));
    finish(pool, handles);
  });

  it("are reclaimed in the order in which the objects lie, also when a thing was freed meanwhile", () => {
    const offered: number[] = [];
    const pool: SlotsPool = new SlotsPool({
      maxPages: 2,
      onEvict: (handle, given) => {
        offered.push(given.inspect(handle).offset / SLOT);
        if (offered.length === 3) for (const each of handles.slice(10, 50)) given.free(each);
        return freeIt(handle, given);
      },
    });
    const handles = Array.from({ length: 64 }, () => take(pool, 1));
    for (const slot of [5, 60, 0]) pool.free(handles[slot]);
    handles[0] = take(pool, 1);
    assert.equal(pool.reclaimPage(1), "ok");
    const rest = [5, 60];
    const expected = [...Array(64).keys()].filter((i) => !rest.includes(i) && (i < 10 || i >= 50));
    assert.deepEqual(offered, expected);
    finish(pool);
  });
});
