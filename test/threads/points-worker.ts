/** A thread that stops for ever at a chosen point, and one that does not. */

import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../../src/base/index.ts";
import type { SizeClassPool } from "../../src/drivers/size-classes/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";
import type { PoolClass } from "./pools.ts";

/** What a thread does, in turn. */
export type Act =
  | { do: "alloc"; size: number }
  | { do: "free"; handle: Handle }
  /** The handler frees those named and refuses the others. `stops`: it stops for ever in its last call. */
  | { do: "reclaim"; frees: Handle[]; stops?: boolean }
  /** `moves`: at most so many. */
  | { do: "compact"; moves?: number }
  /** Of a pool of size classes. */
  | { do: "refit"; pageSizes: number[] }
  | { do: "attach" | "recover" | "verify" | "close" };

export interface Job {
  shared: SharedPool;
  acts: Act[];
  /** Stop at this point that is met, counted from 1; 0: never. */
  stopAt: number;
  /** Words: where it stopped (number + 1) or waits (-1); changes done; whether it may go on. */
  control: Int32Array;
  /** Handles that were allocated, by change. */
  handles: Float64Array;
  /** Where to wait until it may go on: when it is attached, or in its handler. */
  waits?: "attached" | "handler";
}

export const STOPPED = 0;
export const CHANGES = 1;
export const GO_ON = 2;

type Hooked = { zbudPoint?: (point: number) => void };

// Only in a worker: the test imports the types and words above.
if (parentPort !== null) {
  const { module, className } = workerData as { module: string; className: string };
  const Pool = ((await import(module)) as Record<string, PoolClass>)[className];
  const port = parentPort;
  port.on("message", (job: Job) => {
    try {
      port.postMessage({ trail: perform(job, Pool) });
    } catch (error) {
      port.postMessage({ error: String((error as Error).stack) });
    }
  });
  port.postMessage("ready");
}

function perform(job: Job, Pool: PoolClass): number[] {
  const { shared, acts, stopAt, control, handles } = job;
  const trail: number[] = [];
  const stop = (what: number): void => {
    Atomics.store(control, STOPPED, what);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
  const hook = (point: number): void => {
    if (trail.push(point) === stopAt) stop(point + 1);
  };
  let act: Act | undefined;
  const changed = (handle = 0): void => {
    handles[Atomics.load(control, CHANGES)] = handle;
    Atomics.add(control, CHANGES, 1);
  };
  const wait = (): void => {
    Atomics.store(control, STOPPED, -1);
    Atomics.wait(control, GO_ON, 0);
  };
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    if (act?.do !== "reclaim") return false;
    if (job.waits === "handler") wait();
    const isFreed = act.frees.includes(handle);
    if (isFreed) {
      pool.free(handle);
      changed();
    }
    if (act.stops && Atomics.load(control, CHANGES) === act.frees.length) stop(-1);
    return isFreed;
  };
  const attach = (): Pool => Pool.attach(shared, { onEvict });

  // In the acts alone there are points.
  const isOnlyAttaching = acts[0]?.do === "attach";
  const pool = isOnlyAttaching ? null : attach();
  if (job.waits === "attached") wait();
  (globalThis as Hooked).zbudPoint = hook;
  try {
    for (act of acts) {
      if (act.do === "attach") tryAttach(attach);
      if (pool === null) continue;
      if (act.do === "alloc") {
        const handle = pool.alloc(act.size);
        if (typeof handle === "number") changed(handle);
      } else if (act.do === "free") {
        pool.free(act.handle);
        changed();
      } else if (act.do === "reclaim") pool.reclaimPage(1);
      else if (act.do === "recover") pool.recover();
      else if (act.do === "verify") pool.verify();
      else if (act.do === "compact") pool.compact(act.moves);
      else if (act.do === "refit") (pool as unknown as SizeClassPool).refit(act.pageSizes);
      else if (act.do === "close") pool.close();
    }
  } finally {
    delete (globalThis as Hooked).zbudPoint;
  }
  pool?.close();
  return trail;
}

/** All places may be taken: that is one of the ways. */
function tryAttach(attach: () => Pool): void {
  try {
    attach().close();
  } catch (error) {
    if ((error as { code?: string }).code !== "EBUSY") throw error;
  }
}
