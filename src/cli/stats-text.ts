import { flattenStats, nameText, valueText } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import type { SharedMemoryInfo } from "./shared-memory.ts";
import { aboutText } from "./shared-memory-text.ts";
import type { Style } from "./style.ts";
import { chartLines, tableLines } from "./text-table.ts";

/** What `zbud stats` says: whose figures, the figures with their units, and histograms as bars. */
export function statsLines(info: SharedMemoryInfo, stats: object, now: number, style: Style): string[] {
  const { counters, histograms, texts } = flattenStats(stats);
  const words = Object.entries(texts).map(([name, text]) => [nameText(name), printable(text)]);
  const figures = Object.entries(counters).map(([name, value]) => [nameText(name), valueText(name, value)]);
  const [, ...lines] = tableLines(
    [
      { title: "", align: "left" },
      { title: "", align: "right" },
    ],
    [...figures, ...words],
  );
  const bars = Object.entries(histograms).flatMap(([name, counts]) => {
    return counts.some((count) => count > 0)
      ? [`${style.bar(chartLines(counts, 1)[0])}  ${nameText(name)}`]
      : [];
  });
  return [
    `${style.title(printable(info.name))}  ${style.dim(printable(info.path))}`,
    aboutText(info, now),
    "",
    ...lines,
    ...(bars.length === 0 ? [] : ["", ...bars]),
  ];
}
