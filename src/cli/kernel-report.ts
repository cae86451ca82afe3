import {
  bytesText,
  codecText,
  countingText,
  countText,
  distinctCodecs,
  hereText,
  isSameCodec,
  KERNEL_PAGE,
  type KernelCodecEstimate,
  type KernelEstimate,
  pagesText,
  percentText,
  ratioText,
  recompressionText,
  timeText,
} from "../estimate/index.ts";
import { histogramLines, inputLines, type Paper } from "./estimate-report.ts";
import { flowing, tableBlock, wrapped } from "./layout.ts";
import { printable } from "./printable.ts";
import type { Column } from "./text-table.ts";

const COLUMNS: Column[] = [
  { title: "codec", align: "left" },
  { title: "memory", align: "right" },
  { title: "ratio", align: "right" },
  { title: "huge", align: "right" },
  { title: "compress", align: "right" },
  { title: "read back", align: "right" },
  { title: "here", align: "left" },
  { title: "", align: "left" },
];

const DETAIL_COLUMNS: Column[] = [
  { title: "codec", align: "left" },
  { title: "pages", align: "right" },
  { title: "p10", align: "right" },
  { title: "median", align: "right" },
  { title: "p90", align: "right" },
  { title: "compressed", align: "right" },
  { title: "huge", align: "right" },
  { title: "partly filled", align: "right" },
];

const ZBUD: Column = { title: "in zbud", align: "right" };

/**
 * Draws a kernel estimate for a terminal: the answer and why, the machine, the codecs, and last what to paste.
 *
 * @param details - whether sizes and counts of every codec follow the table.
 */
export function kernelReport(estimate: KernelEstimate, paper: Paper, details = false): string {
  const { advice, input } = estimate;
  const { style, width } = paper;
  const answer = advice.worthwhile ? style.good("Yes:") : style.title("No:");
  const lines = [
    ...flowing([printable(input.label)], width).map(style.title),
    ...flowing([`  ${answer} ${advice.text}`, ...advice.reasons.map((reason) => `  ${reason}`)], width),
  ];
  lines.push("", ...flowing(["This machine now:", ...machineLines(estimate)], width));
  const hasCodecs = advice.use !== null || !advice.worthwhile;
  if (hasCodecs) {
    lines.push("", ...codecLines(estimate, paper));
    if (details) lines.push("", ...detailLines(estimate, paper));
    else lines.push(...flowing(["Sizes and counts of every codec: --details"], width).map(style.dim));
  }
  lines.push(
    "",
    ...flowing(
      [...inputLines(estimate).map(printable), ...(hasCodecs ? [countingText(estimate)] : [])],
      width,
    ).map(style.dim),
  );
  for (const { title, lines: pasted } of advice.paste) {
    lines.push("", ...flowing([`To paste ${title}:`], width).map(style.title));
    const isShell = title.startsWith("as root");
    const broken = pasted.map((line) => pasteable(line, isShell, width));
    lines.push(...broken.flat());
    if (!isShell && broken.some((each) => each.length > 1)) {
      lines.push(...flowing(["What is further in belongs to the line above it."], width).map(style.dim));
    }
  }
  return `${lines.join("\n")}\n`;
}

/** What the sizes of compressed pages are like, and all that is counted of a codec. */
function detailLines(estimate: KernelEstimate, { style, width }: Paper): string[] {
  const { codecs, advice } = estimate;
  const rows = codecs.map((codec) => {
    const { sizes } = codec;
    const size = (of: "p10" | "p50" | "p90"): string => (sizes === null ? "-" : countText(sizes[of]));
    return [
      codecText(codec),
      countText(codec.measuredPages),
      size("p10"),
      size("p50"),
      size("p90"),
      bytesText(codec.compressedBytes),
      countText(codec.hugePages),
      bytesText(codec.partialBytes),
    ];
  });
  const drawn = distinctCodecs(codecs, advice.codec).map((codec) => ({
    name: codecText(codec),
    histogram: codec.histogram,
  }));
  const lines = [
    ...histogramLines(drawn, KERNEL_PAGE, style, width),
    ...tableBlock(DETAIL_COLUMNS, rows, { width, style, keys: 1 }),
    ...flowing(
      [
        "Pages that were tried; of those that get smaller the bytes that 10, 50 and 90 % of them take at most; all compressed pages, huge ones at full size (compr_data_size of mm_stat); huge pages (huge_pages); and what partly filled groups add once, at most.",
      ],
      width,
    ).map(style.dim),
  ];
  const text = recompressionText(estimate);
  return text === null ? lines : [...lines, ...flowing([text], width)];
}

/** A line of a shell goes on behind a backslash, a comment as another. */
function pasteable(line: string, isShell: boolean, width: number): string[] {
  if (line.startsWith("#")) return wrapped(`  ${line}`, width, "  # ");
  return wrapped(`  ${line}`, width, "    ", isShell ? " \\" : "");
}

function machineLines({ advice }: KernelEstimate): string[] {
  return advice.now.map((text) => `  ${printable(text)}`);
}

function codecLines(estimate: KernelEstimate, { style, width }: Paper): string[] {
  const { codecs, pages, advice, machine } = estimate;
  const hasZbud = machine.zswap !== null && machine.zswap.zpool !== null;
  const marked = codecs.findIndex((codec) => isSameCodec(codec, advice.codec));
  const rows = codecs.map((codec, i) => {
    const cells = cellsOf(codec, pages, i === marked);
    if (hasZbud) cells.splice(3, 0, codec.zbudBytes === null ? "-" : bytesText(codec.zbudBytes));
    return cells;
  });
  const columns = hasZbud ? [...COLUMNS.slice(0, 3), ZBUD, ...COLUMNS.slice(3)] : COLUMNS;
  return [
    ...flowing([pagesText(estimate)], width),
    ...tableBlock(columns, rows, { width, style, keys: 1, marked }),
    ...flowing(
      estimate.notMeasured.map(({ algorithm, why }) => `  ${algorithm}: not measured, ${why}`),
      width,
    ).map(style.dim),
  ];
}

function cellsOf(codec: KernelCodecEstimate, pages: number, isAdvised: boolean): string[] {
  const timed = (ns: number | null): string => (ns === null ? "-" : timeText(ns));
  return [
    codecText(codec),
    bytesText(codec.heldBytes),
    ratioText(codec.ratio),
    percentText(codec.hugePages / pages),
    timed(codec.compressNs),
    timed(codec.decompressNs),
    hereText(codec),
    isAdvised ? "◀" : "",
  ];
}
