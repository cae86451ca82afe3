import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { FileBacking } from "../src/backing/index.ts";
import { PageStore } from "../src/store/index.ts";
import type { Row } from "./harness.ts";

/** How late the event loop is while a store at its limit takes pages and writes others to a file all the time. */
export async function loopRows(pages: readonly Buffer[], folder: string, quick: boolean): Promise<Row[]> {
  const ms = quick ? 200 : 5000;
  const idle = await delayOf(ms, async () => {
    await turn();
  });
  const backing = await FileBacking.open(join(folder, "pages"), { maxBytes: quick ? 2 ** 24 : 2 ** 30 });
  const store = new PageStore({ maxBytes: quick ? "256KiB" : "8MiB", backing });
  let index = 0;
  const busy = await delayOf(ms, async () => {
    // About what a program does in a turn: 64 pages are some 0.4 ms of work.
    for (let i = 0; i < 64; i++) store.store(index++ % 100_000, pages[index % pages.length]);
    await turn();
  });
  store[Symbol.dispose]();
  await backing.close();
  return [
    {
      suite: "store",
      case: "event loop delay p99.9, writeback",
      ours: busy,
      peer: "an idle loop",
      theirs: idle,
      unit: "ms",
      ratio: busy / idle,
    },
  ];
}

async function delayOf(ms: number, work: () => Promise<void>): Promise<number> {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  const end = performance.now() + ms;
  monitor.enable();
  while (performance.now() < end) await work();
  monitor.disable();
  return monitor.percentile(99.9) / 1e6;
}
