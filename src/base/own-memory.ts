import { ZbudError } from "./errors.ts";

/**
 * Bytes beside what was reserved: for a value on its way in or out, or for the duration of a call. They are zero.
 *
 * @throws {ZbudError} `ENOMEM` if the system gives none.
 */
export function ownBytes(length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw noMemory(length, cause);
  }
}

/** As {@link ownBytes}, words of 32 bits. */
export function ownWords(length: number): Int32Array<ArrayBuffer> {
  try {
    return new Int32Array(length);
  } catch (cause) {
    throw noMemory(4 * length, cause);
  }
}

function noMemory(bytes: number, cause: unknown): ZbudError {
  return new ZbudError(
    "ENOMEM",
    `the system gave no memory for ${bytes} bytes that this call needs; free some, or lower maxBytes, and try again`,
    { cause },
  );
}
