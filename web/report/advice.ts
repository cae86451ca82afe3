import { bytesText, percentText, ratioText, timeText } from "../../src/base/number-text.ts";
import { codeText, storeCodeText } from "../../src/estimate/code.ts";
import type { Estimate, Setting, StoreSetting } from "../../src/estimate/types.ts";
import { codeBlock, el } from "../shared/dom.ts";

/** Times are for so much data, whatever the unit, so that they can be compared. */
export const SAME_BYTES = 4096;

/** What to do, first of all; beside it the quicker setting, if there is one. */
export function adviceCards({ advice }: Estimate): HTMLElement {
  const cards = el("div", { class: "cards" }, bestCard(advice));
  if (advice.quicker !== null && advice.quickerText !== null) {
    cards.append(
      card("Quicker", advice.quicker, sentence(advice.quickerText), "quick", "code of the quicker setting"),
    );
  }
  if (advice.smaller !== null && advice.smallerText !== null) {
    cards.append(
      card("Smaller", advice.smaller, sentence(advice.smallerText), "small", "code of the smaller setting"),
    );
  }
  if (advice.store !== null) cards.append(storeCard(advice.store));
  return cards;
}

/** The store that was tried, and a cache like it. */
function storeCard(store: StoreSetting): HTMLElement {
  return el(
    "section",
    { class: "card advice store", "aria-label": "Store or cache" },
    el("p", { class: "kicker" }, "Store or cache"),
    el(
      "p",
      { class: "verdict num" },
      ratioText(store.ratio).replace("x", "×"),
      el("span", { class: "beside" }, ` ${bytesText(store.triedBytes)} in ${bytesText(store.heldBytes)}`),
    ),
    el(
      "p",
      {},
      `A page store with ${store.codec}, ${store.untouched ? "its own allocator" : store.driver} and pages of ${bytesText(store.pageSize)} was filled with so much of the input and read back. All its memory counts, the index too: ${store.difference}.`,
    ),
    el(
      "details",
      {},
      el("summary", {}, "The code"),
      codeBlock(storeCodeText(store), "code of the store and the cache"),
    ),
  );
}

function bestCard(advice: Estimate["advice"]): HTMLElement {
  const { best, reason, text, worthwhile, onlySameFilled } = advice;
  if (worthwhile && onlySameFilled) {
    return el(
      "section",
      { class: "card advice", "aria-label": "Advice" },
      el("p", { class: "kicker" }, "Advice"),
      el("p", { class: "verdict" }, "No memory at all"),
      el("p", {}, sentence(text)),
    );
  }
  if (worthwhile) {
    const why = reason === null ? "" : ` ${reason[0].toUpperCase()}${reason.slice(1)}.`;
    return card("Advice", best, `${sentence(text)}${why}`, "best", "code of the advice");
  }
  return el(
    "section",
    { class: "card advice", "aria-label": "Advice" },
    el("p", { class: "kicker" }, "Advice"),
    el("p", { class: "verdict" }, "Keep it uncompressed"),
    el("p", {}, sentence(text)),
  );
}

function card(kicker: string, setting: Setting, text: string, kind: string, label: string): HTMLElement {
  const read = setting.decompressNsPerUnit;
  return el(
    "section",
    { class: `card advice ${kind}`, "aria-label": kicker },
    el("p", { class: "kicker" }, kicker),
    el(
      "p",
      { class: "verdict num" },
      ratioText(setting.ratio).replace("x", "×"),
      el("span", { class: "beside" }, ` ${bytesText(setting.inputBytes)} in ${bytesText(setting.heldBytes)}`),
    ),
    shareBar({ ...setting, readNs: read === null ? null : (read * SAME_BYTES) / setting.unit }),
    el("p", {}, text),
    el(
      "details",
      { open: kind === "best" },
      el("summary", {}, "The code"),
      codeBlock(codeText(setting), label),
    ),
  );
}

/** What a setting holds, saves and costs. */
interface Held {
  inputBytes: number;
  heldBytes: number;
  /** Nanoseconds to read back {@link SAME_BYTES}; null if unknown. */
  readNs: number | null;
}

/** What is held, as a part of what there was. */
export function shareBar({ inputBytes, heldBytes, readNs }: Held): HTMLElement {
  const share = Math.min(1, Math.max(0, heldBytes / inputBytes));
  const held = el("span", { class: "held" });
  held.style.width = `${share * 100}%`;
  const facts = [
    `saves ${bytesText(inputBytes - heldBytes)} (${percentText(1 - heldBytes / inputBytes)})`,
    readNs === null ? "" : `${timeText(readNs)} to read back ${bytesText(SAME_BYTES)}`,
  ];
  return el(
    "div",
    {},
    el(
      "div",
      { class: "share", role: "img", "aria-label": `${percentText(share)} of the memory is left` },
      held,
    ),
    el("p", { class: "dim num small" }, facts.filter((fact) => fact !== "").join(" · ")),
  );
}

/** The advice without the call, which the code shows. */
function sentence(text: string): string {
  return `${text.replace(/, in create\w+\(.*$/s, "")}.`;
}
