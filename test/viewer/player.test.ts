import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { snapshotOf } from "../../src/pool/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";
import { type PlayerCommand, TracePlayer } from "../../src/viewer/index.ts";

const TRACES = join(import.meta.dirname, "../fixtures/traces");
const trace = parseTrace(readFileSync(join(TRACES, "uniform-evict-all.jsonl"), "utf8"));

describe("a trace's player", () => {
  it("at its end the pool is what a replay leaves", () => {
    const player = new TracePlayer(trace);
    player.control({ do: "seek", value: trace.operations.length });
    const { position, mismatches } = player.state();
    assert.equal(position, trace.operations.length);
    assert.equal(mismatches, 0);
    const { operationNs, ...stats } = player.stats() as { operationNs: { median: number } };
    assert.deepEqual(stats, replay(trace).stats);
    assert.ok(operationNs.median > 0);
    player.close();
  });

  it("steps and seeks lead to the same state, forwards and backwards", () => {
    const stepped = new TracePlayer(trace);
    for (let i = 0; i < 700; i++) stepped.control({ do: "step" });
    const sought = new TracePlayer(trace);
    sought.control({ do: "seek", value: 3000 });
    sought.control({ do: "seek", value: 700 });
    assert.deepEqual(plain(sought), plain(stepped));
    assert.equal(sought.state().last, stepped.state().last);
    stepped.close();
    sought.close();
  });

  it("plays at the speed it was told, stops at a pause and at the end, and starts anew", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let now = 0;
    const player = new TracePlayer(trace, () => now);
    /** Time goes on, turn by turn. */
    const pass = (ms: number): void => {
      for (const end = now + ms; now < end; ) {
        now += 1;
        t.mock.timers.tick(1);
      }
    };
    player.control({ do: "speed", value: 1000 });
    player.control({ do: "play" });
    pass(300);
    player.control({ do: "pause" });
    const { position, playing } = player.state();
    assert.ok(!playing && position > 250 && position <= 300, `${position}`);
    pass(100);
    assert.equal(player.state().position, position);
    player.control({ do: "speed", value: 10_000_000 });
    player.control({ do: "play" });
    pass(1000);
    assert.equal(player.state().playing, false);
    assert.equal(player.state().position, trace.operations.length);
    player.control({ do: "play" });
    assert.ok(player.state().position < trace.operations.length);
    player.close();
  });

  it("mismatches are counted", () => {
    const operations = trace.operations.map((line, i) => (i === 10 ? { ...line, pages: 99 } : line));
    const player = new TracePlayer({ ...trace, operations });
    player.control({ do: "seek", value: 20 });
    assert.equal(player.state().mismatches, 1);
    player.close();
  });

  for (const command of [
    null,
    {},
    { do: "jump" },
    { do: "speed" },
    { do: "speed", value: 0 },
    { do: "seek", value: -1 },
    { do: "seek", value: Number.NaN },
  ]) {
    it(`${JSON.stringify(command)} is no command`, () => {
      const player = new TracePlayer(trace);
      assert.throws(() => player.control(command as PlayerCommand), { code: "EINVAL" });
      player.close();
    });
  }
});

/** Without handles: their tag is that of each pool. */
function plain(player: TracePlayer): unknown {
  const { pages, lists, lru } = snapshotOf(player.snapshotColumns());
  return {
    pages: pages.map(({ page, objects }) => ({
      page,
      objects: objects.map(({ offset, size }) => ({ offset, size })),
    })),
    lists,
    lru,
  };
}
