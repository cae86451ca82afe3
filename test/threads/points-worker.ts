/** A thread that stops for ever at a chosen point, and one that does not. */

import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import type { SizeClassPool } from "../../src/drivers/size-classes/index.ts";
import type { Pool, PoolDriver, SharedPool } from "../../src/pool/index.ts";

/** What a thread does, in turn. */
export type Step =
  | { do: "alloc"; size: number }
  | { do: "free"; handle: Handle }
  /** The handler frees those named and refuses the others. `stops`: it stops for ever in its last call. */
  | { do: "reclaim"; frees: Handle[]; stops?: boolean }
  /** `moves`: at most so many. */
  | { do: "compact"; moves?: number }
  /** Of a log pool. */
  | { do: "openGap"; bytes: number; tight: boolean }
  /** Of a pool of size classes. */
  | { do: "refit"; pageSizes: number[] }
  | { do: "attach" | "recover" | "verify" | "close" }
  | { do: "trim"; bytes?: number };

export interface Job {
  shared: SharedPool;
  steps: Step[];
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
  const { module, name } = workerData as { module: string; name: string };
  const driver = ((await import(module)) as Record<string, PoolDriver>)[name];
  const port = parentPort;
  port.on("message", (job: Job) => {
    try {
      port.postMessage({ trail: runSteps(job, driver) });
    } catch (error) {
      port.postMessage({ error: String((error as Error).stack) });
    }
  });
  port.postMessage("ready");
}

function runSteps(job: Job, driver: PoolDriver): number[] {
  const { shared, steps, stopAt, control, handles } = job;
  const trail: number[] = [];
  const stop = (what: number): void => {
    Atomics.store(control, STOPPED, what);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
  const hook = (point: number): void => {
    if (trail.push(point) === stopAt) stop(point + 1);
  };
  let step: Step | undefined;
  const changed = (handle = 0): void => {
    handles[Atomics.load(control, CHANGES)] = handle;
    Atomics.add(control, CHANGES, 1);
  };
  const wait = (): void => {
    Atomics.store(control, STOPPED, -1);
    Atomics.wait(control, GO_ON, 0);
  };
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    if (step?.do !== "reclaim") return false;
    if (job.waits === "handler") wait();
    const isFreed = step.frees.includes(handle);
    if (isFreed) {
      pool.free(handle);
      changed();
    }
    if (step.stops && Atomics.load(control, CHANGES) === step.frees.length) stop(-1);
    return isFreed;
  };
  const attach = (): Pool => driver.attach(shared, { onEvict });

  // In the steps alone there are points.
  const isOnlyAttaching = steps[0]?.do === "attach";
  const pool = isOnlyAttaching ? null : attach();
  if (job.waits === "attached") wait();
  (globalThis as Hooked).zbudPoint = hook;
  try {
    for (step of steps) {
      if (step.do === "attach") tryAttach(attach);
      if (pool === null) continue;
      if (step.do === "alloc") {
        const handle = pool.alloc(step.size);
        if (typeof handle === "number" && pool.slotOf(handle) >= 0) pool.handleOf(pool.slotOf(handle));
        if (typeof handle === "number") changed(handle);
      } else if (step.do === "free") {
        pool.free(step.handle);
        changed();
      } else if (step.do === "reclaim") pool.reclaimPage(1);
      else if (step.do === "recover") pool.recover();
      else if (step.do === "verify") verify(pool);
      else if (step.do === "trim") pool.trim(step.bytes);
      else if (step.do === "compact") pool.compact(step.moves);
      else if (step.do === "openGap") pool.openGap(step.bytes, step.tight);
      else if (step.do === "refit") (pool as unknown as SizeClassPool).refit(step.pageSizes);
      else if (step.do === "close") pool.close();
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
