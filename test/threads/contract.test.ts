/** All that holds for a pool of one thread holds for a shared one: contract, properties, recorded traces. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { verify } from "../../src/diagnostics/index.ts";
import { attachPool, createPool, ZbudPool } from "../../src/drivers/index.ts";
import { parseTrace, type ReplayResult, replay } from "../../src/trace/index.ts";
import { type PoolMaker, poolContract } from "../contracts/pool.ts";
import { Lockstep } from "../drivers/zbud/lockstep.ts";
import { planOf, prngOf, stepOf } from "../drivers/zbud/steps.ts";
import { fixtureNames, fixtureText } from "../trace/trace-workload.ts";
import { messageOf, startWorker } from "./worker-group.ts";

const FACTS = {
  type: "zbud",
  canReclaim: true,
  maxObjectBytes: (pageSize: number): number => pageSize - (2 * pageSize) / 64,
  objectsPerPageMax: 2,
  evictionsPerPageMax: 2,
  mapsInPlace: true,
};
/** Makes any pool a shared one; what a test gets wrong on purpose stays wrong. */
const makeShared: PoolMaker = (options) => {
  const isRight = options instanceof Object && ["boolean", "undefined"].includes(typeof options.shared);
  return createPool("zbud", isRight ? { ...options, shared: true } : options);
};

const OPERATIONS_MIN = 200_000;
const STEPS_A_RUN = 1000;

describe("a shared pool", () => {
  poolContract(FACTS, makeShared);

  it(`agrees with the model over ${OPERATIONS_MIN} operations (seeds from 1)`, () => {
    let operations = 0;
    for (let seed = 1; operations < OPERATIONS_MIN; seed++) {
      const prng = prngOf(seed);
      const plan = { ...planOf(prng), shared: true };
      const lockstep = new Lockstep(plan);
      let step = 0;
      try {
        for (; step < STEPS_A_RUN; step++) lockstep.step(stepOf(prng, plan.weights));
        lockstep.finish();
      } catch (cause) {
        throw new Error(`seed ${seed}, step ${step}`, { cause });
      }
      operations += lockstep.operations;
    }
  });
});

describe("an attached pool", () => {
  poolContract(FACTS, (options) => {
    const made = makeShared(options);
    const { onEvict } = options;
    const attached = attachPool(made.share(), onEvict === undefined ? {} : { onEvict });
    // It lives on in whoever has attached to it.
    made.close();
    return attached;
  });

  for (const name of fixtureNames) {
    it(`in a worker replays ${name} as one of its own`, { timeout: 60_000 }, async () => {
      const text = fixtureText(name);
      const trace = parseTrace(text);
      const { pageSize, maxPages, chunkOrder } = trace.header;
      const shape = { pageSize, maxPages, ...(chunkOrder === undefined ? {} : { chunkOrder }), shared: true };
      const pool = trace.header.interface === "zbud" ? new ZbudPool(shape) : createPool("zbud", shape);
      const worker = startWorker("./replay-worker.ts", { text, shared: pool.share() });
      const result = (await messageOf(worker)) as ReplayResult;
      assert.deepEqual(result.mismatches, []);
      assert.deepEqual(result, replay(trace));
      // What is left is there for the thread that made the pool.
      assert.deepEqual(pool.stats(), result.stats);
      verify(pool);
      pool.close();
      await worker.terminate();
    });
  }
});
