import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshPath } from "../support/fresh-path.ts";
import { killProcesses } from "./file-kills.ts";

/** More of them: npm run soak:kills. */
const KILLS = 20;
const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);

describe("processes that are killed while they use a file", () => {
  it(`${KILLS} kills at random moments, seed ${SEED}: the last flush is there, to the last byte`, async () => {
    const report = await killProcesses({ kills: KILLS, seed: SEED, path: freshPath() });
    assert.equal(report.kills, KILLS);
    assert.ok((report.found.flushed ?? 0) >= 10, JSON.stringify(report));
    assert.ok(report.records > 500 && report.flushes > 20, JSON.stringify(report));
  });
});
