/** Compaction: what it releases, in steps, where rows or memory are short, and while others read. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { type Handle, Prng } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { createPool, ZsmallocPool } from "../../../src/entry/index.ts";
import { createPageMemory } from "../../../src/memory/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { assertObject, finish, put, putMany } from "../../support/objects.ts";
import type { ReaderData } from "./reader.ts";

/** A pool of several classes, of whose objects about one in `oneIn` is left. */
function sparse(
  pool: ZsmallocPool,
  seed: number,
  oneIn: number,
): Map<Handle, { size: number; fill: number }> {
  const prng = new Prng(seed);
  const sizes = [60, 300, 1000, 1400, 2000, 3000];
  const live = new Map<Handle, { size: number; fill: number }>();
  for (let i = 0; i < 400; i++) {
    const size = sizes[prng.below(sizes.length)];
    live.set(put(pool, size, i & 0xff), { size, fill: i & 0xff });
  }
  for (const handle of live.keys()) {
    if (prng.below(oneIn) === 0) continue;
    pool.free(handle);
    live.delete(handle);
  }
  return live;
}

/** The fewest groups that the live objects of each class need. */
function pagesNeeded(pool: ZsmallocPool, live: ReadonlyMap<Handle, { size: number }>): number {
  const counts = new Map<number, number>();
  for (const { size } of live.values()) {
    const index = pool.classes.findIndex((each) => each.size >= size);
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  let pages = 0;
  for (const [index, count] of counts) {
    const { objects, pages: groupPages } = pool.classes[index];
    pages += Math.ceil(count / objects) * groupPages;
  }
  return pages;
}

describe("compaction", () => {
  it("leaves the fewest groups that the objects fit in, every byte where its handle says", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pool = new ZsmallocPool({ maxPages: 1024, maxGroupPages: 1 + (seed % 8) });
      const live = sparse(pool, seed, 2 + (seed % 4));
      const before = pool.pageCount;
      const { moved, pagesReleased } = pool.compact();
      assert.ok(moved > 0 && pagesReleased > 0);
      assert.equal(pool.pageCount, before - pagesReleased);
      assert.equal(pool.pageCount, pagesNeeded(pool, live));
      verify(pool);
      for (const [handle, { size, fill }] of live) assertObject(pool, handle, size, fill);
      finish(pool, live.keys());
    }
  });

  it("in bounded steps comes to the same", () => {
    const whole = new ZsmallocPool({ maxPages: 1024 });
    const stepped = new ZsmallocPool({ maxPages: 1024 });
    const kept = sparse(whole, 5, 3);
    const live = sparse(stepped, 5, 3);
    const total = whole.compact();
    let moved = 0;
    let pagesReleased = 0;
    for (let calls = 0; ; calls++) {
      assert.ok(calls < 10_000, "it ends");
      const step = stepped.compact(3);
      assert.ok(step.moved <= 3);
      verify(stepped);
      moved += step.moved;
      pagesReleased += step.pagesReleased;
      if (step.moved === 0) break;
    }
    assert.deepEqual({ moved, pagesReleased }, total);
    finish(whole, kept.keys());
    finish(stepped, live.keys());
  });

  it("does nothing where nothing can be released", () => {
    const pool = new ZsmallocPool({ maxPages: 64 });
    assert.deepEqual(pool.compact(), { moved: 0, pagesReleased: 0 });
    const handles = [...putMany(pool, 1024, 7), ...putMany(pool, 4096, 2), put(pool, 100)];
    assert.deepEqual(pool.compact(), { moved: 0, pagesReleased: 0 });
    finish(pool, handles);
  });

  it("needs no page: a full pool compacts", () => {
    const pool = new ZsmallocPool({ maxPages: 8 });
    const handles = putMany(pool, 1024, 32);
    assert.equal(pool.alloc(4096), "ENOMEM");
    const kept = handles.filter((_, i) => i % 4 < 2);
    for (const [i, handle] of handles.entries()) if (i % 4 >= 2) pool.free(handle);
    assert.equal(pool.alloc(4096), "ENOMEM");
    assert.deepEqual(pool.compact(), { moved: 8, pagesReleased: 4 });
    const large = putMany(pool, 4096, 4);
    finish(pool, [...kept, ...large]);
  });

  it("moves the objects of short groups into whole ones, when there are pages again", () => {
    const { size, objects, pages } = new ZsmallocPool({ maxPages: 1, maxGroupPages: 4 }).classes.find(
      (each) => each.pages === 4 && each.objects > 8,
    ) ?? { size: 0, objects: 0, pages: 0 };
    const pool = new ZsmallocPool({ maxPages: 2 * pages, maxGroupPages: 4 });
    const first = putMany(pool, size, objects);
    const blockers = putMany(pool, 4096, pages - 1);
    const short = put(pool, size, 7);
    assert.equal(pool.pageCount, 2 * pages, "the last page is in use");
    for (const handle of [...blockers, first[0]]) pool.free(handle);
    assert.deepEqual(pool.compact(), { moved: 1, pagesReleased: 1 });
    assertObject(pool, short, size, 7);
    finish(pool, [...first.slice(1), short]);
  });

  it("where rows are short, groups give theirs: maxObjects objects always fit", () => {
    const prng = new Prng(9);
    const pool = new ZsmallocPool({ maxPages: 256, maxObjects: 100 });
    const live = new Map<Handle, number>();
    for (let i = 0; i < 3000; i++) {
      const size = 32 + 16 * prng.below(60);
      const handle = pool.alloc(size);
      if (live.size === 100) assert.equal(handle, "ENOMEM");
      else assert.ok(typeof handle === "number", `${live.size} objects, and one more is ${handle}`);
      if (typeof handle === "number") {
        pool.write(handle, new Uint8Array(size).fill(size >> 4));
        live.set(handle, size);
      }
      if (live.size > 80) {
        const [victim] = [...live.keys()].slice(prng.below(live.size));
        if (prng.chance(0.6)) {
          pool.free(victim);
          live.delete(victim);
        }
      }
      if (i % 50 === 0) pool.compact();
      if (i % 10 === 0) verify(pool);
    }
    for (const [handle, size] of live) assertObject(pool, handle, size, size >> 4);
    finish(pool, live.keys());
  });

  it("takes a number of moves from 1 on, and is ECLOSED after close", () => {
    const pool = new ZsmallocPool({ maxPages: 8 });
    for (const moves of [0, -1, 1.5, Number.NaN, "8", null]) {
      assert.throws(() => pool.compact(moves as number), { code: "EINVAL" });
    }
    pool.close();
    assert.throws(() => pool.compact(), { code: "ECLOSED" });
  });

  it("is there for every type of pool, and does nothing where nothing moves", () => {
    const moving = createPool("zsmalloc", { maxPages: 8 });
    const handles = Array.from({ length: 8 }, () => moving.alloc(1024) as Handle);
    for (const i of [0, 1, 4, 5]) moving.free(handles[i]);
    assert.deepEqual(moving.compact(), { moved: 2, pagesReleased: 1 });
    moving.close();
    const still = createPool("zbud", { maxPages: 8 });
    still.alloc(100);
    assert.deepEqual(still.compact(), { moved: 0, pagesReleased: 0 });
    assert.throws(() => still.compact(0), { code: "EINVAL" });
    still.close();
  });
});

describe("compaction with faults", () => {
  it("memory that refuses at any point: no group is half made, and compaction goes on without", () => {
    const asked = 40;
    for (let point = 0; point <= asked; point++) {
      const memory = new FaultyMemory(createPageMemory(4096, 64, null), (at) => at >= point);
      const pool = new ZsmallocPool({ maxPages: 64, maxGroupPages: 4 }, { memory });
      const live = new Map<Handle, number>();
      for (let i = 0; i < 120; i++) {
        const size = [300, 1400, 2200, 3300][i % 4];
        const handle = pool.alloc(size);
        verify(pool);
        if (typeof handle !== "number") continue;
        pool.write(handle, new Uint8Array(size).fill(i));
        live.set(handle, i);
        if (i % 3 === 0) {
          const [oldest] = live.keys();
          pool.free(oldest);
          live.delete(oldest);
        }
        if (i % 10 === 0) pool.compact(5);
      }
      pool.compact();
      assert.ok(pool.pageCount <= point);
      for (const [handle, i] of live) assertObject(pool, handle, [300, 1400, 2200, 3300][i % 4], i);
      finish(pool, live.keys());
    }
  });
});

describe("compaction while others read", () => {
  it("every read is whole", { timeout: 60_000 }, async (t) => {
    const pool = new ZsmallocPool({ maxPages: 512, shared: true });
    const handles = new Float64Array(new SharedArrayBuffer(8 * 512));
    const control = new Int32Array(new SharedArrayBuffer(16));
    const data: ReaderData = { shared: pool.share(), handles, control };
    const workers = [0, 1].map(
      () => new Worker(new URL("./reader.ts", import.meta.url), { workerData: data }),
    );
    const ends = Promise.all(workers.map((worker) => once(worker, "message")));
    const prng = new Prng(3);
    let moved = 0;
    const start = performance.now();
    while (performance.now() - start < 20_000 && (moved < 3000 || Atomics.load(control, 1) < 5000)) {
      for (let i = 0; i < 60; i++) {
        const at = prng.below(handles.length);
        if (handles[at] !== 0) {
          const handle = handles[at] as Handle;
          handles[at] = 0;
          pool.free(handle);
        } else {
          // Its bytes are written before anybody knows its handle.
          const handle = pool.alloc(200 + 16 * prng.below(12) + 1200 * prng.below(2));
          if (typeof handle !== "number") continue;
          pool.write(handle, new Uint8Array(pool.sizeOf(handle)).fill(at & 0xff));
          handles[at] = handle;
        }
      }
      moved += pool.compact(40).moved;
      await new Promise((resolve) => setImmediate(resolve));
    }
    verify(pool);
    Atomics.store(control, 0, 1);
    await ends;
    t.diagnostic(`${moved} moves, ${control[1]} whole reads, ${control[2]} of objects that had gone`);
    assert.ok(moved > 1000 && control[1] > 1000);
    finish(
      pool,
      [...handles].filter((handle) => handle !== 0).map((handle) => handle as Handle),
    );
  });
});
