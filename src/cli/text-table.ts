/** A column's title, and on which side its cells line up. */
export interface Column {
  title: string;
  align: "left" | "right";
}

/**
 * Lines of a table, its title first, each column as wide as its widest cell. Nothing is marked up yet, so
 * that a line can be as a whole.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  gap = "  ",
): string[] {
  const lines = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  return lines.map((cells) =>
    cells
      .map((cell, i) => (columns[i].align === "left" ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join(gap)
      .trimEnd(),
  );
}

const BLOCKS = " ▁▂▃▄▅▆▇█";

/**
 * Lines of a bar chart, `height` rows of block characters, one column a value; the largest value fills its
 * column, and any value above 0 can be seen.
 */
export function chartLines(values: readonly number[], height: number): string[] {
  const most = Math.max(...values, 1);
  const eighths = values.map((value) =>
    value === 0 ? 0 : Math.max(1, Math.round((value / most) * height * 8)),
  );
  return Array.from({ length: height }, (_, row) => {
    const floor = (height - 1 - row) * 8;
    return eighths.map((level) => BLOCKS[Math.min(8, Math.max(0, level - floor))]).join("");
  });
}
