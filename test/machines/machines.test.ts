import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { playGame } from "./play.ts";
import { singleServer } from "./world.ts";

const SEED = Number(process.env.ZBUD_MACHINES_SEED ?? 1);

describe("several machines before one server", () => {
  it("without anybody who tells them, values out of date are read, and found", async (t) => {
    const world = await singleServer(2);
    t.after(() => world.stop());
    const report = await playGame({
      ...{ world, processes: 2, operations: 12_000, forMs: 3000, seed: SEED, faults: [] },
      entries: 20,
      tier: { kind: "keyv", graceMs: 0, heartbeatMs: 50, timeoutMs: 50 },
    });
    assert.ok(report.violations > 100, JSON.stringify(report));
  });
});
