import { parentPort, workerData } from "node:worker_threads";
import { FileBacking, type SharedFileBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { registerBuiltIns } from "../../src/drivers/index.ts";
import { PageStore, type SharedPageStore } from "../../src/store/index.ts";
import { isPageOf, makePage } from "./pages.ts";

registerBuiltIns();

/** What a worker of the kill test is given. */
export interface WorkerJob {
  shared: SharedPageStore;
  backing?: SharedFileBacking;
  seed: number;
  indices: number;
  /** Word 0: whether to go on; then, for each worker, calls done. */
  control: Int32Array;
  number: number;
}

const { shared, backing, seed, indices, control, number } = workerData as WorkerJob;
const file = backing === undefined ? undefined : FileBacking.attach(backing);
const store = PageStore.attach(shared, { backing: file });
const prng = new Prng(seed);
const into = new Uint8Array(store.pageSize);
parentPort?.postMessage("at work");
for (let version = seed * 1000; Atomics.load(control, 0) === 1; version++) {
  const index = prng.below(indices);
  const action = prng.below(16);
  if (action < 6) {
    store.store(index, makePage(index, version, store.pageSize));
  } else if (action < 14) {
    const result = backing === undefined ? store.load(index, into) : store.loadSync(index, into);
    if (result === "loaded" && !isPageOf(index, into)) throw new Error(`page ${index} has other bytes`);
  } else if (action === 14) {
    store.invalidate(index);
  } else if (prng.chance(0.05)) {
    store.shrinkBytes(8192);
  } else if (version % 20 === 0) {
    store.recompress("deflate", 2);
  }
  Atomics.add(control, 1 + number, 1);
}
store[Symbol.dispose]();
await file?.close();
parentPort?.postMessage("done");
