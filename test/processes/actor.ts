/** A process that does with a cache what it is told, one thing after the other, and says what came of it. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { CompressedCache } from "../../src/cache/index.ts";
import { snapshot, verify } from "../../src/diagnostics/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { setHook } from "./player.ts";
import { makeValue, type Value, versionOf } from "./values.ts";

/** One call. Values are named by key and version; see `values.ts`. */
export type Op =
  | { do: "get"; key: number }
  | { do: "peek"; key: number }
  | { do: "delete"; key: number }
  | { do: "touch"; key: number }
  | { do: "set"; key: number; version: number; tags?: string[] }
  | { do: "deleteByTag"; tag: string }
  | { do: "pop" }
  | { do: "keys" }
  | { do: "size" }
  | { do: "stats" };

/** What an actor is told. */
export type Order =
  | { order: "open"; path: string; options: Record<string, unknown>; listens?: boolean }
  | { order: "run"; ops: Op[] }
  /** Sets and deletes keys that are this process's alone, and keys of all, so many times. */
  | { order: "churn"; name: string; times: number; keys: number }
  /** Stops itself, as SIGSTOP does, at the first of these points that it meets. */
  | { order: "stop at"; points: number[] }
  | { order: "workers"; count: number }
  | { order: "end worker"; worker: number }
  | { order: "verify" | "snapshot" | "recover" | "removals" | "close" };

/** What became of an order. */
export interface Answer {
  value?: unknown;
  error?: { code?: string; message: string };
}

/** Does one call. What a value is, is said by its version. */
export function perform(cache: CompressedCache<Value>, op: Op): unknown {
  const versionIn = (key: number, value: Value | undefined): number | null => {
    return value === undefined ? null : versionOf(key, value);
  };
  if (op.do === "get") return versionIn(op.key, cache.get(op.key));
  if (op.do === "peek") return versionIn(op.key, cache.peek(op.key));
  if (op.do === "touch") return cache.touch(op.key);
  if (op.do === "delete") return cache.delete(op.key);
  if (op.do === "deleteByTag") return cache.deleteByTag(op.tag);
  if (op.do === "keys") return [...cache.keys()];
  if (op.do === "size") return cache.size;
  if (op.do === "stats") return cache.stats();
  if (op.do === "pop") return cache.pop() === undefined ? null : "popped";
  return cache.set(op.key, makeValue(op.key, op.version), op.tags === undefined ? {} : { tags: op.tags });
}

if (process.argv[1]?.endsWith("actor.mjs")) play();

function play(): void {
  registerBuiltIns();
  let cache: CompressedCache<Value> | undefined;
  const removals: [string, string][] = [];
  const workers: Worker[] = [];
  const opened = (): CompressedCache<Value> => {
    if (cache === undefined) throw new Error("it is not open");
    return cache;
  };
  const obey = async (order: Order): Promise<unknown> => {
    if (order.order === "open") {
      const onRemoved = (key: unknown, reason: string): void => void removals.push([String(key), reason]);
      const options = { ...order.options, shared: order.path, ...(order.listens ? { onRemoved } : {}) };
      cache = new CompressedCache<Value>(options as never);
      return cache.size;
    }
    if (order.order === "run") return order.ops.map((op) => perform(opened(), op));
    if (order.order === "churn") return churn(opened(), order.name, order.times, order.keys);
    if (order.order === "stop at") {
      const points = new Set(order.points);
      setHook((point) => {
        if (!points.has(point)) return;
        points.clear();
        process.kill(process.pid, "SIGSTOP");
      });
      return null;
    }
    if (order.order === "workers") {
      for (let i = 0; i < order.count; i++) workers.push(await startWorker(opened()));
      return workers.length;
    }
    if (order.order === "end worker") return await workers[order.worker].terminate();
    if (order.order === "verify") return verify(opened()) ?? null;
    if (order.order === "recover") return opened().recover();
    if (order.order === "snapshot") return snapshot(opened()).pages.length;
    if (order.order === "removals") return removals.splice(0);
    opened().close();
    cache = undefined;
    return null;
  };
  process.on("message", (order: Order) => {
    obey(order).then(
      (value) => process.send?.({ value: value ?? null }),
      ({ code, message }: { code?: string; message: string }) => process.send?.({ error: { code, message } }),
    );
  });
}

/** How many keys of its own a process set. */
function churn(cache: CompressedCache<Value>, name: string, times: number, keys: number): number {
  let own = 0;
  for (let i = 0; i < times; i++) {
    const key = (i * 7919 + name.length) % keys;
    cache.set(`${name} ${own++}`, makeValue(own, 1));
    cache.get(key);
    cache.set(key, makeValue(key, i));
    if (i % 5 === 0) cache.delete((key * 31) % keys);
  }
  return own;
}

/** A thread that works at the cache until it is ended. */
async function startWorker(cache: CompressedCache<Value>): Promise<Worker> {
  const worker = new Worker(new URL("worker.mjs", import.meta.url), { workerData: cache.share() });
  await once(worker, "message");
  return worker;
}
