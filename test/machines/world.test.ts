import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "../support/until.ts";
import { now } from "./history.ts";
import { cluster } from "./world.ts";

describe("the world of a game", () => {
  it("a replica that takes over is noticed, whoever made it do that", { timeout: 60_000 }, async (t) => {
    const world = await cluster();
    t.after(() => world.stop());
    const fault = world.faults.find(({ name }) => name === "master: stopped for a moment");
    assert.ok(fault !== undefined);
    assert.deepEqual(world.rollbacks, []);
    const before = now();
    // As long as a machine may be that has much else to do.
    await fault.run({ between: (_: number, to: number) => 12 * to, below: () => 0 } as never);
    await until("it was noticed", () => world.rollbacks.length > 0);
    const [{ from, to }] = world.rollbacks;
    assert.ok(from < now() && to > before, `${from} to ${to}`);
  });
});
