/** Memory that goes back to the system and is taken again, under random operations, in pools of every driver and kind. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CAN_GIVE_BACK } from "../support/can-give-back.ts";
import { sharedPath } from "../support/shared-path.ts";
import { DRIVERS, type DriverName } from "../threads/pools.ts";
import { MEMORIES, TrimRun } from "./trim-run.ts";

const RUNS = Number(process.env.ZBUD_PROPERTY_RUNS ?? 12);
const SEED_FIRST = Number(process.env.ZBUD_PROPERTY_SEED ?? 1);
const STEPS = 300;

for (const driver of Object.keys(DRIVERS) as DriverName[]) {
  describe(`trimmed at random: ${driver}`, () => {
    const kinds = MEMORIES.filter((memory) => CAN_GIVE_BACK || memory !== "processes");
    for (const memory of kinds) {
      it(`${memory} memory (seeds ${SEED_FIRST} to ${SEED_FIRST + RUNS - 1}, ${STEPS} steps each)`, () => {
        let given = 0;
        let refused = 0;
        for (let seed = SEED_FIRST; seed < SEED_FIRST + RUNS; seed++) {
          let step = 0;
          try {
            const run = new TrimRun(driver, memory, seed, sharedPath);
            for (; step < STEPS; step++) run.step();
            run.finish();
            given += run.given;
            refused += run.refused;
          } catch (error) {
            throw new Error(
              `seed ${seed}, step ${step}: ${(error as Error).message}; again: ZBUD_PROPERTY_SEED=${seed} ZBUD_PROPERTY_RUNS=1`,
              { cause: error },
            );
          }
        }
        assert.equal(given > 0, CAN_GIVE_BACK || memory !== "threads", "something was given back");
        assert.equal(refused > 0, memory.startsWith("watched"), "and something refused, where it can be");
      });
    }
  });
}
