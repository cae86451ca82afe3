/** A thread that reads a shared cache, in rounds, all threads at the same time. */
import { workerData } from "node:worker_threads";
import { Prng } from "../src/base/index.ts";
import { CompressedCache, type SharedCompressedCache } from "../src/cache/index.ts";
import { cacheData } from "./cache-data.ts";

export interface ReaderJob {
  shared: SharedCompressedCache;
  data: number;
  count: number;
  gets: number;
  seed: number;
  /** Word 0: the round. Word 1: threads that are ready, or done with it. */
  sharedState: Int32Array;
}

const { shared, data, count, gets, seed, sharedState } = workerData as ReaderJob;
const cache = CompressedCache.attach(shared);
const prng = new Prng(seed);
const { key } = cacheData(data, 1);
const keys = Array.from({ length: gets }, () => key(prng.below(count)));
const target = new Uint8Array(2 ** 17);
for (let round = 0; round >= 0; ) {
  Atomics.add(sharedState, 1, 1);
  Atomics.notify(sharedState, 1);
  Atomics.wait(sharedState, 0, round);
  round = Atomics.load(sharedState, 0);
  if (round < 0) break;
  for (const each of keys) cache.getInto(each, target);
}
cache.close();
