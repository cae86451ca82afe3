import { show, ZbudError } from "../base/index.ts";
import type { EngineShape } from "./options.ts";
import type { EntryAttributes } from "./types.ts";

/**
 * @param most - the longest value.
 * @throws {ZbudError} `EINVAL` for what an engine of this shape cannot put.
 */
export function checkPut(
  { maxValueBytes, expiry }: EngineShape,
  value: Uint8Array,
  length: number,
  attributes: EntryAttributes,
  most: number = maxValueBytes,
): void {
  if (!(value instanceof Uint8Array)) {
    throw new ZbudError("EINVAL", `a value is a Uint8Array, not ${show(value)}`);
  }
  if ((length | 0) !== length || length < 0 || length > value.length || length > most) {
    throw new ZbudError(
      "EINVAL",
      `the length of a value is 0 to ${most} and at most its array's, ${value.length}; not ${show(length)}`,
    );
  }
  const { prefix, prefixLength, head, headLength, expiresAt } = attributes;
  if (prefixLength > prefix.length || headLength > head.length || (prefixLength | headLength) >>> 16 !== 0) {
    throw new ZbudError(
      "EINVAL",
      "prefix and head have at most 65,535 bytes, and not more than their arrays",
    );
  }
  if (expiresAt !== 0 && !expiry) {
    throw new ZbudError("EINVAL", "entries of this engine do not expire; make it with expiry: true");
  }
}
