import { show, ZbudError } from "./errors.ts";

/**
 * Reads an integer option.
 *
 * @throws {ZbudError} `EINVAL` naming the option, its value and the range, if it is not an integer in
 *   [low, high].
 */
export function integerOption(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw new ZbudError("EINVAL", `${name} must be an integer from ${low} to ${high}, not ${show(value)}`);
  }
  return value;
}
