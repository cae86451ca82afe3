/** Threads that die while they have handles of Node's own in their hands. More: npm run soak:natives. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { killHolders } from "./native-kills.ts";
import type { Held } from "./native-kills-worker.ts";

/** Before codecs made their handles themselves, one of 10 kills ended the process. */
const KILLS: Partial<Record<Held, number>> = { deflate: 100, zstd: 100, "zstd-napi": 25, file: 25 };
const SEED = Number(process.env.ZBUD_NATIVES_SEED ?? 1);

describe("a thread that is killed leaves its process alive", () => {
  for (const [held, kills] of Object.entries(KILLS)) {
    it(`${kills} kills, in hands: ${held}, seed ${SEED}`, { timeout: 300_000 }, async () => {
      const report = await killHolders({ held: held as Held, kills, seed: SEED });
      assert.deepEqual(report.aborts, []);
      assert.equal(report.kills, kills);
    });
  }
});
