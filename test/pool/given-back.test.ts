/** Which parts of page memory are with the system: bits, the walk that gives them, and what takes them back. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/index.ts";
import { createPageMemory } from "../../src/memory/index.ts";
import {
  createTable,
  DRIVER_ZBUD,
  type FreeWalk,
  GivenBack,
  HEADER_WORDS,
  LOCK_NONE,
  type Table,
  verifyGivenBack,
  W_GIVEN_BACK,
  W_PART_BYTES,
} from "../../src/pool/index.ts";
import { isCode } from "../support/is-code.ts";
import { WatchedMemory } from "../support/watched-memory.ts";

const END = Number.POSITIVE_INFINITY;

interface Setup {
  table: Table;
  memory: WatchedMemory;
  parts: GivenBack;
  pageSize: number;
  pages: number;
  /** By page: whether it is in use. */
  used: boolean[];
}

function setup(pageSize: number, pages: number, unit = 4096): Setup {
  const memoryBytes = pageSize * pages;
  const table = createTable(
    { driver: DRIVER_ZBUD, pageSize, maxPages: pages, memoryBytes, locking: LOCK_NONE, memory: null },
    HEADER_WORDS,
    HEADER_WORDS,
  );
  const inner = createPageMemory(pageSize, pages, null);
  inner.commit(pages);
  const memory = new WatchedMemory(inner, unit);
  const parts = new GivenBack(table, memory, memoryBytes);
  return { table, memory, parts, pageSize, pages, used: Array.from({ length: pages }, () => false) };
}

function walkOf(left = END): FreeWalk {
  return { at: 0, left, given: 0 };
}

/** Gives all that is free, in steps of so many bytes. Bytes that went. */
function giveAll({ parts, pageSize, pages, used }: Setup, stepBytes = END): number {
  const walk = walkOf();
  for (let steps = 0; walk.at !== END; steps++) {
    assert.ok(steps < 10_000, "the walk ends");
    walk.left = stepBytes;
    parts.step(walk, pages, pageSize, (page) => !used[page]);
  }
  return walk.given;
}

function check(all: Setup): void {
  assert.equal(all.parts.bytes, all.memory.given.size * all.memory.unit);
  verify(all);
}

function verify({ table, pageSize, pages, used }: Setup): void {
  verifyGivenBack(table, pageSize * pages, pageSize * pages, (visit) => {
    for (const [page, isUsed] of used.entries()) if (isUsed) visit(page * pageSize, (page + 1) * pageSize);
  });
}

/** The parts of which no byte is of a page in use. */
function freeParts({ memory, pageSize, pages, used }: Setup): number[] {
  const count = Math.floor((pageSize * pages) / memory.unit);
  return Array.from({ length: count }, (_, part) => part).filter((part) => {
    const first = Math.floor((part * memory.unit) / pageSize);
    const end = Math.ceil(((part + 1) * memory.unit) / pageSize);
    return !used.slice(first, end).includes(true);
  });
}

describe("parts that are given back", () => {
  const sizes = [
    [4096, 4096],
    [1024, 4096],
    [64, 4096],
    [3328, 4096],
    [6144, 4096],
    [65_536, 4096],
    [4096, 16_384],
    [3328, 16_384],
    [2 ** 20, 65_536],
  ] as const;
  for (const [pageSize, unit] of sizes) {
    it(`all whole ones of free pages, and only these: pages of ${pageSize}, parts of ${unit}`, () => {
      const prng = new Prng(pageSize + unit);
      for (let round = 0; round < 40; round++) {
        const all = setup(pageSize, 1 + prng.below(Math.max(4, Math.ceil(400_000 / pageSize))), unit);
        const density = prng.below(100) / 100;
        for (const page of all.used.keys()) all.used[page] = prng.chance(density);
        const free = freeParts(all);
        const given = giveAll(all, prng.chance(0.5) ? END : 1 + prng.below(5 * unit));
        assert.deepEqual(
          [...all.memory.given].sort((a, b) => a - b),
          free,
        );
        assert.equal(given, free.length * unit);
        check(all);
        assert.equal(giveAll(all), 0, "nothing is given twice");
        // Each page that is used again has its bytes.
        for (const page of all.used.keys()) {
          if (all.used[page] || prng.chance(0.5)) continue;
          assert.ok(all.parts.take(page * pageSize, (page + 1) * pageSize));
          all.used[page] = true;
          check(all);
        }
        const left = all.memory.given.size;
        all.used.fill(false);
        assert.equal(giveAll(all), (freeParts(all).length - left) * unit);
        check(all);
      }
    });
  }

  it("a walk looks at each page once, however small its steps are", () => {
    const all = setup(64, 128_000);
    let looks = 0;
    const walk = walkOf();
    while (walk.at !== END) {
      walk.left = 10_000;
      all.parts.step(walk, all.pages, all.pageSize, (page) => {
        looks++;
        return page % 128 < 64;
      });
    }
    assert.equal(walk.given, 1000 * 4096);
    assert.ok(looks < 3 * all.pages, `${looks} looks at ${all.pages} pages`);
  });

  it("a step ends soon, also where nothing is free", () => {
    const all = setup(4096, 100_000);
    let looks = 0;
    const walk = walkOf();
    all.parts.step(walk, all.pages, all.pageSize, () => {
      looks++;
      return false;
    });
    assert.ok(looks < 20_000 && walk.at === looks * all.pageSize, `${looks} looks, to ${walk.at}`);
  });

  it("about as many bytes as were asked for go, and the next walk goes on there", () => {
    const all = setup(1024, 4000);
    const walk = walkOf();
    for (let i = 1; i <= 5; i++) {
      walk.left = 100_000;
      all.parts.step(walk, all.pages, all.pageSize, () => true);
      assert.equal(walk.given, i * 25 * 4096);
      assert.equal(walk.at, i * 25 * 4096);
    }
  });

  it("memory that the system does not take stays as it was", () => {
    const all = setup(4096, 64);
    all.memory.refuses = (call) => call === "give";
    assert.equal(giveAll(all), 0);
    assert.equal(all.table[W_GIVEN_BACK], 0);
    check(all);
    // Some of it may be gone all the same: so it counts as given, unless it can be taken back.
    all.memory.refuses = () => true;
    assert.equal(giveAll(all), 0);
    assert.equal(all.table[W_GIVEN_BACK], 64);
    all.memory.refuses = () => false;
    assert.ok(all.parts.take(0, 64 * 4096));
    check(all);
  });

  it("a take that is refused leaves what is not taken with the system", () => {
    const all = setup(16_384, 8);
    giveAll(all);
    all.memory.refuses = (call) => call === "take";
    assert.equal(all.parts.take(16_384, 32_768), false);
    check(all);
    all.memory.refuses = () => false;
    assert.ok(all.parts.take(16_384, 32_768));
    assert.equal(all.parts.bytes, 7 * 16_384);
    check(all);
  });

  it("nothing goes of a buffer that was transferred away", () => {
    const all = setup(4096, 64);
    (all.memory.buffer as ArrayBuffer).transfer();
    assert.equal(giveAll(all), 0);
    assert.equal(all.table[W_GIVEN_BACK], 0);
  });

  it("where nothing can be given back, nothing is, at once", () => {
    const all = setup(4096, 64, 0);
    const walk = walkOf();
    all.parts.step(walk, 64, 4096, () => true);
    assert.deepEqual(walk, { at: END, left: END, given: 0 });
  });

  it("what is cut off is forgotten, and counted anew after a death", () => {
    const all = setup(3328, 100);
    giveAll(all);
    all.parts.forget(50 * 3328);
    assert.equal(all.parts.bytes, 40 * 4096, "50 pages are 40 parts and a piece");
    all.table[W_GIVEN_BACK] = 3;
    all.parts.repair();
    assert.equal(all.table[W_GIVEN_BACK], 40);
    all.parts.forget(0);
    assert.equal(all.parts.bytes, 0);
  });

  it("verify notices a count, a part in use, one that never was taken, and a size that is none", () => {
    const all = setup(1024, 64);
    all.used[20] = true;
    giveAll(all);
    const { table } = all;
    const damaged = (word: number, value: number, what: string): void => {
      const good = table[word];
      table[word] = value;
      assert.throws(() => verify(all), isCode("ECORRUPT", what));
      table[word] = good;
    };
    // 16 parts, of which 5 has a page in use.
    const bits = HEADER_WORDS;
    assert.equal(table[bits], 0xffff - (1 << 5));
    const memoryBytes = 64 * 1024;
    const isFine = (taken: number): void => verifyGivenBack(table, memoryBytes, taken, () => {});
    damaged(W_GIVEN_BACK, 14, "G1");
    damaged(bits, table[bits] ^ 1, "G1");
    table[W_GIVEN_BACK]++;
    damaged(bits, 0xffff, "G2");
    table[W_GIVEN_BACK]--;
    damaged(W_PART_BYTES, 4095, "part");
    damaged(W_PART_BYTES, 0, "part");
    isFine(memoryBytes);
    assert.throws(() => isFine(memoryBytes - 1), isCode("ECORRUPT", "G3"));
  });
});
