import { bytesText, countText } from "../base/index.ts";
import { isBytes, nameText, type Tick, valueText } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import { shortText } from "./shared-memory-text.ts";
import type { Style } from "./style.ts";
import { type Column, chartLines, tableLines } from "./text-table.ts";
import type { TopLook } from "./top-source.ts";

const COLUMNS: Column[] = [
  { title: "counter", align: "left" },
  { title: "now", align: "right" },
  { title: "a second", align: "right" },
];

/** What lines there is room for, and how long each may be. */
interface Size {
  rows: number;
  columns: number;
}

const UNBOUNDED: Size = { rows: Number.POSITIVE_INFINITY, columns: Number.POSITIVE_INFINITY };

/**
 * The counters of one look as lines.
 *
 * @param before - an earlier look's, for what changes a second; null: there was none.
 * @param size - of a screen, where counters that are 0 have to make room first.
 */
export function counterLines(
  { title, where, about, tick }: TopLook,
  before: Tick | null,
  style: Style,
  { rows, columns }: Size = UNBOUNDED,
): string[] {
  const name = shortText(printable(title), columns);
  const place = shortText(printable(where), columns - name.length - 2);
  const head = [
    `${style.title(name)}  ${style.dim(place)}`,
    ...(about === undefined ? [] : [shortText(printable(about), columns)]),
    "",
  ];
  const charts = chartsOf(tick, columns, style);
  return [...head, ...tableOf(tick, before, rows - head.length - charts.length, style), ...charts];
}

function tableOf(tick: Tick, before: Tick | null, room: number, style: Style): string[] {
  const seconds = before === null ? 0 : (tick.at - before.at) / 1000;
  const all = Object.entries(tick.counters);
  const shown = fitting(all, room - 1);
  const cells = shown.map(([name, value]) => {
    const earlier = before?.counters[name];
    const rate = earlier === undefined || seconds <= 0 ? 0 : (value - earlier) / seconds;
    return [printable(nameText(name)), valueText(name, value), rateText(name, value, rate)];
  });
  const [head, ...lines] = tableLines(COLUMNS, cells);
  const left = all.length - shown.length;
  return [
    style.dim(head),
    ...lines,
    ...(left === 0 ? [] : [style.dim(`and ${left} more in a taller window`)]),
  ];
}

/**
 * Those that there is room for, in their order: the last that are 0 go first. Where some are left out, the last line is
 * for saying so.
 */
function fitting(counters: [string, number][], room: number): [string, number][] {
  if (counters.length <= room) return counters;
  const shown = [...counters];
  while (shown.length > Math.max(0, room - 1)) {
    const last = shown.findLastIndex(([, value]) => value === 0);
    shown.splice(last, 1);
  }
  return shown;
}

function chartsOf({ histograms }: Tick, columns: number, style: Style): string[] {
  const lines = Object.entries(histograms).flatMap(([name, counts]) => {
    if (!counts.some((count) => count > 0)) return [];
    const [chart] = chartLines(counts, 1);
    const text = shortText(printable(nameText(name)), columns - chart.length - 2);
    return [`${style.bar(chart)}  ${text}`];
  });
  return lines.length === 0 ? [] : ["", ...lines];
}

function rateText(name: string, value: number, rate: number): string {
  if (!Number.isInteger(value) || Math.abs(rate) < 0.05) return "";
  const size = Math.abs(rate);
  const text = isBytes(name) ? bytesText(size) : size < 10 ? size.toFixed(1) : countText(size);
  return `${rate > 0 ? "+" : "-"}${text}`;
}
