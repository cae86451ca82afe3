import { bytesText, countText, percentText } from "../base/index.ts";
import { type Frame, frameObjects } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import type { Style } from "./style.ts";

const FREE = "·";
/** Neighbours have different ones, so that it is seen where one object ends. */
const SHADES = ["█", "▓"];
const BAR_MAX = 64;
const BAR_MIN = 16;
const NEXT = 8;

/** A snapshot as lines of text: the pool, its pages as bars, its lists, and what is reclaimed next. */
export function mapLines(frame: Frame, pagesMax: number, columns: number, style: Style): string[] {
  const count = frame.pages.length;
  const used = frame.sizes.reduce((sum, size) => sum + size, 0);
  const bytes = frame.bytes.reduce((sum, size) => sum + size, 0);
  const head = `${printable(frame.type)}: ${countText(count)} pages, ${countText(frame.handles.length)} objects`;
  const share =
    count === 0 ? "" : `, ${bytesText(used)} in ${bytesText(bytes)} (${percentText(used / bytes)})`;
  return [
    `${style.title(head)}${share}`,
    "",
    ...pageLines(frame, pagesMax, columns, style),
    ...listLines(frame, style),
    ...lruLine(frame, style),
  ];
}

function pageLines(frame: Frame, pagesMax: number, columns: number, style: Style): string[] {
  const shown = Math.min(frame.pages.length, pagesMax);
  const rows = Array.from(frame.pages.keys()).sort((a, b) => frame.pages[a] - frame.pages[b]);
  const label = String(frame.pages[rows[shown - 1]] ?? 0).length;
  const width = Math.max(BAR_MIN, Math.min(BAR_MAX, columns - label - 24));
  const ranks = new Map<number, number>();
  frame.lru.forEach((page, i) => {
    ranks.set(page, i);
  });
  const lines = rows.slice(0, shown).map((row) => {
    const page = frame.pages[row];
    const rank = ranks.get(page);
    const age =
      frame.underReclaim[row] === 1
        ? "under reclaim"
        : rank === undefined
          ? ""
          : `LRU ${countText(rank + 1)}`;
    return `${String(page).padStart(label)} ${style.bar(barText(frame, row, width))} ${style.dim(age)}`.trimEnd();
  });
  if (shown < frame.pages.length)
    lines.push(style.dim(`and ${countText(frame.pages.length - shown)} more: --pages`));
  return lines;
}

/** Every object is seen, however small. */
function barText(frame: Frame, row: number, width: number): string {
  const cells = new Array<string>(width).fill(FREE);
  const scale = width / frame.bytes[row];
  for (const [place, i] of frameObjects(frame, row).entries()) {
    const first = Math.min(width - 1, Math.floor(frame.offsets[i] * scale));
    const end = Math.min(width, Math.max(first + 1, Math.round((frame.offsets[i] + frame.sizes[i]) * scale)));
    cells.fill(SHADES[place % SHADES.length], first, end);
  }
  return cells.join("");
}

function listLines(frame: Frame, style: Style): string[] {
  const named = frame.lists.map((name, i) => {
    const count = frame.listStarts[i + 1] - frame.listStarts[i];
    return `${printable(name)}: ${countText(count)}`;
  });
  return named.length === 0 ? [] : ["", `${style.dim("pages on lists")}  ${named.join("  ")}`];
}

function lruLine({ lru }: Frame, style: Style): string[] {
  if (lru.length === 0) return [];
  const next = [...lru.subarray(Math.max(0, lru.length - NEXT))].reverse();
  return ["", `${style.dim("reclaimed next")}  ${next.join(", ")}`];
}
