import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { CompressedCache } from "../src/cache/index.ts";
import { RedisServer } from "../test/redis/server.ts";
import { CACHE_DATA, type CacheData, cacheData } from "./cache-data.ts";
import type { PeerName } from "./cache-peers.ts";
import type { ReaderJob } from "./cache-readers.ts";
import type { CacheFigures, CacheJob } from "./cache-worker.ts";
import type { BenchOptions, Row } from "./harness.ts";

const SUITE = "cache";
const PEERS: PeerName[] = [
  "lru-cache, Buffers",
  "lru-cache, strings",
  "lru-cache, objects",
  "lmdb, compressed",
  "keyv in memory",
  "node-cache",
  "Redis",
];
/** A million entries, or so many bytes of records. */
const COUNT = 1_000_000;
const BYTES = 1e9;

/** What is compared, in which unit. All but the rates are better when small. */
const FIGURES: [keyof CacheFigures, string, string][] = [
  ["setsPerSecond", "sets", "op/s"],
  ["getsPerSecond", "gets", "op/s"],
  ["setP50", "set, p50", "µs"],
  ["setP99", "set, p99", "µs"],
  ["getP50", "get, p50", "µs"],
  ["getP99", "get, p99", "µs"],
  ["residentMb", "resident memory", "MB"],
  ["collectionMs", "longest full collection", "ms"],
  ["stallMs", "longest event loop stall", "ms"],
];

/** Every cache with every kind of records, each pair in a process of its own. */
export async function run(options: BenchOptions): Promise<Row[]> {
  const { seed, quick, log } = options;
  const rows: Row[] = [];
  for (let index = 0; index < CACHE_DATA.length; index++) {
    // A test sees one kind of each: small and large.
    if (quick && index !== 1 && index !== 3) continue;
    const data = cacheData(index, seed);
    const count = quick ? 200 : Math.min(COUNT, Math.floor(BYTES / data.bytes));
    const job = { data: index, count, gets: quick ? 200 : 100_000, watchMs: quick ? 20 : 3000, seed };
    const title = `  ${data.name}, ${count.toLocaleString("en-US")} entries`;
    log(`${title}: zbud …`);
    const ours = await inProcess({ ...job, peer: "zbud" });
    for (const peer of PEERS) {
      log(`${title}: ${peer} …`);
      const theirs = peer === "Redis" ? await withRedis(job, log) : await inProcess({ ...job, peer });
      if (theirs !== null) rows.push(...compare(data, count, ours, peer, theirs));
    }
  }
  return [...rows, ...(await twoThreads(options))];
}

/** A server of its own for each measurement; null if there is none on this machine. */
async function withRedis(
  job: Omit<CacheJob, "peer">,
  log: (line: string) => void,
): Promise<CacheFigures | null> {
  let server: RedisServer;
  try {
    server = await RedisServer.start();
  } catch (error) {
    log(`no comparison with Redis: ${(error as Error).message}`);
    return null;
  }
  try {
    const gets = Math.ceil(job.gets / 5);
    return await inProcess({ ...job, gets, peer: "Redis", redisPort: server.port });
  } finally {
    await server.stop();
  }
}

function compare(
  data: CacheData,
  count: number,
  ours: CacheFigures,
  peer: string,
  theirs: CacheFigures,
): Row[] {
  return FIGURES.map(([figure, name, unit]) => ({
    suite: SUITE,
    case: `${data.name}, ${count.toLocaleString("en-US")} entries, ${name}`,
    ours: ours[figure],
    peer,
    theirs: theirs[figure],
    unit,
    ratio: ours[figure] / theirs[figure],
  }));
}

async function inProcess(job: CacheJob): Promise<CacheFigures> {
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--expose-gc",
      "--max-old-space-size=8192",
      join(import.meta.dirname, "cache-worker.ts"),
      JSON.stringify(job),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`the process that measured ${job.peer} ended with ${status}`);
  return JSON.parse(output) as CacheFigures;
}

/** Two threads that read the same cache, against one. */
async function twoThreads({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const index = 2;
  const data = cacheData(index, 1);
  const count = quick ? 300 : 50_000;
  log(`  ${data.name}, ${count.toLocaleString("en-US")} entries: two threads …`);
  const rates: Record<string, number> = {};
  for (const shards of [1, 8]) {
    const cache = new CompressedCache<Buffer>({ maxBytes: "256MiB", shards });
    for (let i = 0; i < count; i++) cache.set(data.key(i), data.make(i));
    for (const threads of [1, 2]) {
      const job = { data: index, count, gets: quick ? 300 : 100_000, shared: cache.share() };
      rates[`${shards}/${threads}`] = await readers(threads, job, seed, quick ? 2 : 7);
    }
    cache.close();
  }
  return [1, 8].map((shards) => ({
    suite: SUITE,
    case: `${data.name}, gets of two threads, ${shards} shard${shards === 1 ? "" : "s"}`,
    ours: rates[`${shards}/2`],
    peer: "one thread",
    theirs: rates[`${shards}/1`],
    unit: "op/s",
    ratio: rates[`${shards}/2`] / rates[`${shards}/1`],
  }));
}

/** The best rate of all threads together over some rounds. */
async function readers(
  threads: number,
  job: Omit<ReaderJob, "sharedState" | "seed">,
  seed: number,
  rounds: number,
): Promise<number> {
  const sharedState = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData: ReaderJob = { ...job, seed: seed + i, sharedState };
    return new Worker(join(import.meta.dirname, "cache-readers.ts"), { workerData });
  });
  const exits = workers.map((worker) => once(worker, "exit"));
  const failed = Promise.race(
    workers.map(async (worker) => Promise.reject((await once(worker, "error"))[0])),
  );
  const ready = async (): Promise<void> => {
    while (Atomics.load(sharedState, 1) < threads)
      await Promise.race([new Promise((r) => setTimeout(r, 1)), failed]);
    Atomics.store(sharedState, 1, 0);
  };
  let best = Number.POSITIVE_INFINITY;
  for (let round = 1; round <= rounds; round++) {
    await ready();
    const start = performance.now();
    Atomics.store(sharedState, 0, round);
    Atomics.notify(sharedState, 0);
    while (Atomics.load(sharedState, 1) < threads)
      Atomics.wait(sharedState, 1, Atomics.load(sharedState, 1), 10);
    best = Math.min(best, performance.now() - start);
  }
  await ready();
  Atomics.store(sharedState, 0, -1);
  Atomics.notify(sharedState, 0);
  failed.catch(() => undefined);
  await Promise.all(exits);
  return ((job.gets * threads) / best) * 1e3;
}
