import { ZbudError } from "./errors.ts";

/**
 * Checks what must hold whatever the input: a failure is a bug in this library.
 *
 * @throws {ZbudError} `ECORRUPT` when `condition` is false.
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new ZbudError("ECORRUPT", `internal invariant broken: ${what}`);
}
