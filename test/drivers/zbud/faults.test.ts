/** The page source refuses, at each point in turn: nothing leaks, and nothing is half done. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Handle, ZbudError } from "../../../src/base/index.ts";
import { snapshot, verify } from "../../../src/diagnostics/index.ts";
import { ZbudPool } from "../../../src/drivers/zbud/index.ts";
import { createPageMemory, threadsMemory } from "../../../src/memory/index.ts";
import type { Pool } from "../../../src/pool/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { assertFill, finish, freeIt, put, take } from "../../support/objects.ts";
import { fullSnapshot } from "./full-snapshot.ts";
import { Lockstep } from "./lockstep.ts";
import { planOf, prngOf, stepOf } from "./steps.ts";

function faultyPool(
  maxPages: number,
  refuses: (asked: number) => boolean,
  onEvict?: (handle: Handle, pool: Pool) => boolean,
): { pool: ZbudPool; memory: FaultyMemory } {
  const memory = new FaultyMemory(createPageMemory(4096, maxPages, null), refuses);
  return { pool: new ZbudPool({ maxPages, onEvict }, { memory }), memory };
}

/** A fixed workload with reclaims, trims and handlers that allocate. Gives how many allocs were refused. */
function workload(pool: ZbudPool, more: Set<Handle>, live: Set<Handle>): number {
  const prng = prngOf(77);
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const choice = prng.below(20);
    if (choice < 12) {
      const before = pool.stats().allocsRefused.ENOMEM;
      const snapshot = fullSnapshot(pool);
      const handle = pool.alloc(1 + prng.below(3968));
      if (typeof handle === "number") live.add(handle);
      else {
        assert.equal(handle, "ENOMEM");
        refused++;
        assert.equal(pool.stats().allocsRefused.ENOMEM, before + 1);
        const after = fullSnapshot(pool);
        after.stats.allocsRefused.ENOMEM = before;
        assert.deepEqual(after, snapshot, "a refused alloc changes nothing but its counter");
      }
    } else if (choice < 16 && live.size > 0) {
      const handle = [...live][prng.below(live.size)];
      live.delete(handle);
      pool.free(handle);
    } else if (choice < 19) {
      pool.reclaimPage(prng.below(3));
    } else {
      pool.trim();
    }
    for (const handle of more) live.add(handle);
    more.clear();
    verify(pool);
    assert.equal(pool.stats().objects, live.size);
  }
  return refused;
}

function run(refuses: (asked: number) => boolean): { asked: number; refused: number; memoryRefused: number } {
  const live = new Set<Handle>();
  const more = new Set<Handle>();
  const { pool, memory } = faultyPool(24, refuses, (handle, given) => {
    const handleOfMore = given.alloc(1000);
    if (typeof handleOfMore === "number") more.add(handleOfMore);
    live.delete(handle);
    more.delete(handle);
    return freeIt(handle, given);
  });
  const refused = workload(pool, more, live);
  const { asked } = memory;
  finish(pool, live);
  return { asked, refused, memoryRefused: memory.refused };
}

describe("family: out of memory at any single allocation", () => {
  it("the page source refuses once, at each point in turn", () => {
    const { asked } = run(() => false);
    assert.ok(asked > 20, `the workload asks for memory often enough to be of use: ${asked} times`);
    for (let point = 0; point < asked; point++) {
      const { memoryRefused } = run((at) => at === point);
      assert.equal(memoryRefused, 1, `point ${point} was reached`);
    }
  });

  it("the page source refuses from each point on", () => {
    const { asked } = run(() => false);
    for (let point = 0; point < asked; point++) assert.ok(run((at) => at >= point).memoryRefused > 0);
  });

  it("a pool that got no memory at all is empty, and works when memory comes back", () => {
    let refuses = true;
    const { pool } = faultyPool(4, () => refuses);
    const before = snapshot(pool);
    for (const size of [1, 64, 3968]) assert.equal(pool.alloc(size), "ENOMEM");
    assert.deepEqual(snapshot(pool), before);
    assert.equal(pool.pageCount, 0);
    assert.equal(pool.stats().objects, 0);
    refuses = false;
    finish(pool, [put(pool, 3968, 1)]);
  });

  it("what fits a gap needs no memory", () => {
    let refuses = false;
    const { pool } = faultyPool(4, () => refuses);
    const first = put(pool, 2000, 1);
    refuses = true;
    const last = put(pool, 1900, 2);
    assert.equal(pool.alloc(1900), "ENOMEM");
    assertFill(pool, first, 1);
    assertFill(pool, last, 2);
    finish(pool, [first, last]);
  });

  it("a released page is taken again without asking for memory", () => {
    const { pool, memory } = faultyPool(4, (at) => at >= 1);
    for (let i = 0; i < 100; i++) pool.free(take(pool, 3000));
    assert.equal(memory.refused, 0);
    finish(pool);
  });

  it("an address range that the system does not have is ENOMEM, naming what to lower", () => {
    try {
      new ZbudPool({ maxPages: 2 ** 24, pageSize: 2 ** 20 }).close();
    } catch (error) {
      assert.ok(error instanceof ZbudError);
      assert.equal(error.code, "ENOMEM");
      assert.match(error.message, /maxPages/);
    }
  });

  it("random operations agree with the model while memory comes and goes (seeds 1 to 60)", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = prngOf(seed);
      const plan = planOf(prng);
      const faults = prngOf(seed + 1000);
      const inner = createPageMemory(plan.pageSize, plan.maxPages, plan.shared ? threadsMemory : null);
      const memory = new FaultyMemory(inner, () => faults.chance(0.4));
      const lockstep = new Lockstep(plan, memory);
      for (let i = 0; i < 400; i++) lockstep.step(stepOf(prng, plan.weights));
      lockstep.finish();
    }
  });
});
