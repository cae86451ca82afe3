import { bytesText, countText, timeText } from "../base/index.ts";

/** `pagesReclaimed` as `pages reclaimed`, `allocsRefused.ENOMEM` as `allocs refused: ENOMEM`. */
export function nameText(name: string): string {
  return name
    .replaceAll(".", ": ")
    .replace(/(?:Bytes|Ns)(?=$|:)/, (unit) => ` ${unit.toLowerCase()}`)
    .replaceAll(/(?<=[a-z\d])[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`)
    .replace(/(latency)? ns\b/, (_all, latency?: string) => latency ?? " time")
    .replaceAll(/\s+/g, " ");
}

/** A figure as its name says what it is: bytes, a time, a share, a count. */
export function valueText(name: string, value: number): string {
  if (isBytes(name)) return bytesText(value);
  if (/Ns\b|Ns[.A-Z]|latency/.test(name)) return value === 0 ? "–" : timeText(value);
  if (!Number.isInteger(value)) return value.toFixed(value < 10 ? 3 : 1);
  return countText(value);
}

/** Also those of zswap and zram, whose names say it their own way. */
export function isBytes(name: string): boolean {
  return /bytes|Size$|^mem[A-Z]/i.test(name);
}

/** How much a counter changes in a second, with its sign; empty if it does not. */
export function rateText(name: string, rate: number): string {
  const size = Math.abs(rate);
  if (size < 0.05) return "";
  const text = isBytes(name) ? bytesText(size) : size < 9.95 ? size.toFixed(1) : countText(size);
  return `${rate > 0 ? "+" : "−"}${text}`;
}
