/** What a cache betters by itself: how small entries get, how long the event loop waits, how much of a busy one it takes. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { CompressedCache } from "../src/cache/index.ts";
import { type CacheData, cacheData } from "./cache-data.ts";
import type { BenchOptions, Row } from "./harness.ts";

const SUITE = "improve";
/** JSON of 0.5, 1.3 and 4 KB: kinds of `cacheData` that get a dictionary, and how many entries. */
const KINDS: [number, number][] = [
  [0, 250_000],
  [1, 150_000],
  [2, 75_000],
];
const WAIT_MS = 2000;
/** The event loop that is busy: so long at a time, and so long in between. */
const BUSY_MS = 4;
const PAUSE_MS = 4;

export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [kind, entries] of KINDS) {
    if (quick && kind !== 1) continue;
    const data = cacheData(kind, seed);
    const count = quick ? 3000 : entries;
    const waitMs = quick ? 300 : WAIT_MS;
    log(`  ${data.name}, ${count.toLocaleString("en-US")} entries …`);
    rows.push(...(await smaller(data, count, waitMs)), ...(await delays(data, count, waitMs)));
    rows.push(await share(data, count, waitMs));
  }
  return rows;
}

function filled(data: CacheData, count: number, improve: boolean): CompressedCache<Buffer> {
  const cache = new CompressedCache<Buffer>({ maxBytes: "64MiB", improve });
  fill(cache, data, count);
  return cache;
}

function fill(cache: CompressedCache<Buffer>, data: CacheData, count: number): void {
  for (let i = 0; i < count; i++) cache.set(data.key(i), data.make(i));
}

function bytesEach(cache: CompressedCache<Buffer>): number {
  const { storedBytes, entries } = cache.stats();
  return storedBytes / entries;
}

/** Filled at once, then left alone, against filled twice: bytes and number of entries. */
async function smaller(data: CacheData, count: number, waitMs: number): Promise<Row[]> {
  const once = filled(data, count, true);
  const atOnce = bytesEach(once);
  await sleep(waitMs);
  const twice = filled(data, count, false);
  // The worker that learns the dictionary is heard of in a turn of the event loop.
  await sleep(waitMs / 2);
  fill(twice, data, count);
  const row = (what: string, ours: number, peer: string, theirs: number, unit: string): Row => {
    return { suite: SUITE, case: `${data.name}, ${what}`, ours, peer, theirs, unit, ratio: ours / theirs };
  };
  const later = `${waitMs / 1000} s after a fill at once`;
  const rows = [
    row(`an entry, ${later}`, bytesEach(once), "at the end of the fill", atOnce, "bytes"),
    row(`an entry, ${later}`, bytesEach(once), "filled twice", bytesEach(twice), "bytes"),
    row(`entries of 64 MiB, ${later}`, once.size, "filled twice", twice.size, "entries"),
  ];
  once.close();
  twice.close();
  return rows;
}

/** How late timers are while there is much to do. */
async function delays(data: CacheData, count: number, waitMs: number): Promise<Row[]> {
  const figures: Record<string, { p99: number; max: number }> = {};
  for (const improve of [true, false]) {
    const cache = filled(data, count, improve);
    await sleep(20);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await sleep(waitMs);
    delay.disable();
    cache.close();
    figures[String(improve)] = { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
  }
  return (["p99", "max"] as const).map((figure) => {
    const [ours, theirs] = [figures.true[figure], figures.false[figure]];
    const what = `${data.name}, event loop delay, ${figure}`;
    return {
      suite: SUITE,
      case: what,
      ours,
      peer: "improve: false",
      theirs,
      unit: "ms",
      ratio: ours / theirs,
    };
  });
}

/** Processor time that it takes of an event loop which is busy half of the time, in %. */
async function share(data: CacheData, count: number, waitMs: number): Promise<Row> {
  const used: number[] = [];
  for (const improve of [true, false]) {
    const cache = filled(data, count, improve);
    const before = process.threadCpuUsage();
    const start = performance.now();
    while (performance.now() - start < waitMs) {
      for (const busy = performance.now(); performance.now() - busy < BUSY_MS; );
      await sleep(PAUSE_MS);
    }
    const { user, system } = process.threadCpuUsage(before);
    used.push((100 * (user + system)) / 1000 / (performance.now() - start));
    cache.close();
  }
  const [ours, theirs] = used;
  const what = `${data.name}, processor of a busy event loop`;
  return { suite: SUITE, case: what, ours, peer: "improve: false", theirs, unit: "%", ratio: ours / theirs };
}
