/** Measures one cache with one kind of records, in a process of its own: heap and resident memory are its. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { Prng } from "../src/base/index.ts";
import { cacheData } from "./cache-data.ts";
import { openPeer, type Peer, type PeerName } from "./cache-peers.ts";

export interface CacheJob {
  peer: PeerName;
  /** Kind of `cacheData`. */
  data: number;
  /** Entries. */
  count: number;
  /** Gets that are timed as a whole, and as many again one by one. */
  gets: number;
  /** How long the event loop is watched, in ms. */
  watchMs: number;
  seed: number;
  redisPort?: number;
}

export interface CacheFigures {
  setsPerSecond: number;
  getsPerSecond: number;
  setP50: number;
  setP99: number;
  getP50: number;
  getP99: number;
  /** MB, by which the process is larger than before it had the cache. */
  residentMb: number;
  /** ms */
  collectionMs: number;
  stallMs: number;
  /** Sum of the lengths that the gets gave: the same for all who keep bytes. */
  checksum: number;
}

const BATCH = 500;

async function measure(job: CacheJob): Promise<CacheFigures> {
  const data = cacheData(job.data, job.seed);
  // The generator's own memory comes before the baseline.
  for (let i = 0; i < Math.min(3000, job.count); i++) data.make(i);
  const before = resident();
  const peer = await openPeer(job.peer, {
    count: job.count,
    bytes: job.count * data.bytes,
    isJson: data.name.startsWith("JSON"),
    ...(job.redisPort === undefined ? {} : { redisPort: job.redisPort }),
  });
  const sets = await fill(peer, job, data.key, data.make);
  const residentMb = ((await peer.residentBytes?.()) ?? resident() - before) / 1e6;
  const collectionMs = longestCollection();
  const gets = await read(peer, job, data.key);
  const stallMs = await longestStall(peer, job, data.key, data.make);
  await peer.close();
  return { ...sets, ...gets, residentMb: Math.max(residentMb, 0.1), collectionMs, stallMs };
}

/** Sets all entries, in batches that are made untimed before. */
async function fill(
  peer: Peer,
  job: CacheJob,
  keyOf: (index: number) => string,
  make: (index: number) => Buffer,
): Promise<Pick<CacheFigures, "setsPerSecond" | "setP50" | "setP99">> {
  const times = new Float64Array(Math.ceil(job.count / 8));
  let timed = 0;
  let ms = 0;
  for (let start = 0; start < job.count; start += BATCH) {
    const end = Math.min(start + BATCH, job.count);
    const keys: string[] = [];
    const values: Buffer[] = [];
    for (let i = start; i < end; i++) {
      keys.push(keyOf(i));
      values.push(make(i));
    }
    const begin = performance.now();
    for (let i = 0; i < keys.length; i++) {
      const each = i % 8 === 0;
      const from = each ? performance.now() : 0;
      const result = peer.set(keys[i], values[i]);
      if (peer.isAsync) await result;
      if (each && timed < times.length) times[timed++] = performance.now() - from;
    }
    ms += performance.now() - begin;
    // A server turns its loop; what a library does behind it (a dictionary, a transaction) gets its turn too.
    await turn();
  }
  const begin = performance.now();
  await peer.settle?.();
  ms += performance.now() - begin;
  const sorted = times.subarray(0, timed).sort();
  return {
    setsPerSecond: (job.count / ms) * 1e3,
    setP50: quantile(sorted, 0.5),
    setP99: quantile(sorted, 0.99),
  };
}

async function read(
  peer: Peer,
  job: CacheJob,
  keyOf: (index: number) => string,
): Promise<Pick<CacheFigures, "getsPerSecond" | "getP50" | "getP99" | "checksum">> {
  const prng = new Prng(job.seed);
  const keys = Array.from({ length: job.gets }, () => keyOf(prng.below(job.count)));
  let checksum = 0;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    checksum = 0;
    const begin = performance.now();
    for (const key of keys) {
      const length = peer.get(key);
      checksum += typeof length === "number" ? length : await length;
    }
    best = Math.min(best, performance.now() - begin);
    await turn();
  }
  const times = new Float64Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const from = performance.now();
    const length = peer.get(keys[i]);
    if (typeof length !== "number") await length;
    times[i] = performance.now() - from;
  }
  times.sort();
  return {
    getsPerSecond: (keys.length / best) * 1e3,
    getP50: quantile(times, 0.5),
    getP99: quantile(times, 0.99),
    checksum,
  };
}

/** The event loop under sets and gets in small portions, as a server has them. */
async function longestStall(
  peer: Peer,
  job: CacheJob,
  keyOf: (index: number) => string,
  make: (index: number) => Buffer,
): Promise<number> {
  const prng = new Prng(job.seed + 1);
  const records = Array.from({ length: 100 }, (_, i) => ({ key: keyOf(i), value: make(i) }));
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  const end = performance.now() + job.watchMs;
  while (performance.now() < end) {
    for (let i = 0; i < 20; i++) {
      const { key, value } = records[prng.below(records.length)];
      const result = peer.set(key, value);
      if (peer.isAsync) await result;
      const length = peer.get(keyOf(prng.below(job.count)));
      if (typeof length !== "number") await length;
    }
    await turn();
  }
  monitor.disable();
  // The monitor counts its own resolution of a millisecond as delay.
  return Math.max(monitor.max / 1e6 - 1, 0.01);
}

function longestCollection(): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("run with --expose-gc");
  let longest = 0;
  for (let i = 0; i < 5; i++) {
    const begin = performance.now();
    collect();
    longest = Math.max(longest, performance.now() - begin);
  }
  return longest;
}

function resident(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** Microseconds. */
function quantile(sortedMs: Float64Array, share: number): number {
  return Math.max(
    (sortedMs[Math.min(sortedMs.length - 1, Math.floor(sortedMs.length * share))] ?? 0) * 1e3,
    0.01,
  );
}

process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2]) as CacheJob)));
