/**
 * A thread stops for ever at a numbered point of the code, between any two statements, and is terminated:
 * at every point, in every operation, also while it repairs what another dead thread left.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { CrashRunner } from "./crash-runner.ts";
import { type Instrumented, instrument } from "./instrument.ts";
import { LOG_SCENARIOS } from "./log-scenarios.ts";
import type { DriverName } from "./pools.ts";
import type { Scenario } from "./scenario.ts";
import { SIZE_CLASSES_SCENARIOS } from "./size-classes-scenarios.ts";
import { SLOTS_SCENARIOS } from "./slots-scenarios.ts";
import { ZBUD_SCENARIOS } from "./zbud-scenarios.ts";
import { ZSMALLOC_SCENARIOS } from "./zsmalloc-scenarios.ts";

/** Whether to stop at every point each time that it is met, not only the first and the last time. */
const EVERY = process.env.ZBUD_POINTS === "every";

/** In scenarios that are sampled, every so many-th point that is met. */
const SAMPLE = 24;

stopsAnywhere("zbud", ZBUD_SCENARIOS);
stopsAnywhere("size-classes", SIZE_CLASSES_SCENARIOS);
stopsAnywhere("slots", SLOTS_SCENARIOS);
stopsAnywhere("zsmalloc", ZSMALLOC_SCENARIOS);
stopsAnywhere("log", LOG_SCENARIOS);

function stopsAnywhere(driver: DriverName, scenarios: readonly Scenario[]): void {
  describe(`a thread that stops for ever at any point of a ${driver} pool`, () => {
    const folder = temporaryFolder("points");
    const stops = new Map<number, number>();
    let copy: Instrumented;
    let runner: CrashRunner;

    before(async () => {
      copy = await instrument(folder, driver);
      runner = await CrashRunner.open(copy);
    });
    after(() => runner.close());

    for (const scenario of scenarios) {
      it(scenario.name, { timeout: 300_000 }, async () => {
        const trail = await runner.dryRun(scenario);
        assert.ok(trail.length > 0, "some point is met");
        const times = trail.flatMap((point, i) => {
          const isFirst = trail.indexOf(point) === i;
          const isLast = trail.lastIndexOf(point) === i;
          const isSample = i % SAMPLE === SAMPLE - 1 || (isFirst && !stops.has(point));
          const isWanted = scenario.sampled ? isSample : isFirst || isLast;
          return EVERY || isWanted ? [i + 1] : [];
        });
        for (const time of times) {
          const point = trail[time - 1];
          try {
            await runner.crashAt(scenario, time, point);
          } catch (cause) {
            const { where } = copy.points[point];
            throw new Error(`${scenario.name}: a thread died at ${where}, point ${time} of its way`, {
              cause,
            });
          }
          stops.set(point, (stops.get(point) ?? 0) + 1);
        }
      });
    }

    it("every point was visited", () => {
      let total = 0;
      for (const count of stops.values()) total += count;
      console.log(`${total} threads stopped, at ${stops.size} of ${copy.points.length} points`);
      const missed = copy.points.filter((_, point) => !stops.has(point)).map(({ where }) => where);
      assert.deepEqual(missed, []);
    });
  });
}
