import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Prng } from "../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../src/cache/index.ts";
import { removeShared } from "../src/entry/index.ts";
import type { PageStoreOptions } from "../src/store/index.ts";
import { RedisServer } from "../test/redis/server.ts";
import { CACHE_DATA, cacheData } from "./cache-data.ts";
import type { PeerName, PeerOptions } from "./cache-peers.ts";
import { type BenchOptions, type Row, race, timeRows } from "./harness.ts";
import type { Answer, Order } from "./processes-child.ts";

const SUITE = "processes";
/** JSON of 1.3 KB. */
const DATA = 1;
const ROUNDS = 7;
/** Room for all records of a kind. */
const MAX_BYTES = "256MiB";
const WARM_BYTES = 4 * 2 ** 30;

/** A cache that processes share: against one that threads share, one reader, lmdb and Redis; opening; giving back. */
export async function run(options: BenchOptions): Promise<Row[]> {
  const name = `zbud-bench-${process.pid}`;
  try {
    return [
      ...(await againstPeers(name, options)),
      ...(await againstThreads(name, options)),
      ...(await twoProcesses(name, options)),
      ...(await opening(name, options)),
      ...(await givingBack(name, options)),
    ];
  } finally {
    removeShared(name, { force: true });
  }
}

/** The same work in one process at a cache of each kind, in turns. */
async function againstThreads(name: string, { seed, quick, log }: BenchOptions): Promise<Row[]> {
  log("  against a cache that threads share …");
  const count = quick ? 200 : 50_000;
  const operations = quick ? 200 : 100_000;
  const { key, make } = cacheData(DATA, seed);
  const caches = [name, true].map((shared) => new CompressedCache<Buffer>({ maxBytes: MAX_BYTES, shared }));
  for (const cache of caches) {
    for (let i = 0; i < count; i++) cache.set(key(i), make(i));
    // Its dictionary comes behind the sets.
    await new Promise((resolve) => setTimeout(resolve, quick ? 1 : 3000));
    for (let i = 0; i < count; i++) cache.set(key(i), make(i));
  }
  const prng = new Prng(seed);
  const keys = Array.from({ length: operations }, () => key(prng.below(count)));
  const values = Array.from({ length: 512 }, (_, i) => make(i));
  const target = new Uint8Array(2 ** 17);
  const contenders = (act: (cache: CompressedCache<Buffer>, i: number) => number) =>
    caches.map((cache, i) => ({
      name: i === 0 ? "shared by processes" : "shared by threads",
      round: () => {
        let sum = 0;
        for (let at = 0; at < operations; at++) sum = (sum + act(cache, at)) | 0;
        return sum;
      },
    }));
  const gets = race(
    contenders((cache, i) => cache.getInto(keys[i], target) ?? -1),
    { operations, seed, rounds: quick ? 2 : 11 },
  );
  const sets = race(
    contenders((cache, i) => cache.set(keys[i], values[i & 511]).length),
    { operations, seed, rounds: quick ? 2 : 11 },
  );
  for (const cache of caches) cache.close();
  removeShared(name, { force: true });
  const what = `${CACHE_DATA[DATA]}, one process`;
  return [...timeRows(SUITE, `${what}, get`, gets), ...timeRows(SUITE, `${what}, set`, sets)];
}

/** Two processes at one cache, against one of them. */
async function twoProcesses(name: string, { seed, quick, log }: BenchOptions): Promise<Row[]> {
  const count = quick ? 200 : 50_000;
  const operations = quick ? 200 : 200_000;
  const rows: Row[] = [];
  for (const shards of quick ? [8] : [1, 8]) {
    log(`  two processes, shards: ${shards} …`);
    const options = { maxBytes: MAX_BYTES, shards, shared: name } as CompressedCacheOptions<Buffer>;
    const cache = new CompressedCache<Buffer>(options);
    const { key, make } = cacheData(DATA, 1);
    for (let i = 0; i < count; i++) cache.set(key(i), make(i));
    const children = await Promise.all([start(), start()]);
    await Promise.all(children.map((child) => ask(child, { do: "open", options })));
    for (const sets of [0, 10]) {
      const rates = [0, 0];
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        for (const processes of [1, 2]) {
          const work = { data: DATA, count, operations, sets };
          const answers = await Promise.all(
            children
              .slice(0, processes)
              .map((child, i) => ask(child, { do: "work", ...work, seed: seed + round * 2 + i })),
          );
          const ms = Math.max(...answers.map((answer) => answer.ms));
          rates[processes - 1] = Math.max(rates[processes - 1], ((operations * processes) / ms) * 1e3);
        }
      }
      const what = sets === 0 ? "gets" : `${100 - sets} % gets`;
      rows.push(
        row(
          `${what} of two processes, ${shards} shard${shards === 1 ? "" : "s"}`,
          rates[1],
          "one process",
          rates[0],
          "op/s",
        ),
      );
    }
    for (const child of children) child.disconnect();
    cache.close();
    removeShared(name, { force: true });
  }
  return rows;
}

/** Gets from memory that processes share, against what else processes can share. */
async function againstPeers(name: string, { seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const folder = mkdtempSync(join(tmpdir(), "zbud-bench-"));
  const unixSocket = join(folder, "redis");
  const server = await RedisServer.start(["--unixsocket", unixSocket]).catch((error: Error) => {
    log(`no comparison with Redis: ${error.message}`);
    return null;
  });
  try {
    for (const [index, kind] of CACHE_DATA.entries()) {
      // A test sees one kind.
      if (quick && index !== DATA) continue;
      const { bytes } = cacheData(index, seed);
      const count = quick ? 100 : Math.min(50_000, Math.floor(1e8 / bytes));
      log(`  ${kind}: against lmdb and Redis …`);
      const peers: [PeerName, Partial<PeerOptions>][] = [
        ["zbud", { shared: name }],
        ["lmdb, compressed", {}],
        ...(server === null
          ? []
          : [["Redis", { redisSocket: unixSocket }] as [PeerName, Partial<PeerOptions>]]),
      ];
      const rates = await ratesOf(peers, index, count, { seed, quick, log });
      for (const [i, [peer]] of peers.entries()) {
        const who = peer === "Redis" ? "Redis, Unix socket" : peer;
        if (i > 0) rows.push(row(`${kind}, gets`, rates[0], who, rates[i], "op/s"));
      }
      removeShared(name, { force: true });
    }
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

/** The best rate of each, in a process of its own, in turns. */
async function ratesOf(
  peers: readonly [PeerName, Partial<PeerOptions>][],
  data: number,
  count: number,
  { seed, quick }: BenchOptions,
): Promise<number[]> {
  const children: ChildProcess[] = [];
  for (const [name, more] of peers) {
    const child = await start();
    children.push(child);
    const options = { bytes: 1.5e8, isJson: true, count, ...more };
    await ask(child, { do: "peer", name, options, data, pauseMs: quick ? 1 : 2000 });
  }
  const rates = peers.map(() => 0);
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
    const sums = new Set<number>();
    for (const [i, [name]] of peers.entries()) {
      const operations = quick ? 100 : name === "Redis" ? 10_000 : 50_000;
      const { ms, bytes = 0 } = await ask(children[i], { do: "gets", data, count, operations, seed });
      rates[i] = Math.max(rates[i], (operations / ms) * 1e3);
      // Redis's client gives text, so its lengths are of characters.
      if (name !== "Redis") sums.add(bytes);
    }
    if (sums.size !== 1) throw new Error(`the peers gave other values (seed ${seed}): ${[...sums]}`);
  }
  for (const child of children) child.disconnect();
  await Promise.all(children.map((child) => once(child, "exit")));
  return rates;
}

/** A cache that all processes have left, opened by the next one. */
async function opening(name: string, { quick, log }: BenchOptions): Promise<Row[]> {
  const bytes = quick ? 2 ** 22 : WARM_BYTES;
  log("  opening a warm cache …");
  const options = { maxBytes: bytes + bytes / 16, codec: "none", shared: name };
  const maker = await start();
  await ask(maker, { do: "open", options: options as CompressedCacheOptions<Buffer> });
  await ask(maker, { do: "fill", bytes, valueBytes: 2 ** 16 });
  maker.disconnect();
  await once(maker, "exit");
  let best = Number.POSITIVE_INFINITY;
  let fresh = Number.POSITIVE_INFINITY;
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const child = await start();
    best = Math.min(
      best,
      (await ask(child, { do: "open", options: options as CompressedCacheOptions<Buffer> })).ms,
    );
    child.disconnect();
    await once(child, "exit");
    const other = await start();
    const small = { ...options, shared: `${name}-2`, maxBytes: 2 ** 26 } as CompressedCacheOptions<Buffer>;
    fresh = Math.min(fresh, (await ask(other, { do: "open", options: small })).ms);
    other.disconnect();
    await once(other, "exit");
    removeShared(`${name}-2`, { force: true });
  }
  removeShared(name, { force: true });
  return [
    row(`opening a warm cache of ${quick ? "4 MiB" : "4 GiB"}`, best, "making one of 64 MiB", fresh, "ms"),
  ];
}

/** Resident memory that goes when half of the pages of a store are evicted, against what its pool freed. */
async function givingBack(name: string, { quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const count = quick ? 2000 : 100_000;
  for (const [driver, more] of [
    ["zbud", { evict: "page", poolPageSize: 4096 }],
    ["slots", { poolPageSize: 4096 }],
    ["zsmalloc", { poolPageSize: 4096 }],
    ["slots", {}],
    ["zsmalloc", {}],
  ] as const) {
    if (quick && driver !== "zsmalloc") continue;
    for (const shared of [true, name]) {
      const how = `${driver}${"evict" in more ? " by page" : ""}, pages of ${"poolPageSize" in more ? "4,096" : "4,352"}`;
      log(`  giving back: ${how} …`);
      const child = await start();
      const options = { maxBytes: quick ? "16MiB" : "512MiB", driver, giveBack: true, shared, ...more };
      const asked: Order = {
        do: "halve",
        options: { whenFull: "drop", ...options } as PageStoreOptions,
        count,
      };
      const { went = 0, freed = 0 } = await ask(child, asked);
      child.disconnect();
      await once(child, "exit");
      if (shared === name) removeShared(name, { force: true });
      const who = shared === true ? "one process" : "processes";
      // Of little, what else the process took meanwhile can be more.
      const gone = Math.max(went, 1) / 1e6;
      rows.push(row(`half is evicted, ${how}, ${who}`, gone, "freed", freed / 1e6, "MB"));
    }
  }
  return rows;
}

function row(name: string, ours: number, peer: string, theirs: number, unit: string): Row {
  return { suite: SUITE, case: name, ours, peer, theirs, unit, ratio: ours / theirs };
}

async function start(): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "processes-child.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning", "--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  await once(child, "spawn");
  return child;
}

async function ask(child: ChildProcess, order: Order): Promise<Answer> {
  child.send(order);
  const [answer] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Error(`a process of the benchmark ended with ${code}`);
    }),
  ])) as [Answer];
  return answer;
}
