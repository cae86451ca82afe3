import { show, ZbudError } from "./errors.ts";

/** The getter that every typed array inherits: it tells the kind, in any realm, and cannot be faked. */
const kindOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

/**
 * Makes sure that something is a Uint8Array with its bytes there. An array of numbers, or a wider typed array,
 * would be copied element by element: not what is meant.
 *
 * @throws {ZbudError} `EINVAL` if it is not.
 */
export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (kindOf.call(bytes) !== "Uint8Array") {
    throw new ZbudError("EINVAL", `bytes are read and written as a Uint8Array, not as ${show(bytes)}`);
  }
  const { buffer } = bytes as Uint8Array;
  if ((buffer as { detached?: boolean }).detached === true) {
    throw new ZbudError(
      "EINVAL",
      "the buffer of this Uint8Array was transferred away; use one that is there",
    );
  }
}
