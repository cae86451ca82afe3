/**
 * Random operations on small pools, against the model. Every operation is followed by `verify()`, a
 * comparison of all places and counters, and a look at every live object's bytes.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CAN_SHARE, SHARING } from "../../contracts/sharing.ts";
import { Lockstep } from "./lockstep.ts";
import { runSeed } from "./run.ts";
import { ENDINGS, GEOMETRIES, prngOf, SIDE_ACTS, SIZE_PROFILES, STEP_KINDS, stepOf } from "./steps.ts";

/** What CI must do at least, over all runs of this file. `npm run test:planted` lowers it. */
const OPERATIONS_MIN = Number(process.env.ZBUD_PROPERTY_OPERATIONS ?? 1_000_000);
const STEPS_A_RUN = 2000;
/** The first seed of the volume run; set it to explore others. */
const SEED_FIRST = Number(process.env.ZBUD_PROPERTY_SEED ?? 1);

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const arbitraryPlan = fc.record({
  geometry: fc.constantFrom(...GEOMETRIES),
  maxPages: fc.integer({ min: 1, max: 24 }),
  shared: fc.constantFrom(...SHARING),
  evicts: fc.constantFrom(true, true, true, false),
  sizes: fc.constantFrom(...SIZE_PROFILES),
  sideActs: fc.uniqueArray(fc.constantFrom(...SIDE_ACTS), { minLength: 1 }),
  endings: fc.uniqueArray(fc.constantFrom(...ENDINGS), { minLength: 1 }),
});

const arbitraryStep = fc.record({
  kind: fc.constantFrom(
    "alloc" as const,
    "alloc" as const,
    "free" as const,
    "reclaim" as const,
    ...STEP_KINDS,
  ),
  x: uint32,
  y: uint32,
});

describe("ZbudPool against its model", () => {
  it("agrees after every step of any sequence (fast-check, shrinks a failure)", () => {
    const seed = Number(process.env.ZBUD_FAST_CHECK_SEED ?? 20261122);
    console.log(`fast-check seed ${seed}; another: ZBUD_FAST_CHECK_SEED=N`);
    fc.assert(
      fc.property(
        arbitraryPlan,
        fc.array(arbitraryStep, { maxLength: 200, size: "max" }),
        ({ geometry: [pageSize, chunkOrder], ...plan }, steps) => {
          const weights = Object.fromEntries(STEP_KINDS.map((kind) => [kind, 1])) as Record<
            (typeof STEP_KINDS)[number],
            number
          >;
          const lockstep = new Lockstep({ pageSize, chunkOrder, weights, ...plan });
          for (const step of steps) lockstep.step(step);
          lockstep.finish();
        },
      ),
      { seed, numRuns: Number(process.env.ZBUD_FAST_CHECK_RUNS ?? 300) },
    );
  });

  it(`agrees over ${OPERATIONS_MIN} operations in seeded runs`, () => {
    let operations = 0;
    let seed = SEED_FIRST;
    while (operations < OPERATIONS_MIN) operations += runSeed(seed++, STEPS_A_RUN);
    console.log(
      `seeds ${SEED_FIRST} to ${seed - 1}, ${STEPS_A_RUN} steps each: ${operations} operations; ` +
        `one of them again: npm run property -- --seed N --steps ${STEPS_A_RUN}`,
    );
    assert.ok(operations >= OPERATIONS_MIN);
  });

  it("agrees with pages of 1 MiB", () => {
    for (const [seed, chunkOrder] of [
      [1, 6],
      [2, 10],
      [3, 2],
    ] as const) {
      const weights = {
        alloc: 10,
        allocBad: 1,
        free: 6,
        misuse: 1,
        rewrite: 1,
        reclaim: 3,
        trim: 1,
        remap: 1,
      };
      const lockstep = new Lockstep({
        pageSize: 2 ** 20,
        chunkOrder,
        maxPages: 4,
        shared: CAN_SHARE && seed === 2,
        evicts: true,
        sizes: "edges",
        weights,
        sideActs: SIDE_ACTS,
        endings: ENDINGS,
      });
      runSteps(lockstep, seed, weights, 150);
    }
  });
});

function runSteps(
  lockstep: Lockstep,
  seed: number,
  weights: Parameters<typeof stepOf>[1],
  steps: number,
): void {
  const prng = prngOf(seed);
  for (let i = 0; i < steps; i++) lockstep.step(stepOf(prng, weights));
  lockstep.finish();
}
