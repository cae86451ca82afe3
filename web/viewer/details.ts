import { bytesText, countOf, countText } from "../../src/base/number-text.ts";
import { frameObjects } from "../../src/viewer/snapshot-frame.ts";
import { el } from "../shared/dom.ts";
import type { Model } from "./model.ts";

/** Objects of a page that are listed. */
const SHOWN_MAX = 64;

/** What lies in the page that was chosen: sizes, places and names of its objects, never their bytes. */
export class Details {
  readonly element: HTMLElement = el("section", {
    class: "panel details",
    "aria-label": "Chosen page",
    "aria-live": "polite",
    tabindex: 0,
  });
  #shown = "";

  constructor() {
    this.show(null, null);
  }

  show(model: Model | null, page: number | null): void {
    const row = page === null ? -1 : (model?.rowOf[page] ?? -1);
    const key = page === null || model === null ? "" : row < 0 ? `free ${page}` : textOf(model, row);
    // Told again only when something changed: it is read aloud.
    if (key === this.#shown && this.element.childElementCount > 0) return;
    this.#shown = key;
    if (page === null || model === null) {
      this.element.replaceChildren(
        el("h2", {}, "Page"),
        el("p", { class: "dim" }, "Choose one on the map, to see what lies in it."),
      );
    } else if (row < 0) {
      this.element.replaceChildren(
        el("h2", {}, `Page ${page}`),
        el("p", { class: "dim" }, "It is not in use now."),
      );
    } else {
      this.element.replaceChildren(...parts(model, row));
    }
  }
}

function textOf({ frame, list, rank }: Model, row: number): string {
  const [first, last] = [frame.starts[row], frame.starts[row + 1]];
  return [
    frame.pages[row],
    list[row],
    rank[row],
    frame.underReclaim[row],
    ...frame.handles.subarray(first, last),
  ].join();
}

function parts(model: Model, row: number): HTMLElement[] {
  const { frame, list, rank } = model;
  const [first, last] = [frame.starts[row], frame.starts[row + 1]];
  const bytes = frame.bytes[row];
  let used = 0;
  const bar = el("div", { class: "page-bar", "aria-hidden": "true" });
  const rows: HTMLElement[] = [];
  for (const i of frameObjects(frame, row)) {
    const [offset, size] = [frame.offsets[i], frame.sizes[i]];
    used += size;
    const piece = el("span");
    piece.style.left = `${(offset / bytes) * 100}%`;
    piece.style.width = `${(Math.min(size, bytes - offset) / bytes) * 100}%`;
    bar.append(piece);
    if (rows.length >= SHOWN_MAX) continue;
    rows.push(
      el(
        "tr",
        {},
        el("td", { class: "num" }, countText(offset)),
        el("td", { class: "num" }, countText(size)),
        el("td", { class: "num dim handle" }, frame.handles[i]),
      ),
    );
  }
  const count = last - first;
  const facts = [
    `${countOf(count, "object", "objects")}, ${bytesText(used)} of ${bytesText(bytes)}`,
    frame.underReclaim[row] === 1
      ? "under reclaim"
      : list[row] < 0
        ? "on no list"
        : `on list ${frame.lists[list[row]]}`,
    rank[row] < 0 ? "" : `${countText(rank[row] + 1)}. of ${countText(frame.lru.length)} in the LRU`,
  ];
  const head = ["at byte", "bytes", "handle"].map((title) => el("th", { scope: "col", class: "num" }, title));
  return [
    el("h2", {}, `Page ${frame.pages[row]}`),
    bar,
    el("p", { class: "dim" }, facts.filter((fact) => fact !== "").join(" · ")),
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
    ...(count > SHOWN_MAX ? [el("p", { class: "dim" }, `and ${countText(count - SHOWN_MAX)} more`)] : []),
  ];
}
