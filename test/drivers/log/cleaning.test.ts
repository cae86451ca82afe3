/** What cleaning costs and keeps: bytes moved, the order of objects, their handles, rows of freed objects. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { LogPool } from "../../../src/drivers/index.ts";
import type { LogAllocator } from "../../../src/drivers/log/allocator.ts";
import type { LogPoolOptions } from "../../../src/drivers/log/options.ts";
import {
  F_BYTES_MOVED,
  FIRST_PAGE,
  ROW_BYTES,
  W_DEAD,
  W_ROWS_TAKEN,
} from "../../../src/drivers/log/table.ts";
import { assertObject, fillUp, finish, put, putMany, take } from "../../support/objects.ts";

const PAGE_SIZE = 4096;

/** What a pool's table counts that `stats` does not tell. */
function countsOf(pool: LogPool): { bytesMoved: number; rows: number; dead: number } {
  return pool.inside().look((allocator) => {
    const { table } = (allocator as LogAllocator).inside();
    const bytesMoved = new Float64Array(table.buffer, 0, F_BYTES_MOVED + 1)[F_BYTES_MOVED];
    return { bytesMoved, rows: table[W_ROWS_TAKEN], dead: table[W_DEAD] };
  });
}

/** Bytes moved for each byte stored, while objects that `next` chooses are replaced in a pool of 64 pages that is full. */
function costOf(
  options: Partial<LogPoolOptions>,
  sizeOf: () => number,
  victim: (live: Handle[]) => number,
  rounds: number,
): { cost: number; fill: number; refused: number; pool: LogPool; live: Handle[] } {
  const pool = new LogPool({ maxPages: 64, pageSize: PAGE_SIZE, ...options });
  const live: Handle[] = [];
  let stored = 0;
  let refused = 0;
  let fill = 0;
  const store = (): void => {
    for (;;) {
      const size = sizeOf();
      const handle = pool.alloc(size);
      if (typeof handle === "number") {
        live.push(handle);
        stored += size;
        return;
      }
      refused++;
      const [gone] = live.splice(victim(live), 1);
      pool.free(gone);
    }
  };
  while (refused === 0) store();
  const before = countsOf(pool).bytesMoved;
  stored = 0;
  for (let i = 0; i < rounds; i++) {
    store();
    fill += pool.stats().objectBytes;
  }
  verify(pool);
  const cost = (countsOf(pool).bytesMoved - before) / stored;
  return { cost, fill: fill / rounds / (64 * PAGE_SIZE), refused, pool, live };
}

describe("what cleaning costs", () => {
  it("a queue moves nothing where pages lose less at their ends than the slack is", () => {
    for (const slack of [5, 20, 50]) {
      const prng = new Prng(7);
      const sizeOf = (): number => 64 + prng.below(8 * slack);
      const { cost, fill, pool, live } = costOf({ slack }, sizeOf, () => 0, 6000);
      assert.equal(cost, 0);
      assert.ok(fill > 0.87, `${fill} is in use`);
      finish(pool, live);
    }
  });

  it("a queue in a pool that is not full: nothing while it is shorter than a page, and never more than it stores", () => {
    for (const [objects, most] of [
      [10, 0],
      [20, 0],
      [32, 0],
      [48, 1],
      [182, 1],
      [333, 1],
      [816, 0],
    ]) {
      const pool = new LogPool({ maxPages: 64, pageSize: PAGE_SIZE });
      const live: Handle[] = [];
      const stored = 128 * 20 * objects;
      for (let i = 0; i < 20 * objects; i++) {
        live.push(take(pool, 128));
        if (live.length > objects) pool.free(live.shift() as Handle);
      }
      const cost = countsOf(pool).bytesMoved / stored;
      assert.ok(cost <= most, `${objects} objects: ${cost} bytes for each`);
      finish(pool, live);
    }
  });

  it("with a slack of 5 %, at most 19 bytes for each, on average, whatever is freed", (t) => {
    for (const [name, sizes, victim] of [
      ["any of small ones", 200, (prng: Prng, live: Handle[]) => prng.below(live.length)],
      ["any of large ones", 1500, (prng: Prng, live: Handle[]) => prng.below(live.length)],
      ["the newest", 200, (_: Prng, live: Handle[]) => live.length - 1],
      ["mostly old ones", 200, (prng: Prng, live: Handle[]) => prng.below(1 + prng.below(live.length))],
    ] as const) {
      const prng = new Prng(11);
      for (let i = 0; i < 8; i++) prng.uint32();
      const sizeOf = (): number => 1 + prng.below(sizes);
      const { cost, fill, pool, live } = costOf({ slack: 5 }, sizeOf, (all) => victim(prng, all), 8000);
      t.diagnostic(
        `${name}: ${cost.toFixed(2)} bytes moved for each stored, ${(100 * fill).toFixed(1)} % in use`,
      );
      assert.ok(cost <= 19, `${name}: ${cost} bytes for each`);
      finish(pool, live);
    }
  });

  it("the worst: from each page as much is freed as from the others", (t) => {
    const pool = new LogPool({ maxPages: 64, pageSize: PAGE_SIZE, slack: 5 });
    const live = fillUp(pool, 64, 64 * 64);
    let stored = 0;
    for (let round = 0; round < 60; round++) {
      // Four of 64 in each page: a little more than 5 %.
      const byPage = snapshot(pool).pages.map(({ objects }) => objects.map(({ handle }) => handle));
      const gone = new Set(byPage.flatMap((handles) => handles.slice(0, Math.max(0, handles.length - 60))));
      for (const handle of gone) pool.free(handle);
      live.splice(0, live.length, ...live.filter((handle) => !gone.has(handle)));
      for (;;) {
        const handle = pool.alloc(64);
        if (typeof handle === "string") break;
        live.push(handle);
        stored += 64;
      }
    }
    const cost = countsOf(pool).bytesMoved / stored;
    t.diagnostic(`${cost.toFixed(2)} bytes moved for each stored`);
    assert.ok(stored > 60 * 1024, "in each round there is something to gain");
    assert.ok(cost > 10 && cost <= 19, `${cost} bytes for each`);
    finish(pool, live);
  });
});

describe("what cleaning gains", () => {
  it("a gap is opened in the emptiest page, or in the fullest that has room", () => {
    for (const [tight, gap] of [
      [false, 12],
      [true, 4],
    ] as const) {
      const pool = new LogPool({ maxPages: 8, pageSize: PAGE_SIZE });
      const live = putMany(pool, 256, 5 * 16);
      // Of the first pages so many sixteenths are free.
      for (const [page, count] of [12, 2, 4, 8].entries())
        for (const handle of live.slice(16 * page, 16 * page + count)) pool.free(handle);
      const pages = pool.pageCount;
      assert.ok(pool.openGap(3 * 256, tight));
      assert.equal(pool.roomLeft, 256 * gap);
      assert.equal(pool.pageCount, pages);
      assert.equal(pool.openGap(13 * 256, tight), false);
      verify(pool);
      pool.close();
    }
  });

  it("a full pool refuses nothing that a page has room for, the only page neither", () => {
    for (const maxPages of [1, 2, 9]) {
      const pool = new LogPool({ maxPages, pageSize: PAGE_SIZE });
      const live = fillUp(pool, 128, 32 * maxPages);
      assert.equal(live.length, 32 * maxPages);
      const prng = new Prng(maxPages);
      for (let i = 0; i < 300; i++) {
        const [gone] = live.splice(prng.below(live.length), 1);
        pool.free(gone);
        live.push(put(pool, 121 + prng.below(8), i & 0xff));
        assert.equal(pool.pageCount, maxPages);
      }
      assert.equal(pool.alloc(128), "ENOMEM");
      finish(pool, live);
    }
  });

  it("with a slack it refuses as long as less than that is free, and 0 is none", () => {
    const pool = new LogPool({ maxPages: 10, pageSize: PAGE_SIZE, slack: 20 });
    const live = fillUp(pool, 256, 160);
    // Some of each page.
    for (let freed = 1; freed < 32; freed++) {
      pool.free(live.splice(4 * freed, 1)[0]);
      assert.equal(pool.alloc(256), "ENOMEM", `${freed} of 160 are free`);
    }
    pool.free(live.splice(0, 1)[0]);
    live.push(take(pool, 256));
    finish(pool, live);
  });

  it("compaction ends where objects are too long to be put together, and moves none", () => {
    const pool = new LogPool({ maxPages: 200, pageSize: PAGE_SIZE });
    const live = putMany(pool, 2500, 150);
    assert.deepEqual(pool.compact(), { moved: 0, pagesReleased: 0 });
    assert.deepEqual(pool.compact(1), { moved: 0, pagesReleased: 0 });
    pool.trim();
    assert.equal(countsOf(pool).bytesMoved, 0);
    finish(pool, live);
  });

  it("compaction puts together what is in pages that are half empty, and leaves few bytes free", () => {
    const pool = new LogPool({ maxPages: 200, pageSize: PAGE_SIZE });
    const handles = putMany(pool, 100, 4000);
    const live = handles.filter((_, i) => i % 2 === 0);
    for (const [i, handle] of handles.entries()) if (i % 2 === 1) pool.free(handle);
    const before = pool.pageCount;
    const { moved, pagesReleased } = pool.compact();
    assert.equal(pool.pageCount, before - pagesReleased);
    assert.ok(moved <= live.length, "nothing is moved twice");
    const { utilisation } = pool.stats();
    assert.ok(utilisation > 0.93, `${utilisation} of the pages is in use`);
    verify(pool);
    for (const [i, handle] of live.entries()) assertObject(pool, handle, 100, (2 * i + 1) & 0xff);
    finish(pool, live);
  });

  it("compaction that comes to nothing leaves the open page open", () => {
    const pool = new LogPool({ maxPages: 8, pageSize: PAGE_SIZE });
    const live = putMany(pool, 512, 10);
    pool.free(live.splice(8, 1)[0]);
    const room = pool.roomLeft;
    assert.equal(room, 3072);
    assert.deepEqual(pool.compact(), { moved: 0, pagesReleased: 0 });
    assert.equal(pool.roomLeft, room);
    finish(pool, live);
  });

  it("compaction takes the open page along, from which objects were freed", () => {
    const pool = new LogPool({ maxPages: 8, pageSize: PAGE_SIZE });
    const handles = putMany(pool, 512, 16);
    const live = handles.filter((_, i) => i % 2 === 0);
    for (const [i, handle] of handles.entries()) if (i % 2 === 1) pool.free(handle);
    assert.deepEqual(pool.compact(), { moved: 8, pagesReleased: 1 });
    assert.equal(pool.pageCount, 1);
    finish(pool, live);
  });

  it("a pool that may have fewer pages than are in use does with those that it has", () => {
    const pool = new LogPool({ maxPages: 4, pageSize: PAGE_SIZE });
    const live = fillUp(pool, 1024, 16);
    pool.allowBytes(2 * PAGE_SIZE);
    assert.equal(pool.alloc(1024), "ENOMEM", "pages that are in use stay, and are full");
    pool.free(live.pop() as Handle);
    live.push(take(pool, 1024));
    assert.equal(pool.pageCount, 4);
    finish(pool, live);
  });
});

describe("what cleaning keeps", () => {
  it("the order of the objects of a page, their handles and bytes", () => {
    const pool = new LogPool({ maxPages: 4, pageSize: PAGE_SIZE });
    const handles = putMany(pool, 256, 64);
    const order = handles.filter((_, i) => i >= 16 || i % 3 !== 1);
    for (const [i, handle] of handles.entries()) if (i < 16 && i % 3 === 1) pool.free(handle);
    const newest = put(pool, 256, 99);
    assert.ok(countsOf(pool).bytesMoved > 0);
    const { pages } = snapshot(pool);
    const { page } = pool.inspect(newest);
    const objects = pages.find((each) => each.page === page)?.objects ?? [];
    const found = [...objects].sort((one, other) => one.offset - other.offset).map(({ handle }) => handle);
    assert.deepEqual(found, [...order.slice(0, 11), newest]);
    for (const handle of order) assertObject(pool, handle, 256, (handles.indexOf(handle) + 1) & 0xff);
    finish(pool, [...order, newest]);
  });

  it("a reclaim evicts the objects of the page that was opened first, in the order in which they came", () => {
    const evicted: Handle[] = [];
    const onEvict = (handle: Handle): boolean => {
      evicted.push(handle);
      pool.free(handle);
      return true;
    };
    const pool = new LogPool({ maxPages: 4, pageSize: PAGE_SIZE, onEvict });
    const handles = putMany(pool, 512, 32);
    pool.free(handles[3]);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(
      evicted,
      [0, 1, 2, 4, 5, 6, 7].map((i) => handles[i]),
    );
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(evicted.slice(7), handles.slice(8, 16));
    finish(pool, handles.slice(16));
  });
});

describe("rows of freed objects", () => {
  it("are used again: beside the most objects at once there are a 16th and 64", () => {
    // Cleaned are only pages of which half is free, and two of three objects stay: nothing else gives rows back.
    const pool = new LogPool({ maxPages: 2000, pageSize: PAGE_SIZE, slack: 50 });
    const prng = new Prng(3);
    const live: Handle[] = [];
    let most = 0;
    for (let i = 0; i < 60_000; i++) {
      live.push(take(pool, 1 + prng.below(200)));
      most = Math.max(most, live.length);
      if (i % 3 === 0) pool.free(live.splice(live.length - 1 - prng.below(Math.min(100, live.length)), 1)[0]);
    }
    assert.equal(countsOf(pool).bytesMoved, 0);
    const { rows } = countsOf(pool);
    assert.ok(rows * (1 - 1 / 16) <= most + 64 + 1, `${rows} rows for at most ${most} objects`);
    const { metadataBytes, pages } = pool.stats();
    const metadataMost = 4 * FIRST_PAGE + 32 * pages + ROW_BYTES * rows;
    assert.ok(
      metadataBytes <= metadataMost && metadataBytes >= metadataMost - ROW_BYTES * 64,
      `${metadataBytes} bytes`,
    );
    verify(pool);
    finish(pool, live);
  });

  it("are found where all others are taken, but for those of a page under reclaim", () => {
    let during: unknown = null;
    const evicted: Handle[] = [];
    const onEvict = (handle: Handle): boolean => {
      pool.free(handle);
      evicted.push(handle);
      during ??= pool.alloc(8);
      return false;
    };
    const pool = new LogPool({ maxPages: 64, pageSize: PAGE_SIZE, maxObjects: 1000, onEvict });
    const live = fillUp(pool, 8, 1000);
    assert.equal(live.length, 1000);
    const prng = new Prng(5);
    for (let i = 0; i < 3000; i++) {
      const at = prng.below(live.length);
      pool.free(live[at]);
      assert.equal(countsOf(pool).dead, 1);
      live[at] = take(pool, 8);
    }
    assert.equal(pool.reclaimPage(1), "EAGAIN");
    assert.equal(during, "ENOMEM");
    live.splice(live.indexOf(evicted[0]), 1);
    live.push(take(pool, 8));
    finish(pool, live);
  });
});

describe("the largest pools", () => {
  it("have granules that divide every page", () => {
    for (const [pageSize, maxPages] of [
      [512, 2 ** 24],
      [4096, 2 ** 24],
      [1_048_512, 2 ** 17 - 1],
      [2 ** 20, 2 ** 17 - 1],
    ] as const) {
      assert.throws(() => new LogPool({ pageSize, maxPages: maxPages + 1 }), { code: "EINVAL" });
    }
  });
});
