/** Threads at one pool under load: nothing is handed out twice, lost or overwritten; at the end all is free. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verify } from "../../src/diagnostics/index.ts";
import { ZbudPool } from "../../src/drivers/zbud/index.ts";
import { ExpectedObjects, finishPool } from "./expected-objects.ts";
import { EVICT_ACTS, type LoadCounts, type LoadPlan } from "./load.ts";
import { makeShared } from "./pools.ts";
import { messageOf, runToEnd, startWorker, W_OWN, WorkerGroup } from "./worker-group.ts";

/** Over the runs of this file together. */
const OPERATIONS_MIN = Number(process.env.ZBUD_STRESS_OPERATIONS ?? 10_000_000);
const SEED = Number(process.env.ZBUD_STRESS_SEED ?? 1);
const QUIET_POINTS_MIN = 10;

describe("threads at one pool", () => {
  // The tight pool is full nearly always, the wide one never.
  for (const { driver, threads, maxPages, liveMax } of [
    { driver: "zbud", threads: 4, maxPages: 24, liveMax: 100 },
    { driver: "zbud", threads: 8, maxPages: 1024, liveMax: 80 },
    { driver: "size-classes", threads: 4, maxPages: 24, liveMax: 100 },
    { driver: "slots", threads: 4, maxPages: 12, liveMax: 100 },
    { driver: "zsmalloc", threads: 4, maxPages: 16, liveMax: 100 },
    { driver: "log", threads: 4, maxPages: 16, liveMax: 100 },
  ] as const) {
    it(`${threads} threads do ${OPERATIONS_MIN / 2} operations at a ${driver} pool (seed ${SEED})`, {
      timeout: 300_000,
    }, async () => {
      const start = performance.now();
      const pool = makeShared(driver, { maxPages, pageSize: 1024 });
      const expected = ExpectedObjects.make(pool);
      const group = new WorkerGroup();
      const workers = Array.from({ length: threads }, (_, owner) => {
        const plan: LoadPlan = {
          driver,
          shared: pool.share(),
          expected: expected.buffer,
          owner,
          seed: SEED,
          act: EVICT_ACTS[owner % EVICT_ACTS.length],
          liveMax,
        };
        const operations = Math.ceil(OPERATIONS_MIN / 2 / threads);
        return startWorker("./stress-worker.ts", { plan, control: group.words, operations });
      });
      const counting = Promise.all(workers.map((worker) => messageOf(worker) as Promise<LoadCounts>));
      const all = workers.map((_, owner) => owner);
      let isRunning = true;
      const running = runToEnd(workers).finally(() => {
        isRunning = false;
      });
      counting.catch(() => undefined);
      running.catch(() => undefined);

      let quietPoints = 0;
      while (isRunning) {
        await group.quietly(
          () => (isRunning ? all : []),
          () => {
            if (!isRunning) return;
            assert.deepEqual(expected.audit(pool), [], "every object has an owner");
            quietPoints++;
          },
        );
        await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 50))]);
      }
      await running;
      const counts = sum(await counting);

      assert.deepEqual(expected.audit(pool), []);
      expected.freeAll(pool);
      assert.equal(pool.pageCount, 0, "everything was freed");
      finishPool(pool);
      pool.close();
      const seconds = (performance.now() - start) / 1000;
      console.log(
        `${threads} threads, seed ${SEED}: ${JSON.stringify(counts)}, ${quietPoints} quiet points, ${seconds.toFixed(1)} s`,
      );
      assert.ok(counts.operations >= OPERATIONS_MIN / 2);
      assert.ok(counts.evictions > 0 && counts.reclaimed > 0 && counts.lost > 0, "threads met one another");
      if (maxPages < 100) assert.ok(counts.refused > 0, "the pool was full at times");
      if (OPERATIONS_MIN >= 10_000_000)
        assert.ok(quietPoints >= QUIET_POINTS_MIN, `${quietPoints} quiet points`);
    });
  }

  it("two threads that free one handle: exactly one succeeds", { timeout: 120_000 }, async () => {
    const rounds = 20_000;
    const pool = new ZbudPool({ maxPages: 8, shared: true });
    const neighbour = pool.alloc(100);
    assert.equal(typeof neighbour, "number");
    const group = new WorkerGroup();
    const successes = new Int32Array(new SharedArrayBuffer(4 * rounds));
    const handles = new Float64Array(new SharedArrayBuffer(8 * rounds));
    const workers = [0, 1].map((index) =>
      startWorker("./race-worker.ts", {
        shared: pool.share(),
        control: group.words,
        index,
        rounds,
        successes,
        handles,
      }),
    );
    await runToEnd(workers);
    const wrong = successes.findIndex((count) => count !== 1);
    assert.equal(wrong, -1, `in round ${wrong} ${successes[wrong]} threads freed ${handles[wrong]}`);
    assert.equal(group.words[W_OWN], rounds, "the other one was told so each time");
    verify(pool);
    assert.equal(pool.pageCount, 1);
    finishPool(pool);
  });
});

function sum(counts: readonly LoadCounts[]): LoadCounts {
  const total = { ...counts[0] };
  for (const name of Object.keys(total) as (keyof LoadCounts)[]) {
    total[name] = counts.reduce((so, each) => so + each[name], 0);
  }
  return total;
}
