import { workerData } from "node:worker_threads";
import { Counters, STORE_NS, WRITTEN_BACK, WRITTEN_BACK_BYTES } from "../../src/store/counters.ts";

const counters = new Counters(workerData as SharedArrayBuffer);
for (let i = 0; i < 20_000; i++) {
  counters.count(WRITTEN_BACK, 1);
  counters.count(WRITTEN_BACK_BYTES, 500_000);
  counters.time(STORE_NS, 10);
}
