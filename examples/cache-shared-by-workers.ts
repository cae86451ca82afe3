// One cache for all worker threads: what one of them loaded, the others find.
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { CompressedCache, type SharedCompressedCache } from "zbud/cache";

if (isMainThread) {
  const cache = new CompressedCache<{ id: number; name: string }>({ maxBytes: "32MiB", ttl: 60_000 });
  for (let turn = 1; turn <= 2; turn++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: cache.share() });
    const [loads] = await once(worker, "message");
    console.log(`worker ${turn} loaded ${loads} users`);
  }
  const { hits, misses, entries } = cache.stats();
  console.log(
    `${entries} users in ${cache.bytesReserved / 2 ** 20} MiB at most; ${hits} hits, ${misses} misses`,
  );
  console.log(cache.get("user:7"));
} else {
  const cache = CompressedCache.attach<{ id: number; name: string }>(workerData as SharedCompressedCache);
  let loads = 0; // of this worker; stats().loads counts those of all threads
  for (let id = 0; id < 100; id++) {
    await cache.getOrSet(`user:${id}`, () => {
      loads++;
      return { id, name: `User number ${id}` };
    });
  }
  parentPort?.postMessage(loads);
  cache.close();
}
