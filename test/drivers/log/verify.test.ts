/** `verify()` itself: damage to what a table says is noticed, by the invariant that it breaks. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { LogPool } from "../../../src/drivers/index.ts";
import { geometryOf } from "../../../src/drivers/log/geometry.ts";
import * as tables from "../../../src/drivers/log/table.ts";
import { finish, putMany } from "../../support/objects.ts";

const { FIRST, FIRST_PAGE, LAST, LIVE, TOP, NEXT, PLACE, SIZE } = tables;
const PAGE_SIZE = 512;
const MAX_PAGES = 24;
const GEOMETRY = geometryOf(PAGE_SIZE, MAX_PAGES);
const FIRST_ROW = tables.firstRowOf(GEOMETRY);

interface Damaged {
  pool: LogPool;
  table: Int32Array;
  live: Handle[];
  /** Row of a page: with gaps, so on a list; full; open; free. */
  gaps: number;
  full: number;
  open: number;
  free: number;
}

/** A pool with pages of every kind, and the words of its table. */
function damagedPool(): Damaged {
  const pool = new LogPool({ maxPages: MAX_PAGES, pageSize: PAGE_SIZE, shared: true, onEvict: () => false });
  const table = new Int32Array(pool.share().table);
  const quarters = putMany(pool, 128, 9);
  const large = putMany(pool, 512, 3);
  const small = putMany(pool, 40, 5);
  const gone = [quarters[1], quarters[6], large[1], small[2]];
  const pageOf = (handle: Handle): number => FIRST_PAGE + 8 * pool.inspect(handle).page;
  const [gaps, full, open, free] = [quarters[0], large[0], small[0], large[1]].map(pageOf);
  for (const handle of gone) pool.free(handle);
  const live = [...quarters, ...large, ...small].filter((handle) => !gone.includes(handle));
  verify(pool);
  return { pool, table, live, gaps, full, open, free };
}

/** What breaks one invariant, by the beginning of what is said of it. */
const DAMAGES: { name: string; message: RegExp; damage: (all: Damaged) => void }[] = [
  {
    name: "L1: two objects share a granule",
    message: /L1/,
    damage: ({ table, gaps }) => {
      const second = table[table[gaps | FIRST] | NEXT];
      table[table[second | NEXT] | PLACE] = table[table[gaps | FIRST] | PLACE];
    },
  },
  {
    name: "L1: an object that reaches over the top",
    message: /L1/,
    damage: ({ table, open }) => table[open | TOP]--,
  },
  {
    name: "L1: a top behind the page's end",
    message: /L1/,
    damage: ({ table, gaps }) => {
      table[gaps | TOP] = PAGE_SIZE / 8 + 1;
    },
  },
  {
    name: "L2: an object of another page in a chain",
    message: /L2/,
    damage: ({ table, gaps, full }) => {
      table[table[gaps | FIRST] | PLACE] = table[table[full | FIRST] | PLACE];
    },
  },
  {
    name: "L2: the last of a chain is another",
    message: /L2/,
    damage: ({ table, gaps }) => {
      table[gaps | LAST] = table[gaps | FIRST];
    },
  },
  {
    name: "L2: a free page with a chain",
    message: /L2/,
    damage: ({ table, free, open }) => {
      // A row that was freed, and is in the chain of the open page.
      const dead = table[table[table[open | FIRST] | NEXT] | NEXT];
      table[table[table[open | FIRST] | NEXT] | NEXT] = table[dead | NEXT];
      table[dead | NEXT] = 0;
      table[free | FIRST] = dead;
      table[free | LAST] = dead;
    },
  },
  { name: "L3: granules of a page", message: /L3/, damage: ({ table, gaps }) => table[gaps | LIVE]++ },
  { name: "L3: granules of the pool", message: /L3/, damage: ({ table }) => table[tables.W_LIVE]-- },
  {
    name: "L4: the open page is free",
    message: /L4/,
    damage: ({ table, free }) => {
      table[tables.W_OPEN] = free;
    },
  },
  {
    name: "L4: a page that no list holds, since it is said to be open no more",
    message: /I2/,
    damage: ({ table }) => {
      table[tables.W_OPEN] = 0;
    },
  },
  {
    name: "L4: a page on the list of another fill",
    message: /I2/,
    damage: ({ table, gaps }) => {
      const shorter = table[gaps | FIRST];
      table[shorter | SIZE] -= 64;
      table[gaps | LIVE] -= 8;
      table[tables.W_LIVE] -= 8;
    },
  },
  {
    name: "L4: a page in use without an object",
    message: /I3/,
    damage: ({ table, full }) => {
      table[table[full | FIRST] | SIZE] = 0;
      table[full | LIVE] = 0;
      table[tables.W_LIVE] -= PAGE_SIZE / 8;
      table[tables.W_DEAD]++;
    },
  },
  {
    name: "L5: freed objects that are not counted",
    message: /L5/,
    damage: ({ table }) => table[tables.W_DEAD]--,
  },
  {
    name: "L5: a row that is neither in a chain nor free",
    message: /L5/,
    damage: ({ table }) => {
      table[tables.W_FREE_ROW] = table[table[tables.W_FREE_ROW] | NEXT];
    },
  },
  {
    name: "L5: a free row that is in a chain",
    message: /L5/,
    damage: ({ table, gaps }) => {
      table[tables.W_FREE_ROW] = table[gaps | FIRST];
    },
  },
  {
    name: "L5: a chain without an end",
    message: /L2.*twice/,
    damage: ({ table, gaps }) => {
      table[table[gaps | LAST] | NEXT] = table[gaps | FIRST];
    },
  },
];

describe("verify of a log pool", () => {
  for (const { name, message, damage } of DAMAGES) {
    it(name, () => {
      const all = damagedPool();
      const before = all.table.slice();
      damage(all);
      assert.throws(
        () => verify(all.pool),
        (error: Error & { code: string }) => {
          assert.equal(error.code, "ECORRUPT");
          assert.match(error.message, message);
          return true;
        },
      );
      all.table.set(before);
      finish(all.pool, all.live);
    });
  }

  it("notices damage to any word of the pages, objects, lists and marks that says something", () => {
    const { pool, table, live, gaps, free } = damagedPool();
    // The note, the LRU's ends, pages in use; the marks and sums; a listed page's links, and a free page's state.
    const { W_FREE_HEAD, W_HIGH_WATER, W_BITMAP, W_FREE_ROW, W_ROWS_TAKEN, W_LIVE, W_DEAD } = tables;
    const header = [17, 18, 19, 20, W_FREE_HEAD, W_HIGH_WATER, W_BITMAP, W_BITMAP + 1];
    const words = [...header, W_FREE_ROW, W_ROWS_TAKEN, W_LIVE, W_DEAD, gaps, gaps | 1, free | 3];
    for (let word = tables.W_HEADS; word < FIRST_PAGE; word++) words.push(word);
    for (let page = FIRST_PAGE; page < FIRST_PAGE + 8 * pool.pageCount; page += 8) {
      if (table[page | tables.LRU_PREV] === tables.FREE) continue;
      for (const word of [tables.LRU_NEXT, tables.LRU_PREV, FIRST, LAST, LIVE]) words.push(page | word);
    }
    for (let row = 0; row < table[tables.W_ROWS_TAKEN]; row++) {
      words.push(FIRST_ROW + 4 * row + NEXT);
      if (table[FIRST_ROW + 4 * row + SIZE] > 0) words.push(FIRST_ROW + 4 * row + PLACE);
    }
    assert.ok(words.length > 150);
    for (const word of words) {
      const before = table[word];
      // An object in a gap before or behind its place is possible.
      const isPlace = word >= FIRST_ROW && word % 4 === PLACE;
      const slight = isPlace ? [before + 2 ** GEOMETRY.placeBits] : [before ^ 1, before + 4];
      for (const damage of [...slight, -before - 1, 0x7fff_ffff]) {
        table[word] = damage;
        assert.throws(() => verify(pool), { code: "ECORRUPT" }, `word ${word}: ${before} became ${damage}`);
        table[word] = before;
      }
    }
    verify(pool);
    finish(pool, live);
  });
});
