import { builtin, isSharedBuffer } from "../base/index.ts";
import { LZ4_MODULE } from "../codecs/index.ts";
import type { Learned } from "./dictionary-state.ts";
import { DICTIONARY_WORKER } from "./dictionary-worker.generated.ts";
import type { SharedState, SharedStateShape } from "./shared-state.ts";
import { type DictionaryJob, type Learning, learnFor, newResult, readLearned } from "./train-dictionary.ts";

/** Begins to learn in this thread, and gives the steps away. */
export function startLearning(
  sharedState: SharedState,
  use: (steps: Learning) => void,
  _failed: (reason: unknown) => void,
): void {
  use(learnFor(sharedState));
}

/** A thread that learns. */
export interface LearningThread {
  /** What it learned; undefined as long as it is not known. */
  learned(): Learned | undefined;
}

/**
 * Starts a worker thread that learns. Throws if it may not, or there is no memory for one.
 *
 * @param word - of the state, as long as the result is wanted.
 * @param ended - called when it has ended, for whatever reason.
 * @returns null where there are no worker threads, or none that share this memory.
 */
export function startWorker(
  buffer: ArrayBufferLike,
  shape: SharedStateShape,
  word: number,
  ended: (thread: LearningThread, reason: unknown) => void,
): LearningThread | null {
  const threads = builtin<typeof import("node:worker_threads")>("node:worker_threads");
  if (threads === undefined || !isSharedBuffer(buffer)) return null;
  const result = newResult(shape.maxDictionaryBytes);
  const job: DictionaryJob = { buffer, shape, word, result, lz4: LZ4_MODULE };
  // Without the program's flags: what it preloads has nothing to do there.
  const options = { eval: true, workerData: job, execArgv: [], stdout: true, stderr: true };
  const worker = new threads.Worker(DICTIONARY_WORKER, options);
  worker.unref();
  const thread: LearningThread = { learned: () => readLearned(result) };
  worker.on("error", (error) => ended(thread, error));
  worker.on("exit", (code) => ended(thread, `the worker thread ended, with exit code ${code}`));
  return thread;
}
