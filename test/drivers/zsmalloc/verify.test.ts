/** `verify()` itself: damage to any word of a table that says something is noticed. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { ZsmallocPool } from "../../../src/drivers/index.ts";
import { geometryOf } from "../../../src/drivers/zsmalloc/geometry.ts";
import { finish, putMany } from "../../support/objects.ts";

/** Words of a group's row whose every value is possible: they only order what is reclaimed. */
const STAMP = 6;
/** Words of an object's row whose every value is possible: a generation. */
const GENERATION = 3;
/** Words of the header that the pool itself does not rely on for its books, or that any value can have. */
const HEADER_WORDS = 80;

/** A pool with groups of every kind: full, partly filled, spared, short, released; and the words of its table. */
function damagedPool(): { pool: ZsmallocPool; table: Int32Array; live: Handle[] } {
  const pool = new ZsmallocPool({
    maxPages: 24,
    maxGroupPages: 4,
    pageSize: 256,
    shared: true,
    onEvict: () => false,
  });
  const table = new Int32Array(pool.share().table);
  const small = putMany(pool, 64, 9);
  const across = putMany(pool, 112, 11);
  const large = putMany(pool, 256, 3);
  const gone = [small[1], small[5], across[2], across[9], large[1]];
  for (const handle of gone) pool.free(handle);
  pool.reclaimPage(1);
  const live = [...small, ...across, ...large].filter((handle) => !gone.includes(handle));
  verify(pool);
  return { pool, table, live };
}

describe("verify", () => {
  it("notices damage to any word of the groups, objects and pages in use that says something", () => {
    const { pool, table, live } = damagedPool();
    const { firstGroup, firstRow, firstPage, maxPages } = geometryOf(256, 24, 4);
    const isInUse = (group: number): boolean => table[firstGroup + 8 * group + 1] !== 0;
    const words: number[] = [];
    for (let group = 0; group < maxPages; group++) {
      if (!isInUse(group)) continue;
      for (let word = 0; word < 8; word++) if (word !== STAMP) words.push(firstGroup + 8 * group + word);
    }
    for (let slot = 0; slot < live.length; slot++) {
      for (let word = 0; word < 4; word++) if (word !== GENERATION) words.push(firstRow + 4 * slot + word);
    }
    for (let page = 0; page < pool.pageCount; page++) words.push(firstPage + page);
    assert.ok(words.length > 100);
    for (const word of words) {
      const before = table[word];
      for (const damage of [before ^ 1, before + 4, -before - 1, 0x7fff_ffff]) {
        // Another size that fits the place, and another size of a free row's link to nothing, are possible.
        const isSize = word >= firstRow && word < firstPage && (word - firstRow) % 4 === 2;
        if (isSize && before > 0 && damage > 0 && damage <= 256) continue;
        table[word] = damage;
        assert.throws(() => verify(pool), { code: "ECORRUPT" }, `word ${word}: ${before} became ${damage}`);
        table[word] = before;
      }
    }
    verify(pool);
    finish(pool, live);
  });

  it("notices damage to lists, marks and counts", () => {
    const { pool, table, live } = damagedPool();
    const lists = Array.from({ length: 300 }, (_, i) => HEADER_WORDS + i).filter((word) => table[word] !== 0);
    // Pages in use; the note; first free page, group and row, and the marks of what was taken.
    for (const word of [...lists.slice(0, 120), 17, 20, 21, 22, 23, 24, 25, 26]) {
      const before = table[word];
      table[word] = before + 1;
      assert.throws(() => verify(pool), { code: "ECORRUPT" }, `word ${word}`);
      table[word] = before;
    }
    verify(pool);
    finish(pool, live);
  });
});
