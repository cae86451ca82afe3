import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { historyOf, WORLDS } from "./cache-history.ts";
import { closeThread, failureOf } from "./checker.ts";
import { canRun, reportOf } from "./shorten.ts";

const { ZBUD_HISTORY_OPERATIONS, ZBUD_PROPERTY_OPERATIONS } = process.env;
const OPERATIONS_MIN = Number(ZBUD_HISTORY_OPERATIONS ?? ZBUD_PROPERTY_OPERATIONS ?? 1_000_000);
/** The same histories each time; `npm run soak:cache` runs others. */
const SEED_FIRST = 0;

describe("the cache against its model", () => {
  after(closeThread);
  for (const [number, world] of WORLDS.entries()) {
    it(`random histories: ${world.name}`, { skip: !canRun(world) }, async () => {
      const operationsMin = OPERATIONS_MIN / WORLDS.length;
      let operations = 0;
      for (let seed = SEED_FIRST + number; operations < operationsMin; seed += WORLDS.length) {
        const history = historyOf(seed);
        const failure = await failureOf(history);
        if (failure !== null) assert.fail(await reportOf(history, failure));
        operations += history.steps.length;
      }
    });
  }
});
