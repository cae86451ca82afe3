/**
 * A server with four worker threads that keep rendered pages in one cache: what one of them rendered, none renders
 * again. Each worker listens on a port of its own, as behind a proxy that shares out the requests; the main thread
 * has /metrics.
 *
 * It asks itself for some pages, prints what came of it, and ends. With --serve it stays. In a project of yours:
 * npm install zbud hono @hono/node-server prom-client
 * node server-with-four-workers.ts --serve
 * In a clone of the repository: npm run example -- server-with-four-workers --serve
 */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { html } from "hono/html";
import promClient from "prom-client";
import { CompressedCache, type SharedCompressedCache } from "zbud/cache";
import { collectMetrics } from "zbud/prom-client";

const WORKERS = 4;
const PRODUCTS = 50;

if (isMainThread) await runMain();
else await runWorker(workerData as SharedCompressedCache);

/** What every worker does: answers from the cache, and renders what is not there. */
async function runWorker(shared: SharedCompressedCache): Promise<void> {
  const cache = CompressedCache.attach<string>(shared);
  const app = new Hono();
  app.get("/products/:id", async (context) => {
    const started = performance.now();
    // If ten requests come for a page at once, the worker renders it once and answers all ten.
    const page = await cache.getOrSet(context.req.path, () => renderProduct(context.req.param("id")));
    context.header("Server-Timing", `page;dur=${(performance.now() - started).toFixed(2)}`);
    return context.html(page);
  });
  app.post("/products/:id/changed", (context) => {
    // Gone for all workers at once, with no message from one to the other.
    const wasThere = cache.delete(context.req.path.replace(/\/changed$/, ""));
    return context.json({ wasThere });
  });

  const { server, port } = await listen(app, 0);
  parentPort?.postMessage(port);
  parentPort?.once("message", () => {
    server.close();
    cache.close();
  });
}

async function renderProduct(id: string): Promise<string> {
  await pause(5); // the database, the templates
  const related = Array.from({ length: 30 }, (_, i) => (Number(id) * 7 + i * 11) % PRODUCTS);
  return `${await html`<!doctype html>
<title>Product ${id}</title>
<h1>Product ${id}</h1>
<ul class="related">
  ${related.map((other) => html`<li><a class="product" href="/products/${other}">Product ${other}, ${other + 9}.99</a></li>`)}
</ul>`}`;
}

async function runMain(): Promise<void> {
  // For pages of some KiB. `shards` lets workers that ask for different pages go on without meeting.
  const cache = new CompressedCache<string>({ maxBytes: "64MiB", ttl: 60_000, shards: 4 });
  const workers = Array.from({ length: WORKERS }, () => {
    const options = { workerData: cache.share(), execArgv: process.execArgv };
    return new Worker(fileURLToPath(import.meta.url), options);
  });
  // A worker that dies leaves nothing locked; told of it, the others need not find out.
  for (const worker of workers) {
    const { threadId } = worker; // afterwards it has none
    worker.once("exit", () => cache.threadGone(threadId));
  }
  const ports = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0] as number),
  );

  collectMetrics(promClient, cache); // figures of all threads together
  const metrics = new Hono();
  metrics.get("/metrics", async (context) => context.text(await promClient.register.metrics()));
  const { server, port } = await listen(metrics, 0);

  if (process.argv.includes("--serve")) {
    for (const of of ports) console.log(`http://127.0.0.1:${of}/products/1`);
    console.log(`http://127.0.0.1:${port}/metrics`);
    return;
  }
  await askForPages(ports);
  const { hits, sets, originalBytes, storedBytes } = cache.stats();
  console.log(`${PRODUCTS * WORKERS} requests, ${sets} pages rendered, ${hits} found in the cache`);
  console.log(`${originalBytes} bytes of pages kept in ${storedBytes}`);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  console.log(text.match(/^zbud_cache_(?:hits_total|sets_total|entries) .*$/gm)?.join("\n"));

  server.close();
  for (const worker of workers) worker.postMessage("stop");
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  cache.close();
}

/** Every page from every worker, each from another one first. */
async function askForPages(ports: readonly number[]): Promise<void> {
  for (let round = 0; round < WORKERS; round++) {
    const pages = Array.from({ length: PRODUCTS }, async (_, id) => {
      const response = await fetch(`http://127.0.0.1:${ports[(id + round) % WORKERS]}/products/${id}`);
      if (!response.ok || !(await response.text()).includes(`<h1>Product ${id}</h1>`)) {
        throw new Error(`product ${id}: ${response.status}`);
      }
    });
    await Promise.all(pages);
  }
}

async function listen(app: Hono, port: number): Promise<{ server: Server; port: number }> {
  return await new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, (info: AddressInfo) => {
      resolve({ server: server as Server, port: info.port });
    });
  });
}
