import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { Prng } from "../../src/base/index.ts";

/** A thread may do up to so many steps before it dies, or live so many ms after its first. */
const STEPS_MAX = 2000;
const LIFE_MS_MAX = 60;

const [held, kills, seed, folder] = process.argv.slice(2);
const prng = new Prng(Number(seed));
for (let i = 0; i < Number(kills); i++) {
  const steps = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { held, folder, seed: prng.uint32(), steps };
  const worker = new Worker(new URL("./native-kills-worker.ts", import.meta.url), { workerData });
  const failed = new Promise((_, reject) => worker.once("error", reject));
  await Promise.race([failed, new Promise((resolve) => worker.once("online", resolve))]);
  await Promise.race([failed, Atomics.waitAsync(steps, 0, 0).value]);
  const wanted = 1 + prng.below(STEPS_MAX);
  const end = performance.now() + LIFE_MS_MAX;
  for (let done = 0; done < wanted && performance.now() < end; done = Atomics.load(steps, 0)) {
    Atomics.wait(steps, 0, done, 1);
  }
  // Not only between two steps.
  for (let spin = prng.below(20_000); spin > 0; spin--) Atomics.load(steps, 0);
  await worker.terminate();
  writeSync(1, ".");
}
