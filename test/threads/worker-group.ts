/** Starting workers, and meeting points for them: all in one Int32Array that everybody shares. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { until } from "../support/until.ts";

/** The most workers of one group. */
export const GROUP_MAX = 64;

// Words of a group's control buffer.
const W_GATE = 0;
const W_STOP = 1;
const W_BARRIER = 2;
const W_BARRIER_ROUND = 3;
/** Free for a test's own use, up to W_PARKED. */
export const W_OWN = 8;
const W_PARKED = 64;
const W_DONE: number = W_PARKED + GROUP_MAX;
const W_ENDED: number = W_DONE + GROUP_MAX;
const WORDS: number = W_ENDED + GROUP_MAX;

/** How long a test waits for threads before it fails. */
const PATIENCE_MS = 20_000;

export function controlBuffer(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * WORDS));
}

/** One worker's side of the control buffer. */
export class Member {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Reports progress, and rests here while the gate is closed. False: it is time to end. */
  goesOn(done: number): boolean {
    // Before the look at the gate: whoever closes it then knows that this worker is at work.
    Atomics.store(this.#words, W_DONE + this.#index, done + 1);
    for (;;) {
      const gate = Atomics.load(this.#words, W_GATE);
      // Odd: closed. The number says which closing this worker has seen, so an old rest is not taken for one.
      if ((gate & 1) === 0) break;
      Atomics.store(this.#words, W_PARKED + this.#index, gate);
      Atomics.wait(this.#words, W_GATE, gate, 100);
    }
    return Atomics.load(this.#words, W_STOP) === 0;
  }

  /** Counts as resting from here on. */
  ends(): void {
    Atomics.store(this.#words, W_ENDED + this.#index, 1);
  }
}

/** Everybody waits here until `parties` threads came. */
export function meet(words: Int32Array, parties: number): void {
  const round = Atomics.load(words, W_BARRIER_ROUND);
  if (Atomics.add(words, W_BARRIER, 1) + 1 === parties) {
    Atomics.store(words, W_BARRIER, 0);
    Atomics.add(words, W_BARRIER_ROUND, 1);
    Atomics.notify(words, W_BARRIER_ROUND);
    return;
  }
  const start = performance.now();
  // Some spins: threads that leave at the same moment are more likely to collide.
  for (let spin = 0; spin < 2000; spin++) if (Atomics.load(words, W_BARRIER_ROUND) !== round) return;
  while (Atomics.load(words, W_BARRIER_ROUND) === round) {
    Atomics.wait(words, W_BARRIER_ROUND, round, 1000);
    if (performance.now() - start > PATIENCE_MS) assert.fail("a thread did not come to the meeting point");
  }
}

/** Starts one worker of this folder. */
export function startWorker(file: string, workerData: unknown, options: WorkerOptions = {}): Worker {
  return new Worker(new URL(file, import.meta.url), { ...options, workerData });
}

/** Waits for a worker's next message; fails with its error if it dies first. */
export function messageOf(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settled = (settle: () => void): void => {
      worker.off("message", onMessage);
      worker.off("error", onError);
      worker.off("exit", onExit);
      settle();
    };
    const onMessage = (message: unknown): void => settled(() => resolve(message));
    const onError = (error: unknown): void => settled(() => reject(error));
    const onExit = (code: number): void => settled(() => reject(new Error(`the worker exited with ${code}`)));
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.on("exit", onExit);
  });
}

/** Runs workers until they end by themselves; the error of one is thrown. */
export async function runToEnd(workers: readonly Worker[]): Promise<void> {
  try {
    await Promise.all(
      workers.map(async (worker) => {
        const [code] = await once(worker, "exit");
        assert.equal(code, 0, "a worker failed");
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The starter's side of the control buffer: a gate for quiet points, and what has been done. */
export class WorkerGroup {
  readonly words: Int32Array = controlBuffer();

  /** Stops everybody between two operations, and runs `work` meanwhile. `indices`: the workers that live. */
  async quietly(indices: () => readonly number[], work: () => void): Promise<void> {
    const gate = Atomics.add(this.words, W_GATE, 1) + 1;
    try {
      await until("workers rest", () =>
        indices().every(
          (index) =>
            Atomics.load(this.words, W_PARKED + index) === gate ||
            Atomics.load(this.words, W_ENDED + index) === 1,
        ),
      );
      work();
    } finally {
      Atomics.add(this.words, W_GATE, 1);
      Atomics.notify(this.words, W_GATE);
    }
  }

  stop(): void {
    Atomics.store(this.words, W_STOP, 1);
  }

  /** 1 + the operations that a worker has reported; 0 before it begins. */
  doneBy(index: number): number {
    return Atomics.load(this.words, W_DONE + index);
  }

  forget(index: number): void {
    Atomics.store(this.words, W_DONE + index, 0);
    Atomics.store(this.words, W_PARKED + index, 0);
    Atomics.store(this.words, W_ENDED + index, 0);
  }
}
