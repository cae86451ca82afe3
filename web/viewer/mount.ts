import { bytesText, countOf, countText } from "../../src/base/number-text.ts";
import type { Hello, PlayerState, Tick } from "../../src/viewer/types.ts";
import { button, el } from "../shared/dom.ts";
import { Counters } from "./counters.ts";
import { Decisions } from "./decisions.ts";
import { Details } from "./details.ts";
import { EntriesPanel } from "./entries.ts";
import { Lists } from "./lists.ts";
import { LruStrip } from "./lru.ts";
import { PoolMap } from "./map.ts";
import { type Arrangement, Model } from "./model.ts";
import { OverviewStrip } from "./overview.ts";
import type { Flash } from "./paint.ts";
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
  readonly #title = el("h1", {}, "\u00a0");
  readonly #status = el("span", { class: "status", role: "status" }, "connecting");
  readonly #facts = el("p", { class: "facts num dim" });
  readonly #details = new Details();
  readonly #overview = new OverviewStrip();
  readonly #entries = new EntriesPanel();
  readonly #legend = new Legend();
  readonly #map = new PoolMap({
    select: (page) => this.#choosePage(page),
    flashed: (flash) => this.#legend.draws(flash),
  });
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
  #isConnected = false;
  #lastTick: Tick | null = null;
  /** When that came, to be told. */
  #heardAt = new Date();

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
      this.#legend.element,
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
      el("header", { class: "top" }, this.#status, this.#title, this.#facts),
      this.#overview.element,
      this.#player.element,
      this.#entries.element,
      this.#stage,
      this.#side,
      this.#counters.element,
      this.#decisions.element,
    );
  }

  /** Shows what comes, from now on. */
  start(): void {
    document.addEventListener("visibilitychange", () => void this.#look());
    this.#source.start({
      hello: (hello) => this.#greet(hello),
      tick: (tick) => this.#tick(tick),
      connected: (connected) => {
        this.#isConnected = connected;
        this.#showStatus();
      },
    });
  }

  /** What stands still says so, and how it goes on. */
  #showStatus(): void {
    const player = this.#lastTick?.player ?? null;
    const isStill = this.#isConnected && player !== null && !player.playing;
    const text = this.#isConnected ? (isStill ? stillText(player) : "live") : this.#lostText();
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#status.classList.toggle("lost", !this.#isConnected);
    this.#status.classList.toggle("still", isStill);
  }

  #lostText(): string {
    const of = this.#lastTick === null ? "" : `; this is of ${this.#heardAt.toTimeString().slice(0, 8)}`;
    return `no connection${of}; it tries again by itself`;
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
    this.#facts.textContent = `${countOf(pages.length, "page", "pages")} of ${bytesText(pageSize)}${most} · ${countOf(handles.length, "object", "objects")}`;
    this.#legend.show(model);
  }

  #greet(hello: Hello): void {
    this.#title.textContent = hello.title;
    document.title = `${hello.title} · zbud`;
    this.#hasPages = hello.pages;
    this.#stage.hidden = !hello.pages;
    this.#side.hidden = !hello.pages;
    this.#player.element.hidden = !hello.player;
    this.#entries.greet(hello.keys);
    this.#root.classList.toggle("with-player", hello.player);
    // What there is besides is known with the first figures: until then nothing is drawn that would move.
    this.#lastTick = null;
    this.#root.classList.remove("ready");
    this.#stale = true;
    void this.#look();
  }

  #tick(tick: Tick): void {
    const isFirst = this.#lastTick === null;
    this.#lastTick = tick;
    this.#heardAt = new Date();
    const isKnown = this.#overview.show(tick);
    if (isFirst) {
      const isOfEntries = tick.users !== null;
      this.#overview.element.hidden = !isKnown;
      this.#entries.element.hidden = !isOfEntries;
      this.#decisions.element.hidden = !isOfEntries;
      this.#root.classList.add("ready");
    }
    if (tick.users !== null) this.#entries.show(tick);
    this.#counters.show(tick, this.#model?.frame.pageSize ?? 0);
    this.#decisions.show(tick);
    this.#map.flash(tick.evictedFrom, "evicted");
    if (tick.player !== null) this.#player.show(tick.player);
    this.#showStatus();
    this.#stale = true;
    void this.#look();
  }
}

function stillText({ position, length }: PlayerState): string {
  return position === length ? "at its end: Play begins anew" : "paused: Play goes on";
}

/** What the colours and patterns mean, of those that are drawn. What is not drawn has its place all the same. */
class Legend {
  readonly element: HTMLElement;
  readonly #parts: Record<"ages" | "used" | "reclaim" | Flash, HTMLElement>;

  constructor() {
    const part = (name: string, ...content: (HTMLElement | string)[]): HTMLElement =>
      el("span", { class: `part ${name}`, "data-drawn": "no" }, ...content);
    const swatch = (): HTMLElement => el("i", { "aria-hidden": "true" });
    this.#parts = {
      ages: part("ages", "new", swatch(), "old"),
      used: part("used", swatch(), "in use"),
      reclaim: part("reclaim", swatch(), "under reclaim"),
      evicted: part("evicted", swatch(), "evicted from"),
      came: part("came", swatch(), "came into use"),
      gone: part("gone", swatch(), "went out of use"),
    };
    const { ages, used, ...others } = this.#parts;
    // One or the other, in one place.
    const inUse = el("span", { class: "either" }, ages, used);
    this.element = el("div", { class: "legend dim" }, inUse, ...Object.values(others));
  }

  /** Something is drawn so, at least for a moment. */
  draws(what: "reclaim" | Flash): void {
    this.#parts[what].dataset.drawn = "yes";
  }

  show({ frame }: Model): void {
    const hasAges = frame.lru.length > 0;
    this.#parts.ages.dataset.drawn = hasAges ? "yes" : "no";
    this.#parts.used.dataset.drawn = !hasAges && frame.pages.length > 0 ? "yes" : "no";
    if (frame.underReclaim.includes(1)) this.draws("reclaim");
  }
}
