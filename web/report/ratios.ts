import { bytesText, countText, ratioText, timeText } from "../../src/base/number-text.ts";
import type { CodecEstimate, Estimate, PoolEstimate } from "../../src/estimate/types.ts";
import { seriesName } from "../shared/colors.ts";
import { button, el } from "../shared/dom.ts";
import { SAME_BYTES } from "./advice.ts";

/** One setting that was tried. */
interface Row {
  unit: number;
  codec: CodecEstimate;
  pool: PoolEstimate;
  color: string;
  best: boolean;
}

interface Column {
  title: string;
  /** What it means, below the table. */
  why: string;
  value: (row: Row) => number | string;
  text: (row: Row) => string;
  /** Whether more is better: the first click then shows the largest first. */
  more: boolean;
}

const SAME = bytesText(SAME_BYTES);

const COLUMNS: Column[] = [
  {
    title: "Setting",
    why: "codec, allocator, and the size of its pages",
    value: ({ codec, pool }) => `${codec.codec} ${pool.driver} ${String(pool.pageSize).padStart(8, "0")}`,
    text: () => "",
    more: false,
  },
  {
    title: "Unit",
    why: "bytes that are compressed as one block",
    value: ({ unit }) => unit,
    text: ({ unit }) => bytesText(unit),
    more: false,
  },
  {
    title: "Ratio",
    why: "bytes of the sample by all memory that holds them, in a pool just filled",
    value: ({ pool }) => pool.ratio ?? Number.MAX_VALUE,
    text: ({ pool }) => ratioText(pool.ratio),
    more: true,
  },
  {
    title: "Memory",
    why: "what holds the sample: pages, metadata, and units kept as they are",
    value: ({ pool }) => pool.heldBytes,
    text: ({ pool }) => bytesText(pool.heldBytes),
    more: false,
  },
  {
    title: "Objects a page",
    why: "how many lie in a page, on average",
    value: ({ pool }) => pool.objectsPerPage,
    text: ({ pool }) => pool.objectsPerPage.toFixed(2),
    more: true,
  },
  {
    title: "Half freed",
    why: "objects a page, after a random half of them was freed",
    value: ({ pool }) => pool.halfFreed?.objectsPerPage ?? 0,
    text: ({ pool }) => pool.halfFreed?.objectsPerPage.toFixed(2) ?? "–",
    more: true,
  },
  {
    title: "Evicted a page",
    why: "objects that reclaim then evicts for each page that it releases",
    value: ({ pool }) => pool.halfFreed?.evictionsPerPage ?? Number.MAX_VALUE,
    text: ({ pool }) => pool.halfFreed?.evictionsPerPage?.toFixed(1) ?? "–",
    more: false,
  },
  {
    title: "Units as is",
    why: "units that are kept uncompressed",
    value: ({ codec, pool }) => codec.incompressible + pool.refused,
    text: ({ codec, pool }) => countText(codec.incompressible + pool.refused),
    more: false,
  },
  {
    title: "Compress",
    why: `time for ${SAME}`,
    value: ({ codec, unit }) => sameTime(codec.compressNsPerUnit, unit) ?? 0,
    text: ({ codec, unit }) => sameTimeText(codec.compressNsPerUnit, unit),
    more: false,
  },
  {
    title: "Store",
    why: `time to make room for what ${SAME} became, and to copy it in`,
    value: ({ pool, unit }) => sameTime(pool.storeNsPerObject, unit) ?? 0,
    text: ({ pool, unit }) => sameTimeText(pool.storeNsPerObject, unit),
    more: false,
  },
  {
    title: "Read back",
    why: `time to decompress ${SAME}`,
    value: ({ codec, unit }) => sameTime(codec.decompressNsPerUnit, unit) ?? 0,
    text: ({ codec, unit }) => sameTimeText(codec.decompressNsPerUnit, unit),
    more: false,
  },
];

/** A time for one unit, as it would be for as much data as all others. */
function sameTime(ns: number | null, unit: number): number | null {
  return ns === null ? null : (ns * SAME_BYTES) / unit;
}

function sameTimeText(ns: number | null, unit: number): string {
  const time = sameTime(ns, unit);
  return time === null ? "–" : timeText(time);
}

/** `pages of 16 KiB`, `pages of 2,752 B`, `4 page sizes, 1,216 to 11,776 B`. */
function pagesText({ pageSize, pageSizes, fitted }: PoolEstimate): string {
  const size = pageSize % 1024 === 0 ? bytesText(pageSize) : `${countText(pageSize)} B`;
  if (pageSizes === null) return `pages of ${size}${fitted ? ", fitted" : ""}`;
  const least = Math.min(...pageSizes.map((step) => step.pageSize));
  return `${pageSizes.length} page sizes, ${countText(least)} to ${countText(pageSize)} B`;
}

const RATIO = 2;

/** All settings as bars, best first; a click on a title sorts by it, the buttons above choose units. */
export function ratioTable(estimate: Estimate): HTMLElement {
  const rows = rowsOf(estimate);
  const most = Math.max(...rows.flatMap(({ pool, codec }) => [pool.ratio ?? 0, codec.codecRatio ?? 0]), 1);
  let sorted = RATIO;
  let down = true;
  let unit: number | null = null;

  const body = el("tbody");
  const heads = COLUMNS.map(({ title }, i) => {
    const sort = button(title, () => sortBy(i), { class: "sort" });
    return el("th", { scope: "col", class: i === 0 ? null : "num" }, sort);
  });
  const choice = el("select", { "aria-label": "Sort by" });
  COLUMNS.forEach(({ title }, i) => {
    choice.append(el("option", { value: i }, title));
  });
  choice.addEventListener("change", () => sortBy(Number(choice.value)));
  const units = [null, ...estimate.units.map((each) => each.unit)];
  const chips = units.map((each) =>
    button(each === null ? "All units" : bytesText(each), () => {
      unit = each;
      show();
    }),
  );

  function sortBy(i: number): void {
    down = i === sorted ? !down : COLUMNS[i].more;
    sorted = i;
    show();
  }

  function show(): void {
    const { value } = COLUMNS[sorted];
    const order = rows.filter((row) => unit === null || row.unit === unit);
    order.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const by = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return down ? -by : by;
    });
    body.replaceChildren(...order.map((row) => rowElement(row, most)));
    heads.forEach((head, i) => {
      if (i === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    choice.value = String(sorted);
    chips.forEach((chip, i) => {
      chip.setAttribute("aria-pressed", String(units[i] === unit));
    });
  }

  show();
  const label = el("label", { class: "narrow-only" }, "Sort by ", choice);
  const chooser = el("div", { class: "chips", role: "group", "aria-label": "Units shown" }, ...chips);
  return el(
    "div",
    { class: "card" },
    ...adviceNote(rows),
    el("div", { class: "controls" }, ...(units.length > 2 ? [chooser] : []), label),
    el("table", { class: "ratios" }, el("thead", {}, el("tr", {}, ...heads)), body),
    el(
      "dl",
      { class: "columns dim" },
      ...COLUMNS.map(({ title, why }) => el("div", {}, el("dt", {}, title), el("dd", {}, why))),
    ),
  );
}

function rowsOf({ units, advice: { best, worthwhile, onlySameFilled } }: Estimate): Row[] {
  const isAdvised = worthwhile && !onlySameFilled;
  return units.flatMap(({ unit, codecs }) =>
    codecs.flatMap((codec, i) =>
      codec.pools.map((pool) => ({
        unit,
        codec,
        pool,
        color: seriesName(i),
        best:
          isAdvised &&
          unit === best.unit &&
          codec.codec === best.codec &&
          pool.driver === best.driver &&
          pool.pageSize === best.pageSize &&
          pool.pageSizes?.length === best.pageSizes?.length,
      })),
    ),
  );
}

function rowElement(row: Row, most: number): HTMLElement {
  const { codec, pool, best, color } = row;
  const width = (ratio: number | null): string => `${((ratio ?? most) / most) * 100}%`;
  const bar = el("span", { class: "bar fade" });
  bar.style.width = width(pool.ratio);
  const mark = el("span", { class: "mark" });
  mark.style.width = width(codec.codecRatio);
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
    el("b", {}, codec.codec),
    ` ${pool.driver} `,
    el("span", { class: "dim num" }, pagesText(pool)),
    best ? el("span", { class: "least" }, "advised") : null,
  );
  const cells = COLUMNS.slice(1).map((column, i) => {
    const isRatio = i + 1 === RATIO;
    const text = el("span", { class: "value" }, column.text(row));
    return el(
      "td",
      { class: isRatio ? "num ratio" : "num", "data-title": column.title },
      isRatio ? el("div", { class: "meter" }, track, text) : text,
    );
  });
  return el("tr", { class: best ? "is-best" : null }, setting, ...cells);
}

/** Why the advised row is not the first, where it is not. */
function adviceNote(rows: readonly Row[]): HTMLElement[] {
  const advised = rows.find(({ best }) => best);
  const better = rows.filter(({ pool }) => (pool.ratio ?? 0) > (advised?.pool.ratio ?? 0)).length;
  if (advised === undefined || advised.pool.ratio === null || better === 0) return [];
  const count = better === 1 ? "One setting has" : `${countText(better)} settings have`;
  return [
    el(
      "p",
      { class: "note" },
      `${count} a higher ratio than the advised one. The ratio is that of a pool just filled; the advice weighs what a pool holds that has lived, then the time, and what reclaim has to evict.`,
    ),
  ];
}
