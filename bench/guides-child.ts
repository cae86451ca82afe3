/** One measurement of the suite `guides`, in a process of its own: a server, worker threads, or a page store. */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { serve } from "@hono/node-server";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { LRUCache } from "lru-cache";
import { FileBacking } from "../src/backing/index.ts";
import { CompressedCache, type SharedCompressedCache } from "../src/cache/index.ts";
import { registerBuiltIns } from "../src/drivers/index.ts";
import { PageStore } from "../src/store/index.ts";
import { cacheData } from "./cache-data.ts";

export type CacheName = "zbud" | "lru-cache";
export type Framework = "hono" | "fastify" | "express";

export type GuideJob =
  /** Serves pages until its parent is gone; says its port and what it takes. */
  | { do: "serve"; framework: Framework; cache: CacheName; pages: number; seed: number }
  /** Worker threads that each read all records, with a cache each or one for all. */
  | { do: "workers"; isShared: boolean; threads: number; records: number; seed: number }
  /** Reads of a page store, in nanoseconds each. */
  | { do: "pages"; pages: number; rounds: number; seed: number };

export type Served = { port: number; pid: number; residentMb: number };
/** `bytesUsed` of the caches: what is resident of them, without what threads have besides. */
export type Worked = { cacheMb: number; loads: number };
type WorkerSaid = { loads: number; bytesUsed: number };
export type PagesRead = Record<"memory" | "sameFilled" | "sync" | "async" | "async32", number>;

const HTML = 3;
const JSON_1300 = 1;

function residentMb(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  return process.memoryUsage.rss() / 1e6;
}

type Pages = { get(path: string): string | undefined; set(path: string, page: string): unknown };

async function serveFrom(job: Extract<GuideJob, { do: "serve" }>): Promise<Served> {
  const data = cacheData(HTML, job.seed);
  for (let i = 0; i < 200; i++) data.make(i);
  const port = await listen(job.framework, (path) => pages.get(path) ?? "");
  const before = residentMb();
  const pages: Pages =
    job.cache === "zbud"
      ? new CompressedCache<string>({ maxBytes: "512MiB" })
      : new LRUCache<string, string>({ max: job.pages });
  for (let i = 0; i < job.pages; i++) {
    pages.set(`/pages/${i}`, data.make(i).toString());
    if (i % 100 === 0) await turn();
  }
  return { port, pid: process.pid, residentMb: Math.max(0.1, residentMb() - before) };
}

async function listen(framework: Framework, page: (path: string) => string): Promise<number> {
  if (framework === "hono") {
    const app = new Hono().get("/pages/:id", (context) => context.html(page(context.req.path)));
    return await new Promise((resolve) => {
      serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => resolve(port));
    });
  }
  if (framework === "fastify") {
    const app = Fastify();
    app.get("/pages/:id", (request, reply) => reply.type("text/html").send(page(request.url)));
    await app.listen({ host: "127.0.0.1", port: 0 });
    return (app.server.address() as AddressInfo).port;
  }
  const app = express();
  // It would make a checksum of each page to answer "not modified", as the others do not.
  app.disable("etag");
  app.get("/pages/:id", (request, response) => void response.type("html").send(page(request.path)));
  return await new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** All records one after the other, where every thread reads them: what is measured is the caches. */
type Records = { bytes: Uint8Array; ends: Uint32Array };
type Reader = { shared: SharedCompressedCache | null; records: Records; from: number };

const OWN = { maxBytes: "64MiB" } as const;

function makeRecords(count: number, seed: number): Records {
  const data = cacheData(JSON_1300, seed);
  const bytes = new Uint8Array(new SharedArrayBuffer(count * 1700));
  const ends = new Uint32Array(new SharedArrayBuffer((count + 1) * 4));
  for (let i = 0; i < count; i++) {
    const record = data.make(i);
    bytes.set(record, ends[i]);
    ends[i + 1] = ends[i] + record.length;
  }
  return { bytes, ends };
}

async function work(job: Extract<GuideJob, { do: "workers" }>): Promise<Worked> {
  const records = makeRecords(job.records, job.seed);
  const cache = job.isShared ? new CompressedCache<Buffer>(OWN) : null;
  const workers = Array.from({ length: job.threads }, (_, i) => {
    const data: Reader = {
      shared: cache?.share() ?? null,
      records,
      from: Math.floor((i * job.records) / job.threads),
    };
    return new Worker(new URL(import.meta.url), { workerData: data });
  });
  const said = await Promise.all(
    workers.map((worker) => new Promise<WorkerSaid>((resolve) => worker.once("message", resolve))),
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
  const bytes = cache?.stats().bytesUsed ?? said.reduce((sum, { bytesUsed }) => sum + bytesUsed, 0);
  cache?.close();
  return { cacheMb: bytes / 1e6, loads: said.reduce((sum, { loads }) => sum + loads, 0) };
}

/** What a worker does: reads each record once, and begins where no other does. */
async function read({ shared, records: { bytes, ends }, from }: Reader): Promise<void> {
  const count = ends.length - 1;
  const cache = shared === null ? new CompressedCache<Buffer>(OWN) : CompressedCache.attach<Buffer>(shared);
  let loads = 0;
  for (let i = 0; i < count; i++) {
    const index = (from + i) % count;
    await cache.getOrSet(index, () => {
      loads++;
      return Buffer.from(bytes.subarray(ends[index], ends[index + 1]));
    });
  }
  parentPort?.postMessage({ loads, bytesUsed: cache.stats().bytesUsed } satisfies WorkerSaid);
}

const PAGE = 4096;
const READS = 128;

/** Memory of a sixteenth of the pages' bytes, so that most lie in the file. */
async function readPages({ pages, rounds, seed }: Extract<GuideJob, { do: "pages" }>): Promise<PagesRead> {
  registerBuiltIns();
  const folder = mkdtempSync(join(tmpdir(), "zbud-bench-guides-"));
  const backing = await FileBacking.open(join(folder, "pages"), { maxBytes: pages * PAGE * 2 });
  const store = new PageStore({ maxBytes: Math.max(2 ** 20, (pages * PAGE) / 16), backing });
  const record = cacheData(JSON_1300, seed);
  const page = new Uint8Array(PAGE);
  for (let i = 0; i < pages; i++) {
    for (let at = 0, part = 0; at < PAGE; part++) {
      const bytes = record.make(i * 4 + part);
      page.set(bytes.subarray(0, PAGE - at), at);
      at += bytes.length;
    }
    while (store.store(i, page) !== "stored") await turn();
    if (i % 100 === 0) await turn();
  }
  page.fill(7);
  store.store(pages, page);
  await store.flush();

  // In a circle through more than memory holds, so that each is in the file alone.
  let last = 0;
  const cold = (): number => {
    last = (last + 1) % (pages / 2);
    return last;
  };
  const best = async (round: () => unknown): Promise<number> => {
    let ns = Number.POSITIVE_INFINITY;
    // Many short rounds, of which the best one was not disturbed.
    for (let i = 0; i < rounds; i++) {
      const start = performance.now();
      await round();
      ns = Math.min(ns, ((performance.now() - start) * 1e6) / READS);
      await turn();
    }
    return ns;
  };
  const figures: PagesRead = {
    memory: await best(() => {
      for (let i = 0; i < READS; i++) store.load(pages - 1 - (i % 64), page);
    }),
    sameFilled: await best(() => {
      for (let i = 0; i < READS; i++) store.load(pages, page);
    }),
    sync: await best(() => {
      for (let i = 0; i < READS; i++) store.loadSync(cold(), page);
    }),
    async: await best(async () => {
      for (let i = 0; i < READS; i++) await store.loadAsync(cold(), page);
    }),
    async32: await best(async () => {
      const targets = Array.from({ length: 32 }, () => new Uint8Array(PAGE));
      for (let i = 0; i < READS; i += 32)
        await Promise.all(targets.map((target) => store.loadAsync(cold(), target)));
    }),
  };
  const { readBacks } = store.stats();
  const wanted = 3 * rounds * READS;
  if (readBacks < wanted) throw new Error(`${readBacks} pages came from the file, not ${wanted}`);
  await store.close();
  await backing.close();
  rmSync(folder, { recursive: true });
  return figures;
}

async function run(job: GuideJob): Promise<Served | Worked | PagesRead> {
  if (job.do === "serve") return await serveFrom(job);
  return job.do === "workers" ? await work(job) : await readPages(job);
}

if (isMainThread) {
  console.log(JSON.stringify(await run(JSON.parse(process.argv[2]) as GuideJob)));
} else {
  await read(workerData as Reader);
}
