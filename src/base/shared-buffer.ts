import { show, ZbudError } from "./errors.ts";

/** Whether there is memory that other threads can reach. */
export function canShare(): boolean {
  return typeof SharedArrayBuffer !== "undefined";
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

/** Whether something is memory of {@link sharedBuffer}; where there is none, nothing is. */
export function isSharedBuffer(value: unknown): value is SharedArrayBuffer {
  return canShare() && value instanceof SharedArrayBuffer;
}

/**
 * What `attach` throws for something that `share()` did not give, or that lost its memory on the way.
 *
 * @param what - with its article, such as `"a store"`.
 */
export function notShared(what: string, shared: unknown): ZbudError {
  const lost =
    typeof shared === "object" && shared !== null
      ? "; if it came from there, its memory was lost on the way: processes cannot share it, by IPC or as JSON, and worker threads of one process can, by workerData or postMessage()"
      : "";
  return new ZbudError("EINVAL", `attach takes what share() of ${what} gave, not ${show(shared)}${lost}`);
}
