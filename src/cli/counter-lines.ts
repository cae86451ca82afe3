import { percentText } from "../base/index.ts";
import {
  nameText,
  type Overview,
  overviewOf,
  rateText,
  type Tick,
  usersText,
  valueText,
} from "../viewer/index.ts";
import { printable } from "./printable.ts";
import { type ScrollText, wrapText } from "./scroll-screen.ts";
import { shortText } from "./shared-memory-text.ts";
import type { Style } from "./style.ts";
import { type Column, chartLines, tableLines } from "./text-table.ts";
import type { TopLook } from "./top-source.ts";

const COLUMNS: Column[] = [
  { title: "counter", align: "left" },
  { title: "now", align: "right" },
  { title: "a second", align: "right" },
];
/** As wide as figures get, so that columns stay where they are. */
const NOW_WIDTH = 10;
const RATE_WIDTH = 10;
const NAME_MIN = 8;
const LABEL_WIDTH = 8;
const BAR_WIDTH = 20;
/** Room for more than the answers alone. */
const ROOMY = { columns: 60, rows: 20 };

interface Size {
  rows: number;
  columns: number;
}

/**
 * What one look found, for a screen: what stays, is the answers to what one wants to know first.
 *
 * @param before - an earlier look's, for what changes a second; null: there was none.
 */
export function topText(look: TopLook, before: Tick | null, style: Style, size: Size): ScrollText {
  const { columns } = size;
  const isRoomy = columns >= ROOMY.columns && size.rows >= ROOMY.rows;
  const about = aboutLines(look, columns);
  const answers = overviewLines(overviewOf(look.tick, before), columns, style);
  const [title, ...lines] = tableOf(look.tick, before, columns, style);
  const head = [titleLine(look, columns, style), ...(isRoomy ? about : []), ...answers];
  const charts = chartsOf(look.tick, columns, style);
  return {
    head: [...head, ...(isRoomy ? [""] : []), title],
    body: [...lines, ...(isRoomy ? [] : about), ...charts],
  };
}

/** The same as lines, one below the other. */
export function counterLines(look: TopLook, before: Tick | null, style: Style): string[] {
  const columns = Number.POSITIVE_INFINITY;
  const answers = overviewLines(overviewOf(look.tick, before), columns, style);
  const charts = chartsOf(look.tick, columns, style);
  return [
    titleLine(look, columns, style),
    ...aboutLines(look, columns),
    "",
    ...answers,
    ...(answers.length === 0 ? [] : [""]),
    ...tableOf(look.tick, before, columns, style),
    ...(charts.length === 0 ? [] : ["", ...charts]),
  ];
}

function titleLine({ title, where }: TopLook, columns: number, style: Style): string {
  const name = shortText(printable(title), columns);
  const place = shortText(printable(where), columns - name.length - 2);
  return place.length < 2 ? style.title(name) : `${style.title(name)}  ${style.dim(place)}`;
}

function aboutLines({ about, tick }: TopLook, columns: number): string[] {
  const text = about ?? (tick.users === null ? undefined : usersText(tick.users));
  return text === undefined ? [] : wrapText(printable(text), columns);
}

function overviewLines(overview: Overview | null, columns: number, style: Style): string[] {
  if (overview === null) return [];
  const { faults, full, share, saves, now } = overview;
  const line = (label: string, text: string, mark: (text: string) => string = (same) => same): string[] => {
    const [first, ...rest] = wrapText(printable(text), columns - LABEL_WIDTH);
    const pad = " ".repeat(LABEL_WIDTH);
    return [`${style.dim(label.padEnd(LABEL_WIDTH))}${mark(first)}`, ...rest.map((each) => pad + mark(each))];
  };
  const health =
    faults.length === 0 ? line("health", "well", style.good) : line("health", faults.join("; "), style.bad);
  return [
    ...health,
    ...fullLines(full, share, columns, style, line),
    ...line("saves", saves),
    ...line("now", now),
  ];
}

function fullLines(
  full: string,
  share: number | null,
  columns: number,
  style: Style,
  line: (label: string, text: string) => string[],
): string[] {
  if (share === null) return line("full", full);
  const text = `${percentText(share).padStart(6)}  ${full}`;
  if (LABEL_WIDTH + BAR_WIDTH + 1 + text.length > columns) return line("full", text.trim());
  const bar = "█".repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "░");
  return [`${style.dim("full".padEnd(LABEL_WIDTH))}${style.bar(bar)} ${text}`];
}

function tableOf(tick: Tick, before: Tick | null, columns: number, style: Style): string[] {
  const seconds = before === null ? 0 : (tick.at - before.at) / 1000;
  const figures = Object.entries(tick.counters).map(([name, value]) => {
    const earlier = before?.counters[name];
    const rate = earlier === undefined || seconds <= 0 ? 0 : (value - earlier) / seconds;
    return [
      printable(nameText(name)),
      valueText(name, value),
      Number.isInteger(value) ? rateText(name, rate) : "",
    ];
  });
  const words = Object.entries(tick.texts).map(([name, text]) => [
    printable(nameText(name)),
    printable(text),
    "",
  ]);
  const room = Math.max(NAME_MIN, columns - NOW_WIDTH - RATE_WIDTH - 4);
  const isWide = columns === Number.POSITIVE_INFINITY;
  const cells = figures.map(([name, now, rate]) => [
    shortText(name, room),
    isWide ? now : now.padStart(NOW_WIDTH),
    isWide ? rate : rate.padStart(RATE_WIDTH),
  ]);
  const [head, ...lines] = tableLines(COLUMNS, cells);
  const said = words.flatMap(([name, text]) => wrapText(`${name}: ${text}`, columns, 2));
  return [style.dim(head), ...lines, ...said];
}

function chartsOf({ histograms }: Tick, columns: number, style: Style): string[] {
  return Object.entries(histograms).flatMap(([name, counts]) => {
    if (!counts.some((count) => count > 0)) return [];
    const [chart] = chartLines(narrowed(counts, columns), 1);
    const text = printable(nameText(name));
    return chart.length + 2 + text.length <= columns
      ? [`${style.bar(chart)}  ${text}`]
      : [shortText(text, columns), style.bar(chart)];
  });
}

/** Neighbours put together until there are so few. */
function narrowed(counts: readonly number[], columns: number): readonly number[] {
  let few = counts;
  while (few.length > columns) {
    few = Array.from({ length: Math.ceil(few.length / 2) }, (_, i) => few[2 * i] + (few[2 * i + 1] ?? 0));
  }
  return few;
}
