/** Replays a trace on a pool that another thread made. */

import { parentPort, workerData } from "node:worker_threads";
import { attachPool } from "../../src/drivers/index.ts";
import type { Pool, SharedPool } from "../../src/pool/index.ts";
import { parseTrace, replay } from "../../src/trace/index.ts";

const { text, shared } = workerData as { text: string; shared: SharedPool };
const result = replay(parseTrace(text), {
  createPool: (_header, onEvict): Pool => attachPool(shared, onEvict === undefined ? {} : { onEvict }),
});
parentPort?.postMessage(result);
