/**
 * A program that has memory in common with others until its standard input ends. Arguments: what it has, under which name,
 * and "busy" if it is to work without a pause.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { CompressedCache } from "../../src/entry/index.ts";
import { MAKERS } from "./shared-things.ts";

if (isMainThread) {
  const [what, name, how] = process.argv.slice(2);
  const thing = await MAKERS[what](name);
  if (how === "with a worker") {
    const worker = new Worker(import.meta.filename, { workerData: (thing as CompressedCache).share() });
    await new Promise((resolve) => worker.once("message", resolve));
  }
  process.stdout.write("ready\n");
  if (how === "busy") work(thing as CompressedCache);
  process.stdin.resume().on("end", () => process.exit());
} else {
  const cache = CompressedCache.attach(workerData);
  parentPort?.postMessage("ready");
  parentPort?.on("message", () => cache.close());
}

function work(cache: CompressedCache): void {
  for (let i = 0; ; i++) {
    cache.set(`key ${i % 2000}`, `${i} `.repeat(i % 300), { tags: [`tag ${i % 5}`] });
    if (i % 3 === 0) cache.delete(`key ${(i * 7) % 2000}`);
  }
}
