/** Two threads: one allocates, both free the same handle at the same moment; each notes whether it succeeded. */

import { workerData } from "node:worker_threads";
import type { Handle } from "../../src/base/index.ts";
import { type ZbudPool, zbudDriver } from "../../src/drivers/zbud/index.ts";
import { succeeds } from "./expected-objects.ts";
import { meet, W_OWN } from "./worker-group.ts";

const { shared, control, index, rounds, successes, handles } = workerData as {
  shared: ReturnType<ZbudPool["share"]>;
  control: Int32Array;
  index: number;
  rounds: number;
  successes: Int32Array;
  handles: Float64Array;
};

const pool = zbudDriver.attach(shared);
for (let round = 0; round < rounds; round++) {
  if (index === 0) {
    // Odd rounds free a page's only object, even ones one of two.
    const handle = pool.alloc(100 + (round & 1) * 1900);
    if (typeof handle === "string") throw new Error(handle);
    handles[round] = handle;
  }
  meet(control, 2);
  const handle = handles[round] as Handle;
  // Both look first: whoever comes second must not be misled by it.
  if ((round & 2) !== 0) succeeds(() => pool.map(handle));
  if (succeeds(() => pool.free(handle))) Atomics.add(successes, round, 1);
  else Atomics.add(control, W_OWN, 1);
}
pool.close();
