import { bytesText, countText } from "../../src/base/words.ts";
import type { Hello, Tick } from "../../src/viewer/types.ts";
import { button, el } from "../shared/dom.ts";
import { Counters } from "./counters.ts";
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
  const title = el("h1", {}, "zbud");
  const status = el("span", { class: "status", role: "status" }, "connecting");
  const facts = el("p", { class: "facts num dim" });
  const details = new Details();
  const map = new PoolMap({ select: choosePage });
  const lists = new Lists(chooseList);
  const lru = new LruStrip();
  const counters = new Counters();
  const player = new PlayerBar((command) => void source.control(command));
  const arrange = ARRANGEMENTS.map(([arrangement, text], i) =>
    button(text, () => arrangeBy(i), { "aria-pressed": String(i === 0), "data-arrangement": arrangement }),
  );
  const legend = el(
    "span",
    { class: "legend dim" },
    "new",
    el("i", { "aria-hidden": "true" }),
    "old",
    el("b", { "aria-hidden": "true" }),
    "evicted from",
  );
  const tools = el(
    "div",
    { class: "tools" },
    el("div", { class: "arrange", role: "group", "aria-label": "Arrange pages" }, ...arrange),
    legend,
  );
  const stage = el("main", { class: "stage", "aria-label": "Pool" }, tools, map.element);
  const side = el(
    "aside",
    { class: "side", "aria-label": "Page, lists and LRU" },
    details.element,
    lists.element,
    lru.element,
  );
  root.classList.add("viewer");
  root.append(
    el("header", { class: "top" }, title, status, facts),
    player.element,
    stage,
    side,
    counters.element,
  );

  let model: Model | null = null;
  let chosen: number | null = null;
  let stale = true;
  let fetching = false;
  let hasPages = true;

  function choosePage(page: number | null): void {
    chosen = page;
    details.show(model, page);
  }

  function chooseList(): void {
    if (model === null) return;
    map.mark(lists.marked(model));
    lists.show(model);
  }

  function arrangeBy(at: number): void {
    map.arrange(ARRANGEMENTS[at][0]);
    arrange.forEach((each, i) => {
      each.setAttribute("aria-pressed", String(i === at));
    });
  }

  /** One at a time: who is slow gets fewer, not late ones. */
  async function look(): Promise<void> {
    if (fetching || !stale || !hasPages || document.hidden) return;
    fetching = true;
    stale = false;
    const frame = await source.frame();
    fetching = false;
    if (frame === null) return;
    model = new Model(frame);
    const marked = lists.marked(model);
    map.mark(marked);
    map.show(model);
    lists.show(model);
    lru.show(model);
    details.show(model, chosen);
    const objects = frame.handles.length;
    const most = frame.maxPages > 0 ? ` of at most ${countText(frame.maxPages)}` : "";
    facts.textContent = `${countText(frame.pages.length)} pages of ${bytesText(frame.pageSize)}${most} · ${countText(objects)} objects`;
    if (stale) void look();
  }

  function greet(hello: Hello): void {
    title.textContent = hello.title;
    document.title = `${hello.title} · zbud`;
    hasPages = hello.pages;
    stage.hidden = !hello.pages;
    side.hidden = !hello.pages;
    player.element.hidden = !hello.player;
    root.classList.toggle("with-player", hello.player);
    stale = true;
    void look();
  }

  function tick(heard: Tick): void {
    counters.show(heard);
    map.flash(heard.evictedFrom);
    if (heard.player !== null) player.show(heard.player);
    stale = true;
    void look();
  }

  player.element.hidden = true;
  document.addEventListener("visibilitychange", () => void look());
  source.start({
    hello: greet,
    tick,
    connected: (connected) => {
      status.textContent = connected ? "live" : "no connection";
      status.classList.toggle("lost", !connected);
    },
  });
}
