import { bytesText, countOf, countText, percentText } from "../base/index.ts";
import { type Frame, frameObjects } from "../viewer/index.ts";
import { printable } from "./printable.ts";
import { type ScrollText, wrapText } from "./scroll-screen.ts";
import type { Style } from "./style.ts";

const FREE = "·";
/** Neighbours have different ones, so that it is seen where one object ends. */
const SHADES = ["█", "▓"];
const BAR_MAX = 64;
const BAR_MIN = 16;
const NEXT = 8;

/** A snapshot as lines of text: the pool stays; its pages as bars, its lists, and what is reclaimed next are below. */
export function mapText(frame: Frame, pagesMax: number, columns: number, style: Style): ScrollText {
  const count = frame.pages.length;
  const used = frame.sizes.reduce((sum, size) => sum + size, 0);
  const bytes = frame.bytes.reduce((sum, size) => sum + size, 0);
  const pages = countOf(count, "page", "pages");
  const most = frame.maxPages > 0 ? ` of at most ${countText(frame.maxPages)}` : "";
  const title = `${printable(frame.type)}: ${pages}${most}, ${countOf(frame.handles.length, "object", "objects")}`;
  const share =
    count === 0
      ? []
      : wrapText(`${bytesText(used)} in ${bytesText(bytes)} (${percentText(used / bytes)} full)`, columns);
  return {
    head: [...wrapText(title, columns).map((line) => style.title(line)), ...share, ""],
    body: [
      ...pageLines(frame, pagesMax, columns, style),
      ...listLines(frame, columns, style),
      ...lruLine(frame, columns, style),
    ],
  };
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
    lines.push(style.dim(`and ${countOf(frame.pages.length - shown, "page", "pages")} more: --pages`));
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

function listLines(frame: Frame, columns: number, style: Style): string[] {
  const named = frame.lists.map((name, i) => {
    const count = frame.listStarts[i + 1] - frame.listStarts[i];
    // Not broken between the two.
    return `${printable(name)}: ${countText(count)}`.replaceAll(" ", "\u00a0");
  });
  if (named.length === 0) return [];
  const text = wrapText(named.join(", "), columns, 0).map((line) => line.replaceAll("\u00a0", " "));
  return ["", style.dim("pages on lists"), ...text];
}

function lruLine({ lru }: Frame, columns: number, style: Style): string[] {
  if (lru.length === 0) return [];
  const next = [...lru.subarray(Math.max(0, lru.length - NEXT))].reverse();
  return ["", style.dim("reclaimed next"), ...wrapText(`page ${next.join(", ")}`, columns)];
}
