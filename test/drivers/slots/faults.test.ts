/** The page source refuses, at each point in turn: nothing leaks, and nothing is half done. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handle } from "../../../src/base/index.ts";
import { verify } from "../../../src/diagnostics/index.ts";
import { SlotsPool } from "../../../src/drivers/slots/index.ts";
import { createPageMemory, threadsMemory } from "../../../src/memory/index.ts";
import { FaultyMemory } from "../../support/faulty-memory.ts";
import { assertFill, finish, freeIt, put } from "../../support/objects.ts";
import { Lockstep } from "../zbud/lockstep.ts";
import { planOf, prngOf, stepOf } from "../zbud/steps.ts";
import { fullSnapshot } from "./full-snapshot.ts";
import { SLOTS } from "./sides.ts";

const MAX_PAGES = 24;

/** A fixed workload with reclaims, trims and a handler that allocates. How often memory was asked for, and refused. */
function run(refuses: (asked: number) => boolean): { asked: number; refused: number } {
  const memory = new FaultyMemory(createPageMemory(4096, MAX_PAGES, null), refuses);
  const live = new Set<Handle>();
  const onEvict = (handle: Handle, given: SlotsPool): boolean => {
    const more = given.alloc(1000);
    if (typeof more === "number") live.add(more);
    live.delete(handle);
    return freeIt(handle, given);
  };
  const pool = new SlotsPool({ maxPages: MAX_PAGES, onEvict }, { memory });
  const prng = prngOf(77);
  for (let i = 0; i < 300; i++) {
    const choice = prng.below(20);
    if (choice < 12) {
      const before = fullSnapshot(pool);
      const handle = pool.alloc(1 + prng.below(prng.chance(0.5) ? 4096 : 200));
      if (typeof handle === "number") {
        live.add(handle);
      } else {
        before.stats.allocsRefused.ENOMEM++;
        assert.equal(handle, "ENOMEM");
        assert.deepEqual(fullSnapshot(pool), before, "a refused alloc changes nothing but its counter");
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
    verify(pool);
    assert.equal(pool.stats().objects, live.size);
  }
  const { asked, refused } = memory;
  finish(pool, live);
  return { asked, refused };
}

describe("out of memory", () => {
  it("once, at each point in turn; and from each point on", () => {
    const { asked } = run(() => false);
    assert.ok(asked > 20, `the workload asks for memory often enough to be of use: ${asked} times`);
    for (let point = 0; point < asked; point++) {
      assert.equal(run((at) => at === point).refused, 1, `point ${point} was reached`);
      assert.ok(run((at) => at >= point).refused > 0);
    }
  });

  it("what fits a gap needs no memory", () => {
    let refuses = false;
    const memory = new FaultyMemory(createPageMemory(4096, 4, null), () => refuses);
    const pool = new SlotsPool({ maxPages: 4 }, { memory });
    const handles = [put(pool, 2000, 1)];
    refuses = true;
    handles.push(put(pool, 1000, 2), put(pool, 1024, 3));
    assert.equal(pool.alloc(65), "ENOMEM");
    for (const [i, handle] of handles.entries()) assertFill(pool, handle, i + 1);
    finish(pool, handles);
  });

  it("random operations agree with the model while memory comes and goes (seeds 1 to 40)", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const prng = prngOf(seed);
      const plan = planOf(prng);
      const faults = prngOf(seed + 1000);
      const inner = createPageMemory(plan.pageSize, plan.maxPages, plan.shared ? threadsMemory : null);
      const lockstep = new Lockstep(plan, new FaultyMemory(inner, () => faults.chance(0.4)), SLOTS);
      for (let i = 0; i < 300; i++) lockstep.step(stepOf(prng, plan.weights));
      lockstep.finish();
    }
  });
});
