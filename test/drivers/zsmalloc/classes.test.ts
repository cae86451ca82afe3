/** The class tables: the published counts, and what makes a table a good one. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  GROUP_PAGES_LIMIT,
  PUBLISHED_CLASS_COUNTS,
  type SizeClass,
  sizeClassesOf,
  ZsmallocPool,
} from "../../../src/drivers/index.ts";

const PAGE_SIZES = [64, 256, 1024, 3328, 4096, 16384, 65536];

function tables(visit: (classes: SizeClass[], pageSize: number, maxGroupPages: number) => void): void {
  for (const pageSize of PAGE_SIZES) {
    for (let pages = 1; pages <= GROUP_PAGES_LIMIT; pages++)
      visit(sizeClassesOf(pageSize, pages), pageSize, pages);
  }
}

describe("size classes", () => {
  it("are as many as published, for 4 KiB pages and groups of at most 4 to 9 pages", () => {
    const counts = [4, 5, 6, 7, 8, 9].map((pages) => sizeClassesOf(4096, pages).length);
    assert.deepEqual(counts, [69, 86, 93, 112, 123, 140]);
    assert.deepEqual([...PUBLISHED_CLASS_COUNTS.values()], counts);
  });

  it("are merged from 255 sizes of 4 KiB pages, from 32 bytes to the page", () => {
    const classes = sizeClassesOf(4096, 4);
    assert.equal(
      classes.reduce((sum, { sizes }) => sum + sizes, 0),
      255,
    );
    assert.deepEqual(classes[0], { size: 32, pages: 1, objects: 128, tailBytes: 0, sizes: 1 });
    assert.deepEqual(classes.at(-1)?.size, 4096);
    assert.deepEqual(classes.at(-1)?.objects, 1);
  });

  it("fill their groups: places and tail are the pages, and one more place would not fit", () => {
    tables((classes, pageSize, maxGroupPages) => {
      for (const { size, pages, objects, tailBytes } of classes) {
        assert.ok(pages >= 1 && pages <= maxGroupPages);
        assert.equal(objects * size + tailBytes, pages * pageSize);
        assert.ok(tailBytes >= 0 && tailBytes < size);
      }
    });
  });

  it("rise, differ from their neighbours, and take every size", () => {
    tables((classes, pageSize) => {
      for (const [i, each] of classes.entries()) {
        const next = classes[i + 1];
        if (next === undefined) break;
        assert.ok(each.size < next.size);
        assert.equal((next.size - each.size) / 16, next.sizes);
        assert.ok(each.pages !== next.pages || each.objects !== next.objects);
      }
      assert.equal(classes.at(-1)?.size, pageSize);
    });
  });

  it("waste no tail that another number of pages would spare, by a whole percent", () => {
    tables((classes, pageSize, maxGroupPages) => {
      for (const { size, pages, tailBytes } of classes) {
        const percent = Math.floor(((pages * pageSize - tailBytes) * 100) / (pages * pageSize));
        for (let other = 1; other <= maxGroupPages; other++) {
          const bytes = other * pageSize;
          const otherPercent = Math.floor(((bytes - (bytes % size)) * 100) / bytes);
          assert.ok(otherPercent <= percent && (otherPercent < percent || other >= pages));
        }
      }
    });
  });

  it("are those that a pool uses: an object's class is the smallest that takes it", () => {
    const pool = new ZsmallocPool({ maxPages: 64, maxGroupPages: 6 });
    assert.deepEqual(pool.classes, sizeClassesOf(4096, 6));
    for (let size = 1; size <= 4096; size += 7) {
      const handle = pool.alloc(size);
      assert.ok(typeof handle === "number");
      const { classSize } = pool.inspect(handle);
      assert.equal(classSize, pool.classes.find((each) => each.size >= size)?.size);
      pool.free(handle);
    }
    pool.close();
  });
});
