import { builtin, noteFallback } from "../base/index.ts";
import { endOrDeadlock } from "./deadlock.ts";
import { FRAME, type Wait, type WaitNode } from "./wait-node.ts";

/*
 * Who waits for whom: a load whose loader awaits the same load, or one that awaits it in turn, never ends. Which
 * load a call of `getOrSet` comes from is known by the context that the loader runs in. That alone does not tell a
 * loader that awaits the call from a listener that it merely told, so where the waits of contexts close a cycle, each
 * looks at its own asynchronous stack: whether what awaits it is the loader.
 *
 * In engines without such stacks (all but V8) only a call is seen that the loader returns as it is. What is seen
 * nowhere: a promise that has several handlers, or that is awaited through a callback.
 */

/** What a loader runs in. Its load goes when it ends: contexts may be kept for ever. */
export interface Context {
  load: WaitNode | null;
}

interface Storage {
  getStore(): Context | undefined;
  run<R>(context: Context, work: () => R): R;
}

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
    await endOrDeadlock(wait, ended);
  } finally {
    by.waits.delete(wait);
    signal?.removeEventListener("abort", end);
  }
  return await promise;
}
