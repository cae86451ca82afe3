/**
 * The app in two worker threads with one cache, which is saved when the server is told to stop and loaded when it
 * starts. Each thread listens on a port of its own, as behind a proxy that shares out the requests. After `next build`:
 *
 *   NODE_ENV=production node server.mjs
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { CompressedCache } from "zbud/cache";

const THREADS = 2;
const SAVED = fileURLToPath(new URL(".next/cache/use-cache.saved", import.meta.url));

if (isMainThread) await runMain();
else await runThread();

async function runMain() {
  const cache = new CompressedCache({ maxBytes: "64MiB" });
  // Before the threads start, which look for what was revalidated.
  if (existsSync(SAVED)) await cache.load(SAVED);

  const workers = Array.from({ length: THREADS }, () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { cache: cache.share() } });
    const { threadId } = worker; // afterwards it has none
    worker.once("exit", () => cache.threadGone(threadId));
    return worker;
  });
  process.once("SIGTERM", async () => {
    for (const worker of workers) worker.postMessage("stop");
    await Promise.all(workers.map((worker) => once(worker, "exit")));
    await cache.save(SAVED);
    cache.close();
  });
  for (const worker of workers) {
    worker.once("message", (port) => console.log(`http://127.0.0.1:${port}`));
  }
}

async function runThread() {
  const { default: next } = await import("next");
  const app = next({ dev: false, dir: fileURLToPath(new URL(".", import.meta.url)) });
  await app.prepare();
  const server = createServer(app.getRequestHandler()).listen(0, "127.0.0.1");
  await once(server, "listening");
  parentPort.postMessage(server.address().port);
  await once(parentPort, "message");
  server.close();
  server.closeIdleConnections();
  await once(server, "close");
  await app.close();
  process.exit();
}
