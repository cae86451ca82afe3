/**
 * The one cache of this process. Next.js bundles pages apart from the handler, so that this module runs for each of
 * them: what they share is found by a symbol. A worker thread of server.mjs attaches to the cache of the main thread.
 * With a name, all processes of this machine have one cache, whoever starts first, and those of the next deploy:
 *
 *   CACHE_NAME=shop npx next start --port 3000
 *   CACHE_NAME=shop npx next start --port 3001
 */
import { workerData } from "node:worker_threads";
import { CompressedCache } from "zbud/cache";

const NAME = Symbol.for("the shop's cache");

globalThis[NAME] ??= workerData?.cache
  ? CompressedCache.attach(workerData.cache)
  : new CompressedCache({ maxBytes: "64MiB", shared: process.env.CACHE_NAME ?? true });

export const cache = globalThis[NAME];
