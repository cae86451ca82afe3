/** A thread that reads objects while others compact: every read is all of one object, as it was written. */

import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../../../src/base/index.ts";
import { zsmallocDriver } from "../../../src/drivers/index.ts";
import type { SharedPool } from "../../../src/pool/index.ts";

/** What a reader is given. */
export interface ReaderData {
  shared: SharedPool;
  /** Handles; 0: none now. The byte that fills an object is `index & 0xff`. */
  handles: Float64Array;
  /** Word 0: stop. Word 1: reads that were whole. Word 2: those of objects that were freed meanwhile. */
  control: Int32Array;
}

// Only in a worker: the test imports the type.
if (parentPort !== null) {
  const { shared, handles, control } = workerData as ReaderData;
  const pool = zsmallocDriver.attach(shared);
  const into = new Uint8Array(pool.maxObjectBytes);
  for (let i = 0; Atomics.load(control, 0) === 0; i = (i + 7) % handles.length) {
    const handle = handles[i] as Handle;
    if (handle === 0) continue;
    let size: number;
    try {
      size = pool.read(handle, into);
    } catch (error) {
      if ((error as { code?: string }).code !== "EBADF") throw error;
      Atomics.add(control, 2, 1);
      continue;
    }
    for (let at = 0; at < size; at++) {
      if (into[at] !== (i & 0xff)) throw new Error(`object ${i}: byte ${at} of ${size} is ${into[at]}`);
    }
    Atomics.add(control, 1, 1);
  }
  pool.close();
  parentPort.postMessage("done");
}
