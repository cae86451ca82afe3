import { bytesText, countText, percentText, ratioText, timeText } from "../../src/base/number-text.ts";
import { codecText, distinctCodecs, isSameCodec } from "../../src/estimate/kernel-names.ts";
import { countingText, hereText, pagesText, recompressionText } from "../../src/estimate/kernel-texts.ts";
import type { KernelCodecEstimate, KernelEstimate } from "../../src/estimate/kernel-types.ts";
import { seriesName } from "../shared/colors.ts";
import { append, codeBlock, el } from "../shared/dom.ts";
import { SAME_BYTES, shareBar } from "./advice.ts";
import { factsOf, noteList } from "./facts.ts";
import { histograms } from "./histograms.ts";
import { type Column, settingsTable } from "./table.ts";

/** The answer of `--kernel`, in short: for a title. */
export function kernelTitle({ advice, codecs, pages }: KernelEstimate): string {
  const best = codecs.find((codec) => isSameCodec(codec, advice.codec));
  if (best === undefined) return advice.worthwhile ? "no memory at all" : "compressed swap does not pay";
  return `${percentText(1 - best.heldBytes / (pages * SAME_BYTES))} saved`;
}

/** What `zbud estimate --kernel` says: the answer, the codecs, what to paste, then what it is made from. */
export function kernelArticle(estimate: KernelEstimate): HTMLElement {
  const { advice, codecs, input, pages } = estimate;
  const article = el("article", { "aria-labelledby": "title" });
  append(
    article,
    el(
      "header",
      {},
      el("p", { class: "kicker" }, "What compressed swap would save"),
      el("h1", { id: "title" }, input.label),
      el("p", { class: "dim" }, factsOf(estimate)),
    ),
    el("div", { class: "cards" }, answerCard(estimate), machineCard(advice.now)),
  );
  const part = (title: string, why: string, ...content: HTMLElement[]): void => {
    append(article, el("section", {}, el("h2", {}, title), el("p", { class: "why dim" }, why), ...content));
  };
  if (codecs.length > 0 && pages > estimate.samePages) {
    part("Every codec, compared", pagesText(estimate), codecTable(estimate));
  }
  if (advice.paste.length > 0) {
    part("Lines to paste", "What makes this machine so, now and at every start.", ...pasteCards(estimate));
  }
  const shown = distinctCodecs(codecs, advice.codec).map((codec) => ({
    ...codec,
    codec: codecText(codec),
    series: seriesOf(codec, codecs),
    compressible: codec.measuredPages - codec.incompressible,
  }));
  if (shown.length > 0) {
    part(
      "Compressed sizes",
      "How many pages compress to which size, of those that get smaller. The line is the median; 10 and 90 % of them are smaller than the dashed lines.",
      ...histograms([{ unit: SAME_BYTES, codecs: shown }], "Pages"),
    );
  }
  part(
    "What was read",
    "And what the figures are of.",
    ...noteList([...input.notes, countingText(estimate)]),
  );
  return article;
}

function answerCard({ advice, codecs, pages }: KernelEstimate): HTMLElement {
  const best = codecs.find((codec) => isSameCodec(codec, advice.codec));
  const inputBytes = pages * SAME_BYTES;
  const verdict =
    best === undefined
      ? el("p", { class: "verdict" }, advice.worthwhile ? "No memory at all" : "It does not pay")
      : el(
          "p",
          { class: "verdict num" },
          ratioText(best.ratio).replace("x", "×"),
          el("span", { class: "beside" }, ` ${bytesText(inputBytes)} in ${bytesText(best.heldBytes)}`),
        );
  return el(
    "section",
    { class: `card advice${best === undefined ? "" : " best"}`, "aria-label": "Advice" },
    el("p", { class: "kicker" }, "Advice"),
    verdict,
    ...(best === undefined
      ? []
      : [shareBar({ inputBytes, heldBytes: best.heldBytes, readNs: best.decompressNs })]),
    el("p", {}, `${advice.text}.`),
    ...noteList(advice.reasons),
  );
}

function machineCard(now: readonly string[]): HTMLElement {
  return el(
    "section",
    { class: "card", "aria-label": "This machine now" },
    el("p", { class: "kicker" }, "This machine now"),
    ...noteList(now),
  );
}

function pasteCards({ advice }: KernelEstimate): HTMLElement[] {
  return advice.paste.map(({ title, lines }) =>
    el(
      "div",
      { class: "card paste" },
      el("h3", {}, `${title[0].toUpperCase()}${title.slice(1)}`),
      codeBlock(lines.join("\n"), `lines to paste ${title}`),
    ),
  );
}

/** All levels of an algorithm have one colour, in the table and in the charts; with a dictionary it is another. */
function seriesOf(of: KernelCodecEstimate, codecs: readonly KernelCodecEstimate[]): number {
  const kindOf = ({ algorithm, dictionaryBytes }: KernelCodecEstimate): string =>
    dictionaryBytes === null ? algorithm : `${algorithm} dictionary`;
  return [...new Set(codecs.map(kindOf))].indexOf(kindOf(of));
}

const RATIO = 1;
const NOTHING = Number.MAX_VALUE;

const COSTS: Column<KernelCodecEstimate>[] = [
  {
    title: "Compress",
    why: "time for a page of 4 KiB; – where it says nothing of the kernel's",
    value: ({ compressNs }) => compressNs ?? NOTHING,
    text: ({ compressNs }) => timed(compressNs),
    more: false,
  },
  {
    title: "Read back",
    why: "time to decompress a page of 4 KiB",
    value: ({ decompressNs }) => decompressNs ?? NOTHING,
    text: ({ decompressNs }) => timed(decompressNs),
    more: false,
  },
  {
    title: "Tried with",
    why: "pages of the sample that were compressed with it",
    value: ({ measuredPages }) => measuredPages,
    text: ({ measuredPages }) => `${countText(measuredPages)} pages`,
    more: true,
  },
  {
    title: "Here",
    why: "where this machine has it; with ?, it does not say",
    value: hereText,
    text: hereText,
    more: false,
  },
];

function timed(ns: number | null): string {
  return ns === null ? "–" : timeText(ns);
}

/** @param pages - all there are, for shares of them. */
function columnsOf(pages: number, hasZbud: boolean): Column<KernelCodecEstimate>[] {
  const bytes = (value: number | null): string => (value === null ? "–" : bytesText(value));
  const zbud: Column<KernelCodecEstimate> = {
    title: "In zbud",
    why: "the memory with zbud, which this machine's zswap has",
    value: ({ zbudBytes }) => zbudBytes ?? NOTHING,
    text: ({ zbudBytes }) => bytes(zbudBytes),
    more: false,
  };
  return [
    { title: "Codec", why: "as zram and zswap name it", value: codecText, text: () => "", more: false },
    {
      title: "Ratio",
      why: "bytes of all pages by the memory that holds them; the mark is without what zsmalloc adds",
      value: ({ ratio }) => ratio ?? NOTHING,
      text: ({ ratio }) => ratioText(ratio),
      more: true,
    },
    {
      title: "Memory",
      why: "what zsmalloc takes for all pages",
      value: ({ heldBytes }) => heldBytes,
      text: ({ heldBytes }) => bytesText(heldBytes),
      more: false,
    },
    ...(hasZbud ? [zbud] : []),
    {
      title: "Compressed",
      why: "compressed bytes, huge pages at full size (compr_data_size)",
      value: ({ compressedBytes }) => compressedBytes,
      text: ({ compressedBytes }) => bytesText(compressedBytes),
      more: false,
    },
    {
      title: "Huge pages",
      why: "pages that are kept as they are (huge_pages)",
      value: ({ hugePages }) => hugePages,
      text: ({ hugePages }) => `${countText(hugePages)} (${percentText(hugePages / pages)})`,
      more: false,
    },
    ...COSTS,
  ];
}

function codecTable(estimate: KernelEstimate): HTMLElement {
  const { advice, codecs, machine, notMeasured, pages } = estimate;
  const table = settingsTable({
    columns: columnsOf(pages, machine.zswap !== null && machine.zswap.zpool !== null),
    rows: codecs,
    bar: RATIO,
    setting: (codec) => [el("b", {}, codecText(codec))],
    ratios: ({ ratio, compressedBytes }) => [
      ratio,
      compressedBytes === 0 ? null : (pages * SAME_BYTES) / compressedBytes,
    ],
    color: (codec) => seriesName(seriesOf(codec, codecs)),
    isBest: (codec) => isSameCodec(codec, advice.codec),
    choices: [],
    notes: [],
  });
  const second = recompressionText(estimate);
  const missing = notMeasured.map(({ algorithm, why }) => `${algorithm}: not measured, ${why}.`);
  append(table, ...noteList([...(second === null ? [] : [second]), ...missing]));
  return table;
}
