/** The page that `zbud estimate --html` writes. It draws from the estimates in it and from nothing else. */

import { bytesText, percentText, ratioText } from "../../src/base/number-text.ts";
import type { KernelEstimate } from "../../src/estimate/kernel-types.ts";
import type { Estimate } from "../../src/estimate/types.ts";
import { append, el } from "../shared/dom.ts";
import { adviceCards } from "./advice.ts";
import { curveCharts } from "./curves.ts";
import { factsOf, readSection } from "./facts.ts";
import { histograms } from "./histograms.ts";
import { kernelArticle, kernelTitle } from "./kernel.ts";
import { ratioTable } from "./ratios.ts";

/** What `src/cli/estimate-html.ts` puts into the page. */
type ReportData = { version: string } & ({ estimates: Estimate[] } | { kernel: KernelEstimate });

const COUNTING_UNITS =
  "Units that are one word repeated take no memory. Units that do not get smaller, or do not fit a page of the pool, are kept as they are. All others were stored in real pools, read back, decompressed and compared. Nothing is deducted for duplicates.";
const COUNTING_PAGES =
  "Pages are counted as zram and zswap do. Those of one word repeated take nothing. Each other page was compressed by itself; its size takes a place in the size classes of zsmalloc, or a page of its own where it is huge.";

const data = JSON.parse(document.getElementById("data")?.textContent ?? "") as ReportData;
const main = document.getElementById("report") as HTMLElement;

if ("kernel" in data) {
  main.append(kernelArticle(data.kernel), footer(COUNTING_PAGES));
  document.title = `${data.kernel.input.label}: ${kernelTitle(data.kernel)} · zbud estimate`;
} else {
  const { estimates } = data;
  if (estimates.length > 1) main.append(contents(estimates));
  for (const [i, estimate] of estimates.entries()) main.append(report(estimate, i));
  main.append(footer(COUNTING_UNITS));
  const [{ input, advice }] = estimates;
  const answer = advice.worthwhile
    ? `${percentText(advice.best.savedShare)} saved`
    : "best kept uncompressed";
  document.title = `${input.label}: ${answer} · zbud estimate`;
}

function contents(estimates: readonly Estimate[]): HTMLElement {
  const items = estimates.map(({ input, advice: { best, worthwhile } }, i) =>
    el(
      "li",
      {},
      el("a", { href: `#estimate-${i}` }, input.label),
      el(
        "span",
        { class: "dim num" },
        worthwhile
          ? `${bytesText(best.inputBytes)} in ${bytesText(best.heldBytes)}, ${ratioText(best.ratio)}`
          : `${bytesText(best.inputBytes)}, best kept uncompressed`,
      ),
    ),
  );
  return el("nav", { class: "contents", "aria-label": "Estimates" }, el("ol", {}, ...items));
}

function report(estimate: Estimate, i: number): HTMLElement {
  const article = el("article", { id: `estimate-${i}`, "aria-labelledby": `title-${i}` });
  append(
    article,
    el(
      "header",
      {},
      el("p", { class: "kicker" }, "What compressed memory would save"),
      el("h1", { id: `title-${i}` }, estimate.input.label),
      el("p", { class: "dim" }, factsOf(estimate)),
    ),
    adviceCards(estimate),
  );
  const part = (title: string, why: string, ...content: HTMLElement[]): void => {
    append(article, el("section", {}, el("h2", {}, title), el("p", { class: "why dim" }, why), ...content));
  };
  part(
    "Every setting, compared",
    "The effective ratio counts all memory: pages, the pool's metadata, and units kept as they are. The mark behind a bar is what the codec reaches by itself. All times are for 4 KiB of input.",
    ratioTable(estimate),
  );
  part(
    "Compressed sizes",
    "How many units compress to which size, of those that get smaller. The line is the median; 10 and 90 % of them are smaller than the dashed lines. The narrower the peak, the easier it is to pack.",
    ...histograms(estimate.units),
  );
  const curves = curveCharts(estimate);
  if (curves.length > 0) {
    part(
      "The page size for zbud",
      `The effective ratio of a zbud pool just filled with these objects, for each page size; the ring is the best.${estimate.advice.best.driver === "zbud" ? "" : " It is for who takes zbud: the advice is another allocator, for the reasons above."}`,
      ...curves,
    );
  }
  part("What was read", "And what each unit turned out to be.", ...readSection(estimate));
  return article;
}

function footer(counting: string): HTMLElement {
  return el(
    "footer",
    { class: "dim" },
    el("h2", {}, "How it counts"),
    el("p", {}, counting),
    el("p", {}, `Made by zbud ${data.version}. The page loads nothing from a network.`),
  );
}

// On paper all is open: nobody can open it there.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.setAttribute("open", "");
    each.setAttribute("data-closed", "");
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-closed]")) {
    each.removeAttribute("open");
    each.removeAttribute("data-closed");
  }
});
