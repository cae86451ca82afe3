// One thread of bench/threads.ts: fills its share of the pools, then does rounds when it is told to.
import { threadId, workerData } from "node:worker_threads";
import type { Handle } from "../src/base/index.ts";
import { type SharedZbudPool, ZbudPool, zbudDriver } from "../src/drivers/index.ts";
import { makeWork } from "./work.ts";

/** What a worker gets. */
export interface Job {
  /** Pools to attach to; none: a pool of its own that is not shared. */
  shared: SharedZbudPool[];
  live: number;
  operations: number;
  seed: number;
  /** Word 0: rounds started. Word 1: threads that are done, counted on. */
  control: Int32Array;
}

const { shared, live, operations, seed, control } = workerData as Job;
const pools =
  shared.length > 0 ? shared.map((pool) => zbudDriver.attach(pool)) : [new ZbudPool({ maxPages: live })];
const work = makeWork(live, operations, seed);
const handles = new Float64Array(live);
const { fillSizes, places, sizes } = work;

function alloc(pool: ZbudPool, size: number): Handle {
  const handle = pool.alloc(size);
  if (typeof handle === "string") throw new Error(`alloc in thread ${threadId}: ${handle}`);
  return handle;
}

/** Steps on one pool: the loop that users have. */
function churnOne(pool: ZbudPool): void {
  for (let i = 0; i < operations; i++) {
    const place = places[i];
    pool.free(handles[place] as Handle);
    handles[place] = alloc(pool, sizes[i]);
  }
}

/** The same, each object in the pool that a hash of its key says. */
function churnMany(): void {
  const mask = pools.length - 1;
  for (let i = 0; i < operations; i++) {
    const place = places[i];
    const pool = pools[(Math.imul(place, 0x9e37_79b1) >>> 16) & mask];
    pool.free(handles[place] as Handle);
    handles[place] = alloc(pool, sizes[i]);
  }
}

const mask = pools.length - 1;
for (let i = 0; i < live; i++) {
  handles[i] = alloc(pools[(Math.imul(i, 0x9e37_79b1) >>> 16) & mask], fillSizes[i]);
}
for (let round = 0; ; round++) {
  Atomics.add(control, 1, 1);
  Atomics.notify(control, 1);
  Atomics.wait(control, 0, round);
  if (Atomics.load(control, 0) < 0) break;
  if (pools.length === 1) churnOne(pools[0]);
  else churnMany();
}
for (const pool of pools) pool.close();
