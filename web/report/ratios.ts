import { bytesText, countText, ratioText, timeText } from "../../src/base/number-text.ts";
import { pageSizeText } from "../../src/estimate/advice.ts";
import type { CodecEstimate, Estimate, PoolEstimate } from "../../src/estimate/types.ts";
import { seriesName } from "../shared/colors.ts";
import { button, el } from "../shared/dom.ts";

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
  /** What it means, in a tooltip. */
  why: string;
  value: (row: Row) => number | string;
  text: (row: Row) => string;
  /** Whether more is better: the first click then shows the largest first. */
  more: boolean;
}

const COLUMNS: Column[] = [
  {
    title: "Setting",
    why: "codec, driver and page size",
    value: ({ codec, pool }) => `${codec.codec} ${pool.driver} ${String(pool.pageSize).padStart(8, "0")}`,
    text: () => "",
    more: false,
  },
  {
    title: "Unit",
    why: "bytes compressed at a time",
    value: ({ unit }) => unit,
    text: ({ unit }) => bytesText(unit),
    more: false,
  },
  {
    title: "Ratio",
    why: "bytes of the sample by all memory that holds them",
    value: ({ pool }) => pool.ratio ?? Number.MAX_VALUE,
    text: ({ pool }) => ratioText(pool.ratio),
    more: true,
  },
  {
    title: "Memory",
    why: "pages, metadata, and units kept as they are",
    value: ({ pool }) => pool.heldBytes,
    text: ({ pool }) => bytesText(pool.heldBytes),
    more: false,
  },
  {
    title: "A page",
    why: "objects in a page, on average",
    value: ({ pool }) => pool.objectsPerPage,
    text: ({ pool }) => pool.objectsPerPage.toFixed(2),
    more: true,
  },
  {
    title: "Half freed",
    why: "objects in a page after a random half of them was freed",
    value: ({ pool }) => pool.halfFreed?.objectsPerPage ?? 0,
    text: ({ pool }) => pool.halfFreed?.objectsPerPage.toFixed(2) ?? "–",
    more: true,
  },
  {
    title: "Evict",
    why: "objects that reclaim then evicts for each page that it releases",
    value: ({ pool }) => pool.halfFreed?.evictionsPerPage ?? Number.MAX_VALUE,
    text: ({ pool }) => pool.halfFreed?.evictionsPerPage?.toFixed(1) ?? "–",
    more: false,
  },
  {
    title: "As is",
    why: "units kept uncompressed",
    value: ({ codec, pool }) => codec.incompressible + pool.refused,
    text: ({ codec, pool }) => countText(codec.incompressible + pool.refused),
    more: false,
  },
  {
    title: "Store",
    why: "time to make room for an object and copy it in",
    value: ({ pool }) => pool.storeNsPerObject ?? 0,
    text: ({ pool }) => (pool.storeNsPerObject === null ? "–" : timeText(pool.storeNsPerObject)),
    more: false,
  },
  {
    title: "Read back",
    why: "time to decompress 4 KiB",
    value: ({ codec, unit }) => ((codec.decompressNsPerUnit ?? 0) * 4096) / unit,
    text: ({ codec, unit }) =>
      codec.decompressNsPerUnit === null ? "–" : timeText((codec.decompressNsPerUnit * 4096) / unit),
    more: false,
  },
];
const RATIO = 2;

/** All settings as bars, best first; a click on a title sorts by it, the buttons above choose units. */
export function ratioTable(estimate: Estimate): HTMLElement {
  const rows = rowsOf(estimate);
  const most = Math.max(...rows.flatMap(({ pool, codec }) => [pool.ratio ?? 0, codec.codecRatio ?? 0]), 1);
  let sorted = RATIO;
  let down = true;
  let unit: number | null = null;

  const body = el("tbody");
  const heads = COLUMNS.map(({ title, why }, i) => {
    const sort = button(title, () => sortBy(i), { class: "sort", title: why });
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
    el("div", { class: "controls" }, ...(units.length > 2 ? [chooser] : []), label),
    el("table", { class: "ratios" }, el("thead", {}, el("tr", {}, ...heads)), body),
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
    el(
      "span",
      { class: "dim num" },
      `${pageSizeText(pool)}${pool.fitted && pool.pageSizes === null ? " fitted" : ""}`,
    ),
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
