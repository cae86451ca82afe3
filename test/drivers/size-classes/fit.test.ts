/** Choosing page sizes: what comes of odd samples, and that the figures are those of real pools. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { fitPageSizes, SizeClassPool } from "../../../src/drivers/index.ts";
import { isCode } from "../../support/is-code.ts";

const NOT_SIZES: readonly unknown[] = [
  undefined,
  null,
  7,
  "12",
  [],
  [0],
  [-1],
  [1.5],
  [1, Number.NaN],
  [Number.POSITIVE_INFINITY],
  ["9"],
  [1n],
  new Array(3),
  [2 ** 20],
  { length: 2 ** 24 + 1 },
  { step: 16 },
  { step: 16, counts: null },
  { step: 16, counts: undefined },
  { step: 16, counts: 5 },
  { step: 16, counts: [] },
  { step: 16, counts: [0, 0] },
  { step: 16, counts: [-1] },
  { step: 16, counts: [Number.POSITIVE_INFINITY] },
  { step: 16, counts: { length: 2 ** 40 } },
  { step: 0, counts: [1] },
  { step: Number.NaN, counts: [1] },
  { step: 16, counts: [1], maxSize: Number.NaN },
  { step: 16, counts: [1], maxSize: 0 },
];

describe("fitPageSizes", () => {
  it("refuses what are no sizes, and options that no page size meets", () => {
    for (const wrong of NOT_SIZES) assert.throws(() => fitPageSizes(wrong as never), isCode("EINVAL"));
    for (const options of [
      { count: 5 },
      { minPageSize: 65, maxPageSize: 127 },
      { maxPageSize: 63 },
      { minPageSize: 128, maxPageSize: 64 },
      { pageSizes: 4 },
    ]) {
      assert.throws(() => fitPageSizes([5], options as never), isCode("EINVAL"), JSON.stringify(options));
    }
  });

  it("finds one page size for one size, alone or often, small or as large as can be", () => {
    for (const sizes of [[1], [2 ** 20 - 2 ** 15], new Uint16Array(10_000).fill(777)]) {
      const { pageSizes, objects, pages } = fitPageSizes(sizes);
      assert.equal(pageSizes.length, 1);
      assert.equal(pageSizes[0].maxSize, sizes[0]);
      assert.deepEqual([objects, pages], [sizes.length, Math.ceil(sizes.length / 2)]);
    }
  });

  it("has a page for the largest size, however seldom it comes", () => {
    const histogram = { step: 16, counts: [0, 5, 1e15, 3] };
    assert.equal(fitPageSizes(histogram).pageSizes.at(-1)?.maxSize, 64);
    const sizes = new Uint16Array(100_000).fill(100);
    sizes[77_777] = 3000;
    assert.equal(fitPageSizes(sizes).pageSizes.at(-1)?.maxSize, 3000);
    for (const count of [2 ** 53 - 1, 1e300]) {
      assert.equal(fitPageSizes({ step: 16, counts: [count, count, 0] }).pageSizes.at(-1)?.maxSize, 32);
    }
  });

  it("tells the pages that a pool of size classes takes for the same objects", () => {
    const prng = new Prng(5);
    const sizes = Array.from({ length: 3000 }, () => 100 + prng.below(200) + (prng.chance(0.2) ? 1500 : 0));
    const { pageSizes, pages, bytes, utilisation } = fitPageSizes(sizes);
    const pool = new SizeClassPool({ maxBytes: 2 ** 24, pageSizes });
    for (const size of sizes) assert.equal(typeof pool.alloc(size), "number");
    const stats = pool.stats();
    assert.equal(stats.pages, pages);
    assert.equal(
      stats.pageBytes,
      pageSizes.reduce((sum, each) => sum + each.pages * each.pageSize, 0),
    );
    assert.ok(Math.abs(utilisation - stats.objectBytes / bytes) < 1e-12);
    verify(pool);
    pool.close();
  });

  it("a refit does not forget a size that came more often than a word can count", () => {
    const pool = new SizeClassPool({ maxBytes: 2 ** 20, pageSizes: [4096], shared: true });
    for (let i = 0; i < 3; i++) pool.alloc(1000);
    const words = new Int32Array(pool.share().table);
    const at = words.indexOf(3, 80); // the only step of the histogram that is not 0
    words[at] = 2 ** 31 - 1;
    pool.alloc(1000);
    assert.equal(words[at], -(2 ** 31));
    const [smallest] = pool.refit() as { maxSize: number }[];
    assert.ok(smallest.maxSize >= 1000 && smallest.maxSize < 1040, `up to ${smallest.maxSize}`);
    pool.close();
  });
});
