/** Workers that die under load: by terminate(), of lack of memory, of an error, by exit. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { killWorkers } from "./kills.ts";

const KILLS = Number(process.env.ZBUD_KILLS ?? 100);
const SEED = Number(process.env.ZBUD_KILLS_SEED ?? 1);

describe("killed workers", () => {
  it(`leave the pool to the others, whole (${KILLS} kills, seed ${SEED})`, { timeout: 600_000 }, async () => {
    const report = await killWorkers({ kills: KILLS, seed: SEED });
    console.log(`seed ${SEED}: ${JSON.stringify(report)}; more: npm run soak -- --kills N --seed N`);
    const { killed, outOfMemory, uncaught, exit } = report.kills;
    assert.equal(killed + outOfMemory + uncaught + exit, KILLS);
    if (KILLS >= 100) {
      for (const [end, count] of Object.entries(report.kills)) assert.ok(count > 0, `none was ${end}`);
    }
  });
});
