/** A thread at a shared cache: records what it did, or works until it is killed. */
import { parentPort, workerData } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type SharedCompressedCache } from "../../src/cache/index.ts";
import type { Call } from "./register-linearizer.ts";

export interface ThreadJob {
  shared: SharedCompressedCache;
  thread: number;
  seed: number;
  /** Operations; 0: until it is killed. */
  operations: number;
  keys: number;
  /** Word 0: threads that are ready. Word 1: the stamp. Word 2: operations done by all. */
  sharedState: Int32Array;
  threads: number;
}

/** A value that says whose it is: wrong bytes are seen wherever they come from. */
export function selfSaying(key: number, number: number): string {
  return `${key}:${number}:`.padEnd(20 + ((number * 7919) % 3000), `<${key}.${number}>`);
}

/** The number in such a value. */
export function numberIn(key: number, value: string): number {
  const number = Number(value.split(":")[1]);
  if (value !== selfSaying(key, number)) throw new Error(`key ${key} has ${value.slice(0, 60)}…`);
  return number;
}

if (workerData !== null) run(workerData as ThreadJob);

function run({ shared, thread, seed, operations, keys, sharedState, threads }: ThreadJob): void {
  const cache = CompressedCache.attach<string>(shared);
  const prng = new Prng(seed);
  const calls: Call[] = [];
  // They begin at the same moment.
  let there = Atomics.add(sharedState, 0, 1) + 1;
  Atomics.notify(sharedState, 0);
  for (; there < threads; there = Atomics.load(sharedState, 0)) Atomics.wait(sharedState, 0, there);
  for (let i = 1; operations === 0 || i <= operations; i++) {
    const key = prng.below(keys);
    const what = prng.below(10);
    const called = Atomics.add(sharedState, 1, 1);
    let op: Call["op"] = "get";
    let value = 0;
    if (what < 4) {
      op = "set";
      value = thread * 1_000_000 + i;
      cache.set(key, selfSaying(key, value));
    } else if (what === 4) {
      op = "delete";
      value = cache.delete(key) ? 1 : 0;
    } else {
      const found = cache.get(key);
      value = found === undefined ? 0 : numberIn(key, found);
    }
    const returned = Atomics.add(sharedState, 1, 1);
    Atomics.add(sharedState, 2, 1);
    if (operations > 0) calls.push({ thread, called, returned, key, op, value });
  }
  cache.close();
  parentPort?.postMessage(calls);
}
