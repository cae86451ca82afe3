/** Plain seeded runs of the property suite: what a seed means, and how a failure is told. */

import { snapshot } from "../../../src/diagnostics/index.ts";
import { Lockstep, type Sides, ZBUD } from "./lockstep.ts";
import { planOf, prngOf, type RunPlan, type Step, stepOf } from "./steps.ts";

/** A run that failed, with the shortest prefix of its steps that fails. */
export class RunFailure extends Error {
  readonly seed: number;
  /** Index of the step after which the pool and the model differ; the prefix is one longer. */
  readonly stepIndex: number;

  constructor(
    at: { seed: number; stepIndex: number; plan: RunPlan; step: Step | null; driver: string },
    options: { cause: unknown },
  ) {
    const { seed, stepIndex, plan, step, driver } = at;
    const { cause } = options;
    const why = cause instanceof Error ? cause.message : String(cause);
    const what = step === null ? "at the end" : `at step ${stepIndex}, ${JSON.stringify(step)}`;
    super(
      `seed ${seed} fails ${what}: ${why}\n` +
        `  pool: ${JSON.stringify(plan)}\n` +
        `  replay: npm run property -- --driver ${driver} --seed ${seed} --steps ${step === null ? stepIndex : stepIndex + 1}`,
      options,
    );
    this.name = "RunFailure";
    this.seed = seed;
    this.stepIndex = stepIndex;
  }
}

/**
 * One run: `steps` random operations on a pool whose shape and mix come from `seed`, compared after each.
 * The first steps of a longer run are the same as those of a shorter one.
 *
 * @returns how many operations were done, those of handlers included.
 */
export function runSeed(seed: number, steps: number, sides: Sides = ZBUD): number {
  const prng = prngOf(seed);
  const plan = planOf(prng);
  const lockstep = new Lockstep(plan, undefined, sides);
  const driver = snapshot(lockstep.pool).type;
  for (let i = 0; i < steps; i++) {
    const step = stepOf(prng, plan.weights);
    try {
      lockstep.step(step);
    } catch (error) {
      throw new RunFailure({ seed, stepIndex: i, plan, step, driver }, { cause: error });
    }
  }
  try {
    lockstep.finish();
  } catch (error) {
    throw new RunFailure({ seed, stepIndex: steps, plan, step: null, driver }, { cause: error });
  }
  return lockstep.operations;
}
