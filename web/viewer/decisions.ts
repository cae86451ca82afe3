import type { Tick } from "../../src/viewer/types.ts";
import { el } from "../shared/dom.ts";

/** What a cache that follows the machine decided, the last first. */
export class Decisions {
  readonly element: HTMLElement;
  readonly #list = el("ul", { class: "decisions num", "aria-live": "polite" });
  #shown = "";

  constructor() {
    this.element = el(
      "section",
      { class: "panel decisions", "aria-label": "Decisions about memory" },
      el("h2", {}, "Memory"),
      this.#list,
    );
    this.element.hidden = true;
  }

  show({ at, decisions }: Tick): void {
    const items = decisions.map((each) => ({ ...each, ago: agoText(at - each.at) })).reverse();
    const key = JSON.stringify(items.map(({ ago, text }) => [ago, text]));
    if (key === this.#shown) return;
    this.#shown = key;
    this.element.hidden = items.length === 0;
    this.#list.replaceChildren(
      ...items.map(({ ago, text }) => el("li", {}, el("span", { class: "dim" }, `${ago} ago `), text)),
    );
  }
}

function agoText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
