/**
 * The thread that learns a dictionary: it runs once, and ends. `scripts/build-worker.ts` makes one script of it, as
 * text in `dictionary-worker.generated.ts`, so that it goes with its module wherever a bundler puts that.
 */
import { builtin } from "../base/index.ts";
import { DictionaryState, STATE, samplesOf } from "./dictionary-state.ts";
import { SharedState } from "./shared-state.ts";
import { type DictionaryJob, learn, writeLearned } from "./train-dictionary.ts";

const threads = builtin("node:worker_threads") as typeof import("node:worker_threads");
const { buffer, shape, result } = threads.workerData as DictionaryJob;
const sharedState = new SharedState(buffer, shape);
const steps = learn(samplesOf(sharedState), shape.maxDictionaryBytes);
// When nobody waits for it any more, it ends.
const isWanted = (): boolean => Atomics.load(sharedState.words, STATE) === DictionaryState.training;
for (let step = steps.next(); isWanted(); step = steps.next()) {
  if (!step.done) continue;
  writeLearned(result, step.value);
  break;
}
