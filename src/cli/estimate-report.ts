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
  storeCallText,
  timeText,
  type UnitEstimate,
} from "../estimate/index.ts";
import { printable } from "./printable.ts";
import { PLAIN, type Style } from "./style.ts";
import { type Column, chartLines, tableLines } from "./text-table.ts";

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
];

/** For times of the same amount of data side by side. */
const TIMED_BYTES = 4096;

/**
 * Draws an estimate for a terminal: in the first three lines what would be kept in how much, with which settings,
 * and what it costs; then how to write it, and the codecs side by side.
 *
 * @param details - whether every allocator and page size follow.
 */
export function estimateReport(estimate: Estimate, style: Style = PLAIN, details = false): string {
  const { advice, input } = estimate;
  const lines = [style.title(printable(input.label)), ...answerLines(estimate, style), ""];
  if (advice.worthwhile) lines.push(...codeLines(estimate, style), "");
  lines.push("Codecs, each with the allocator that keeps the data smallest:");
  lines.push(...titled(tableLines(ANSWER_COLUMNS, estimate.units.flatMap(answerRows)), style), "");
  lines.push(...inputLines(estimate).map((line) => style.dim(printable(line))));
  if (details) lines.push(...detailLines(estimate, style));
  else lines.push(style.dim("Every allocator and page size: --details"));
  return `${lines.join("\n")}\n`;
}

function answerLines({ units, advice }: Estimate, style: Style): string[] {
  const { best, quicker, worthwhile, text } = advice;
  if (!worthwhile) return [`  ${style.title("No:")} ${text}`];
  const { inputBytes, heldBytes, savedBytes, savedShare, ratio } = best;
  const times = ratio === null ? "" : `${ratioText(ratio).replace("x", "")} times smaller, `;
  const saves = `saves ${bytesText(savedBytes)} (${percentText(savedShare)})`;
  const lines = [
    `  ${style.good(`${bytesText(inputBytes)} would be kept in ${bytesText(heldBytes)}`)}: ${times}${saves}`,
    `  with ${best.codec}, ${bytesText(best.unit)} at a time: ${costText(codecOf(units, best))}`,
  ];
  if (quicker !== null) {
    const kept = bytesText(quicker.heldBytes);
    const cost = costText(codecOf(units, quicker));
    lines.push(`  or with ${quicker.codec}, ${bytesText(quicker.unit)} at a time, in ${kept}: ${cost}`);
  }
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
  const { best, store } = advice;
  const calls =
    store === null
      ? []
      : [
          ["a cache", cacheCallText(store)],
          ["a page store", storeCallText(store)],
        ];
  return [...calls, ["a pool", callText(best)]].map(([what, call]) => `  ${style.dim(`${what}:`)} ${call}`);
}

/** One row a codec: the allocator that keeps the data in least memory. */
function answerRows({ unit, codecs }: UnitEstimate): string[][] {
  return codecs.map((codec) => {
    const least = Math.min(...codec.pools.map(({ heldBytes }) => heldBytes));
    const ratio = codec.pools.find(({ heldBytes }) => heldBytes === least)?.ratio ?? null;
    const timed = (ns: number | null): string => (ns === null ? "-" : timeText((ns * TIMED_BYTES) / unit));
    return [
      codec.codec,
      bytesText(unit),
      ratio === null ? "-" : ratioText(ratio).replace("x", ""),
      timed(codec.compressNsPerUnit),
      timed(codec.decompressNsPerUnit),
    ];
  });
}

/** All figures, for those who choose an allocator; at most 100 columns wide but for the last lines. */
function detailLines({ units, advice }: Estimate, style: Style): string[] {
  const lines: string[] = [];
  for (const unit of units) lines.push("", ...unitLines(unit, advice.best, style));
  lines.push("");
  if (units.some(({ codecs }) => codecs.some(({ codec }) => codec === "zstd"))) {
    lines.push(
      style.dim("zstd is at level 1. What at best, p10, half and the rest mean: zbud estimate --help"),
      "",
    );
  }
  if (advice.reason !== null) lines.push(style.dim(`Why ◀: ${advice.reason}`));
  if (advice.quickerText !== null) {
    lines.push(`${style.title("Quicker:")} ${advice.quickerText}`);
  }
  if (advice.store !== null) lines.push(...storeLines(advice.store, style));
  const title = advice.worthwhile ? style.good("Advice:") : style.title("Advice:");
  lines.push(`${title} ${advice.text}`);
  return lines;
}

/** The page store that was tried, and a cache like it. */
function storeLines(store: StoreSetting, style: Style): string[] {
  const { triedBytes, heldBytes, ratio } = store;
  const kept = `kept ${bytesText(triedBytes)} in ${bytesText(heldBytes)} (${ratioText(ratio)}), index and all`;
  return [
    `${style.title("Store:")} ${storeCallText(store)}, tried: it ${kept}`,
    `${style.title("Cache:")} ${cacheCallText(store)}, the same for what is found by key`,
  ];
}

/** Files of fewer bytes, on average, are likely values of a cache, which would keep them in less than is said. */
const SMALL_BYTES = 1024;
const SMALL_FILES =
  "These are small files, each compressed by itself. A cache learns what they share: put them into one file, and estimate that.";

function inputLines({ input, sample }: Estimate): string[] {
  const parts = [
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

function unitLines(unit: UnitEstimate, best: Setting, style: Style): string[] {
  const share = (count: number): string => `${countText(count)} (${percentText(count / unit.units)})`;
  const facts = [
    `${countText(unit.units)} read`,
    `${share(unit.sameFilled)} one word repeated`,
    `${share(unit.duplicates)} duplicates`,
  ];
  const inputBytes = unit.units * unit.unit - unit.paddingBytes;
  if (unit.paddingBytes > inputBytes / 100)
    facts.push(`padded with ${bytesText(unit.paddingBytes)} of zeros`);
  const lines = [`${style.title(`Units of ${bytesText(unit.unit)}`)}: ${facts.join(", ")}`, ""];
  const compressible = unit.codecs.filter((codec) => codec.compressible > 0);
  if (compressible.length > 0) lines.push(...histogramLines(compressible, unit.unit, style), "");
  lines.push(...titled(tableLines(CODEC_COLUMNS, unit.codecs.map(codecCells)), style), "");
  const pools = unit.codecs.flatMap((codec) => codec.pools.map((pool) => ({ codec, pool })));
  const isBest = ({ codec, pool }: (typeof pools)[number]): boolean =>
    unit.unit === best.unit &&
    codec.codec === best.codec &&
    pool.driver === best.driver &&
    pool.pageSize === best.pageSize &&
    pool.pageSizes?.length === best.pageSizes?.length;
  const rows = pools.map((row) => poolCells(row.codec, row.pool, isBest(row)));
  const table = titled(tableLines(POOL_COLUMNS, rows), style);
  pools.forEach((row, i) => {
    if (isBest(row)) table[i + 1] = style.good(table[i + 1]);
  });
  return [...lines, ...table];
}

/** Indented, the first line dim. */
function titled(lines: string[], style: Style): string[] {
  return lines.map((line, i) => `  ${i === 0 ? style.dim(line) : line}`);
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

/** One chart for each codec over one axis: how many units compress to which size. */
function histogramLines(codecs: readonly CodecEstimate[], unit: number, style: Style): string[] {
  const width = Math.max(...codecs.map(({ codec }) => codec.length)) + 2;
  const steps = codecs[0].histogram.length;
  const charts = codecs.flatMap(({ codec, histogram }) =>
    chartLines(histogram, CHART_HEIGHT).map((line, row) => {
      const name = row === CHART_HEIGHT - 1 ? codec : "";
      return `  ${name.padEnd(width)}${style.bar(line.trimEnd())}`.trimEnd();
    }),
  );
  const marks = [0, 1, 2, 3].map((quarter) => {
    const text = quarter === 0 ? "0" : bytesText((unit * quarter) / 4);
    return `╵${text}`.padEnd(steps / 4);
  });
  const axis = `${" ".repeat(width + 2)}${marks.join("")}╵${bytesText(unit)}`;
  return [style.dim("  compressed sizes"), ...charts, style.dim(axis)];
}
