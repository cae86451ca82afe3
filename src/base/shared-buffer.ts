import { show, ZbudError } from "./errors.ts";
import { noteFallback } from "./fallbacks.ts";

/** Whether there is memory that other threads can reach. */
export function canShare(): boolean {
  if (typeof SharedArrayBuffer !== "undefined") return true;
  noteFallback("shared-memory");
  return false;
}

/**
 * Memory that other threads can reach. Untouched pages of it cost nothing.
 *
 * @throws {ZbudError} `ENOTSUP` where there is none to be had. A `RangeError` of the engine if the system has
 *   no such range of addresses.
 */
export function sharedBuffer(bytes: number): SharedArrayBuffer {
  if (!canShare()) {
    throw new ZbudError(
      "ENOTSUP",
      "shared: true needs SharedArrayBuffer, which a browser gives only to pages that are cross-origin isolated; serve the page with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or leave shared out",
    );
  }
  return new SharedArrayBuffer(bytes);
}

/** Whether shared buffers may have a longest length; such a buffer begins at a page of the machine. */
export function canGrow(): boolean {
  return canShare() && "growable" in SharedArrayBuffer.prototype;
}

/** Whether something is memory of {@link sharedBuffer}; where there is none, nothing is. */
export function isSharedBuffer(value: unknown): value is SharedArrayBuffer {
  return canShare() && value instanceof SharedArrayBuffer;
}

/**
 * The error for something that `attach` cannot open.
 *
 * @param what - whose `share()` it takes: `"a cache"`.
 * @param shared - what it was given.
 * @param memory - what lies there in the place of the shared memory.
 */
export function notShared(what: string, shared: unknown, memory: unknown): ZbudError {
  const isCopy = typeof memory === "object" && memory !== null && !isSharedBuffer(memory);
  return new ZbudError(
    "EINVAL",
    isCopy
      ? `this is what share() of ${what} gave, but its memory is missing, as it is after JSON or a message to another process. Processes cannot share it; worker threads of one process can: give it to them in workerData or by postMessage`
      : `attach takes what share() of ${what} gave, not ${show(shared)}: call share() in the thread that made it, and send the result to the worker, as workerData or by postMessage`,
  );
}
