/** A thread that reads and maps objects while page sizes change: each is all there, as it was written. */

import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../../../src/base/index.ts";
import { sizeClassesDriver } from "../../../src/drivers/index.ts";
import type { SharedPool } from "../../../src/pool/index.ts";

/** What a reader is given. */
export interface SizeClassReaderData {
  shared: SharedPool;
  /** Handles; 0: none now. The byte that fills an object is `1 + index % 255`. */
  handles: Float64Array;
  /** Word 0: stop. Words 1, 2: objects that were there all the while, and those that went meanwhile. */
  control: Int32Array;
}

// Only in a worker: the test imports the type.
if (parentPort !== null) {
  const { shared, handles, control } = workerData as SizeClassReaderData;
  const pool = sizeClassesDriver.attach(shared);
  const into = new Uint8Array(pool.maxObjectBytes);
  for (let i = 0; Atomics.load(control, 0) === 0; i = (i + 7) % handles.length) {
    const handle = handles[i] as Handle;
    if (handle === 0) continue;
    const isOther = (byte: number): boolean => byte !== 1 + (i % 255);
    let size: number;
    let mapped: number;
    let wrong: number;
    try {
      size = pool.read(handle, into);
      const view = pool.map(handle, "ro");
      mapped = view.length;
      wrong = Math.max(into.subarray(0, size).findIndex(isOther), view.findIndex(isOther));
      pool.unmap(handle);
      // Whoever reads what another thread may free asks afterwards whether it was there to the end.
      pool.sizeOf(handle);
    } catch (error) {
      if ((error as { code?: string }).code !== "EBADF") throw error;
      Atomics.add(control, 2, 1);
      continue;
    }
    if (wrong >= 0) throw new Error(`object ${i}: byte ${wrong} of ${size} is another's`);
    if (mapped !== size) throw new Error(`object ${i}: ${size} bytes read and ${mapped} mapped`);
    Atomics.add(control, 1, 1);
  }
  pool.close();
  parentPort.postMessage("done");
}
