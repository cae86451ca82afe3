/** Histories of several processes, some of which die in the middle: each can be explained by a Map. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { checkBooks } from "../cache/cache-checks.ts";
import { type Call, isLinearizable } from "../cache/register-linearizer.ts";
import { memoryFolder } from "./board.ts";
import { History, type HistoryPlan } from "./history-player.ts";
import { buildProgram, type Program } from "./programs.ts";

const SEED = Number(process.env.ZBUD_HISTORIES_SEED ?? 1);
const ROUNDS = Number(process.env.ZBUD_PROCESS_HISTORIES ?? 2);
const CALLS = 1200;
const KEYS = 6;
/** Points that a process meets in its part of a history, at the least. */
const POINTS_MIN = 5000;

/** What the calls are that did not return, as far as the others may have seen them. */
function outcomesOf(call: Call): (Call | null)[] {
  const returned = Number.POSITIVE_INFINITY;
  if (call.op === "get") return [null];
  const removed: Call = { ...call, returned, op: "set", value: 0 };
  // A set takes the older value away first.
  return call.op === "delete" ? [null, removed] : [null, removed, { ...call, returned }];
}

/** Whether some outcome of the calls that did not return explains all that did. */
function isExplained(calls: readonly Call[]): boolean {
  const whole = calls.filter(({ returned }) => returned !== 0);
  const search = (cutOff: readonly Call[], chosen: readonly Call[]): boolean => {
    const [first, ...rest] = cutOff;
    if (first === undefined) return isLinearizable([...whole, ...chosen]);
    return outcomesOf(first).some((outcome) =>
      search(rest, outcome === null ? chosen : [...chosen, outcome]),
    );
  };
  return search(
    calls.filter(({ returned }) => returned === 0),
    [],
  );
}

describe("histories of processes", () => {
  const folder = memoryFolder("histories");
  let program: Program;
  let count = 0;
  before(async () => {
    program = await buildProgram(temporaryFolder("histories"), "history-player");
  });

  it("the checker explains calls that were cut off, and refuses what no outcome explains", () => {
    const call = (called: number, returned: number, op: Call["op"], value: number): Call => {
      return { thread: 0, key: 0, called, returned, op, value };
    };
    const first = [call(1, 2, "set", 1), call(3, 0, "set", 2)];
    assert.ok(isExplained([...first, call(4, 5, "get", 1), call(6, 7, "get", 2)]));
    assert.ok(isExplained([...first, call(4, 5, "get", 0)]), "the older value was taken away");
    assert.ok(!isExplained([...first, call(4, 5, "get", 2), call(6, 7, "get", 1)]));
    assert.ok(!isExplained([...first, call(4, 5, "get", 0), call(6, 7, "get", 2)]));
    assert.ok(!isExplained([call(1, 2, "set", 1), call(3, 0, "get", 0), call(4, 5, "get", 0)]));
  });

  /** Has processes play one history. Gives the calls of each, and checks the cache afterwards. */
  async function play(
    processes: number,
    deaths: number,
    options: Record<string, unknown>,
    seed: number,
  ): Promise<Call[][]> {
    const number = count++;
    const prng = new Prng(seed);
    const shape = { board: join(folder, `board-${number}`), processes, calls: Math.ceil(CALLS / processes) };
    const history = new History(shape);
    const common = { ...shape, path: join(folder, `cache-${number}`), options, keys: KEYS, seed };
    const since = String(process.hrtime.bigint());
    const children = Array.from({ length: processes }, (_, index) => {
      const diesAt = index < deaths ? 1 + prng.below(POINTS_MIN) : 0;
      const plan: HistoryPlan = { ...common, index, since, diesAt };
      const args = ["--disable-warning=ExperimentalWarning", program.file, JSON.stringify(plan)];
      return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    });
    const ends = await Promise.all(children.map((child) => once(child, "close")));
    for (const [index, [code, signal]] of ends.entries()) {
      assert.equal(signal ?? code, index < deaths ? "SIGKILL" : 0, `process ${index}`);
    }
    const cache = new CompressedCache<string>({ ...options, shared: common.path } as never);
    cache.recover();
    checkBooks(cache as CompressedCache<unknown>);
    cache.close();
    return children.map((_, index) => history.read(index));
  }

  for (const [processes, shards, deaths] of [
    [2, 1, 0],
    [3, 4, 0],
    [8, 2, 0],
    [3, 1, 1],
    [4, 2, 2],
  ]) {
    const who = `${processes} processes at ${shards} shards${deaths > 0 ? `, of which ${deaths} die` : ""}`;
    it(`of ${who}, are linearizable, ${ROUNDS} from seed ${SEED}`, { timeout: 300_000 }, async () => {
      let overlaps = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const evict = round % 2 === 0 ? "lru" : "sieve";
        const seed = SEED + round;
        const calls = (await play(processes, deaths, { maxBytes: "16MiB", shards, evict }, seed)).flat();
        for (let key = 0; key < KEYS; key++) {
          const ofKey = calls.filter((call) => call.key === key);
          assert.ok(isExplained(ofKey), `key ${key}, seed ${seed}`);
        }
        overlaps += calls.filter((a) =>
          calls.some((b) => b.called > a.called && b.called < a.returned),
        ).length;
        assert.equal(calls.filter(({ returned }) => returned === 0).length <= deaths, true);
      }
      assert.ok(overlaps > 0, "no calls overlapped");
    });
  }
});
