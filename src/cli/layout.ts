import { stripVTControlCharacters } from "node:util";
import type { Style } from "./style.ts";
import { type Column, tableLines } from "./text-table.ts";

/** Narrower than this nothing gets, and wider than that nothing need be. */
const WIDTH_MIN = 40;
const WIDTH_MAX = 120;
const INDENT = "  ";
/** A number and its unit stay together. */
const AMOUNT = /(\d) (?=(?:%|B|KiB|MiB|GiB|TiB|ns|µs|ms|s)(?!\w))/g;

/** Columns to fill: a terminal's; without end where there is none, for whoever reads lines. */
export function widthFor(stream: NodeJS.WriteStream): number {
  if (!stream.isTTY) return Number.POSITIVE_INFINITY;
  return Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, stream.columns ?? 80));
}

/** Columns that a text takes on a terminal; marks take none. */
function columnsOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/**
 * Lines of at most `width` columns, broken between words; a word that is longer by itself is broken too.
 *
 * @param rest - what the lines after the first begin with; the first begins as `text` does.
 * @param end - what a line that goes on ends with, such as the backslash of a shell; one within a word ends with it
 *   too, and the word goes on at the next one's begin, since a shell takes what stands before it as part of the word.
 */
export function wrapped(text: string, width: number, rest = "", end = ""): string[] {
  const lines: string[] = [];
  const [indent] = /^ */.exec(text) as RegExpExecArray;
  let line = indent;
  let isEmpty = true;
  for (const word of text.slice(indent.length).replace(AMOUNT, "$1\u00a0").split(" ")) {
    let left = word;
    const needed = columnsOf(line) + (isEmpty ? 0 : 1) + columnsOf(left);
    if (!isEmpty && needed > width - end.length) {
      lines.push(line + end);
      line = rest;
      isEmpty = true;
    }
    while (isEmpty && columnsOf(line) + columnsOf(left) > width && left === stripVTControlCharacters(left)) {
      const mark = end.trimStart();
      const room = width - columnsOf(line) - mark.length;
      lines.push(line + left.slice(0, room) + mark);
      left = left.slice(room);
      line = mark === "" ? rest : "";
    }
    line += isEmpty ? left : ` ${left}`;
    isEmpty = false;
  }
  lines.push(line);
  return lines.map((each) => each.replaceAll("\u00a0", " "));
}

/** Lines broken where they are too long; what is indented goes on further in. */
export function flowing(lines: readonly string[], width: number): string[] {
  return lines.flatMap((line) => wrapped(line, width, line.startsWith(INDENT) ? INDENT.repeat(2) : ""));
}

/** How to draw a table. */
export interface TableLayout {
  width: number;
  style: Style;
  /** How many columns, from the left, say what a row is of. */
  keys: number;
  /** The row that stands out, or -1. */
  marked?: number;
}

/**
 * A table, indented, its titles dim; with narrow gaps where it would not fit, and where that does not do, each row as
 * a few lines of `title value`.
 */
export function tableBlock(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, style, keys, marked = -1 }: TableLayout,
): string[] {
  for (const gap of ["  ", " "]) {
    const lines = tableLines(columns, rows, gap).map((line) => INDENT + line);
    if (lines.some((line) => line.length > width)) continue;
    return lines.map((line, i) => (i === 0 ? style.dim(line) : i - 1 === marked ? style.good(line) : line));
  }
  return rows.flatMap((cells, row) => {
    const named = cells.filter((cell, i) => cell !== "" && (i < keys || columns[i].title === ""));
    const values = columns.flatMap(({ title }, i) =>
      i < keys || title === "" || cells[i] === "" ? [] : [`${title} ${cells[i].trim()}`],
    );
    const head = wrapped(INDENT + named.map((cell) => cell.trim()).join(" "), width, INDENT.repeat(2));
    const mark = row === marked ? style.good : style.title;
    return [
      ...head.map(mark),
      ...wrapped(`${INDENT.repeat(2)}${values.join(", ")}`, width, INDENT.repeat(2)),
    ];
  });
}

/** Columns for a help: the terminal's, and 80 where there is none. */
export function helpWidth(): number {
  const width = widthFor(process.stdout);
  return Number.isFinite(width) ? width : 80;
}

/** A term takes this share of the columns at most, and what it means stands beside it; else below. */
const TERM_SHARE = 0.65;

/** Terms and what they mean, side by side where there is room. */
export function termLines(terms: readonly (readonly [string, string])[], width: number): string[] {
  const longest = Math.max(...terms.map(([term]) => term.length));
  const at = longest + 2 * INDENT.length;
  if (width < 60 || at > width * TERM_SHARE) {
    return terms.flatMap(([term, meaning]) => [
      ...wrapped(INDENT + term, width, INDENT.repeat(3)),
      ...wrapped(INDENT.repeat(2) + meaning, width, INDENT.repeat(2)),
    ]);
  }
  return terms.flatMap(([term, meaning]) =>
    wrapped(" ".repeat(at) + meaning, width, " ".repeat(at)).map((line, i) =>
      i === 0 ? `${INDENT}${term.padEnd(longest)}${line.slice(INDENT.length + longest)}` : line,
    ),
  );
}
