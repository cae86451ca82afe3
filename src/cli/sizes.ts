import { parseBytes } from "../base/index.ts";
import { UsageError } from "./failure.ts";

/** Bytes from `4096`, `4k`, `64M`, `1.5GiB`; the units are binary. */
export function parseSize(text: string, option: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes === 0) {
    throw new UsageError(`${option} takes a size such as 4096, 4k or 64m, not ${JSON.stringify(text)}`);
  }
  return bytes;
}

/** A whole number in [low, high]. */
export function parseInteger(text: string, option: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < low || value > high) {
    throw new UsageError(
      `${option} takes a whole number from ${low} to ${high}, not ${JSON.stringify(text)}`,
    );
  }
  return value;
}

/** Names from `a,b`; an option may also be given several times. */
export function parseList(text: string, before: string[] | undefined): string[] {
  const names = text.split(",").map((name) => name.trim());
  return [...(before ?? []), ...names.filter((name) => name !== "")];
}
