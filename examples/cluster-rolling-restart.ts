/**
 * A cluster of four servers that keep rendered pages in one cache, and a rolling restart of all four while requests
 * come. The cache is memory of the machine: a worker that starts finds what the others rendered, and what it renders
 * is there for its successor.
 *
 * The primary asks its workers for pages, notes the hit rate of each 200 requests, and replaces the workers one by one
 * meanwhile; then it does all of that again with a cache in each worker. It ends with exit code 1 if a request failed,
 * or if the hit rate of the one cache fell below 0.98 of what it was before. It needs Linux, and Node 26.10 or koffi.
 *
 * In a project of yours: npm install zbud; node cluster-rolling-restart.ts
 * In a clone of the repository: npm run example -- cluster-rolling-restart
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { removeShared } from "zbud";
import { CompressedCache } from "zbud/cache";

const WORKERS = 4;
const PRODUCTS = 200;
const CLIENTS = 4;
const REQUESTS_PER_WINDOW = 200;
const RATIO_MIN = 0.98;
/** Its multiples, without their whole parts, lie evenly between 0 and 1, in no order. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** @param name - of the cache of all workers; without it, this worker has one of its own. */
function runWorker(name: string | undefined): void {
  const cache = new CompressedCache<string>({ maxBytes: "32MiB", ttl: 600_000, shared: name ?? false });
  const server = createServer(async (request, response) => {
    const path = request.url ?? "/";
    let isRendered = false;
    const page = await cache.getOrSet(path, () => {
      isRendered = true;
      return renderProduct(path.slice(path.lastIndexOf("/") + 1));
    });
    response.setHeader("X-Cache", isRendered ? "miss" : "hit");
    response.end(page);
  });
  server.listen(0, "127.0.0.1");
  // The primary tells a worker to disconnect when another has taken its place. It comes to this when all requests
  // that were under way are answered; then nothing keeps the process alive.
  process.once("disconnect", () => cache.close());
}

async function renderProduct(id: string): Promise<string> {
  await pause(5); // the database, the templates
  const related = Array.from({ length: 30 }, (_, i) => (Number(id) * 7 + i * 11) % PRODUCTS);
  const items = related.map(
    (other) => `<li><a href="/products/${other}">Product ${other}, ${other + 9}.99</a></li>`,
  );
  return `<!doctype html><title>Product ${id}</title><h1>Product ${id}</h1><ul>${items.join("\n")}</ul>`;
}

/** Starts a worker; it serves when this has returned. */
async function startWorker(name: string | undefined): Promise<{ worker: Worker; port: number }> {
  const worker = cluster.fork(name === undefined ? {} : { CACHE_NAME: name });
  const ended = once(worker, "exit").then(([code]) => {
    throw new Error(`a worker ended with ${code} before it served`);
  });
  const [address] = (await Promise.race([once(worker, "listening"), ended])) as [AddressInfo];
  ended.catch(() => {}); // it ends one day
  return { worker, port: address.port };
}

/** The rolling restart: each worker goes when another has taken its place, so there are never less than four. */
async function replaceWorkers(workers: readonly Worker[], start: () => Promise<Worker>): Promise<Worker[]> {
  const started: Worker[] = [];
  for (const old of workers) {
    started.push(await start());
    await stopWorker(old);
  }
  return started;
}

async function stopWorker(worker: Worker): Promise<void> {
  const exit = once(worker, "exit");
  worker.disconnect(); // gets no new requests, and answers those that it has
  await exit;
}

async function runPrimary(): Promise<void> {
  // A server takes a name that stays, such as that of the app: then the next deploy starts warm, too.
  const name = `cluster-rolling-restart-${process.pid}`;
  try {
    const shared = await measure(name);
    const apart = await measure(undefined);
    console.log(`${"".padEnd(24)}before  lowest meanwhile  ratio  requests  rendered  failed`);
    console.log(row("one cache for all", shared));
    console.log(row("a cache in each worker", apart));
    const ratio = shared.lowest / shared.before;
    if (ratio < RATIO_MIN) fail(`the hit rate fell to ${ratio.toFixed(3)} of what it was`);
    if (shared.failed + apart.failed > 0) fail(`${shared.failed + apart.failed} requests failed`);
  } finally {
    removeShared(name, { force: true });
  }
}

interface Figures {
  /** Hit rate in the last window before the restart. */
  before: number;
  /** Hit rate in the worst window from the beginning of the restart to its end, and one window after it. */
  lowest: number;
  requests: number;
  rendered: number;
  failed: number;
}

/** A cluster under load, and a restart of all of its workers. */
async function measure(name: string | undefined): Promise<Figures> {
  const first = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(name)));
  const load = new Load(first[0].port);
  await load.windows((WORKERS * PRODUCTS) / REQUESTS_PER_WINDOW + 2);
  const before = load.rates.at(-1) ?? 0;
  const begin = load.rates.length;

  const workers = await replaceWorkers(
    first.map(({ worker }) => worker),
    async () => {
      const { worker } = await startWorker(name);
      await load.windows(1); // each has some to answer, however fast they start
      return worker;
    },
  );
  await load.windows(1);
  const lowest = Math.min(...load.rates.slice(begin));
  await load.stop();
  await Promise.all(workers.map(stopWorker));
  const { requests, rendered, failed } = load;
  return { before, lowest, requests, rendered, failed };
}

/** Clients that ask for pages, one after the other, until they are stopped. */
class Load {
  /** The part of each window's requests for which nothing had to be rendered. */
  readonly rates: number[] = [];
  requests = 0;
  rendered = 0;
  failed = 0;
  #asked = 0;
  #renderedBefore = 0;
  #stopped = false;
  readonly #port: number;
  readonly #clients: Promise<void>[];

  constructor(port: number) {
    this.#port = port;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#run());
  }

  /** Waits until so many windows more are full. */
  async windows(count: number): Promise<void> {
    const end = this.rates.length + count;
    while (this.rates.length < end) await pause(5);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const id = this.#nextProduct();
      try {
        const url = `http://127.0.0.1:${this.#port}/products/${id}`;
        // As a proxy does: Node may still hand a connection to a worker that is about to go, which resets it.
        const { headers, statusCode, body } = await ask(url).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "ECONNRESET") throw error;
          return ask(url);
        });
        if (statusCode !== 200 || !body.includes(`<h1>Product ${id}</h1>`)) throw new Error(`${statusCode}`);
        if (headers["x-cache"] === "miss") this.rendered++;
      } catch (error) {
        this.failed++;
        console.error(`product ${id}: ${(error as Error).message}`);
      }
      if (++this.requests % REQUESTS_PER_WINDOW === 0) {
        this.rates.push(1 - (this.rendered - this.#renderedBefore) / REQUESTS_PER_WINDOW);
        this.#renderedBefore = this.rendered;
      }
      await pause(3);
    }
  }

  /** All first, so that each worker gets each; then some far more often than others, and one in fifty is new. */
  #nextProduct(): number {
    const count = this.#asked++;
    if (count < WORKERS * PRODUCTS) return Math.floor(count / WORKERS);
    return count % 50 === 0 ? count : Math.floor(PRODUCTS * ((count * GOLDEN) % 1) ** 3);
  }
}

/** Each request has a connection of its own, and so goes to the next worker. */
async function ask(
  url: string,
): Promise<{ headers: IncomingMessage["headers"]; statusCode?: number; body: string }> {
  const [response] = (await once(get(url, { agent: false }), "response")) as [IncomingMessage];
  const { headers, statusCode } = response;
  return { headers, statusCode: statusCode ?? 0, body: await text(response) };
}

function row(name: string, { before, lowest, requests, rendered, failed }: Figures): string {
  const cells: [string, number][] = [
    [before.toFixed(3), 6],
    [lowest.toFixed(3), 18],
    [(lowest / before).toFixed(3), 7],
    [String(requests), 10],
    [String(rendered), 10],
    [String(failed), 8],
  ];
  return name.padEnd(24) + cells.map(([text, width]) => text.padStart(width)).join("");
}

function fail(what: string): void {
  console.error(what);
  process.exitCode = 1;
}

if (cluster.isPrimary) await runPrimary();
else runWorker(process.env.CACHE_NAME);
