import { type Learning, learn } from "./train-dictionary.ts";

/** Begins to learn in this thread, and gives the steps away. */
export function startLearning(
  samples: readonly Uint8Array[],
  maxBytes: number,
  use: (steps: Learning) => void,
  _failed: (reason: unknown) => void,
): void {
  use(learn(samples, maxBytes));
}
