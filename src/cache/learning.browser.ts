/**
 * What stands for `learning.ts` in a bundle for browsers (`browser` in package.json): what learns is fetched when it is
 * wanted, once in the life of a cache, where the bundler makes a file of its own of it.
 */
import type { SharedState } from "./shared-state.ts";
import type { Learning } from "./train-dictionary.ts";

export function startLearning(
  sharedState: SharedState,
  use: (steps: Learning) => void,
  failed: (reason: unknown) => void,
): void {
  import("./train-dictionary.ts").then(({ learnFor }) => use(learnFor(sharedState)), failed);
}

/** The worker's text is for worker threads of Node. */
export function startWorker(): null {
  return null;
}
