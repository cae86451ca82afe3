/** A server that renders each product's page once for all processes that pm2 runs it in. */
import cluster from "node:cluster";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { CompressedCache } from "zbud/cache";

const { PORT = "3000", CACHE_NAME = "shop" } = process.env;

const cache = new CompressedCache({ maxBytes: "32MiB", ttl: 600_000, shared: CACHE_NAME });

const server = createServer(async (request, response) => {
  let isRendered = false;
  const page = await cache.getOrSet(request.url, () => {
    isRendered = true;
    return renderProduct(request.url.slice(request.url.lastIndexOf("/") + 1));
  });
  response.writeHead(200, { "X-Cache": isRendered ? "miss" : "hit", "X-Process": process.pid });
  response.end(page);
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

async function renderProduct(id) {
  await pause(5); // the database, the templates
  const items = Array.from({ length: 30 }, (_, i) => `<li>Offer ${i} of product ${id}, ${i + 9}.99</li>`);
  return `<!doctype html><title>Product ${id}</title><h1>Product ${id}</h1><ul>${items.join("\n")}</ul>`;
}

// At a reload pm2 sends SIGINT when another process serves in this one's place. To disconnect is to get no new
// requests, to hand back those that were on their way, and to answer the others; then nothing keeps the process alive.
process.on("SIGINT", () => (cluster.isWorker ? cluster.worker.disconnect() : server.close()));
// The cache stays, for the others and for those that come.
server.once("close", () => cache.close());
