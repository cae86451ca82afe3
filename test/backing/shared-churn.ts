/** Processes that work with one file at once, and are killed and stopped at random moments. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FileBacking, type FileBackingOptions } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { until } from "../support/until.ts";
import { KeyBoard, whyWrong } from "./key-board.ts";
import { checkRecordOf, keyOf } from "./records.ts";

export const KEYS_EACH = 20;

/** What one process is to do. */
export interface ChurnPlan {
  readonly path: string;
  readonly board: string;
  readonly options: FileBackingOptions;
  /** Of this process, from 0, and how many there are. */
  readonly number: number;
  readonly processes: number;
  readonly seed: number;
}

export interface ChurnOptions {
  /** Paths that are free. */
  readonly path: string;
  readonly board: string;
  /** With a name in `shared` that is a path. */
  readonly options: FileBackingOptions;
  readonly processes: number;
  readonly kills: number;
  readonly seed: number;
  readonly secondsMax?: number;
}

export interface ChurnReport {
  kills: number;
  stops: number;
  /** Times that all were killed, and of these, that the memory was removed as well. */
  restarts: number;
  restartsOfMachine: number;
  calls: number;
  records: number;
}

const CHILD = fileURLToPath(new URL("./shared-churn-child.ts", import.meta.url));
/** How long a process may take to its first words, on a busy machine. */
const PATIENCE_MS = 120_000;

/** One of the processes, and the one that follows it when it was killed. */
class Runner {
  readonly #plan: Omit<ChurnPlan, "seed">;
  readonly #prng: Prng;
  #child: ChildProcess | null = null;
  #isReady = false;
  #closed: Promise<unknown> = Promise.resolve();
  calls = 0;
  /** What it wrote to its standard error, when it ended by itself. */
  fault: string | null = null;

  constructor(plan: Omit<ChurnPlan, "seed">, prng: Prng) {
    this.#plan = plan;
    this.#prng = prng;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    const plan: ChurnPlan = { ...this.#plan, seed: this.#prng.uint32() };
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", CHILD, JSON.stringify(plan)],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let errors = "";
    this.#isReady = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n")) {
        if (line === "ready") this.#isReady = true;
        else this.calls += Number(line) || 0;
      }
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    this.#closed = once(child, "close").then(([code, signal]) => {
      if (signal !== "SIGKILL") this.fault = `process ${this.#plan.number}: ${code} ${signal} ${errors}`;
    });
    this.#child = child;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    this.#isReady = false;
    this.#child?.kill("SIGKILL");
    await this.#closed;
  }
}

/**
 * Lets processes work and kills them: now and then all at once, and then also as a restart of the machine does, with
 * the memory that they share. Each compares every byte that it reads, and with what the others say that they did.
 */
export async function churn(churnOptions: ChurnOptions): Promise<ChurnReport> {
  const { path, board: boardPath, options, processes, kills, seed, secondsMax = 3600 } = churnOptions;
  const prng = new Prng(seed);
  const board = new KeyBoard(boardPath);
  const report = { kills: 0, stops: 0, restarts: 0, restartsOfMachine: 0, calls: 0, records: 0 };
  const plan = { path, board: boardPath, options, processes };
  const runners = Array.from({ length: processes }, (_, number) => new Runner({ ...plan, number }, prng));
  const faults = (): string => runners.flatMap(({ fault }) => fault ?? []).join("\n");
  const start = performance.now();
  try {
    for (const runner of runners) runner.start();
    while (report.kills < kills && performance.now() - start < 1000 * secondsMax) {
      const isAny = (): boolean => faults() !== "" || runners.some(({ isReady }) => isReady);
      await until("a process that works", isAny, { patienceMs: PATIENCE_MS, everyMs: 5 });
      await new Promise((resolve) => setTimeout(resolve, prng.below(250)));
      assert.equal(faults(), "");
      const ready = runners.filter(({ isReady }) => isReady);
      const runner = ready[prng.below(ready.length)];
      const dice = prng.below(10);
      if (dice === 0) {
        report.stops++;
        runner.signal("SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, prng.below(300)));
        runner.signal("SIGCONT");
      } else if (dice === 1) {
        report.kills += ready.length;
        report.restarts++;
        await Promise.all(runners.map((each) => each.kill()));
        const isMachine = prng.chance(0.5);
        if (isMachine) report.restartsOfMachine++;
        await look(path, options, board, processes, isMachine, report);
        for (const each of runners) each.start();
      } else {
        report.kills++;
        await runner.kill();
        runner.start();
      }
    }
  } finally {
    await Promise.all(runners.map((runner) => runner.kill()));
    report.calls = runners.reduce((sum, { calls }) => sum + calls, 0);
  }
  assert.equal(faults(), "");
  await look(path, options, board, processes, false, report);
  board.close();
  return report;
}

/** Nobody uses the file. Compares all of it with what was done; after a restart of the machine that is not known. */
async function look(
  path: string,
  options: FileBackingOptions,
  board: KeyBoard,
  processes: number,
  isRestart: boolean,
  report: ChurnReport,
): Promise<void> {
  if (isRestart) rmSync(String(options.shared), { force: true });
  const backing = await FileBacking.open(path, options);
  verify(backing);
  for (let key = 0; key < processes * KEYS_EACH; key++) {
    const record = await backing.read(keyOf(key));
    const found = record === null ? null : checkRecordOf(key, record);
    if (found !== null) report.records++;
    const state = board.stateOf(key);
    if (isRestart) {
      assert.ok((found ?? 0) <= state.begun.version, `key ${key}: ${found} was never written`);
      board.set(key, { version: found ?? state.begun.version, writes: found !== null });
    } else {
      const wrong = whyWrong(state, found, state, options.whenFull === "drop");
      assert.equal(wrong, null, `key ${key} after all were killed (${backing.opened?.found})`);
    }
  }
  await backing.close();
}
