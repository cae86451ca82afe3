import { Worker } from "node:worker_threads";
import { PageStore } from "../src/store/index.ts";
import { type BenchOptions, median, type Row } from "./harness.ts";

/** Pages a second of one thread and of two, on one shared store: loads, and stores. */
export async function threadRows(
  pages: readonly Buffer[],
  quick: boolean,
  log: BenchOptions["log"],
): Promise<Row[]> {
  log("threads");
  const store = new PageStore({ maxBytes: "64MiB", shared: true });
  for (const [i, page] of pages.entries()) store.store(i, page);
  const data = new SharedArrayBuffer(pages.length * pages[0].length);
  pages.forEach((page, i) => {
    new Uint8Array(data).set(page, i * page.length);
  });
  const workers = [0, 1].map(
    (number) =>
      new Worker(new URL("./store-worker.ts", import.meta.url), {
        workerData: { shared: store.share(), data, count: pages.length, number },
      }),
  );
  const ask = (workers: readonly Worker[], way: string, ms: number): Promise<number> => {
    const answers = workers.map(
      (worker) => new Promise<number>((resolve) => worker.once("message", resolve)),
    );
    for (const worker of workers) worker.postMessage({ way, ms, start: Date.now() + 20 });
    return Promise.all(answers).then((counts) => counts.reduce((sum, count) => sum + count, 0) / ms);
  };
  const rows: Row[] = [];
  const ms = quick ? 20 : 400;
  for (const way of ["load", "store"]) {
    await ask(workers, way, ms); // untimed
    const one: number[] = [];
    const two: number[] = [];
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      one.push(await ask(workers.slice(0, 1), way, ms));
      two.push(await ask(workers, way, ms));
    }
    const [ours, theirs] = [two, one].map((rates) => median(rates.toSorted((a, b) => a - b)));
    rows.push({
      suite: "store",
      case: `${way}, two threads`,
      ours,
      peer: "one thread",
      theirs,
      unit: "pages/ms",
      ratio: ours / theirs,
    });
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return rows;
}
