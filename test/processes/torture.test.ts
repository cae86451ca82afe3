/** Processes under load at one cache, store or pool, killed at random moments, at numbered points, and all at once. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { tortureWorld, WORLDS } from "./worlds.ts";

const KILLS = Number(process.env.ZBUD_PROCESS_KILLS ?? 6);
const SEED = Number(process.env.ZBUD_PROCESS_SEED ?? 1);
const PROCESSES = 8;
/** Of so many points, somebody dies at one. */
const POINTS_EVERY = 60;
const CRASHES = 1;

describe("processes that die at any moment", () => {
  const folder = temporaryFolder("processes");
  for (const [i, world] of WORLDS.entries()) {
    const what = `leave ${world.name} to the others, whole (${KILLS} kills, seed ${SEED})`;
    it(what, { timeout: 600_000 }, async () => {
      const measure = {
        folder,
        processes: PROCESSES,
        kills: KILLS,
        pointsEvery: POINTS_EVERY,
        crashes: CRASHES,
      };
      // Not the same points in each.
      const { missed, ...report } = await tortureWorld(world, { ...measure, seed: SEED + 7 * i });
      console.log(`${JSON.stringify(report)}; more: npm run soak:processes -- --kills N --seed N`);
      assert.equal(report.kills, KILLS);
      assert.equal(report.crashes, CRASHES);
      const points = missed.length + report.pointDeaths;
      assert.ok(report.pointDeaths > points / 3, `only ${report.pointDeaths} of ${points} points: ${missed}`);
    });
  }
});
