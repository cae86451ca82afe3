/** Replays a trace on a pool that another thread made. */

import { parentPort, workerData } from "node:worker_threads";
import { ZbudPool } from "../../src/drivers/index.ts";
import { parseTrace, replay, type TracedPool } from "../../src/trace/index.ts";
import { attachZpool, type SharedZpool } from "../../src/zpool/index.ts";

const { text, shared } = workerData as { text: string; shared: SharedZpool | ReturnType<ZbudPool["share"]> };
const result = replay(parseTrace(text), {
  createPool: (_header, onEvict): TracedPool => {
    const options = onEvict === undefined ? {} : { onEvict };
    return "zpool" in shared ? attachZpool(shared, options) : ZbudPool.attach(shared, options);
  },
});
parentPort?.postMessage(result);
