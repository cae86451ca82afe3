import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkReport, type Game, playGame } from "./play.ts";
import { cluster, singleServer, type World } from "./world.ts";

const SEED = Number(process.env.ZBUD_MACHINES_SEED ?? 1);
/** Long enough for a machine that has other things to do. */
const TIER = { kind: "redis", graceMs: 300, heartbeatMs: 400, timeoutMs: 800 } as const;
const GAME = { processes: 4, operations: 20_000, forMs: 8000, seed: SEED, tier: TIER } as const;

async function play(world: World, more: Partial<Game> = {}) {
  const report = await playGame({ ...GAME, world, faults: [], ...more });
  checkReport(report);
  return report;
}

describe("several machines before one server", () => {
  it("without anybody who tells them, values out of date are read, and found", async (t) => {
    const world = await singleServer(2);
    t.after(() => world.stop());
    const report = await playGame({
      ...{ world, processes: 2, operations: 12_000, forMs: 3000, seed: SEED, faults: [] },
      entries: 100,
      tier: { kind: "keyv", graceMs: 0, heartbeatMs: 50, timeoutMs: 50 },
    });
    assert.ok(report.violations > 0, JSON.stringify(report));
  });

  it(`nothing fails: they are one cache, from seed ${SEED}`, { timeout: 120_000 }, async (t) => {
    const world = await singleServer(4);
    t.after(() => world.stop());
    const { hits, reads, foreign } = await play(world);
    assert.ok(hits > reads / 4, `too few hits: ${hits} of ${reads}`);
    assert.ok(foreign > reads / 20, `too few values of others: ${foreign} of ${reads}`);
  });

  it(`the server is killed and stopped, the network and processes fail, from seed ${SEED}`, {
    timeout: 120_000,
  }, async (t) => {
    const world = await singleServer(4);
    t.after(() => world.stop());
    const { faults } = await play(world, { faults: world.faults, stopsPlayers: true });
    assert.ok(Object.keys(faults).length >= 6, JSON.stringify(faults));
  });

  it(`a cluster of three masters and three replicas, from seed ${SEED}`, {
    timeout: 120_000,
  }, async (t) => {
    const world = await cluster();
    t.after(() => world.stop());
    const { faults } = await play(world, { faults: world.faults });
    assert.ok(Object.keys(faults).length >= 3, JSON.stringify(faults));
  });
});
