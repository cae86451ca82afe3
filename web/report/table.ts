import { button, type Child, el } from "../shared/dom.ts";

/** A column of a {@link settingsTable}. */
export interface Column<Row> {
  title: string;
  /** What it means, below the table. */
  why: string;
  value: (row: Row) => number | string;
  text: (row: Row) => string;
  /** Whether more is better: the first click then shows the largest first. */
  more: boolean;
}

/** What a {@link settingsTable} shows. */
export interface SettingsTable<Row> {
  /** The first says what a row is of. */
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  /** The column that is a bar too, and sorted by at first. */
  bar: number;
  setting: (row: Row) => Child[];
  /** What the bar shows, and the mark behind it; null: as much as the most. */
  ratios: (row: Row) => [number | null, number | null];
  color: (row: Row) => string;
  isBest: (row: Row) => boolean;
  /** Which rows to show, to choose from; none if there is nothing to choose. */
  choices: readonly { label: string; has: (row: Row) => boolean }[];
  /** Above it. */
  notes: HTMLElement[];
}

/** All settings as bars, best first; a click on a title sorts by it, the buttons above choose rows. */
export function settingsTable<Row>(spec: SettingsTable<Row>): HTMLElement {
  const { columns, rows, choices } = spec;
  const most = Math.max(...rows.flatMap(spec.ratios).map((ratio) => ratio ?? 0), 1);
  let sorted = spec.bar;
  let down = true;
  let chosen = 0;

  const body = el("tbody");
  const heads = columns.map(({ title }, i) => {
    const sort = button(title, () => sortBy(i), { class: "sort" });
    return el("th", { scope: "col", class: i === 0 ? null : "num" }, sort);
  });
  const choice = el("select", { "aria-label": "Sort by" });
  columns.forEach(({ title }, i) => {
    choice.append(el("option", { value: i }, title));
  });
  choice.addEventListener("change", () => sortBy(Number(choice.value)));
  const chips = choices.map(({ label }, i) =>
    button(label, () => {
      chosen = i;
      show();
    }),
  );

  function sortBy(i: number): void {
    down = i === sorted ? !down : columns[i].more;
    sorted = i;
    show();
  }

  function show(): void {
    const { value } = columns[sorted];
    const order = rows.filter((row) => choices.length === 0 || choices[chosen].has(row));
    order.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const by = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return down ? -by : by;
    });
    body.replaceChildren(...order.map((row) => rowElement(row, spec, most)));
    heads.forEach((head, i) => {
      if (i === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    choice.value = String(sorted);
    chips.forEach((chip, i) => {
      chip.setAttribute("aria-pressed", String(i === chosen));
    });
  }

  show();
  const label = el("label", { class: "narrow-only" }, "Sort by ", choice);
  const chooser = el("div", { class: "chips", role: "group", "aria-label": "Rows shown" }, ...chips);
  return el(
    "div",
    { class: "card" },
    ...spec.notes,
    el("div", { class: "controls" }, ...(chips.length > 0 ? [chooser] : []), label),
    el("table", { class: "ratios" }, el("thead", {}, el("tr", {}, ...heads)), body),
    el(
      "dl",
      { class: "columns dim" },
      ...columns.map(({ title, why }) => el("div", {}, el("dt", {}, title), el("dd", {}, why))),
    ),
  );
}

function rowElement<Row>(row: Row, spec: SettingsTable<Row>, most: number): HTMLElement {
  const color = spec.color(row);
  const best = spec.isBest(row);
  const [bars, marks] = spec.ratios(row).map((ratio) => `${((ratio ?? most) / most) * 100}%`);
  const bar = el("span", { class: "bar fade" });
  bar.style.width = bars;
  const mark = el("span", { class: "mark" });
  mark.style.width = marks;
  const track = el(
    "span",
    { class: "track", "aria-hidden": "true", style: `--dot: var(${color})` },
    bar,
    mark,
  );
  const setting = el(
    "th",
    { scope: "row" },
    el("span", { class: "dot", style: `--dot: var(${color})` }),
    ...spec.setting(row),
    best ? el("span", { class: "least" }, "advised") : null,
  );
  const cells = spec.columns.slice(1).map((column, i) => {
    const isBar = i + 1 === spec.bar;
    const text = el("span", { class: "value" }, column.text(row));
    return el(
      "td",
      { class: isBar ? "num ratio" : "num", "data-title": column.title },
      isBar ? el("div", { class: "meter" }, track, text) : text,
    );
  });
  return el("tr", { class: best ? "is-best" : null }, setting, ...cells);
}
