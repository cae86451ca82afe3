import type { Tick } from "../../src/viewer/types.ts";
import { el } from "../shared/dom.ts";

/** What a cache that follows the machine decided, the last first. */
export class Decisions {
  readonly element: HTMLElement;
  readonly #list = el("ul", {
    class: "decisions num",
    tabindex: 0,
    "aria-label": "Decisions about memory",
    "aria-live": "polite",
  });
  #shown = "";

  constructor() {
    this.element = el(
      "section",
      { class: "panel decisions", "aria-label": "Decisions about memory" },
      el("h2", {}, "Limit of memory"),
      this.#list,
    );
    this.#list.append(none());
  }

  show({ at, decisions }: Tick): void {
    const items = decisions.map((each) => ({ ...each, ago: agoText(at - each.at) })).reverse();
    const key = JSON.stringify(items.map(({ ago, text }) => [ago, text]));
    if (key === this.#shown) return;
    this.#shown = key;
    if (items.length === 0) {
      this.#list.replaceChildren(none());
      return;
    }
    this.#list.replaceChildren(
      ...items.map(({ ago, text }) => el("li", {}, el("span", { class: "dim" }, `${ago} ago `), text)),
    );
  }
}

function none(): HTMLElement {
  return el("li", { class: "dim" }, "The limit was not changed since this was watched.");
}

function agoText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
