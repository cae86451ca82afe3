import { bytesText, countText, percentText } from "../../src/base/number-text.ts";
import type { Estimate } from "../../src/estimate/types.ts";
import { el } from "../shared/dom.ts";

/** What there was to read, in one line. */
export function factsOf({ input, sample }: Pick<Estimate, "input" | "sample">): string {
  const parts = [
    input.group === null
      ? ""
      : `${countText(input.group.processes)} ${input.group.processes === 1 ? "process" : "processes"}, anonymous memory in RAM`,
    input.process === null
      ? ""
      : `process ${input.process.pid} (${input.process.name}), anonymous memory in RAM`,
    input.files === 0 ? "" : `${countText(input.files)} ${input.files === 1 ? "file" : "files"}`,
    input.folders === 0 ? "" : `${countText(input.folders)} ${input.folders === 1 ? "folder" : "folders"}`,
    bytesText(input.bytes),
    sample.bytes === input.bytes
      ? "all of it read"
      : `${bytesText(sample.bytes)} read (${percentText(sample.share)}), seed ${sample.seed}`,
  ];
  return parts.filter((part) => part !== "").join(" · ");
}

/** What was left out and why, and a table of what the units are. */
export function readSection({ input, units }: Estimate): HTMLElement[] {
  const cell = (text: string): HTMLElement => el("td", { class: "num" }, text);
  const rows = units.map((unit) => {
    const share = (count: number): HTMLElement =>
      el(
        "td",
        { class: "num" },
        countText(count),
        el("span", { class: "dim" }, ` (${percentText(unit.units === 0 ? 0 : count / unit.units)})`),
      );
    return el(
      "tr",
      {},
      el("th", { scope: "row", class: "num" }, bytesText(unit.unit)),
      cell(countText(unit.units)),
      share(unit.sameFilled),
      share(unit.duplicates),
      cell(bytesText(unit.paddingBytes)),
    );
  });
  const titles = ["Unit", "Units read", "Units of one word repeated", "Duplicate units", "Bytes of padding"];
  const head = titles.map((title) => el("th", { scope: "col", class: "num" }, title));
  const table = el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Units read" },
    el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
  );
  return [...noteList(input.notes), table];
}

/** Sentences, one below the other. */
export function noteList(notes: readonly string[]): HTMLElement[] {
  return notes.length === 0 ? [] : [el("ul", { class: "notes" }, ...notes.map((note) => el("li", {}, note)))];
}
