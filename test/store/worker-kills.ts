/** Workers at one store, killed at random moments. Used by the test and by scripts/soak-store.ts. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore, type PageStoreOptions } from "../../src/store/index.ts";
import { oneFile } from "../support/one-file.ts";
import { until } from "../support/until.ts";
import { isPageOf } from "./pages.ts";
import type { WorkerJob } from "./worker-kill-worker.ts";

export interface KillOptions {
  kills: number;
  seed: number;
  threads: number;
  indices: number;
  options: Omit<PageStoreOptions, "shared" | "backing">;
  backing?: FileBacking;
}

/** The most of a worker's life, in ms. */
const LIFE_MS_MAX = 15;
const WORKERS_MAX = 32;

/** After each death the store is whole, every page in it has its own bytes, and the others go on. */
export async function killWorkers({
  kills,
  seed,
  threads,
  indices,
  options,
  backing,
}: KillOptions): Promise<number> {
  const prng = new Prng(seed);
  const program = new URL(await oneFile(join(import.meta.dirname, "worker-kill-worker.ts")));
  const store = new PageStore({ ...options, shared: true, backing });
  const control = new Int32Array(new SharedArrayBuffer(4 * (1 + WORKERS_MAX)));
  control[0] = 1;
  const calls = (): number => control.slice(1).reduce((sum, count) => sum + count, 0);
  let started = 0;
  const errors: unknown[] = [];
  const start = async (): Promise<Worker> => {
    const number = started++ % WORKERS_MAX;
    const job: WorkerJob = { shared: store.share(), seed: seed + started, indices, control, number };
    if (backing !== undefined) job.backing = backing.share();
    const worker = new Worker(program, { workerData: job });
    worker.on("error", (error) => errors.push(error));
    await once(worker, "message");
    return worker;
  };
  const workers = await Promise.all(Array.from({ length: threads }, start));
  for (let kill = 0; kill < kills; kill++) {
    await sleep(prng.below(LIFE_MS_MAX));
    const victim = workers.splice(prng.below(workers.length), 1)[0];
    const { threadId } = victim;
    await victim.terminate();
    store.threadGone(threadId);
    const before = calls();
    workers.push(await start());
    assert.deepEqual(errors, [], `seed ${seed}, kill ${kill}`);
    await until("the others go on", () => calls() >= before + 20);
    verify(store);
  }
  control[0] = 0;
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  assert.deepEqual(errors, []);
  const into = new Uint8Array(store.pageSize);
  for (let index = 0; index < indices; index++) {
    const result = backing === undefined ? store.load(index, into) : await store.loadAsync(index, into);
    if (result === "loaded") assert.ok(isPageOf(index, into), `page ${index} has other bytes`);
  }
  verify(store);
  store.clear();
  assert.equal(store.stats().poolTotalSize, 0, "nothing is left");
  await store.close();
  return calls();
}
