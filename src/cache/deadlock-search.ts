import { show, ZbudError } from "../base/index.ts";
import { FRAME, type Wait, type WaitNode } from "./wait-node.ts";

/** Looks at once, each a step of promises later, and then after so many ms. */
const STEPS = 4;
const PAUSES_MS = [1, 10, 100, 1000];
/** A stack is not walked further. */
const FRAMES_MAX = 100;

/**
 * Looks whether a wait can end, until it has.
 *
 * @param ended - when what it waits for has.
 * @throws {ZbudError} `EDEADLK` if it cannot end.
 */
export async function endOrDeadlock(wait: Wait, ended: Promise<void>): Promise<void> {
  wakeCycle(wait);
  for (let look = 0; !wait.isOver; look++) {
    if (cycleOf(wait, false) === null) {
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      wait.wake = resolve;
      await woken;
      look = -1;
      continue;
    }
    await (look < STEPS ? null : Promise.race([ended, pause(look - STEPS)]));
    if (!wait.isAwaited && isAwaitedBy(wait.by.frame)) wait.isAwaited = true;
    const cycle = cycleOf(wait, true);
    if (cycle !== null) throw deadlock(cycle);
  }
}

/** Tells the waits of a cycle that this one closed. */
function wakeCycle(wait: Wait): void {
  for (const other of cycleOf(wait, false) ?? []) if (other !== wait) other.wake();
}

/**
 * The waits of a cycle that this one is part of, itself first; null if there is none.
 *
 * @param onlyAwaited - counts those only that the loaders are known to await.
 */
function cycleOf(wait: Wait, onlyAwaited: boolean): Wait[] | null {
  if (onlyAwaited && !wait.isAwaited) return null;
  const seen = new Set<WaitNode>();
  const path = [wait];
  const leadsBack = (load: WaitNode): boolean => {
    if (load === wait.by) return true;
    if (seen.has(load)) return false;
    seen.add(load);
    for (const next of load.waits) {
      if (onlyAwaited && !next.isAwaited) continue;
      path.push(next);
      if (leadsBack(next.on)) return true;
      path.pop();
    }
    return false;
  };
  return leadsBack(wait.on) ? path : null;
}

function deadlock(cycle: readonly Wait[]): ZbudError {
  const keys = cycle.map(({ by }) => show(by.key));
  const what =
    keys.length === 1
      ? `the load of ${keys[0]} waits for itself: its loader awaits getOrSet of the same key`
      : `loads wait for each other, each loader for getOrSet of the next key: ${[...keys, keys[0]].join(", ")}`;
  return new ZbudError("EDEADLK", `${what}; load what a loader needs without asking for its own key`);
}

/** The first pauses keep the process alive: one that waits for itself ends with an error, not without a word. */
function pause(look: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSES_MS[Math.min(look, PAUSES_MS.length - 1)]);
    if (look >= PAUSES_MS.length) (timer as { unref?: () => void }).unref?.();
  });
}

/** Whether the asynchronous function that calls this is awaited, by way of others, by the load of this name. */
function isAwaitedBy(frame: string): boolean {
  const errors = Error as unknown as {
    stackTraceLimit?: number;
    prepareStackTrace?: unknown;
    captureStackTrace?: (target: object) => void;
  };
  if (errors.captureStackTrace === undefined) return false;
  const { stackTraceLimit, prepareStackTrace } = errors;
  const holder: { stack?: unknown } = {};
  try {
    errors.stackTraceLimit = FRAMES_MAX;
    errors.prepareStackTrace = (_: unknown, sites: { getFunctionName?(): string | null }[]) =>
      sites.map((site) => site.getFunctionName?.() ?? "");
    errors.captureStackTrace(holder);
    const names = holder.stack;
    if (!Array.isArray(names)) return false;
    return names.find((name) => String(name).includes(FRAME))?.endsWith(frame) === true;
  } catch {
    // Its members cannot be changed here: nothing is known.
    return false;
  } finally {
    restore(errors, stackTraceLimit, prepareStackTrace);
  }
}

function restore(
  errors: { stackTraceLimit?: number; prepareStackTrace?: unknown },
  limit: number | undefined,
  prepare: unknown,
): void {
  try {
    if (limit === undefined) delete errors.stackTraceLimit;
    else errors.stackTraceLimit = limit;
    if (prepare === undefined) delete errors.prepareStackTrace;
    else errors.prepareStackTrace = prepare;
  } catch {
    // They were not changed either.
  }
}
