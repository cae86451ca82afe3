import { bytesText, countText, ratioText, timeText } from "../../src/base/number-text.ts";
import type { CodecEstimate, Estimate, PoolEstimate } from "../../src/estimate/types.ts";
import { seriesName } from "../shared/colors.ts";
import { el } from "../shared/dom.ts";
import { SAME_BYTES } from "./advice.ts";
import { type Column, settingsTable } from "./table.ts";

/** One setting that was tried. */
interface Row {
  unit: number;
  codec: CodecEstimate;
  pool: PoolEstimate;
  color: string;
  best: boolean;
}

const SAME = bytesText(SAME_BYTES);

const COLUMNS: Column<Row>[] = [
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

/** All settings, compared. */
export function ratioTable(estimate: Estimate): HTMLElement {
  const rows = rowsOf(estimate);
  const sizes = estimate.units.map(({ unit }) => unit);
  const ofUnits = sizes.map((unit) => ({ label: bytesText(unit), has: (row: Row) => row.unit === unit }));
  return settingsTable({
    columns: COLUMNS,
    rows,
    bar: RATIO,
    setting: ({ codec, pool }) => [
      el("b", {}, codec.codec),
      ` ${pool.driver} `,
      el("span", { class: "dim num" }, pagesText(pool)),
    ],
    ratios: ({ pool, codec }) => [pool.ratio, codec.codecRatio],
    color: ({ color }) => color,
    isBest: ({ best }) => best,
    choices: sizes.length < 2 ? [] : [{ label: "All units", has: () => true }, ...ofUnits],
    notes: adviceNote(rows),
  });
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
