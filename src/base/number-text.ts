/** Ways to write figures, the same in advice, tables and messages. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `812 B`, `20.4 MiB`, `104 MiB`: three digits, in binary units. */
export function bytesText(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? "-" : ""}${trimZeros(value.toFixed(digits))} ${UNITS[unit]}`;
}

/** A ratio as `2.46x`; `all` when nothing is held at all. */
export function ratioText(ratio: number | null): string {
  if (ratio === null) return "all";
  return ratio >= 99.95 ? `${countText(ratio)}x` : `${ratio.toFixed(2)}x`;
}

/** A share of 1 as `35.8 %`. */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.05) return "< 0.1 %";
  if (percent < 100 && percent >= 99.95) return "> 99.9 %";
  return `${trimZeros(percent.toFixed(1))} %`;
}

/** `12,345`. Not by `toLocaleString`: what that loads takes longer than a small estimate. */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 page`, `12,345 pages`. */
export function countOf(count: number, one: string, many: string): string {
  const text = countText(count);
  return `${text} ${text === "1" ? one : many}`;
}

/** `850 ns`, `3.3 µs`, `1.2 ms`. */
export function timeText(ns: number): string {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  const [value, unit] = ns < 999_500 ? [ns / 1e3, "µs"] : [ns / 1e6, "ms"];
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
