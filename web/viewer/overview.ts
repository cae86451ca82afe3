import { percentText } from "../../src/base/number-text.ts";
import { type Overview, overviewOf } from "../../src/viewer/overview.ts";
import type { Tick } from "../../src/viewer/types.ts";
import { el } from "../shared/dom.ts";

/** Rates are over about so long. */
const RATES_MS = 5000;

/** Whether all is well, how full it is, what it saves and what it does: in sight wherever one scrolls. */
export class OverviewStrip {
  readonly element: HTMLElement;
  readonly #health = tile("Health");
  readonly #full = tile("Full");
  readonly #saves = tile("Saves");
  readonly #now = tile("Now");
  readonly #fill = el("span", { class: "fill" });
  readonly #ticks: Tick[] = [];

  constructor() {
    const bar = el("div", { class: "gauge", "aria-hidden": "true" }, this.#fill);
    this.#full.box.append(bar);
    const tiles = [this.#health, this.#full, this.#saves, this.#now].map(({ box }) => box);
    this.element = el("section", { class: "overview", "aria-label": "In short" }, ...tiles);
  }

  /** @returns whether there was anything to say. */
  show(tick: Tick): boolean {
    const ticks = this.#ticks;
    if (tick.at < (ticks.at(-1)?.at ?? 0)) ticks.length = 0;
    while (ticks.length > 1 && tick.at - ticks[1].at >= RATES_MS) ticks.shift();
    const overview = overviewOf(tick, ticks[0] ?? null);
    ticks.push(tick);
    if (overview !== null) this.#write(overview);
    return overview !== null;
  }

  #write({ faults, full, share, saves, now }: Overview): void {
    const isWell = faults.length === 0;
    set(this.#health.text, isWell ? "well" : faults.join("; "));
    this.#health.box.classList.toggle("faulty", !isWell);
    set(this.#full.text, `${share === null ? "" : `${percentText(share)}: `}${full}`);
    this.#fill.style.width = `${(share ?? 0) * 100}%`;
    set(this.#saves.text, saves);
    set(this.#now.text, now);
  }
}

function tile(title: string): { box: HTMLElement; text: HTMLElement } {
  const text = el("p", { class: "answer num", tabindex: 0, "aria-label": title, role: "group" });
  return { box: el("div", { class: `tile ${title.toLowerCase()}` }, el("h2", {}, title), text), text };
}

/** What is the same is not read aloud again. */
function set(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
