import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import type { WorkerPlan } from "./file-worker.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";

const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);

function start(plan: WorkerPlan): Worker {
  return new Worker(new URL("./file-worker.ts", import.meta.url), { workerData: plan });
}

describe("one file, several threads", () => {
  it("a record that one thread wrote is found by another, and deleted by a third", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 22 });
    const plan = { shared: backing.share(), seed: 1, first: 0, keys: 20, rounds: 0 };
    const writer = start({ ...plan, task: "write" });
    await once(writer, "exit");
    for (let number = 0; number < 20; number++) {
      checkRecordOf(number, (await backing.read(keyOf(number))) ?? assert.fail(`key ${number}`));
    }
    const deleter = start({ ...plan, task: "delete" });
    await once(deleter, "exit");
    for (let number = 0; number < 20; number++) assert.equal(backing.readSync(keyOf(number)), null);
    assert.equal(backing.stats().records, 0);
    verify(backing);
    await backing.close();
  });

  it("four threads write, delete and read the same keys: never other bytes, and the index is whole", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 22 });
    const workers = [1, 2, 3].map((seed) =>
      start({
        shared: backing.share(),
        seed: SEED * 10 + seed,
        first: 0,
        keys: 50,
        rounds: 300,
        task: "churn",
      }),
    );
    const exits = workers.map((worker) => once(worker, "exit"));
    const prng = new Prng(SEED);
    let hits = 0;
    let isOver = false;
    void Promise.all(exits).then(() => {
      isOver = true;
    });
    while (!isOver) {
      const number = prng.below(50);
      const record = await backing.read(keyOf(number));
      if (record !== null) {
        checkRecordOf(number, record);
        hits++;
      }
      if (prng.chance(0.02)) await backing.flush();
      if (prng.chance(0.01)) verify(backing);
    }
    for (const exit of exits) assert.deepEqual(await exit, [0]);
    verify(backing);
    assert.ok(hits > 10, `${hits} hits`);
    await backing.close();
  });

  it("threads that are killed at random harm nobody", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    const prng = new Prng(SEED);
    for (let kill = 0; kill < 12; kill++) {
      const plan = { shared: backing.share(), seed: kill + 1, first: 0, keys: 50, rounds: 100_000 };
      const worker = start({ ...plan, task: "churn" });
      const { threadId } = worker;
      await once(worker, "message");
      await new Promise((resolve) => setTimeout(resolve, prng.below(60)));
      await worker.terminate();
      if (process.platform === "linux") assert.equal(backing.recover(), 1, "dead threads");
      else backing.threadGone(threadId);
      assert.equal(backing.recover(), 0, "none is left");
      verify(backing);
      assert.deepEqual(await backing.write([recordOf(7, kill + 1, 3000)]), ["ok"]);
      for (let number = 0; number < 50; number++) {
        const record = await backing.read(keyOf(number));
        if (record !== null) checkRecordOf(number, record);
      }
    }
    await backing.close();
    const next = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    assert.equal(next.opened?.found, "clean");
    verify(next);
    await next.close();
  });

  it("ends in all threads when the one that opened it closes it", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20 });
    const other = FileBacking.attach(backing.share());
    const writing = other.write([recordOf(1, 1, 100)]);
    await backing.close();
    assert.deepEqual(await writing, ["ok"]);
    await assert.rejects(other.read(keyOf(1)), { code: "ECLOSED" });
    assert.throws(() => other.delete(keyOf(1)), { code: "ECLOSED" });
    await other.close();
    assert.throws(() => backing.share(), { code: "ECLOSED" });
  });

  it("EINVAL, EBADMSG: attach to what is nothing of the kind", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20 });
    const shared = backing.share();
    assert.throws(() => FileBacking.attach(undefined as never), { code: "EINVAL" });
    assert.throws(() => FileBacking.attach({ ...shared, index: 5 as never }), { code: "EINVAL" });
    const { byteLength } = shared.index;
    assert.throws(() => FileBacking.attach({ ...shared, index: new SharedArrayBuffer(byteLength) }), {
      code: "EBADMSG",
    });
    assert.throws(() => FileBacking.attach({ ...shared, index: new SharedArrayBuffer(8) }), {
      code: "EBADMSG",
    });
    assert.throws(() => FileBacking.attach({ ...shared, inode: 1 }), { code: "ENOENT" });
    await backing.close();
    assert.throws(() => FileBacking.attach(shared), { code: "ECLOSED" });
  });
});
