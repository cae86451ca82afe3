/** A thread that betters a cache, killed at random moments. Used by the test and by scripts/soak-cache.ts. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { oneFile } from "../support/one-file.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { record } from "./dictionary-helpers.ts";
import type { ImproverJob } from "./improver-kill-worker.ts";

const ENTRIES = 600;
/** The most of a worker's life, in ms, from when it began to work. */
const LIFE_MS_MAX = 20;

const textOf = (i: number): string => [0, 1, 2, 3, 4, 5].map((each) => record(6 * i + each)).join();

/**
 * After each death the cache is whole, and every entry is there with its own bytes.
 *
 * @returns how many values the workers compressed anew.
 */
export async function killImprovers(kills: number, seed: number): Promise<number> {
  const prng = new Prng(seed);
  const program = new URL(await oneFile(join(import.meta.dirname, "improver-kill-worker.ts")));
  const halfMinutes = new Int32Array(new SharedArrayBuffer(4));
  const clock = (): number => Atomics.load(halfMinutes, 0) * 31_000;
  const options = { maxBytes: "8MiB", shards: 2, clock, improve: false } as const;
  let cache = new CompressedCache<unknown>(options);
  // The first of a kind are stored without the dictionary, and are some of what there is to do.
  for (let i = 0; i < 2000 || cache.stats().dictionary.state === "learning"; i++) {
    cache.set(i % ENTRIES, textOf(i % ENTRIES));
    if (i % 50 === 0) await sleep(0);
  }
  const errors: unknown[] = [];
  // What is used gets lz4 back, and what is not gets zstd: so there is always something to do.
  const use = (): void => {
    const key = prng.below(ENTRIES);
    assert.equal(cache.get(key), textOf(key));
  };
  for (let kill = 0; kill < kills; kill++) {
    const what = `seed ${seed}, kill ${kill}`;
    const job: ImproverJob = { shared: cache.share(), halfMinutes };
    const worker = new Worker(program, { workerData: job });
    worker.on("error", (error) => errors.push(error));
    const { threadId } = worker;
    try {
      await once(worker, "message");
      // The one that came first betters it: this thread comes anew, behind the worker.
      const again = CompressedCache.attach<unknown>(cache.share(), { clock, improve: false });
      cache.close();
      cache = again;
      const { recompressed } = cache.stats().improvement;
      await until("it works", () => {
        use();
        return cache.stats().improvement.recompressed > recompressed;
      });
      for (let life = prng.below(LIFE_MS_MAX); life > 0; life--) {
        use();
        await sleep(1);
      }
    } finally {
      await worker.terminate();
    }
    cache.threadGone(threadId);
    assert.deepEqual(errors, [], what);
    checkBooks(cache);
    assert.equal(cache.size, ENTRIES, what);
    for (let i = 0; i < ENTRIES; i++) assert.equal(cache.peek(i), textOf(i), what);
  }
  const { improvement } = cache.stats();
  cache.close();
  return improvement.recompressed;
}
