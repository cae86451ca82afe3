// One pool for four threads: each stores, any reads, and one that is killed harms nobody.
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Handle, type SharedPool, verify, ZbudPool, zbudDriver } from "zbud";

/** What a worker tells: where the text that it stored lies. */
type Stored = { worker: number; handle: Handle };

if (isMainThread) {
  const pool = new ZbudPool({ maxPages: 1000, shared: true });
  const workers = [0, 1, 2, 3].map((worker) => {
    const data = { shared: pool.share(), worker };
    return new Worker(fileURLToPath(import.meta.url), { workerData: data, execArgv: process.execArgv });
  });
  const stored = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0] as Stored),
  );

  // The third is in the middle of its work when it is killed.
  await workers[2].terminate();
  console.log(`threads found gone: ${pool.recover()}`);
  verify(pool);
  for (const { worker, handle } of stored.toSorted((a, b) => a.worker - b.worker)) {
    console.log(worker, Buffer.from(pool.map(handle)).toString());
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  pool.close();
} else {
  const { shared, worker } = workerData as { shared: SharedPool; worker: number };
  const pool = zbudDriver.attach(shared);
  const text = Buffer.from(`stored by worker ${worker}`);
  const handle = pool.alloc(text.length);
  if (typeof handle === "string") throw new Error(handle);
  pool.write(handle, text);
  parentPort?.postMessage({ worker, handle } satisfies Stored);

  for (;;) {
    const other = pool.alloc(1000);
    if (typeof other === "number") pool.free(other);
  }
}
