/** A thread that sets values of another kind in a cache, until it is killed, and says how many now and then. */
import { parentPort, workerData } from "node:worker_threads";
import { CompressedCache, type SharedCompressedCache } from "../../src/cache/index.ts";
import { event } from "./dictionary-helpers.ts";

const { shared, from } = workerData as { shared: SharedCompressedCache; from: number };
const cache = CompressedCache.attach<unknown>(shared, { improve: false });
for (let i = from; ; i++) {
  cache.set(i % 2000, event(i % 2000));
  if ((i - from) % 500 === 499) parentPort?.postMessage(i - from + 1);
}
