/** The figures of the guides on the site: servers, worker threads, and what a read of a page store costs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { CacheName, Framework, GuideJob, PagesRead, Served, Worked } from "./guides-child.ts";
import type { BenchOptions, Row } from "./harness.ts";

const SUITE = "guides";
const FRAMEWORKS: Framework[] = ["hono", "fastify", "express"];
const CLIENTS = 16;

export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const framework of FRAMEWORKS) {
    log(`  a server with ${framework} …`);
    const job = { framework, pages: quick ? 50 : 5000, seed };
    const [requests, rounds] = quick ? [100, 1] : [4000, 8];
    rows.push(...(await servers(job, requests, rounds)));
  }
  log("  four workers …");
  rows.push(...(await workers(quick ? 500 : 60_000, seed)));
  log("  a page store …");
  rows.push(...(await pages(quick ? 8192 : 32_768, quick ? 320 : 16_000, seed)));
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
  const best = names.map(() => ({ perSecond: 0, p99: Number.POSITIVE_INFINITY }));
  for (let round = -1; round < rounds; round++) {
    for (const [i, { figures }] of started.entries()) {
      const { perSecond, p99 } = await ask(figures.port, job.pages, requests);
      if (round < 0) continue;
      best[i].perSecond = Math.max(best[i].perSecond, perSecond);
      best[i].p99 = Math.min(best[i].p99, p99);
    }
  }
  const [{ figures: ours }, { figures: theirs }] = started;
  for (const { end } of started) await end();
  const name = `${job.framework}, ${job.pages} pages of HTML`;
  return [
    row(`${name}, requests`, best[0].perSecond, "lru-cache, strings", best[1].perSecond, "1/s"),
    row(`${name}, p99`, best[0].p99, "lru-cache, strings", best[1].p99, "ms"),
    row(`${name}, resident memory`, ours.residentMb, "lru-cache, strings", theirs.residentMb, "MB"),
  ];
}

/** Sixteen clients, each with a connection that stays. */
async function ask(
  port: number,
  pages: number,
  requests: number,
): Promise<{ perSecond: number; p99: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const times: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < requests) {
      const path = `/pages/${(next++ * 7919) % pages}`;
      const begin = performance.now();
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
      times.push(performance.now() - begin);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const ms = performance.now() - begin;
  agent.destroy();
  times.sort((a, b) => a - b);
  return { perSecond: (requests / ms) * 1e3, p99: times[Math.floor(times.length * 0.99)] };
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
  return [
    figure("loads", "loads", "loads"),
    figure("resident memory", "residentMb", "MB"),
    figure("time", "ms", "ms"),
  ];
}

async function pages(count: number, reads: number, seed: number): Promise<Row[]> {
  const { figures, end } = await start<PagesRead>({ do: "pages", pages: count, reads, seed });
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
