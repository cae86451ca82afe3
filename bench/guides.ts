/** The figures of the guides on the site: servers, worker threads, and what a read of a page store costs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { CompressedCache, type CompressedCacheOptions } from "../src/cache/index.ts";
import { cacheData } from "./cache-data.ts";
import type { CacheName, Framework, GuideJob, PagesRead, Served, Worked } from "./guides-child.ts";
import type { BenchOptions, Row } from "./harness.ts";

const SUITE = "guides";
const FRAMEWORKS: Framework[] = ["hono", "fastify", "express"];
const CLIENTS = 16;
/** Kind of `cacheData`. */
const JSON_1300 = 1;
/** What the kernel counts processors' time in. */
const TICK_MS = 10;

export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const framework of quick ? FRAMEWORKS.slice(0, 1) : FRAMEWORKS) {
    log(`  a server with ${framework} …`);
    const job = { framework, pages: quick ? 50 : 5000, seed };
    const [requests, rounds] = quick ? [400, 1] : [3000, 4];
    rows.push(...(await servers(job, requests, rounds)));
  }
  log("  four workers …");
  rows.push(...(await workers(quick ? 500 : 60_000, seed)));
  log("  a page store …");
  rows.push(...(await pages(quick ? 4096 : 32_768, quick ? 4 : 60, seed)));
  log("  settings …");
  rows.push(...(await settings(quick ? 1 : 32, seed)));
  return rows;
}

function row(name: string, ours: number, peer: string, theirs: number, unit: string): Row {
  return { suite: SUITE, case: name, ours, peer, theirs, unit, ratio: ours / theirs };
}

/** Starts a measurement; the process ends when `end` is called, or by itself. */
async function start<T>(job: GuideJob): Promise<{ figures: T; end(): Promise<void> }> {
  const file = join(import.meta.dirname, "guides-child.ts");
  const flags = ["--disable-warning=ExperimentalWarning", "--expose-gc"];
  const child: ChildProcess = spawn(process.execPath, [...flags, file, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  if (child.stdout === null) throw new Error("no output");
  for await (const line of createInterface(child.stdout)) {
    const end = async (): Promise<void> => {
      child.kill();
      await exited;
    };
    return { figures: JSON.parse(line) as T, end };
  }
  throw new Error(`guides-child.ts ended without figures: ${JSON.stringify(job)}`);
}

/** The same pages from two caches, in turns; of each the best round. */
async function servers(
  job: { framework: Framework; pages: number; seed: number },
  requests: number,
  rounds: number,
): Promise<Row[]> {
  const names: CacheName[] = ["zbud", "lru-cache"];
  const started = await Promise.all(names.map((cache) => start<Served>({ do: "serve", ...job, cache })));
  const best = names.map(() => Number.POSITIVE_INFINITY);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { figures }] of started.entries()) {
      const before = cpuMs(figures.pid);
      await ask(figures.port, job.pages, requests);
      const us = ((cpuMs(figures.pid) - before) * 1e3) / requests;
      // A small run may take less than what the kernel counts in.
      if (round >= 0) best[i] = Math.max(1, Math.min(best[i], us));
    }
  }
  const [{ figures: ours }, { figures: theirs }] = started;
  for (const { end } of started) await end();
  const name = `${job.framework}, ${job.pages} pages of HTML`;
  return [
    row(`${name}, the server's time for a request`, best[0], "lru-cache, strings", best[1], "µs"),
    row(`${name}, resident memory`, ours.residentMb, "lru-cache, strings", theirs.residentMb, "MB"),
  ];
}

/** Time that a process had of a processor, which others on the machine do not change much (Linux). */
function cpuMs(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ").slice(11, 13);
  return (Number(user) + Number(system)) * TICK_MS;
}

/** Sixteen clients, each with a connection that stays. */
async function ask(port: number, pages: number, requests: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < requests) {
      const path = `/pages/${(next++ * 7919) % pages}`;
      await new Promise<void>((resolve, reject) => {
        get({ host: "127.0.0.1", port, path, agent }, (response) => {
          let bytes = 0;
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
          });
          response.on("end", () => {
            if (response.statusCode === 200 && bytes > 10_000) resolve();
            else reject(new Error(`${path}: ${response.statusCode}, ${bytes} bytes`));
          });
        }).on("error", reject);
      });
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
}

async function workers(records: number, seed: number): Promise<Row[]> {
  const job = { do: "workers", threads: 4, records, seed } as const;
  const one = await start<Worked>({ ...job, isShared: true });
  await one.end();
  const own = await start<Worked>({ ...job, isShared: false });
  await own.end();
  const name = `four workers read ${records} records`;
  const figure = (what: string, key: keyof Worked, unit: string): Row => {
    return row(`${name}, ${what}`, one.figures[key], "a cache each", own.figures[key], unit);
  };
  return [figure("loads", "loads", "loads"), figure("memory of the caches", "cacheMb", "MB")];
}

/** What each setting holds in the same memory, and what a read then costs. */
async function settings(mebibytes: number, seed: number): Promise<Row[]> {
  const data = cacheData(JSON_1300, seed);
  const choices: [string, Partial<CompressedCacheOptions<Buffer>>][] = [
    ["the defaults", {}],
    ['codec: "zstd"', { codec: "zstd" }],
    ['dictionary: "none"', { dictionary: "none" }],
    ['codec: "none"', { codec: "none" }],
    ["tags: true", { tags: true }],
    ["shards: 8", { shards: 8 }],
  ];
  const rows: Row[] = [];
  let defaults = { entries: 0, ns: 0 };
  for (const [name, options] of choices) {
    const cache = new CompressedCache<Buffer>({ maxBytes: `${mebibytes}MiB`, averageBytes: 400, ...options });
    for (let i = 0; i < mebibytes * 8000; i++) {
      const result = cache.set(i, data.make(i));
      if (result === "E2BIG" || result === "ENOMEM") throw new Error(`${name}: ${result}`);
      // A server turns its loop: the dictionary, which a thread learns, gets its turn.
      if (i % 500 === 0) await turn();
    }
    const figures = { entries: cache.size, ns: await readTime(cache) };
    cache.close();
    if (name === "the defaults") {
      defaults = figures;
      continue;
    }
    rows.push(
      row(
        `${name}, entries in ${mebibytes} MiB`,
        figures.entries,
        "the defaults",
        defaults.entries,
        "entries",
      ),
      row(`${name}, a read`, figures.ns, "the defaults", defaults.ns, "ns/op"),
    );
  }
  return rows;
}

async function readTime(cache: CompressedCache<Buffer>): Promise<number> {
  const keys = [...cache.keys()].slice(0, 200);
  const target = new Uint8Array(4096);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 60; round++) {
    const start = performance.now();
    for (const key of keys) cache.getInto(key, target);
    best = Math.min(best, ((performance.now() - start) * 1e6) / keys.length);
    await turn();
  }
  return best;
}

async function pages(count: number, rounds: number, seed: number): Promise<Row[]> {
  const { figures, end } = await start<PagesRead>({ do: "pages", pages: count, rounds, seed });
  await end();
  const against = (what: string, key: keyof PagesRead): Row => {
    return row(`a page ${what}`, figures[key], "in memory", figures.memory, "ns/op");
  };
  return [
    against("of one word", "sameFilled"),
    against("in the file, loadSync", "sync"),
    against("in the file, loadAsync, one at a time", "async"),
    against("in the file, loadAsync, 32 at a time", "async32"),
  ];
}
