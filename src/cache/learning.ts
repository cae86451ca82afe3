import { builtin, isSharedBuffer } from "../base/index.ts";
import { LZ4_MODULE } from "../codecs/index.ts";
import { DICTIONARY_WORKER } from "./dictionary-worker.generated.ts";
import type { SharedStateShape } from "./shared-state.ts";
import { type DictionaryJob, type Learning, learn, newResult, readLearned } from "./train-dictionary.ts";

/** Begins to learn in this thread, and gives the steps away. */
export function startLearning(
  samples: readonly Uint8Array[],
  maxBytes: number,
  use: (steps: Learning) => void,
  _failed: (reason: unknown) => void,
): void {
  use(learn(samples, maxBytes));
}

/** A thread that learns. */
export interface LearningThread {
  /** What it learned, null if nothing is worth it; undefined as long as it is not known. */
  learned(): Uint8Array | null | undefined;
}

/**
 * Starts a worker thread that learns. Throws if it may not, or there is no memory for one.
 *
 * @param ended - called when it has ended, for whatever reason.
 * @returns null where there are no worker threads, or none that share this memory.
 */
export function startWorker(
  buffer: ArrayBufferLike,
  shape: SharedStateShape,
  ended: (thread: LearningThread, reason: unknown) => void,
): LearningThread | null {
  const threads = builtin<typeof import("node:worker_threads")>("node:worker_threads");
  if (threads === undefined || !isSharedBuffer(buffer)) return null;
  const result = newResult(shape.maxDictionaryBytes);
  const job: DictionaryJob = { buffer, shape, result, lz4: LZ4_MODULE };
  // Without the program's flags: what it preloads has nothing to do there.
  const options = { eval: true, workerData: job, execArgv: [], stdout: true, stderr: true };
  const worker = new threads.Worker(DICTIONARY_WORKER, options);
  worker.unref();
  const thread: LearningThread = { learned: () => readLearned(result) };
  worker.on("error", (error) => ended(thread, error));
  worker.on("exit", (code) => ended(thread, `the worker thread ended, with exit code ${code}`));
  return thread;
}
