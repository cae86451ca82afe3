/** The command that replays one run of the property suite. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { RunFailure, runSeed } from "./run.ts";
import { planOf, prngOf, stepOf } from "./steps.ts";

const COMMAND = fileURLToPath(new URL("property.ts", import.meta.url));

function property(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const flags = ["--disable-warning=ExperimentalWarning", COMMAND, ...args];
  return spawnSync(process.execPath, flags, { encoding: "utf8" });
}

describe("npm run property", () => {
  it("replays a seed", () => {
    const { status, stdout, stderr } = property("--seed", "7", "--steps", "300");
    assert.equal(stderr, "");
    assert.match(stdout, /seeds 7 to 7, 300 steps each: \d+ operations, no difference/);
    assert.equal(status, 0);
  });

  it("says how it is used, and what is wrong", () => {
    assert.match(property("--help").stdout, /usage: npm run property/);
    for (const args of [["--seed", "x"], ["--steps", "-1"], ["--runs", "1.5"], ["--sead", "1"], ["7"]]) {
      const { status, stderr } = property(...args);
      assert.equal(status, 2, args.join(" "));
      assert.match(stderr, /usage: npm run property/);
    }
  });

  it("does the same operations for the same seed, of which a shorter run does the first", () => {
    assert.equal(runSeed(11, 500), runSeed(11, 500));
    const steps = (count: number): unknown[] => {
      const prng = prngOf(11);
      const plan = planOf(prng);
      return [plan, ...Array.from({ length: count }, () => stepOf(prng, plan.weights))];
    };
    assert.deepEqual(steps(500).slice(0, 101), steps(100));
  });

  it("tells of a failure by the line that replays its shortest prefix", () => {
    const prng = prngOf(3);
    const plan = planOf(prng);
    const step = stepOf(prng, plan.weights);
    const cause = new Error("pageCount");
    const failure = new RunFailure({ seed: 3, stepIndex: 41, plan, step, driver: "zbud" }, { cause });
    assert.match(failure.message, /seed 3 fails at step 41/);
    assert.match(failure.message, /pageCount/);
    assert.match(failure.message, /npm run property -- --driver zbud --seed 3 --steps 42$/m);
    assert.equal(failure.cause, cause);
  });
});
