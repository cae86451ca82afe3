/** Workers that die under load: by terminate(), of lack of memory, of an error, by exit. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { killWorkers } from "./pool-kills.ts";
import { DRIVERS, type DriverName } from "./pools.ts";

const KILLS = Number(process.env.ZBUD_KILLS ?? 100);
const SEED = Number(process.env.ZBUD_KILLS_SEED ?? 1);

describe("killed workers", () => {
  for (const driver of Object.keys(DRIVERS) as DriverName[]) {
    const what = `leave a ${driver} pool to the others, whole (${KILLS} kills, seed ${SEED})`;
    it(what, { timeout: 600_000 }, async () => {
      const report = await killWorkers({ driver, kills: KILLS, seed: SEED });
      const more = `npm run soak -- --driver ${driver} --kills N --seed N`;
      console.log(`${driver}, seed ${SEED}: ${JSON.stringify(report)}; more: ${more}`);
      const { killed, outOfMemory, uncaught, exit } = report.kills;
      assert.equal(killed + outOfMemory + uncaught + exit, KILLS);
      if (KILLS >= 100) {
        for (const [end, count] of Object.entries(report.kills)) assert.ok(count > 0, `none was ${end}`);
      }
    });
  }
});
