/** A process that plays its part in a history of calls, and writes down what it called and what came back. */

import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { numberIn, selfSaying } from "../cache/cache-worker.ts";
import type { Call } from "../cache/register-linearizer.ts";
import { openBoard, rest } from "./board.ts";
import { die, setHook } from "./player.ts";

/** What a process of a history is given, as JSON. */
export interface HistoryPlan {
  path: string;
  board: string;
  options: Record<string, unknown>;
  processes: number;
  /** From 0 on. */
  index: number;
  /** Calls of one process. */
  calls: number;
  keys: number;
  seed: number;
  /** Dies at the so many-th point that it meets; 0: does not. */
  diesAt: number;
  /** Nanoseconds of the clock that all processes of a machine have, from which stamps are counted. */
  since: string;
}

const OPS = ["get", "set", "delete"] as const;
const NUMBERS = 5;
/** How often a process sleeps at a point, and for how long: so calls overlap, on one processor too. */
const NAP_CHANCE = 0.01;
const NAP_MS = 0.05;

/** The calls of all processes, in memory that outlives them. */
export class History {
  readonly #numbers: Float64Array;
  readonly #ready: Int32Array;
  readonly #calls: number;

  constructor({ board, processes, calls }: Pick<HistoryPlan, "board" | "processes" | "calls">) {
    const buffer = openBoard(board, 64 + 8 * NUMBERS * processes * calls);
    this.#ready = new Int32Array(buffer, 0, 16);
    this.#numbers = new Float64Array(buffer, 64, NUMBERS * processes * calls);
    this.#calls = calls;
  }

  /** Waits until all are there. */
  meet(parties: number): void {
    Atomics.add(this.#ready, 0, 1);
    while (Atomics.load(this.#ready, 0) < parties) rest();
  }

  /** Notes what is about to be called. */
  begin(index: number, call: number, { called, key, op, value }: Omit<Call, "thread" | "returned">): void {
    this.#numbers.set([called, key, OPS.indexOf(op), value, 0], this.#at(index, call));
  }

  /** Notes what came back. */
  end(index: number, call: number, value: number, returned: number): void {
    const at = this.#at(index, call);
    this.#numbers[at + 3] = value;
    this.#numbers[at + 4] = returned;
  }

  /** What a process called; what did not return has 0 there. */
  read(index: number): Call[] {
    const calls: Call[] = [];
    for (let call = 0; call < this.#calls; call++) {
      const at = this.#at(index, call);
      const [called, key, op, value, returned] = this.#numbers.subarray(at, at + NUMBERS);
      if (called !== 0) calls.push({ thread: index, called, returned, key, op: OPS[op], value });
    }
    return calls;
  }

  #at(index: number, call: number): number {
    return NUMBERS * (index * this.#calls + call);
  }
}

if (process.argv[1]?.endsWith("history-player.mjs")) await play(JSON.parse(process.argv[2]) as HistoryPlan);

async function play(plan: HistoryPlan): Promise<void> {
  const { index, keys, calls, processes, seed, since } = plan;
  const prng = new Prng(Math.imul(seed, 0x9e3779b1) ^ (index << 20));
  const history = new History(plan);
  const cache = new CompressedCache<string>({ ...plan.options, shared: plan.path } as never);
  const stamp = (): number => Number(process.hrtime.bigint() - BigInt(since));
  history.meet(processes);
  let met = 0;
  setHook(() => {
    if (++met === plan.diesAt) die();
    if (prng.chance(NAP_CHANCE)) rest(NAP_MS);
  });
  for (let i = 0; i < calls; i++) {
    const key = prng.below(keys);
    const what = prng.below(10);
    const op = what < 4 ? "set" : what === 4 ? "delete" : "get";
    let value = op === "set" ? (index + 1) * 1_000_000 + i : 0;
    history.begin(index, i, { called: stamp(), key, op, value });
    if (op === "set") cache.set(key, selfSaying(key, value));
    else if (op === "delete") value = cache.delete(key) ? 1 : 0;
    else {
      const found = cache.get(key);
      value = found === undefined ? 0 : numberIn(key, found);
    }
    history.end(index, i, value, stamp());
    if (i % 50 === 0) await turn();
  }
  setHook(() => {});
  cache.close();
}
