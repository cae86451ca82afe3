import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { FileBacking, MemoryBacking } from "../../src/backing/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";
import { FAULTS, FaultPlan } from "../backing/faults.ts";
import { FaultyBacking } from "../backing/faulty.ts";
import { churn } from "./churn.ts";
import { makePage } from "./pages.ts";
import { killProcesses } from "./process-kills.ts";
import { runModel } from "./store-model.ts";

const small = { maxBytes: 140_000, pageSize: 4096 };

describe("faults of the backing store", () => {
  const folder = temporaryFolder("store");

  for (const fault of FAULTS) {
    it(`${fault}: the old page, the new one or a miss; and it goes on when the fault ends`, async () => {
      const plan = new FaultPlan(1, [fault], 0.3);
      const backing = new FaultyBacking(new MemoryBacking(), plan);
      const options = { ...small, backing, acceptThresholdPercent: 60 };
      const store = await runModel({ seed: 11, steps: 500, indices: 60, options, lossy: true });
      assert.ok((plan.made[fault] ?? 0) > 0, "something went wrong");
      plan.stop();
      const into = new Uint8Array(store.pageSize);
      for (let index = 0; index < 200; index++) {
        assert.equal(await store.storeAsync(index, makePage(index, 7, store.pageSize)), "stored");
      }
      for (let index = 0; index < 200; index++) {
        assert.equal(await store.loadAsync(index, into), "loaded");
        assert.deepEqual(into, makePage(index, 7, store.pageSize));
      }
      const { memUsedMax, memLimit } = store.stats();
      assert.ok(memUsedMax <= memLimit);
      await store.close();
    });
  }

  it("a write that does not end: stores are refused, loads from memory go on, a wait can be given up", async () => {
    const backing = new MemoryBacking({ delayMs: 5000 });
    Object.defineProperty(backing, "isSync", { value: false });
    const store = new PageStore({ ...small, backing });
    let count = 0;
    while (store.store(count, makePage(count, 1, 4096)) === "stored") count++;
    const into = new Uint8Array(4096);
    assert.equal(store.load(count - 1, into), "loaded");
    const signal = AbortSignal.timeout(30);
    await assert.rejects(store.storeAsync(count, makePage(count, 1, 4096), { signal }), {
      name: "TimeoutError",
    });
    await assert.rejects(store.flush({ signal: AbortSignal.timeout(30) }), { name: "TimeoutError" });
    verify(store);
    store[Symbol.dispose]();
  });

  it("a budget of bytes a second holds, and what is over it waits", () => {
    let now = 0;
    const backing = new MemoryBacking();
    const maxWriteBytesPerSecond = 20_000;
    const store = new PageStore({ ...small, backing, maxWriteBytesPerSecond, clock: () => now });
    for (let i = 0; i < 300; i++) store.store(i, makePage(i, 1, 4096));
    const { bytesWrittenBack } = store.stats();
    assert.ok(bytesWrittenBack >= 19_000 && bytesWrittenBack < 30_000, `${bytesWrittenBack} bytes at once`);
    now += 1000;
    for (let i = 0; i < 300; i++) store.store(i, makePage(i, 1, 4096));
    assert.ok(store.stats().bytesWrittenBack <= 60_000);
    assert.ok(store.stats().bytesWrittenBack > bytesWrittenBack);
    store[Symbol.dispose]();
  });

  it("a store over a file is closed and opened again, with all its pages", async () => {
    const path = join(folder, "again");
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    const store = new PageStore({ ...small, backing });
    for (let i = 0; i < 300; i++) store.store(2 ** 39 + i * 2 ** 20, makePage(i, 1, 4096));
    await store.close();
    await backing.close();
    const file = await FileBacking.open(path, { maxBytes: 2 ** 22 });
    const again = new PageStore({ ...small, backing: file });
    const into = new Uint8Array(4096);
    for (let i = 0; i < 300; i++) {
      assert.equal(again.loadSync(2 ** 39 + i * 2 ** 20, into), "loaded");
      assert.deepEqual(into, makePage(i, 1, 4096));
    }
    await again.close();
    await file.close();
  });

  it("some seconds of churn at the limit", { timeout: 120_000 }, async () => {
    const { calls, drift } = await churn({ seconds: 8, seed: 5, path: join(folder, "churned") });
    assert.ok(calls > 1000 && drift < 0.1, `${calls} calls, resident memory grew by ${drift}`);
  });

  it("processes are killed at random moments", { timeout: 120_000 }, async () => {
    assert.ok((await killProcesses(6, 3, join(folder, "killed"))) > 0);
  });
});
