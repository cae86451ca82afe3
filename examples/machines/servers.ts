/**
 * Three servers, as on three machines, each with a cache in its own memory, and a cluster of Redis or Valkey behind them that
 * makes one cache of the three: what one rendered the others need not, and what one changes the others forget.
 *
 * The program starts three processes, asks them for pages, changes products through any of them, and looks that no server
 * shows an old price for longer than the bound; then it shows a dashboard of hit rates, of the figures that each
 * server gives Prometheus at /metrics. It ends with exit code 1 if a server showed an old price.
 *
 * In a project of yours: npm install zbud redis prom-client; REDIS_NODES=redis://… node servers.ts
 * With containers: docker compose up, with the compose.yaml beside this file.
 * In a clone of the repository, with a server or cluster of yours: REDIS_NODES=redis://… npm run example -- servers
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import promClient from "prom-client";
import { createClient, createCluster } from "redis";
import { CompressedCache } from "zbud/cache";
import { collectMetrics } from "zbud/prom-client";
import { redisTier } from "zbud/redis";

const SERVERS = 3;
const PRODUCTS = 120;
const ROUNDS = 15;
/** For how long a server may show what was changed elsewhere: docs/backing.md. */
const BOUND_MS = 2500;
const nodes = (process.env.REDIS_NODES ?? "redis://127.0.0.1:6379").split(",");

/** Of one server, or of a cluster by some of its nodes. */
async function connect() {
  let wasThere = false;
  const reconnectStrategy = (retries: number): number | Error =>
    wasThere || retries < 10
      ? Math.min(100 * retries, 2000)
      : new Error(`no server answers at ${nodes.join()}: start one, or say in REDIS_NODES where it is`);
  // It asks now and then whether the connection lives: one that is dead says nothing by itself.
  const options = { pingInterval: 1000, socket: { socketTimeout: 5000, reconnectStrategy } };
  const client =
    nodes.length === 1
      ? createClient({ url: nodes[0], ...options })
      : createCluster({ rootNodes: nodes.map((url) => ({ url })), defaults: options });
  client.on("error", (error: Error) => console.error(`redis: ${error.message}`));
  await client.connect();
  wasThere = true;
  return client;
}

async function runServer(port: number): Promise<void> {
  const client = await connect();
  const backing = await redisTier(client, { prefix: "shop:" });
  const cache = new CompressedCache<string>({ maxBytes: "32MiB", ttl: 600_000, tags: true, backing });
  collectMetrics(promClient, cache);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
    if (pathname === "/metrics") {
      response.setHeader("Content-Type", promClient.register.contentType);
      response.end(await promClient.register.metrics());
      return;
    }
    const id = pathname.slice(pathname.lastIndexOf("/") + 1);
    if (request.method === "POST") {
      // The database; here one record more on the server.
      await client.set(`price:${id}`, searchParams.get("price") ?? "0");
      cache.deleteByTag(`product ${id}`);
      // Now the server tells every machine, which takes a moment.
      await cache.flush();
      response.end();
      return;
    }
    const page = await cache.getOrSet(
      pathname,
      async () => await render(id, await client.get(`price:${id}`)),
      {
        tags: [`product ${id}`],
      },
    );
    response.end(page);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      response.statusCode = 500;
      response.end(error.message);
    });
  });
  server.listen(port);
  await once(server, "listening");
  process.send?.((server.address() as AddressInfo).port);
  process.once("disconnect", async () => {
    server.close();
    cache.close();
    await backing.close();
    client.destroy();
  });
}

async function render(id: string, price: string | null): Promise<string> {
  await pause(5); // queries, templates
  const items = Array.from(
    { length: 30 },
    (_, i) => `<li><a href="/products/${i * 7}">Product ${i * 7}</a></li>`,
  );
  return `<!doctype html><title>Product ${id}</title><p class="price">${price ?? 0}</p><ul>${items.join("\n")}</ul>`;
}

/** Asks for pages and changes products. @returns how many old prices were shown. */
async function shop(urls: readonly string[]): Promise<number> {
  const prices = new Map<number, { price: number; at: number }>();
  let old = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      Array.from({ length: PRODUCTS }, async (_, i) => {
        const id = (i * 7 + round * 31) % PRODUCTS;
        const known = prices.get(id);
        const isBound = known !== undefined && performance.now() - known.at > BOUND_MS;
        const response = await fetch(`${urls[(i + 2 * round) % urls.length]}/products/${id}`);
        const price = Number(/class="price">(\d+)/.exec(await response.text())?.[1]);
        if (isBound && price < known.price) old++;
      }),
    );
    for (let id = round % 7; id < PRODUCTS; id += 20) {
      const price = round + 1;
      await fetch(`${urls[(id + round) % urls.length]}/products/${id}?price=${price}`, { method: "POST" });
      prices.set(id, { price, at: performance.now() });
    }
  }
  return old;
}

/** What each server tells Prometheus, as a table. */
async function dashboard(urls: readonly string[]): Promise<string> {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => String(cell).padStart(i === 0 ? 8 : 14)).join("");
  const lines = [row(["server", "from memory", "from Redis", "loaded", "hit rate", "told"])];
  for (const [index, url] of urls.entries()) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const value = (name: string): number =>
      Number(new RegExp(`^zbud_cache_${name}(?:_total)? (\\S+)`, "m").exec(text)?.[1] ?? 0);
    const [hits, misses, below, loads] = ["hits", "misses", "backing_hits", "loads"].map(value);
    const rate = (hits + below) / Math.max(1, hits + misses);
    lines.push(row([index + 1, hits, below, loads, rate.toFixed(3), value("backing_told")]));
  }
  return lines.join("\n");
}

async function startServer(): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(new URL(import.meta.url), ["server"]);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`a server ended with ${code} before it served`);
  });
  const [port] = await Promise.race([once(child, "message"), ended]);
  ended.catch(() => {}); // it ends one day
  return { child, url: `http://127.0.0.1:${port}` };
}

async function main(): Promise<void> {
  const servers = await Promise.all(Array.from({ length: SERVERS }, startServer));
  const urls = servers.map(({ url }) => url);
  const old = await shop(urls);
  console.log(await dashboard(urls));
  console.log(`${PRODUCTS * ROUNDS} pages, ${old} with a price that was too old`);
  for (const { child } of servers) child.disconnect();
  if (old > 0) process.exitCode = 1;
}

const [what, ...rest] = process.argv.slice(2);
if (what === "server") await runServer(Number(rest[0] ?? 0));
else if (what === "dashboard") {
  for (;;) {
    console.log(await dashboard(rest).catch((error: Error) => `no figures: ${error.message}`));
    await pause(5000);
  }
} else await main();
