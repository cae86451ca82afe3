/**
 * Random operations on small pools, against the model. Every operation is followed by `verify()`, a comparison
 * of all places, lists and counters, and a look at every live object's bytes.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Lockstep } from "../zbud/lockstep.ts";
import { runSeed } from "../zbud/run.ts";
import { ENDINGS, SIDE_ACTS, SIZE_PROFILES, STEP_KINDS } from "../zbud/steps.ts";
import { SLOTS } from "./sides.ts";

/** What CI must do at least. `npm run test:planted` lowers it. */
const OPERATIONS_MIN = Number(process.env.ZBUD_PROPERTY_OPERATIONS ?? 200_000);
const STEPS_A_RUN = 1000;
const SEED_FIRST = Number(process.env.ZBUD_PROPERTY_SEED ?? 1);

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const arbitraryPlan = fc.record({
  pageSize: fc.constantFrom(4096, 64, 128, 192, 1024, 2304, 65_536),
  maxPages: fc.integer({ min: 1, max: 12 }),
  shared: fc.boolean(),
  evicts: fc.constantFrom(true, true, true, false),
  sizes: fc.constantFrom(...SIZE_PROFILES),
  sideActs: fc.uniqueArray(fc.constantFrom(...SIDE_ACTS), { minLength: 1 }),
  endings: fc.uniqueArray(fc.constantFrom(...ENDINGS), { minLength: 1 }),
});

const arbitraryStep = fc.record({
  kind: fc.constantFrom("alloc" as const, "alloc" as const, "alloc" as const, "free" as const, ...STEP_KINDS),
  x: uint32,
  y: uint32,
});

const weights = Object.fromEntries(STEP_KINDS.map((kind) => [kind, 1])) as Record<
  (typeof STEP_KINDS)[number],
  number
>;

describe("SlotsPool against its model", () => {
  it("agrees after every step of any sequence (fast-check, shrinks a failure)", () => {
    const seed = Number(process.env.ZBUD_FAST_CHECK_SEED ?? 20261122);
    console.log(`fast-check seed ${seed}; another: ZBUD_FAST_CHECK_SEED=N`);
    fc.assert(
      fc.property(arbitraryPlan, fc.array(arbitraryStep, { maxLength: 200, size: "max" }), (plan, steps) => {
        const lockstep = new Lockstep({ chunkOrder: 6, weights, ...plan }, undefined, SLOTS);
        for (const step of steps) lockstep.step(step);
        lockstep.finish();
      }),
      { seed, numRuns: Number(process.env.ZBUD_FAST_CHECK_RUNS ?? 200) },
    );
  });

  it(`agrees over ${OPERATIONS_MIN} operations in seeded runs`, () => {
    let operations = 0;
    let seed = SEED_FIRST;
    while (operations < OPERATIONS_MIN) operations += runSeed(seed++, STEPS_A_RUN, SLOTS);
    console.log(
      `seeds ${SEED_FIRST} to ${seed - 1}, ${STEPS_A_RUN} steps each: ${operations} operations; ` +
        `one of them again: npm run property -- --driver slots --seed N --steps ${STEPS_A_RUN}`,
    );
    assert.ok(operations >= OPERATIONS_MIN);
  });
});
