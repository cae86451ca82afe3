import {
  bytesText,
  type CodecEstimate,
  cacheCallText,
  callText,
  countText,
  type Estimate,
  type PoolEstimate,
  pageSizeText,
  percentText,
  ratioText,
  type Setting,
  type StoreSetting,
  type StoreTry,
  storeCallText,
  timeText,
  type UnitEstimate,
} from "../estimate/index.ts";
import { flowing, tableBlock } from "./layout.ts";
import { printable } from "./printable.ts";
import { PLAIN, type Style } from "./style.ts";
import { type Column, chartLines } from "./text-table.ts";

const CODEC_COLUMNS: Column[] = [
  { title: "codec", align: "left" },
  { title: "at best", align: "right" },
  { title: "p10", align: "right" },
  { title: "median", align: "right" },
  { title: "p90", align: "right" },
  { title: "not smaller", align: "right" },
  { title: "compress", align: "right" },
  { title: "decompress", align: "right" },
];

const POOL_COLUMNS: Column[] = [
  { title: "codec", align: "left" },
  { title: "driver", align: "left" },
  { title: "page size", align: "left" },
  { title: "objects", align: "right" },
  { title: "a page", align: "right" },
  { title: "half", align: "right" },
  { title: "evict", align: "right" },
  { title: "as is", align: "right" },
  { title: "memory", align: "right" },
  { title: "ratio", align: "right" },
  { title: "", align: "left" },
];

const ANSWER_COLUMNS: Column[] = [
  { title: "codec", align: "left" },
  { title: "at a time", align: "right" },
  { title: "times smaller", align: "right" },
  { title: "compress 4 KiB", align: "right" },
  { title: "read back 4 KiB", align: "right" },
  { title: "", align: "left" },
];

const STORE_COLUMNS: Column[] = [
  { title: "a page store with", align: "left" },
  { title: "memory", align: "right" },
  { title: "ratio", align: "right" },
  { title: "", align: "left" },
];

/** Where an estimate is drawn. */
export interface Paper {
  style: Style;
  /** Columns; infinity: lines may have any length. */
  width: number;
}

/** For times of the same amount of data side by side. */
const TIMED_BYTES = 4096;

/**
 * Draws an estimate for a terminal: in the first lines what would be kept in how much, with which settings, and what
 * it costs; then how to write it, and the codecs side by side.
 *
 * @param details - whether every allocator and page size follow.
 */
export function estimateReport(
  estimate: Estimate,
  { style, width }: Paper = { style: PLAIN, width: Number.POSITIVE_INFINITY },
  details = false,
): string {
  const { advice, input, units } = estimate;
  const paper: Paper = { style, width };
  const lines = [...answerLines(estimate, style), ""];
  const hasCalls = advice.worthwhile && !advice.onlySameFilled;
  if (advice.worthwhile) lines.push(...codeLines(estimate, style), "");
  const text = [...flowing([printable(input.label)], width).map(style.title), ...flowing(lines, width)];
  if (!advice.onlySameFilled) {
    const rows = units.flatMap((unit) => answerRows(unit, hasCalls ? advice.best : null));
    const marked = rows.findIndex((row) => row.at(-1) !== "");
    text.push(
      ...flowing([codecsTitle(hasCalls ? advice.best : null)], width),
      ...tableBlock(ANSWER_COLUMNS, rows, { width, style, keys: 2, marked }),
      "",
    );
  }
  text.push(...flowing(inputLines(estimate).map(printable), width).map(style.dim));
  if (details) text.push(...detailLines(estimate, paper));
  else text.push(...flowing(["Every allocator and page size: --details"], width).map(style.dim));
  return `${text.join("\n")}\n`;
}

function answerLines({ units, advice }: Estimate, style: Style): string[] {
  const { best, quicker, smaller, worthwhile, onlySameFilled, text } = advice;
  if (onlySameFilled) return [`  ${style.good("Yes:")} ${text}`];
  if (!worthwhile) return [`  ${style.title("No:")} ${text}`];
  const { inputBytes, heldBytes, savedBytes, savedShare, ratio } = best;
  const times = ratio === null ? "" : `${ratioText(ratio).replace("x", "")} times smaller, `;
  const saves = `saves ${bytesText(savedBytes)} (${percentText(savedShare)})`;
  const lines = [
    `  ${style.good(`${bytesText(inputBytes)} would be kept in ${bytesText(heldBytes)}`)}: ${times}${saves}`,
    `  with ${best.codec}, ${bytesText(best.unit)} at a time: ${costText(codecOf(units, best))}`,
  ];
  const other = (setting: Setting, why: string): string => {
    const kept = bytesText(setting.heldBytes);
    const cost = costText(codecOf(units, setting));
    return `  ${why} with ${setting.codec}, ${bytesText(setting.unit)} at a time, in ${kept}: ${cost}`;
  };
  if (quicker !== null) lines.push(other(quicker, "quicker"));
  if (smaller !== null) lines.push(other(smaller, "smaller (--for size)"));
  return lines;
}

function codecOf(units: readonly UnitEstimate[], setting: Setting): CodecEstimate | undefined {
  return units.find(({ unit }) => unit === setting.unit)?.codecs.find(({ codec }) => codec === setting.codec);
}

/** Times of a unit, as far as they are known. */
function costText(codec: CodecEstimate | undefined): string {
  const { compressNsPerUnit, decompressNsPerUnit } = codec ?? {};
  if (compressNsPerUnit == null || decompressNsPerUnit == null) return "too little of it to time";
  return `each ${timeText(compressNsPerUnit)} to compress, ${timeText(decompressNsPerUnit)} to read back`;
}

/** The calls that keep the data so. */
function codeLines({ advice }: Estimate, style: Style): string[] {
  const { best, store, onlySameFilled } = advice;
  const calls =
    store === null
      ? []
      : [
          ["a cache", cacheCallText(store)],
          ["a page store", storeCallText(store)],
        ];
  const pool = onlySameFilled ? [] : [["a pool", callText(best)]];
  return [...calls, ...pool].map(([what, call]) => `  ${style.dim(`${what}:`)} ${call}`);
}

function codecsTitle(advised: Setting | null): string {
  const allocator = advised === null ? "that keeps the data smallest" : `of the advice (${advised.driver})`;
  return `Codecs, each with the allocator ${allocator}:`;
}

/** One row a codec: with the allocator of the advice, so that it can be compared, else with the one of least memory. */
function answerRows({ unit, codecs }: UnitEstimate, advised: Setting | null): string[][] {
  return codecs.map((codec) => {
    const isAdvised = advised?.codec === codec.codec && advised.unit === unit;
    const pools = codec.pools.filter(({ driver }) => advised === null || driver === advised.driver);
    const least = Math.min(...pools.map(({ heldBytes }) => heldBytes));
    const found = isAdvised ? advised : pools.find(({ heldBytes }) => heldBytes === least);
    const ratio = found?.ratio ?? null;
    const timed = (ns: number | null): string => (ns === null ? "-" : timeText((ns * TIMED_BYTES) / unit));
    return [
      codec.codec,
      bytesText(unit),
      ratio === null ? "-" : ratioText(ratio).replace("x", ""),
      timed(codec.compressNsPerUnit),
      timed(codec.decompressNsPerUnit),
      isAdvised ? "◀" : "",
    ];
  });
}

/** All figures, for those who choose an allocator. */
function detailLines({ units, advice }: Estimate, paper: Paper): string[] {
  const { style, width } = paper;
  const lines: string[] = [];
  const advised = advice.worthwhile && !advice.onlySameFilled ? advice.best : null;
  for (const unit of units) lines.push("", ...unitLines(unit, advised, paper));
  lines.push("");
  if (advice.store !== null) lines.push(...storeLines(advice.store, paper), "");
  const notes: string[] = [];
  if (units.some(({ codecs }) => codecs.some(({ codec }) => codec === "zstd"))) {
    notes.push("zstd is at level 1. What at best, p10, half and the rest mean: zbud estimate --help", "");
  }
  if (advice.reason !== null) notes.push(`Why ◀: ${advice.reason}`);
  lines.push(...flowing(notes, width).map((line) => (line === "" ? line : style.dim(line))));
  const last: string[] = [];
  if (advice.quickerText !== null) last.push(`${style.title("Quicker:")} ${advice.quickerText}`);
  if (advice.smallerText !== null) last.push(`${style.title("Smaller:")} ${advice.smallerText}`);
  if (advice.store !== null) {
    last.push(`${style.title("Store:")} ${storeCallText(advice.store)}`);
    last.push(`${style.title("Cache:")} ${cacheCallText(advice.store)}, the same for what is found by key`);
  }
  const title = advice.worthwhile ? style.good("Advice:") : style.title("Advice:");
  last.push(`${title} ${advice.text}`);
  return [...lines, ...flowing(last, width)];
}

/** The page stores that were tried: as they are by themselves, and with the best that was chosen by hand. */
function storeLines(store: StoreSetting, { style, width }: Paper): string[] {
  const { defaults, byHand, untouched, triedBytes, difference } = store;
  const row = (name: string, { heldBytes, ratio }: StoreTry, isAdvised: boolean): string[] => [
    name,
    bytesText(heldBytes),
    ratioText(ratio),
    isAdvised ? "◀" : "",
  ];
  const rows = [row("untouched defaults (log)", defaults, untouched)];
  if (byHand !== null) {
    rows.push(row(`by hand: ${byHand.driver}, pages of ${byHand.poolPageSize}`, byHand, !untouched));
  }
  const head = `Page stores, filled with ${bytesText(triedBytes)} and read back, index and all (${store.codec}, pages of ${bytesText(store.pageSize)}):`;
  return [
    ...flowing([head], width),
    ...tableBlock(STORE_COLUMNS, rows, { width, style, keys: 1, marked: untouched ? 0 : 1 }),
    ...flowing([`  ${difference}`], width).map(style.dim),
  ];
}

/** Files of fewer bytes, on average, are likely values of a cache, which would keep them in less than is said. */
const SMALL_BYTES = 1024;
const SMALL_FILES =
  "These are small files, each compressed by itself. A cache learns what they share: put them into one file, and estimate that.";

/** What was read, in sentences. */
export function inputLines({ input, sample }: Pick<Estimate, "input" | "sample">): string[] {
  const parts = [
    input.group === null
      ? ""
      : `${countText(input.group.processes)} ${input.group.processes === 1 ? "process" : "processes"}, anonymous memory in RAM`,
    input.process === null
      ? ""
      : `process ${input.process.pid} (${input.process.name}), anonymous memory in RAM` +
        (input.files === 0 ? "" : ` ${bytesText(input.process.residentBytes)}`),
    input.files === 0
      ? ""
      : `${countText(input.files)} ${input.files === 1 ? "file" : "files"}` +
        (input.process === null ? "" : ` ${bytesText(input.bytes - input.process.residentBytes)}`),
    input.folders === 0 ? "" : `${countText(input.folders)} ${input.folders === 1 ? "folder" : "folders"}`,
    input.files > 0 && input.process !== null ? `together ${bytesText(input.bytes)}` : bytesText(input.bytes),
  ];
  const whole = sample.bytes === input.bytes;
  // Where the rest was lost and not left out by choice, nothing was chosen evenly.
  const chosen = sample.limitBytes !== null && sample.limitBytes < input.bytes && !input.incomplete;
  const some = `read ${bytesText(sample.bytes)} (${percentText(sample.share)})`;
  const read = whole ? "all of it read" : chosen ? `${some}, evenly, seed ${sample.seed}` : some;
  const what = parts.filter((part) => part !== "").join(", ");
  const head = input.files > 0 && input.process !== null ? [what, read] : [`${what}; ${read}`];
  return [...head, ...input.notes, ...(input.bytes < input.files * SMALL_BYTES ? [SMALL_FILES] : [])];
}

function unitLines(unit: UnitEstimate, advised: Setting | null, { style, width }: Paper): string[] {
  const share = (count: number): string => `${countText(count)} (${percentText(count / unit.units)})`;
  const facts = [
    `${countText(unit.units)} read`,
    `${share(unit.sameFilled)} one word repeated`,
    `${share(unit.duplicates)} duplicates`,
  ];
  const inputBytes = unit.units * unit.unit - unit.paddingBytes;
  if (unit.paddingBytes > inputBytes / 100)
    facts.push(`padded with ${bytesText(unit.paddingBytes)} of zeros`);
  const head = `${style.title(`Units of ${bytesText(unit.unit)}`)}: ${facts.join(", ")}`;
  const lines = [...flowing([head], width), ""];
  const compressible = unit.codecs.filter((codec) => codec.compressible > 0);
  const drawn = compressible.map(({ codec, histogram }) => ({ name: codec, histogram }));
  lines.push(...histogramLines(drawn, unit.unit, style, width));
  lines.push(...tableBlock(CODEC_COLUMNS, unit.codecs.map(codecCells), { width, style, keys: 1 }), "");
  const pools = unit.codecs.flatMap((codec) => codec.pools.map((pool) => ({ codec, pool })));
  const marked = pools.findIndex(
    ({ codec, pool }) =>
      advised !== null &&
      unit.unit === advised.unit &&
      codec.codec === advised.codec &&
      pool.driver === advised.driver &&
      pool.pageSize === advised.pageSize &&
      pool.pageSizes?.length === advised.pageSizes?.length,
  );
  const rows = pools.map((row, i) => poolCells(row.codec, row.pool, i === marked));
  return [...lines, ...tableBlock(POOL_COLUMNS, rows, { width, style, keys: 3, marked })];
}

function codecCells(codec: CodecEstimate): string[] {
  const units = codec.compressible + codec.incompressible;
  const size = (of: "p10" | "p50" | "p90"): string =>
    codec.sizes === null ? "-" : countText(codec.sizes[of]);
  return [
    codec.codec,
    ratioText(codec.codecRatio),
    size("p10"),
    size("p50"),
    size("p90"),
    units === 0 ? "-" : percentText(codec.incompressible / units),
    codec.compressNsPerUnit === null ? "-" : timeText(codec.compressNsPerUnit),
    codec.decompressNsPerUnit === null ? "-" : timeText(codec.decompressNsPerUnit),
  ];
}

function poolCells(codec: CodecEstimate, pool: PoolEstimate, best: boolean): string[] {
  return [
    codec.codec,
    pool.driver,
    `${pageSizeText(pool)}${pool.fitted && pool.pageSizes === null ? " (fitted)" : ""}`,
    countText(pool.objects),
    pool.objectsPerPage.toFixed(2),
    pool.halfFreed === null ? "-" : pool.halfFreed.objectsPerPage.toFixed(2),
    pool.halfFreed?.evictionsPerPage == null ? "-" : pool.halfFreed.evictionsPerPage.toFixed(1),
    countText(pool.refused + codec.incompressible),
    bytesText(pool.heldBytes),
    ratioText(pool.ratio),
    best ? "◀" : "",
  ];
}

const CHART_HEIGHT = 2;

/** Columns of a chart that is worth it. */
const CHART_STEPS_MIN = 16;

/**
 * One chart for each codec over one axis: how many units compress to which size. Its name stands beside it, or above
 * where there is no room.
 */
export function histogramLines(
  codecs: readonly { name: string; histogram: readonly number[] }[],
  unit: number,
  style: Style,
  width: number,
): string[] {
  if (codecs.length === 0) return [];
  const axisEnd = bytesText(unit).length + 1;
  const longest = Math.max(...codecs.map(({ name }) => name.length)) + 2;
  const isBeside = 2 + longest + CHART_STEPS_MIN + axisEnd <= width;
  const left = isBeside ? longest : 0;
  const all = codecs[0].histogram.length;
  let steps = all;
  while (steps > CHART_STEPS_MIN && 2 + left + steps + axisEnd > width) steps /= 2;
  const charts = codecs.flatMap(({ name, histogram }) => {
    const lines = chartLines(summed(histogram, all / steps), CHART_HEIGHT).map((line, row) => {
      const said = isBeside && row === CHART_HEIGHT - 1 ? name : "";
      return `  ${said.padEnd(left)}${style.bar(line.trimEnd())}`.trimEnd();
    });
    return isBeside ? lines : [`  ${name}`, ...lines];
  });
  const marks = (steps < 32 ? [0, 2] : [0, 1, 2, 3]).map((quarter, _i, quarters) => {
    const text = quarter === 0 ? "0" : bytesText((unit * quarter) / 4);
    return `╵${text}`.padEnd(steps / quarters.length);
  });
  const axis = `${" ".repeat(left + 2)}${marks.join("")}╵${bytesText(unit)}`;
  return [style.dim("  compressed sizes"), ...charts, style.dim(axis), ""];
}

/** Each so many neighbours as one. */
function summed(values: readonly number[], count: number): number[] {
  return Array.from({ length: values.length / count }, (_, i) =>
    values.slice(i * count, (i + 1) * count).reduce((sum, value) => sum + value, 0),
  );
}
