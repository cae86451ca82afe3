import { countText } from "../../src/base/number-text.ts";
import { el } from "../shared/dom.ts";
import type { Model } from "./model.ts";

/** The lists by which the driver finds a page, with how many pages each has. Chosen, its pages are marked. */
export class Lists {
  readonly element: HTMLElement;
  readonly #box = el("ul", { class: "lists", role: "listbox", tabindex: 0, "aria-label": "Lists of pages" });
  readonly #choose: (name: string | null) => void;
  #names: readonly string[] = [];
  #chosen: string | null = null;

  /** @param choose - gets the list that is to be marked, or null. */
  constructor(choose: (name: string | null) => void) {
    this.#choose = choose;
    this.element = el("section", { class: "panel", "aria-label": "Lists" }, el("h2", {}, "Lists"), this.#box);
    this.#box.addEventListener("keydown", (event) => {
      const at = this.#chosen === null ? -1 : this.#names.indexOf(this.#chosen);
      const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.#names.length - 1 }[event.key];
      if (event.key === "Escape") this.#select(null);
      else if (next !== undefined)
        this.#select(this.#names[Math.min(this.#names.length - 1, Math.max(0, next))] ?? null);
      else return;
      event.preventDefault();
    });
    this.#box.addEventListener("click", (event) => {
      const name = (event.target as Element).closest("li")?.dataset.name ?? null;
      this.#select(name === this.#chosen ? null : name);
    });
  }

  /** Pages of the chosen list; null: none is chosen. */
  marked({ frame }: Model): ReadonlySet<number> | null {
    if (this.#chosen === null) return null;
    const list = frame.lists.indexOf(this.#chosen);
    if (list < 0) return new Set();
    return new Set(frame.listPages.subarray(frame.listStarts[list], frame.listStarts[list + 1]));
  }

  show({ frame }: Model): void {
    const { lists, listStarts } = frame;
    this.#names = lists;
    const counts = lists.map((_, i) => listStarts[i + 1] - listStarts[i]);
    const most = Math.max(1, ...counts);
    const items = lists.map((name, i) => {
      const bar = el("span", { class: "length" });
      bar.style.width = `${(counts[i] / most) * 100}%`;
      return el(
        "li",
        {
          role: "option",
          id: `list-${i}`,
          "data-name": name,
          "aria-selected": name === this.#chosen ? "true" : "false",
        },
        el("span", {}, name),
        el("span", { class: "track", "aria-hidden": "true" }, bar),
        el("span", { class: "num" }, countText(counts[i])),
      );
    });
    this.#box.replaceChildren(...items);
    const active = this.#chosen === null ? -1 : lists.indexOf(this.#chosen);
    if (active < 0) this.#box.removeAttribute("aria-activedescendant");
    else this.#box.setAttribute("aria-activedescendant", `list-${active}`);
  }

  #select(name: string | null): void {
    this.#chosen = name;
    this.#choose(name);
    if (name === null) return;
    const item = this.#box.children[this.#names.indexOf(name)];
    item?.scrollIntoView({ block: "nearest" });
  }
}
