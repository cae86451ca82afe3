/** `verify()` itself: whatever word of the table is damaged, it notices, unless the word says nothing. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { ZbudAllocator } from "../../../src/drivers/zbud/allocator.ts";
import { type Geometry, geometryOf } from "../../../src/drivers/zbud/geometry.ts";
import {
  createPageTable,
  FREE,
  firstRowOf,
  GENERATIONS,
  LIST_NEXT,
  LIST_PREV,
  LRU_NEXT,
  LRU_PREV,
  type PageTable,
  ROW_SHIFT,
  SIZES,
  W_BITMAP,
  W_FREE_HEAD,
  W_HEADS,
  W_HIGH_WATER,
  W_LRU,
} from "../../../src/drivers/zbud/page-table.ts";
import { verifyTable } from "../../../src/drivers/zbud/verify.ts";
import { createPageMemory } from "../../../src/memory/index.ts";
import { handleLayoutOf, LOCK_NONE, W_MAGIC, W_PAGE_COUNT, W_VERSION } from "../../../src/pool/index.ts";
import { isCode } from "../../support/is-code.ts";

const PAGES = 9;

/** A table with full pages, pages with one object, free pages, and one page under reclaim. */
function setup(): { table: PageTable; geometry: Geometry } {
  const geometry = geometryOf(4096, 6, PAGES);
  const layout = handleLayoutOf(2 * PAGES, 0);
  const table = createPageTable(geometry, LOCK_NONE, null);
  const allocator = new ZbudAllocator(table, geometry, layout, createPageMemory(4096, PAGES, null), 0);
  // Pages 0 and 1 are full, 2 to 4 have one object of one size, 5 of another; 6 and 7 are free; 8 is unused.
  const chunks = [40, 23, 30, 33, 50, 50, 50, 62, 60, 59];
  const handles = chunks.map((count) => allocator.alloc(count * 64) as Handle);
  allocator.free(handles[8]);
  allocator.free(handles[9]);
  allocator.startReclaim();
  return { table, geometry };
}

/** Words that `verify` has no reason to look at, in a row of this state. */
function isSilent(table: PageTable, row: number, word: number): boolean {
  const state = table[row + LRU_PREV];
  const objects = (table[row + SIZES] === 0 ? 0 : 1) + (table[row + SIZES + 1] === 0 ? 0 : 1);
  if (word >= GENERATIONS) return true;
  if (state === FREE) return word === LIST_PREV || word === LRU_NEXT;
  if (state < FREE) return word !== LRU_PREV && word < SIZES;
  return objects === 2 && (word === LIST_NEXT || word === LIST_PREV);
}

/** Writes other values into a word; true if `verify` noticed each of them. */
function noticesDamage(table: PageTable, geometry: Geometry, word: number): boolean {
  const good = table[word];
  const row = firstRowOf(geometry);
  const values = [
    0,
    -1,
    good + 8,
    good - 8,
    good ^ (1 << 30),
    good ^ (1 << 22),
    good + (1 << 20),
    W_LRU,
    row,
    row + 24,
  ];
  let noticed = true;
  for (const value of values) {
    if ((value | 0) === good) continue;
    table[word] = value;
    try {
      verifyTable(table, geometry, 1);
      noticed = false;
    } catch (error) {
      assert.ok(isCode("ECORRUPT")(error));
    }
  }
  table[word] = good;
  return noticed;
}

describe("verify", () => {
  it("finds nothing wrong with a sound table", () => {
    const { table, geometry } = setup();
    verifyTable(table, geometry, 1);
  });

  it("notices damage to any link of a page", () => {
    const { table, geometry } = setup();
    for (let page = 0; page < 8; page++) {
      const row = firstRowOf(geometry) + (page << ROW_SHIFT);
      for (const word of [LIST_NEXT, LIST_PREV, LRU_NEXT, LRU_PREV]) {
        if (isSilent(table, row, word)) continue;
        assert.ok(noticesDamage(table, geometry, row + word), `page ${page}, word ${word}`);
      }
    }
  });

  it("notices an object that grew, shrank, came or went", () => {
    const { table, geometry } = setup();
    for (let page = 1; page < 8; page++) {
      const row = firstRowOf(geometry) + (page << ROW_SHIFT);
      for (const word of [row + SIZES, row + SIZES + 1]) {
        const good = table[word];
        const other = good === 0 ? 64 | (1 << 20) : 0;
        const others = [
          other,
          good + 64,
          good + (1 << 20),
          good - (1 << 20),
          (good + 64 + (1 << 20)) | 0,
          -1,
        ];
        for (const value of others) {
          table[word] = value;
          assert.throws(
            () => verifyTable(table, geometry, 1),
            isCode("ECORRUPT"),
            `page ${page}, ${good} to ${value}`,
          );
        }
        table[word] = good;
      }
    }
    verifyTable(table, geometry, 1);
  });

  it("notices damage to the head of any list, to the bitmap, and to the counts", () => {
    const { table, geometry } = setup();
    for (let list = 0; list < geometry.chunkCount; list++) {
      for (const word of [LIST_NEXT, LIST_PREV]) {
        assert.ok(noticesDamage(table, geometry, W_HEADS + 2 * list + word), `head of list ${list}`);
      }
    }
    for (const word of [LRU_NEXT, LRU_PREV])
      assert.ok(noticesDamage(table, geometry, W_LRU + word), "head of the LRU");
    for (let bit = 0; bit < 64; bit++) {
      table[W_BITMAP + (bit >> 5)] ^= 1 << (bit & 31);
      assert.throws(() => verifyTable(table, geometry, 1), isCode("ECORRUPT"), `bit ${bit} of the bitmap`);
      table[W_BITMAP + (bit >> 5)] ^= 1 << (bit & 31);
    }
    for (const word of [W_MAGIC, W_VERSION, W_PAGE_COUNT, W_HIGH_WATER, W_FREE_HEAD])
      assert.ok(noticesDamage(table, geometry, word), `word ${word}`);
    verifyTable(table, geometry, 1);
  });

  it("ends, whatever circle the links make", () => {
    const { table, geometry } = setup();
    const first = firstRowOf(geometry);
    for (let page = 0; page < 8; page++) {
      for (let other = 0; other < 8; other++) {
        for (const word of [LIST_NEXT, LRU_NEXT]) {
          const at = first + (page << ROW_SHIFT) + word;
          const good = table[at];
          const value = first + (other << ROW_SHIFT);
          table[at] = value;
          if (value !== good && !isSilent(table, first + (page << ROW_SHIFT), word)) {
            assert.throws(
              () => verifyTable(table, geometry, 1),
              isCode("ECORRUPT"),
              `page ${page} to page ${other}`,
            );
          }
          table[at] = good;
        }
      }
    }
  });
});
