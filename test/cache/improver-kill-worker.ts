/** A thread that does nothing but better a cache, until it is killed. */
import { parentPort, workerData } from "node:worker_threads";
import { CompressedCache, type SharedCompressedCache } from "../../src/cache/index.ts";

/** What it is given. */
export interface ImproverJob {
  shared: SharedCompressedCache;
  /** How late it is, in half minutes: so far apart are two walks for cold entries. */
  halfMinutes: Int32Array;
}

const { shared, halfMinutes } = workerData as ImproverJob;
const clock = (): number => Atomics.load(halfMinutes, 0) * 31_000;
const cache = CompressedCache.attach(shared, { clock, recompress: "zstd" });
parentPort?.postMessage("at work");
// Idle work keeps no thread alive, and this is one to be killed; the next walk comes as soon as one is over.
setInterval(() => Atomics.add(halfMinutes, 0, cache.size > 0 ? 1 : 0), 5);
