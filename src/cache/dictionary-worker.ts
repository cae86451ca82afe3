/**
 * The thread that learns a dictionary: it runs once, and ends. `scripts/build-worker.ts` makes one script of it, as
 * text in `dictionary-worker.generated.ts`, so that it goes with its module wherever a bundler puts that.
 */
import { builtin } from "../base/index.ts";
import { STATE } from "./dictionary-state.ts";
import { SharedState } from "./shared-state.ts";
import { type DictionaryJob, learnFor, writeLearned } from "./train-dictionary.ts";

const threads = builtin("node:worker_threads") as typeof import("node:worker_threads");
const { buffer, shape, word, result } = threads.workerData as DictionaryJob;
const sharedState = new SharedState(buffer, shape);
const steps = learnFor(sharedState);
// When nobody waits for it any more, it ends.
const isWanted = (): boolean => Atomics.load(sharedState.words, STATE) === word;
for (let step = steps.next(); isWanted(); step = steps.next()) {
  if (!step.done) continue;
  writeLearned(result, step.value);
  break;
}
