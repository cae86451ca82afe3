import { builtin } from "./builtin.ts";
import { noteFallback } from "./fallbacks.ts";
import { startOf, threadNumber } from "./proc.ts";

/** A thread whose system does not tell: it counts as alive until somebody says that it is gone. */
export const NO_NUMBER = -1;

/** This thread, as others can recognise it. */
export interface Identity {
  number: number;
  started: number;
  engineId: number;
}

/** The engine's number of this thread (`threadId` of node:worker_threads) + 1, or 0 where it has none. */
export function engineIdOfThread(): number {
  return (builtin<typeof import("node:worker_threads")>("node:worker_threads")?.threadId ?? -1) + 1;
}

export function identify(): Identity {
  const engineId = engineIdOfThread();
  const number = threadNumber() || NO_NUMBER;
  const started = number === NO_NUMBER ? 0 : startOfThread(number);
  // Without its start it could not be told from a later thread of its number.
  const isKnown = number !== NO_NUMBER && typeof started === "number";
  if (!isKnown) noteFallback("thread-death");
  return isKnown ? { number, started, engineId } : { number: NO_NUMBER, started: 0, engineId };
}

/** As 32 bits, which a word holds. */
export function startOfThread(number: number): number | "gone" | "unknown" {
  const start = startOf(`self/task/${number}`);
  return start === "gone" || start === "unknown" ? start : Number(start) | 0;
}
