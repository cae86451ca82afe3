import { bytesText, countText } from "../../src/base/number-text.ts";
import type { Hello, Tick } from "../../src/viewer/types.ts";
import { button, el } from "../shared/dom.ts";
import { Counters } from "./counters.ts";
import { Decisions } from "./decisions.ts";
import { Details } from "./details.ts";
import { Lists } from "./lists.ts";
import { LruStrip } from "./lru.ts";
import { PoolMap } from "./map.ts";
import { type Arrangement, Model } from "./model.ts";
import { PlayerBar } from "./player.ts";
import type { Source } from "./source.ts";

const ARRANGEMENTS: [Arrangement, string][] = [
  ["memory", "as in memory"],
  ["lru", "by age"],
  ["list", "by list"],
];

/** Puts a viewer into an element and lets it show what comes from the source. */
export function mountViewer(root: HTMLElement, source: Source): void {
  new ViewerPage(root, source).start();
}

/** The page: its parts, and what they show now. */
class ViewerPage {
  readonly #source: Source;
  readonly #root: HTMLElement;
  readonly #title = el("h1", {}, "zbud");
  readonly #status = el("span", { class: "status", role: "status" }, "connecting");
  readonly #facts = el("p", { class: "facts num dim" });
  readonly #details = new Details();
  readonly #map = new PoolMap({ select: (page) => this.#choosePage(page) });
  readonly #lists = new Lists(() => this.#chooseList());
  readonly #lru = new LruStrip();
  readonly #counters = new Counters();
  readonly #decisions = new Decisions();
  readonly #player: PlayerBar;
  readonly #arrange: HTMLElement[];
  readonly #stage: HTMLElement;
  readonly #side: HTMLElement;
  #model: Model | null = null;
  #chosen: number | null = null;
  #stale = true;
  #fetching = false;
  #hasPages = true;

  constructor(root: HTMLElement, source: Source) {
    this.#source = source;
    this.#root = root;
    this.#player = new PlayerBar((command) => void source.control(command));
    this.#arrange = ARRANGEMENTS.map(([arrangement, text], i) =>
      button(text, () => this.#arrangeBy(i), {
        "aria-pressed": String(i === 0),
        "data-arrangement": arrangement,
      }),
    );
    const tools = el(
      "div",
      { class: "tools" },
      el("div", { class: "arrange", role: "group", "aria-label": "Arrange pages" }, ...this.#arrange),
      legend(),
    );
    this.#stage = el("main", { class: "stage", "aria-label": "Pool" }, tools, this.#map.element);
    this.#side = el(
      "aside",
      { class: "side", "aria-label": "Page, lists and LRU" },
      this.#details.element,
      this.#lists.element,
      this.#lru.element,
    );
    root.classList.add("viewer");
    root.append(
      el("header", { class: "top" }, this.#title, this.#status, this.#facts),
      this.#player.element,
      this.#stage,
      this.#side,
      this.#counters.element,
      this.#decisions.element,
    );
    this.#player.element.hidden = true;
  }

  /** Shows what comes, from now on. */
  start(): void {
    document.addEventListener("visibilitychange", () => void this.#look());
    this.#source.start({
      hello: (hello) => this.#greet(hello),
      tick: (tick) => this.#tick(tick),
      connected: (connected) => {
        this.#status.textContent = connected ? "live" : "no connection";
        this.#status.classList.toggle("lost", !connected);
      },
    });
  }

  #choosePage(page: number | null): void {
    this.#chosen = page;
    this.#details.show(this.#model, page);
  }

  #chooseList(): void {
    if (this.#model === null) return;
    this.#map.mark(this.#lists.marked(this.#model));
    this.#lists.show(this.#model);
  }

  #arrangeBy(at: number): void {
    this.#map.arrange(ARRANGEMENTS[at][0]);
    this.#arrange.forEach((each, i) => {
      each.setAttribute("aria-pressed", String(i === at));
    });
  }

  /** One at a time: who is slow gets fewer, not late ones. */
  async #look(): Promise<void> {
    if (this.#fetching || !this.#stale || !this.#hasPages || document.hidden) return;
    this.#fetching = true;
    this.#stale = false;
    const frame = await this.#source.frame();
    this.#fetching = false;
    if (frame === null) return;
    this.#show(new Model(frame));
    if (this.#stale) void this.#look();
  }

  #show(model: Model): void {
    this.#model = model;
    this.#map.mark(this.#lists.marked(model));
    this.#map.show(model);
    this.#lists.show(model);
    this.#lru.show(model);
    this.#details.show(model, this.#chosen);
    const { handles, pages, pageSize, maxPages } = model.frame;
    const most = maxPages > 0 ? ` of at most ${countText(maxPages)}` : "";
    this.#facts.textContent = `${countText(pages.length)} pages of ${bytesText(pageSize)}${most} · ${countText(handles.length)} objects`;
  }

  #greet(hello: Hello): void {
    this.#title.textContent = hello.title;
    document.title = `${hello.title} · zbud`;
    this.#hasPages = hello.pages;
    this.#stage.hidden = !hello.pages;
    this.#side.hidden = !hello.pages;
    this.#player.element.hidden = !hello.player;
    this.#root.classList.toggle("with-player", hello.player);
    this.#stale = true;
    void this.#look();
  }

  #tick(tick: Tick): void {
    this.#counters.show(tick);
    this.#decisions.show(tick);
    this.#map.flash(tick.evictedFrom);
    if (tick.player !== null) this.#player.show(tick.player);
    this.#stale = true;
    void this.#look();
  }
}

/** What the colours mean. */
function legend(): HTMLElement {
  return el(
    "span",
    { class: "legend dim" },
    "new",
    el("i", { "aria-hidden": "true" }),
    "old",
    el("b", { "aria-hidden": "true" }),
    "evicted from",
  );
}
