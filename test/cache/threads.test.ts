import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { checkBooks } from "./cache-checks.ts";
import { numberIn, selfSaying, type ThreadJob } from "./cache-worker.ts";
import { type Call, isLinearizable } from "./register-linearizer.ts";

const WORKER = join(import.meta.dirname, "cache-worker.ts");

function start(cache: CompressedCache<string>, job: Omit<ThreadJob, "shared">): Worker {
  return new Worker(WORKER, { workerData: { ...job, shared: cache.share() } satisfies ThreadJob });
}

describe("the linearizability checker", () => {
  const call = (called: number, returned: number, op: Call["op"], value: number): Call => {
    return { thread: 0, key: 0, called, returned, op, value };
  };
  it("accepts overlapping calls that have an order, and refuses those that have none", () => {
    assert.ok(isLinearizable([call(0, 5, "set", 1), call(1, 2, "get", 0), call(3, 4, "get", 1)]));
    assert.ok(!isLinearizable([call(0, 5, "set", 1), call(1, 2, "get", 1), call(3, 4, "get", 0)]));
    assert.ok(!isLinearizable([call(0, 1, "set", 1), call(2, 3, "get", 2)]));
    assert.ok(!isLinearizable([call(0, 1, "set", 1), call(2, 3, "delete", 0)]));
    assert.ok(isLinearizable([call(0, 4, "set", 1), call(1, 5, "set", 2), call(6, 7, "get", 1)]));
  });
});

describe("threads that share a cache", () => {
  for (const [threads, shards, seed] of [
    [2, 1, 1],
    [3, 4, 2],
    [8, 2, 3],
  ]) {
    it(`histories of ${threads} threads at ${shards} shards are linearizable, seed ${seed}`, async () => {
      const cache = new CompressedCache<string>({ maxBytes: "16MiB", shards });
      const sharedState = new Int32Array(new SharedArrayBuffer(16));
      const operations = Math.ceil(1200 / threads);
      const workers = Array.from({ length: threads }, (_, i) => {
        return start(cache, {
          thread: i + 1,
          seed: seed * 100 + i,
          operations,
          keys: 6,
          sharedState,
          threads,
        });
      });
      const histories = await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]));
      await Promise.all(workers.map((worker) => worker.terminate()));
      const calls = (histories as Call[][]).flat();
      assert.equal(calls.length, operations * threads);
      for (let key = 0; key < 6; key++) {
        assert.ok(isLinearizable(calls.filter((call) => call.key === key)), `key ${key}`);
      }
      const overlaps = calls.filter((a) => calls.some((b) => b.called > a.called && b.called < a.returned));
      assert.ok(overlaps.length > 0, "no calls overlapped");
      checkBooks(cache as CompressedCache<unknown>);
      cache.close();
    });
  }

  for (const [evict, rounds] of [["lru", 12] as const, ["sieve", 6] as const])
    it(`threads that are killed at any moment harm nobody, ${evict}`, async () => {
      const cache = new CompressedCache<string>({
        maxBytes: "4MiB",
        maxEntries: 300,
        tags: true,
        shards: 2,
        evict,
      });
      const prng = new Prng(9);
      const sharedState = new Int32Array(new SharedArrayBuffer(16));
      for (let round = 0; round < rounds; round++) {
        Atomics.store(sharedState, 0, 0);
        const workers = [1, 2].map((thread) => {
          return start(cache, {
            thread,
            seed: round * 10 + thread,
            operations: 0,
            keys: 500,
            sharedState,
            threads: 2,
          });
        });
        const wanted = Atomics.load(sharedState, 2) + prng.below(2000);
        await until("they are at work", () => Atomics.load(sharedState, 2) > wanted);
        await Promise.all(
          workers.map(async (worker) => {
            const { threadId } = worker;
            await worker.terminate();
            cache.threadGone(threadId);
          }),
        );
        assert.equal(cache.recover(), 0);
        checkBooks(cache as CompressedCache<unknown>);
        for (const key of cache.keys()) {
          const value = cache.peek(key);
          assert.ok(value !== undefined, `key ${String(key)} is listed and not there`);
          numberIn(key as number, value);
        }
        assert.equal(cache.set(7, selfSaying(7, round)) === "E2BIG", false);
        assert.equal(cache.get(7), selfSaying(7, round));
      }
      cache.clear();
      assert.equal(cache.stats().storedBytes, 0);
      cache.close();
    });

  it("counts and deletions are everybody's", async () => {
    const cache = new CompressedCache<string>({ maxBytes: "4MiB", tags: true });
    const other = CompressedCache.attach<string>(cache.share());
    cache.set("a", "1", { tags: ["t"] });
    assert.equal(other.get("a"), "1");
    assert.equal(other.deleteByTag("t"), 1);
    assert.equal(cache.get("a"), undefined);
    const loading = cache.getOrSet("b", async () => {
      await turn();
      return "read before";
    });
    other.delete("b");
    assert.equal(await loading, "read before");
    assert.equal(cache.get("b"), undefined);
    const { hits, deletions } = other.stats();
    assert.deepEqual([hits, deletions], [1, 1]);
    other.close();
    cache.set("c", "2");
    assert.equal(cache.get("c"), "2");
    cache.close();
  });

  it("every thread needs the tier, or none", () => {
    const cache = new CompressedCache<string>({ maxBytes: "4MiB" });
    assert.throws(() => CompressedCache.attach(cache.share(), { backing: {} as never }), { code: "EINVAL" });
  });
});
