/**
 * `npm run property -- --driver NAME --seed N --steps N`: replays one run of the property suite, or hunts with many.
 *
 * Exit codes: 0 all runs agree with the model; 1 one differs; 2 a bad argument.
 */

import { parseArgs } from "node:util";
import { SLOTS } from "../slots/sides.ts";
import { type Sides, ZBUD } from "./lockstep.ts";
import { RunFailure, runSeed } from "./run.ts";

const HELP = `usage: npm run property -- [--driver NAME] [--seed N] [--steps N] [--runs N]
  --driver NAME  whose pool: zbud (default) or slots
  --seed N    the first seed (default: from the clock, and printed)
  --steps N   operations a run (default 2000)
  --runs N    how many seeds to run, from --seed upwards (default 1)`;

const DRIVERS: Readonly<Record<string, Sides>> = { zbud: ZBUD, slots: SLOTS };

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return failUsage(`--${name} takes a whole number, not ${JSON.stringify(text)}`);
}

/** Prints what is wrong and how it should be, and ends. */
function failUsage(what: string): never {
  console.error(`${what}\n${HELP}`);
  process.exit(2);
}

function readOptions(): Partial<Record<"driver" | "seed" | "steps" | "runs", string>> & { help?: boolean } {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      options: { driver: text, seed: text, steps: text, runs: text, help: { type: "boolean" } },
    }).values;
  } catch (error) {
    return failUsage((error as Error).message);
  }
}

function main(): void {
  const values = readOptions();
  if (values.help) {
    console.log(HELP);
    return;
  }
  const sides = DRIVERS[values.driver ?? "zbud"] ?? failUsage(`no driver ${JSON.stringify(values.driver)}`);
  const seed = numberOf("seed", values.seed, Date.now() % 2 ** 31);
  const steps = numberOf("steps", values.steps, 2000);
  const runs = numberOf("runs", values.runs, 1);
  // First of all, so that a run that never ends can be started again.
  if (values.seed === undefined) console.log(`--seed ${seed}`);
  let operations = 0;
  try {
    for (let i = 0; i < runs; i++) operations += runSeed(seed + i, steps, sides);
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error;
    console.error(error.message);
    console.error(error.cause instanceof Error ? error.cause.stack : error.cause);
    console.error(
      `shortest failing prefix: ${error.stepIndex + 1} steps (the last is step ${error.stepIndex})`,
    );
    process.exitCode = 1;
    return;
  }
  console.log(
    `seeds ${seed} to ${seed + runs - 1}, ${steps} steps each: ${operations} operations, no difference`,
  );
}

main();
