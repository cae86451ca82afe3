import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { FileBacking, type SharedFileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { checkRecordOf, keyOf, recordOf, someLength } from "./records.ts";

/** What a thread of threads.test.ts is to do. */
export interface WorkerPlan {
  readonly shared: SharedFileBacking;
  readonly seed: number;
  readonly first: number;
  readonly keys: number;
  readonly rounds: number;
  readonly task: "write" | "delete" | "churn";
}

const { shared, seed, first, keys, rounds, task } = workerData as WorkerPlan;
const backing = FileBacking.attach(shared);
const prng = new Prng(seed);
parentPort?.postMessage("ready");

if (task === "write") {
  for (let number = first; number < first + keys; number++) {
    const outcomes = await backing.write([recordOf(number, seed, someLength(prng, 20_000))]);
    assert.deepEqual(outcomes, ["ok"]);
  }
} else if (task === "delete") {
  for (let number = first; number < first + keys; number++) backing.delete(keyOf(number));
} else {
  for (let round = 0; round < rounds; round++) {
    const number = first + prng.below(keys);
    const dice = prng.below(10);
    if (dice < 4) void backing.write([recordOf(number, round, someLength(prng, 20_000))]);
    else if (dice < 5) backing.writeSync(recordOf(number, round, someLength(prng, 20_000)));
    else if (dice < 6) backing.delete(keyOf(number));
    else {
      const record = await backing.read(keyOf(number));
      if (record !== null) checkRecordOf(number, record);
    }
  }
}
await backing.close();
