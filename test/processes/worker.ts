/** A thread of one of several processes, which works at their cache until it is ended. */

import { parentPort, workerData } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache, type SharedCompressedCache } from "../../src/cache/index.ts";
import { makeValue, type Value, versionOf } from "./values.ts";

const KEYS = 300;

const cache = CompressedCache.attach<Value>(workerData as SharedCompressedCache);
const prng = new Prng(process.pid);
for (let i = 0; ; i++) {
  const key = prng.below(KEYS);
  const value = cache.get(key);
  if (value !== undefined) versionOf(key, value);
  if (prng.chance(0.5)) cache.set(key, makeValue(key, prng.below(1000)));
  else if (prng.chance(0.2)) cache.delete(key);
  if (i === 100) parentPort?.postMessage("at work");
}
