/**
 * A process, or a thread, that shares a cache with others and does what it is told: see `peers.ts`. Its loaders end when
 * they are told to.
 */
import { parentPort } from "node:worker_threads";
import { type CacheKey, CompressedCache, type LoadContext } from "../../src/cache/index.ts";
import type { Answer, CacheOfPeer, Order } from "./peers.ts";

const send = (answer: Answer): void => {
  if (parentPort !== null) parentPort.postMessage(answer);
  else if (process.connected) process.send?.(answer);
};
/** Nobody is listened to any more, so that the process or thread ends when it has nothing to do. */
const leave = (): void => {
  if (parentPort === null) process.disconnect?.();
  else parentPort.close();
};

let cache: CompressedCache<unknown>;
let loads: { key: CacheKey; resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
const signals = new Map<number, AbortController>();

function open({ options, shared, threadOptions }: CacheOfPeer): void {
  loads = [];
  cache?.close();
  cache =
    shared === undefined
      ? new CompressedCache<unknown>(options)
      : CompressedCache.attach<unknown>(shared, threadOptions);
}

function load(key: CacheKey, { signal }: LoadContext<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    loads.push({ key, resolve, reject });
    signal.addEventListener("abort", () => send({ aborted: key }));
    send({ loading: key });
  });
}

function ask(id: number, { key, options }: Extract<Order, { do: "ask" }>): Promise<unknown> {
  const controller = new AbortController();
  signals.set(id, controller);
  const result = cache.getOrSet(key, load, { ...options, signal: controller.signal });
  return result.then((value) => {
    if (typeof value === "number") process.exitCode = value;
    return value;
  });
}

/** Ends the first load of a key that is under way here. */
function end({ key, with: outcome }: Extract<Order, { do: "end" }>): void {
  const [{ resolve, reject }] = loads.splice(
    loads.findIndex((each) => each.key === key),
    1,
  );
  if (outcome === "fails") reject(new Error(`the load of ${String(key)} failed`));
  else if (outcome === "large") resolve("x".repeat(2 ** 26 + 1));
  else if (outcome === "undefined") resolve(undefined);
  else resolve(outcome.value);
}

async function carryOut(id: number, order: Order): Promise<unknown> {
  switch (order.do) {
    case "open":
      return open(order.cache);
    case "ask":
      return await ask(id, order);
    case "end":
      return end(order);
    case "abort":
      return signals.get(order.id)?.abort(new Error("enough"));
    case "set":
      return cache.set(order.key, order.value, order.options);
    case "get":
      return cache.get(order.key, { allowStale: true });
    case "delete":
      return cache.delete(order.key);
    case "deleteByTag":
      return cache.deleteByTag(order.tag);
    case "clear":
      return cache.clear();
    case "stats":
      return cache.stats();
    case "close":
      cache.close();
      // What a call gave before says nothing of this.
      process.exitCode = 0;
      return leave();
    case "leave":
      return leave();
  }
}

const receive = ({ id, order }: { id: number; order: Order }): void => {
  carryOut(id, order).then(
    (value) => send({ id, value }),
    (error: Error & { code?: string }) => send({ id, error: error.code ?? error.message }),
  );
};
if (parentPort !== null) parentPort.on("message", receive);
else process.on("message", receive);
