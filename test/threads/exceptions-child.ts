/** A process without a file descriptor left, in which a living thread is slow with the lock. */

import { openSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { verify } from "../../src/diagnostics/index.ts";
import type * as Drivers from "../../src/drivers/zbud/index.ts";
import type { SharedPool } from "../../src/pool/index.ts";

const HOLD_MS = 500;

const module = parentPort === null ? process.argv[2] : (workerData as { module: string }).module;
const { ZbudPool, zbudDriver } = (await import(module)) as typeof Drivers;

if (parentPort === null) {
  const pool = new ZbudPool({ maxPages: 16, shared: true });
  const worker = new Worker(new URL(import.meta.url), { workerData: { module, shared: pool.share() } });
  await new Promise((resolve) => worker.once("message", resolve));
  try {
    for (;;) openSync("/dev/null", "r");
  } catch {
    // That was the last one.
  }
  const start = performance.now();
  verify(pool);
  const waitedMs = performance.now() - start;
  process.stdout.write(JSON.stringify({ waitedMs, holdMs: HOLD_MS }), () => process.exit(0));
} else {
  const port = parentPort;
  const pool = zbudDriver.attach((workerData as { shared: SharedPool }).shared);
  let points = 0;
  (globalThis as { zbudPoint?: () => void }).zbudPoint = () => {
    if (++points !== 5) return;
    port.postMessage("it holds the lock");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HOLD_MS);
  };
  pool.alloc(100);
}
