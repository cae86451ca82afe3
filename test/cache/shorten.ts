import { builtin } from "../../src/base/index.ts";
import { describeStep, type History, type World } from "./cache-history.ts";
import { failureOf, type HistoryFailure } from "./checker.ts";

/** How many histories are tried to find a shorter one that fails as well. */
const SHORTEN_RUNS = Number(globalThis.process?.env.ZBUD_SHORTEN_RUNS ?? 600);

/** Messages that differ in numbers only are about the same fault. */
function kindOf({ message }: HistoryFailure): string {
  return message.replace(/\d+/g, "#");
}

/** Leaves out steps as long as the history fails in the same way without them. */
export async function shortened(history: History, failure: HistoryFailure): Promise<History> {
  let steps = history.steps.slice(0, failure.step + 1);
  let runs = 0;
  for (let chunk = steps.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let at = steps.length - chunk; at >= 0; at -= chunk) {
      if (++runs > SHORTEN_RUNS) return { ...history, steps };
      const fewer = steps.toSpliced(at, chunk);
      const again = await failureOf({ ...history, steps: fewer });
      if (again !== null && kindOf(again) === kindOf(failure)) steps = fewer.slice(0, again.step + 1);
    }
  }
  return { ...history, steps };
}

/** What to print of a history that fails. */
export async function reportOf(history: History, failure: HistoryFailure): Promise<string> {
  const shorter = await shortened(history, failure);
  const last = (await failureOf(shorter)) ?? failure;
  const lines = shorter.steps.map((step, i) => `  ${i + 1}. ${describeStep(step)}`);
  return [
    `history ${history.seed} (${history.world.name}): ${failure.message}`,
    `${shorter.steps.length} of its ${history.steps.length} steps are enough: ${last.message}`,
    ...lines,
    `npm run soak:cache -- --seed ${history.seed} --histories 1`,
    String((last.cause as Error | undefined)?.stack ?? ""),
  ].join("\n");
}

/** Whether this platform has all that such histories need. */
export function canRun(world: World): boolean {
  const isNode = builtin("node:worker_threads") !== undefined;
  if (!isNode && (world.files || world.thread)) return false;
  return typeof SharedArrayBuffer !== "undefined" || world.handles === 1;
}
