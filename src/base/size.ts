import { show, ZbudError } from "./errors.ts";
import { memoryBytes } from "./machine-memory.ts";
import { checkNames } from "./options.ts";

/** Binary units: a computer's memory is counted in them, whether or not the "i" is written. */
const FACTORS: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A number of bytes, `"256MiB"` (or `"256mb"`, `"1.5g"`; units are binary), or `"20%"` of {@link memoryBytes}. */
export type Size = number | string;

/**
 * Reads an option that is a size.
 *
 * @param memory - what a percentage is of; asked only if there is one. Null: of nothing, so that none is taken (a
 *   file's size, a page's).
 * @returns bytes, an integer: fractions are rounded down.
 * @throws {ZbudError} `EINVAL` naming the option and its value, if it is no size, or not in [low, high].
 */
export function sizeOption(
  name: string,
  value: unknown,
  low: number,
  high: number,
  memory: (() => number) | null = memoryBytes,
): number {
  const bytes = typeof value === "string" ? parseSize(value, memory) : value;
  if (typeof bytes !== "number" || !Number.isInteger(bytes)) {
    const forms =
      memory === null
        ? 'a whole number of bytes, or a size such as "256MiB"'
        : 'a whole number of bytes, a size such as "256MiB", or a share of this process\'s memory up to "100%", such as "20%"';
    throw new ZbudError("EINVAL", `${name} must be ${forms}, not ${show(value)}`);
  }
  if (bytes < low || bytes > high) {
    const what = typeof value === "string" ? `${show(value)}, which is ${bytes}` : show(value);
    throw new ZbudError("EINVAL", `${name} must be from ${low} to ${high} bytes, not ${what}`);
  }
  return bytes;
}

/** A size that follows what memory there is: never less than `min`, never more than `max`. */
export interface SizeRange {
  readonly min: Size;
  readonly max: Size;
}

const RANGE_NAMES = ["min", "max"];

/**
 * Reads an option that is a {@link SizeRange}.
 *
 * @returns bytes, integers: fractions are rounded down.
 * @throws {ZbudError} `EINVAL` naming what is missing, no size, not in [low, high], or more than the other.
 */
export function sizeRangeOption(
  name: string,
  value: unknown,
  low: number,
  high: number,
): { min: number; max: number } {
  checkNames(name, value, RANGE_NAMES);
  const range = value as SizeRange;
  const min = sizeOption(`${name}.min`, range.min, low, high);
  const max = sizeOption(`${name}.max`, range.max, low, high);
  if (min <= max) return { min, max };
  throw new ZbudError(
    "EINVAL",
    `${name}.min must be at most ${name}.max, not ${show(range.min)}, which is more than ${show(range.max)}`,
  );
}

/** Bytes, or undefined if the text is no size. */
function parseSize(text: string, memory: (() => number) | null): number | undefined {
  const share = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text);
  if (share !== null) {
    if (memory === null) return undefined;
    const percent = Number(share[1]);
    return percent > 0 && percent <= 100 ? Math.floor((memory() * percent) / 100) : undefined;
  }
  return parseBytes(text);
}

/** Bytes from `"4096"`, `"4k"`, `"1.5GiB"`, rounded down; undefined if the text is no size. A percentage is none here. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Math.floor(Number(digits) * FACTORS[unit.toLowerCase()]);
}
