/** Does what it is told with a pool that another thread made, and tells what came of it. */

import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../../src/base/index.ts";
import { type ZbudPool, zbudDriver } from "../../src/drivers/zbud/index.ts";
import type { Pool } from "../../src/pool/index.ts";

export type Order =
  | { do: "alloc"; size: number; fill: number }
  | { do: "free" | "read" | "inspect"; handle: Handle }
  | { do: "reclaim" | "stats" | "close" | "recover" };

if (parentPort !== null) {
  const port = parentPort;
  const { shared } = workerData as { shared: ReturnType<ZbudPool["share"]> };
  const onEvict = (handle: Handle, given: Pool): boolean => {
    given.free(handle);
    return true;
  };
  const pool = zbudDriver.attach(shared, { onEvict });
  const obey = (order: Order): unknown => {
    switch (order.do) {
      case "alloc": {
        const handle = pool.alloc(order.size);
        if (typeof handle === "number") pool.map(handle).fill(order.fill);
        return handle;
      }
      case "free":
        return pool.free(order.handle);
      case "read":
        return pool.map(order.handle).slice();
      case "inspect":
        return pool.inspect(order.handle);
      case "reclaim":
        return pool.reclaimPage();
      case "stats":
        return pool.stats();
      case "recover":
        return pool.recover();
      case "close":
        return pool.close();
    }
  };
  port.on("message", (order: Order) => {
    try {
      port.postMessage({ result: obey(order) });
    } catch (error) {
      port.postMessage({ code: (error as { code?: string }).code ?? String(error) });
    }
  });
}
