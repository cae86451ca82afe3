/** Plays its part in small random histories, and writes down what it called and what came back. */

import { parentPort, workerData } from "node:worker_threads";
import { type Handle, Prng } from "../../src/base/index.ts";
import type * as Drivers from "../../src/drivers/zbud/index.ts";
import { type HistoryPlan, Log, OBJECTS } from "./call-log.ts";
import { succeeds } from "./expected-objects.ts";
import { meet, W_OWN } from "./worker-group.ts";

/** How often a thread sleeps at a point, and for how long. */
const NAP_CHANCE = 0.02;
const NAP_MS = 0.05;

const plan = workerData as HistoryPlan & { index: number };
const { shared, control, threads, rounds, calls, seed, index } = plan;
const { zbudDriver } = (await import(plan.module)) as typeof Drivers;
const pool = zbudDriver.attach(shared);
const nap = new Int32Array(new SharedArrayBuffer(4));
const log = new Log(plan.log, threads, calls);
const handles = new Float64Array(plan.handles);
const published = new Int32Array(plan.published);

parentPort?.postMessage("attached");

for (let round = 0; round < rounds; round++) {
  const prng = new Prng(Math.imul(seed + round, 0x9e3779b1) ^ (index << 24) ^ 0x2545f491);
  for (let i = 0; i < 8; i++) prng.uint32();
  // Also with the lock held, in the middle of things: so calls overlap, on one processor too.
  (globalThis as { zbudPoint?: () => void }).zbudPoint = () => {
    if (prng.chance(NAP_CHANCE)) Atomics.wait(nap, 0, 0, NAP_MS);
  };
  meet(control, threads + 1);
  for (let i = 0; i < calls; i++) {
    // Objects have names of their own; who frees one picks any that is there.
    const name = index * calls + i;
    const from = prng.below(OBJECTS);
    const other = [...published.keys()].find((at) => Atomics.load(published, (at + from) % OBJECTS) === 1);
    if (other === undefined || prng.chance(0.6)) alloc(i, name, 1 + prng.below(pool.maxObjectBytes));
    else free(i, (other + from) % OBJECTS, prng.chance(0.8));
  }
  meet(control, threads + 1);
}
pool.close();

function alloc(i: number, name: number, size: number): void {
  const called = Atomics.add(control, W_OWN, 1);
  const handle = pool.alloc(size);
  const returned = Atomics.add(control, W_OWN, 1);
  if (typeof handle === "string") {
    log.write(index, i, { called, returned, op: { alloc: size, object: name }, result: handle });
    return;
  }
  const { page, offset } = pool.inspect(handle);
  log.write(index, i, { called, returned, op: { alloc: size, object: name }, result: { page, offset } });
  handles[name] = handle;
  Atomics.store(published, name, 1);
}

/** `withdraws`: nobody is to try it again. Else threads may well free one object twice. */
function free(i: number, name: number, withdraws: boolean): void {
  if (withdraws) Atomics.store(published, name, 2);
  const handle = handles[name] as Handle;
  const called = Atomics.add(control, W_OWN, 1);
  const freed = succeeds(() => pool.free(handle));
  const returned = Atomics.add(control, W_OWN, 1);
  log.write(index, i, { called, returned, op: { free: name }, result: freed ? "freed" : "EBADF" });
}
