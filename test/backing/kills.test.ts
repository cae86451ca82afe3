import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freshMemory } from "../support/fresh-memory.ts";
import { freshPath } from "../support/fresh-path.ts";
import { killProcesses } from "./file-kills.ts";
import { churn } from "./shared-churn.ts";

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

describe("processes that share a file, and are killed and stopped while they use it", () => {
  const FULL = { maxBytes: 2 ** 22, averageBytes: 1024, unclean: "flushed" } as const;
  const SMALL = { maxBytes: 2 ** 18, averageBytes: 1024, whenFull: "drop" } as const;
  for (const options of [FULL, SMALL]) {
    it(`no wrong, old or lost record: ${JSON.stringify(options)}, seed ${SEED}`, async (t) => {
      const report = await churn({
        path: freshPath(),
        board: freshPath(),
        options: { ...options, shared: freshMemory() },
        processes: 3,
        kills: KILLS,
        seed: SEED,
      });
      t.diagnostic(JSON.stringify(report));
      assert.ok(report.calls > 100, JSON.stringify(report));
    });
  }
});
