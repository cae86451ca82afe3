/** What names no object: words of rows that are no records, records that are empty, generations that are past. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { snapshot } from "../../../src/diagnostics/index.ts";
import { SlotsPool } from "../../../src/drivers/slots/index.ts";
import { isCode } from "../../support/is-code.ts";
import { assertFill, finish, put, take } from "../../support/objects.ts";

/** Bits of a handle below its slot. */
const TAG_BITS = 6;
const ROW_WORDS = 16;

describe("handles of slots pools", () => {
  it("only those of live objects are taken, of all words of the table under all small generations", () => {
    const maxPages = 2;
    const pool = new SlotsPool({ maxPages });
    // One page with further rows, and one with a single object.
    const live = Array.from({ length: 64 }, () => take(pool, 40));
    live.push(take(pool, 4096 - 64));
    for (const handle of live.splice(20, 20)) pool.free(handle);
    const rows = maxPages * 8;
    const slotBits = Math.ceil(Math.log2(rows * ROW_WORDS));
    const tag = live[0] % 2 ** TAG_BITS;
    // Of a record that was never freed.
    const first = Math.floor(live[0] / 2 ** (TAG_BITS + slotBits));
    const known = new Set<number>(live);
    const before = snapshot(pool);
    let found = 0;
    // Words of a row also hold masks, links and sizes: values that a generation could have.
    for (let slot = 0; slot < 2 ** slotBits; slot++) {
      for (const more of [...Array(70).keys(), 128, 208, 224, 0xffff, 2 ** 20]) {
        const generation = first + more;
        const handle = ((generation * 2 ** slotBits + slot) * 2 ** TAG_BITS + tag) as Handle;
        if (known.has(handle)) {
          found++;
          assert.equal(pool.sizeOf(handle), handle === live.at(-1) ? 4096 - 64 : 40);
        } else {
          assert.throws(() => pool.free(handle), isCode("EBADF"), `slot ${slot}, generation ${generation}`);
        }
      }
    }
    assert.equal(found, live.length, "every live object's handle was among them");
    assert.deepEqual(snapshot(pool), before);
    finish(pool, live);
  });

  it("a word that is no record names nothing whatever it says", () => {
    const pool = new SlotsPool({ maxPages: 4, shared: true });
    const handle = put(pool, 100, 7);
    const others = Array.from({ length: 6 }, () => put(pool, 100, 8));
    const table = new Int32Array(pool.share().table);
    const slotBits = Math.ceil(Math.log2(4 * 8 * ROW_WORDS));
    const tag = handle % 2 ** TAG_BITS;
    const firstRow = 208;
    for (let slot = 0; slot < 4 * 8 * ROW_WORDS; slot++) {
      const generation = table[firstRow + slot] & (2 ** 29 - 1);
      const forged = ((generation * 2 ** slotBits + slot) * 2 ** TAG_BITS + tag) as Handle;
      if (forged === handle || others.includes(forged)) continue;
      assert.throws(() => pool.sizeOf(forged), isCode("EBADF"), `word ${slot % ROW_WORDS} of a row`);
    }
    assertFill(pool, handle, 7);
    finish(pool, [handle, ...others]);
  });

  it("a record that was used again and again knows the freed ones, in a further row too", () => {
    const pool = new SlotsPool({ maxPages: 1 });
    const kept = Array.from({ length: 6 }, () => take(pool, 64));
    const seen = new Set<Handle>();
    for (let round = 0; round < 20_000; round++) {
      const handle = take(pool, 64);
      assert.ok(!seen.has(handle), "no handle comes again");
      seen.add(handle);
      pool.free(handle);
    }
    const last = take(pool, 64);
    for (const handle of seen) assert.throws(() => pool.free(handle), isCode("EBADF"));
    finish(pool, [...kept, last]);
  });
});
