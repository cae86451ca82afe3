import { builtin, noteFallback, show, ZbudError } from "../base/index.ts";
import type { CacheKey } from "./types.ts";

/*
 * Who waits for whom: a load whose loader awaits the same load, or one that awaits it in turn, never ends. Which
 * load a call of `getOrSet` comes from is known by the context that the loader runs in. That alone does not tell a
 * loader that awaits the call from a listener that it merely told, so where the waits of contexts close a cycle, each
 * looks at its own asynchronous stack: whether what awaits it is the loader.
 *
 * In engines without such stacks (all but V8) only a call is seen that the loader returns as it is. What is seen
 * nowhere: a promise that has several handlers, or that is awaited through a callback.
 */

/** A load, as others wait for it. */
export interface WaitNode {
  readonly key: CacheKey;
  /** The name that its function has in stacks; no other has it. */
  readonly frame: string;
  /** Calls from its context that wait for loads. */
  readonly waits: Set<Wait>;
}

/** A call from the context of one load that waits for another, or for the same. */
interface Wait {
  readonly by: WaitNode;
  readonly on: WaitNode;
  /** Whether the loader is known to await it. */
  isAwaited: boolean;
  /** Lets it look, since a cycle was closed. */
  wake: () => void;
  isOver: boolean;
}

/** What a loader runs in. Its load goes when it ends: contexts may be kept for ever. */
export interface Context {
  load: WaitNode | null;
}

interface Storage {
  getStore(): Context | undefined;
  run<R>(context: Context, work: () => R): R;
}

const FRAME = "getOrSet load ";
/** Looks at once, each a step of promises later, and then after so many ms. */
const STEPS = 4;
const PAUSES_MS = [1, 10, 100, 1000];
/** A stack is not walked further. */
const FRAMES_MAX = 100;

let frames = 0;
/** Where contexts do not follow what is awaited: that of the loader's synchronous part. */
let current: Context | undefined;
const storage = openStorage();
/** The wait that was just begun, until its call has its promise. */
let begun: Wait | null = null;
const waitOf = new WeakMap<object, Wait>();

/** Contexts that follow promises; before Node 24 they would make every promise of the process slower. */
function openStorage(): Storage | undefined {
  if (Number.parseInt(globalThis.process?.versions?.node ?? "0", 10) < 24) {
    noteFallback("load-cycles");
    return undefined;
  }
  const hooks = builtin<typeof import("node:async_hooks")>("node:async_hooks");
  if (hooks !== undefined) return new hooks.AsyncLocalStorage<Context>();
  noteFallback("load-cycles");
  return undefined;
}

export function newFrame(): string {
  frames = (frames + 1) % Number.MAX_SAFE_INTEGER;
  return FRAME + frames;
}

/** Runs a load under its name. */
export function runAs<V>(frame: string, work: () => Promise<V>): Promise<V> {
  const named = {
    async [frame](): Promise<V> {
      return await work();
    },
  };
  return named[frame]();
}

/** Runs a loader: what it calls is called by the load of this context. */
export function runIn<R>(context: Context, loader: () => R): R {
  const before = current;
  current = context;
  try {
    return storage === undefined ? loader() : storage.run(context, loader);
  } finally {
    current = before;
  }
}

/** The load whose loader called, if any. */
export function callingLoad(): WaitNode | null {
  const context = storage === undefined ? current : storage.getStore();
  return context?.load ?? null;
}

/** To be told of each promise that a call gave: what a loader returns can be known by it. */
export function noteCall(promise: object): void {
  if (begun === null) return;
  waitOf.set(promise, begun);
  begun = null;
}

/** A loader returned this. */
export function noteResult(load: WaitNode, result: unknown): void {
  const wait = typeof result === "object" && result !== null ? waitOf.get(result) : undefined;
  if (wait === undefined || wait.by !== load) return;
  wait.isAwaited = true;
  wait.wake();
}

/**
 * Waits for a load, from the context of another.
 *
 * @param signal - when it is aborted, this is no wait any more.
 * @throws {ZbudError} `EDEADLK` if the one cannot end before the other does.
 */
export async function waitIn<V>(
  by: WaitNode,
  on: WaitNode,
  promise: Promise<V>,
  signal: AbortSignal | undefined,
): Promise<V> {
  const wait: Wait = { by, on, isAwaited: false, wake: () => undefined, isOver: false };
  const end = (): void => {
    wait.isOver = true;
    wait.wake();
  };
  const ended = promise.then(end, end);
  signal?.addEventListener("abort", end, { once: true });
  begun = wait;
  by.waits.add(wait);
  try {
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
      if (!wait.isAwaited && isAwaitedBy(by.frame)) wait.isAwaited = true;
      const cycle = cycleOf(wait, true);
      if (cycle !== null) throw deadlock(cycle);
    }
  } finally {
    by.waits.delete(wait);
    signal?.removeEventListener("abort", end);
  }
  return await promise;
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
