/** A process without a file descriptor left, in which a living thread is slow with the lock. */

import { openSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { verify } from "../../src/diagnostics/index.ts";
import type { ZbudPool } from "../../src/drivers/zbud/index.ts";

const HOLD_MS = 500;

const module = parentPort === null ? process.argv[2] : (workerData as { module: string }).module;
const { ZbudPool: Pool } = (await import(module)) as { ZbudPool: typeof ZbudPool };

if (parentPort === null) {
  const pool = new Pool({ maxPages: 16, shared: true });
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
  const pool = Pool.attach((workerData as { shared: ReturnType<ZbudPool["share"]> }).shared);
  let points = 0;
  (globalThis as { zbudPoint?: () => void }).zbudPoint = () => {
    if (++points !== 5) return;
    port.postMessage("it holds the lock");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HOLD_MS);
  };
  pool.alloc(100);
}
