import { flattenStats, nameText, valueText } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import type { SharedMemoryInfo } from "./shared-memory.ts";
import { aboutText } from "./shared-memory-text.ts";
import type { Style } from "./style.ts";
import { chartLines, tableLines } from "./text-table.ts";

/** What `zbud stats` says: whose figures, the figures with their units, and histograms as bars. */
export function statsLines(info: SharedMemoryInfo, stats: object, now: number, style: Style): string[] {
  const { counters, histograms } = flattenStats(stats);
  const figures = Object.entries(counters).map(([name, value]) => [nameText(name), valueText(name, value)]);
  const [, ...lines] = tableLines(
    [
      { title: "", align: "left" },
      { title: "", align: "right" },
    ],
    [...figures, ...textsOf(stats)],
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

/** What is said in words: the state of a cache's dictionary. */
function textsOf(stats: object): string[][] {
  return Object.entries(stats).flatMap(([name, value]) => {
    if (typeof value === "string") return [[nameText(name), printable(value)]];
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
    return textsOf(value).map(([inner, text]) => [`${nameText(name)}: ${inner}`, text]);
  });
}
