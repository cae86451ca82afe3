import { parentPort, workerData } from "node:worker_threads";
import { Prng } from "../src/base/index.ts";
import { PageStore, type SharedPageStore } from "../src/store/index.ts";

const { shared, data, count, number } = workerData as {
  shared: SharedPageStore;
  data: SharedArrayBuffer;
  count: number;
  number: number;
};
const store = PageStore.attach(shared);
const prng = new Prng(number + 1);
const pages = Array.from(
  { length: count },
  (_, i) => new Uint8Array(data, i * store.pageSize, store.pageSize),
);
const into = new Uint8Array(store.pageSize);

parentPort?.on("message", ({ way, ms, start }: { way: "load" | "store"; ms: number; start: number }) => {
  while (Date.now() < start);
  const end = performance.now() + ms;
  let done = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 16; i++) {
      const index = prng.below(count);
      if (way === "load") store.load(index, into);
      else store.store(index, pages[index]);
    }
    done += 16;
  }
  parentPort?.postMessage(done);
});
