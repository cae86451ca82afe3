import { join } from "node:path";
import { MessageChannel, parentPort, Worker, workerData } from "node:worker_threads";
import type { Codec } from "../../src/codecs/index.ts";

/** What a thread may have in its hands. */
export const HELD = [
  "deflate",
  "zstd",
  "zstd-dictionary",
  "zstd-napi",
  "file",
  "port",
  "worker",
  "cache",
] as const;
export type Held = (typeof HELD)[number];

type Step = () => unknown;

// Short: then most of the time goes into making handles, which is what is dangerous.
const bytes = Uint8Array.from({ length: 300 }, (_, i) => ((i * 7919) >> 3) & 63);
const dictionary = bytes.slice(0, 100);
const block = new Uint8Array(512);
const back = new Uint8Array(300);

/** Codecs are made anew in each step, and used twice. */
function codecs(make: () => Codec): Step {
  return () => {
    const codec = make();
    for (let i = 0; i < 2; i++) codec.decompress(block.subarray(0, codec.compress(bytes, block)), back);
  };
}

/** Loads what it needs only: that is most of what a kill costs. */
async function stepOf(held: Held, folder: string, seed: number): Promise<Step> {
  const { createDeflate, createZstd } = await import("../../src/codecs/index.ts");
  switch (held) {
    case "deflate":
      return codecs(() => createDeflate({ level: 1 }));
    case "zstd":
      return codecs(() => createZstd({ backend: "node:zlib" }));
    case "zstd-dictionary":
      return codecs(() => createZstd({ backend: "node:zlib", dictionary }));
    case "zstd-napi":
      return codecs(() => createZstd({ backend: "zstd-napi", dictionary }));
    case "file":
      return await useFiles(folder, seed);
    case "port":
      return () => {
        const { port1, port2 } = new MessageChannel();
        port1.on("message", () => port1.close());
        port2.postMessage(bytes);
        return new Promise((resolve) => port1.once("close", resolve));
      };
    case "worker":
      return async () => {
        const worker = new Worker("setInterval(() => {}, 1)", { eval: true });
        await new Promise((resolve) => worker.once("online", resolve));
        void worker.terminate();
      };
    case "cache":
      return await useCaches();
  }
}

async function useFiles(folder: string, seed: number): Promise<Step> {
  const { FileBacking } = await import("../../src/backing/index.ts");
  const { keyOf, recordOf } = await import("../backing/records.ts");
  let number = 0;
  return async () => {
    const path = join(folder, `${seed}-${number++}`);
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 16, averageBytes: 4096 });
    const record = recordOf(number, 1, 3000);
    await backing.write([record]);
    await backing.read(keyOf(number));
    backing.writeSync(record);
    await backing.flush();
    await backing.close();
  };
}

/** Caches learn their dictionary in a thread of their own, which ends with them. */
async function useCaches(): Promise<Step> {
  const { CompressedCache } = await import("../../src/cache/index.ts");
  return () => {
    const cache = new CompressedCache<object>({ maxBytes: "1MiB", codec: "zstd" });
    for (let i = 0; i < 1500; i++) cache.set(`key ${i}`, { i, text: "some text that is always the same" });
    for (let i = 0; i < 1500; i++) cache.get(`key ${i}`);
    cache.close();
    return new Promise(setImmediate);
  };
}

if (parentPort) {
  const { held, folder, seed, steps } = workerData as {
    held: Held;
    folder: string;
    seed: number;
    steps: Int32Array;
  };
  const step = await stepOf(held, folder, seed);
  for (;;) {
    const done = step();
    if (done instanceof Promise) await done;
    Atomics.add(steps, 0, 1);
    Atomics.notify(steps, 0);
  }
}
