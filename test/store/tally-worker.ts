import { workerData } from "node:worker_threads";
import { STORE_NS, Tallies, WRITTEN_BACK, WRITTEN_BACK_BYTES } from "../../src/store/tallies.ts";

const tallies = new Tallies(true, workerData as SharedArrayBuffer);
for (let i = 0; i < 20_000; i++) {
  tallies.count(WRITTEN_BACK, 1);
  tallies.count(WRITTEN_BACK_BYTES, 500_000);
  tallies.time(STORE_NS, 10);
}
