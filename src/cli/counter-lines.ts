import { bytesText, countText } from "../base/index.ts";
import { isBytes, nameText, type Tick, valueText } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import type { Style } from "./style.ts";
import { type Column, chartLines, tableLines } from "./text-table.ts";

const COLUMNS: Column[] = [
  { title: "counter", align: "left" },
  { title: "now", align: "right" },
  { title: "a second", align: "right" },
];

/**
 * The counters of a viewer as lines.
 *
 * @param before - an earlier look, for what changes a second; null: there was none.
 */
export function counterLines(
  title: string,
  where: string,
  tick: Tick,
  before: Tick | null,
  style: Style,
): string[] {
  const seconds = before === null ? 0 : (tick.at - before.at) / 1000;
  const rows = Object.entries(tick.counters).map(([name, value]) => {
    const earlier = before?.counters[name];
    const rate = earlier === undefined || seconds <= 0 ? 0 : (value - earlier) / seconds;
    return [printable(nameText(name)), valueText(name, value), rateText(name, value, rate)];
  });
  const [head, ...lines] = tableLines(COLUMNS, rows);
  const histograms = Object.entries(tick.histograms).flatMap(([name, counts]) => {
    if (!counts.some((count) => count > 0)) return [];
    const [chart] = chartLines(counts, 1);
    return [`${style.bar(chart)}  ${printable(nameText(name))}`];
  });
  return [
    `${style.title(printable(title))}  ${style.dim(`${where}  ${Math.round(tick.at / 1000)} s`)}`,
    "",
    style.dim(head),
    ...lines,
    ...(histograms.length === 0 ? [] : ["", ...histograms]),
  ];
}

function rateText(name: string, value: number, rate: number): string {
  if (!Number.isInteger(value) || Math.abs(rate) < 0.05) return "";
  const size = Math.abs(rate);
  const text = isBytes(name) ? bytesText(size) : size < 10 ? size.toFixed(1) : countText(size);
  return `${rate > 0 ? "+" : "-"}${text}`;
}
