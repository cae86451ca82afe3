/**
 * A thread that brings a cache so far that it learns, and says so; it closes it when it is told. Its own worker never
 * answers, so that the end comes in the midst of learning.
 */
import { EventEmitter } from "node:events";
import * as threads from "node:worker_threads";
import { CompressedCache, type SharedCompressedCache } from "../../src/cache/index.ts";
import { record } from "./dictionary-helpers.ts";

class IdleWorker extends EventEmitter {
  unref(): void {}
}

const { parentPort, workerData } = threads;
const { getBuiltinModule } = process;
process.getBuiltinModule = ((name: string) =>
  name === "node:worker_threads" ? { ...threads, Worker: IdleWorker } : getBuiltinModule(name)) as never;

const cache = CompressedCache.attach<unknown>(workerData as SharedCompressedCache);
for (let i = 0; i < 1500; i++) cache.set(i, record(i));
parentPort?.on("message", () => {
  cache.close();
  parentPort?.close();
});
parentPort?.postMessage(cache.stats().dictionary.state);
