import { bytesText, countOf, countText, percentText } from "../../src/base/number-text.ts";
import { hitShare, usersText } from "../../src/viewer/overview.ts";
import type { ShownEntries, Tick, User } from "../../src/viewer/types.ts";
import { el } from "../shared/dom.ts";

const AGES = [
  "up to 10 s",
  "up to 1 min",
  "up to 10 min",
  "up to 1 h",
  "older",
  "from before this was watched",
];
const SIZE_FIRST = 64;
/** Steps of sizes that have their size below them. */
const NAMED_EVERY = 4;
const NAMED_USERS = 6;

/** How entries go, with the counter of each. */
const LEFT: readonly (readonly [counter: string, text: string])[] = [
  ["evictions", "evicted"],
  ["expirations", "expired"],
  ["replacements", "replaced"],
  ["deletions", "deleted"],
  ["clearDeletions", "cleared"],
  ["invalidations", "invalidated"],
  ["drops", "dropped"],
  ["writtenBackPages", "written back"],
];

/** What a cache's or page store's user wants to know of it. Every line has its place, whether there is anything to say. */
export class EntriesPanel {
  readonly element: HTMLElement;
  readonly #facts = el("dl", { class: "facts-list" });
  readonly #left = bars("How entries left");
  readonly #ages = bars("Ages");
  readonly #sizes = el("div", { class: "bars", role: "img" });
  readonly #counted = el("p", { class: "dim" });
  readonly #keys = el("ol", { class: "keys num" });
  readonly #keysPart: HTMLElement;

  constructor() {
    const axis = el("div", { class: "axis dim num", "aria-hidden": "true" });
    for (let step = 0; step < 16; step += NAMED_EVERY)
      axis.append(el("span", {}, bytesText(SIZE_FIRST * 2 ** step)));
    const sizes = el("div", {}, el("h3", {}, "Sizes, compressed"), this.#sizes, axis, this.#counted);
    this.#keysPart = el(
      "div",
      { class: "keys-part" },
      el("h3", {}, "Largest entries"),
      scrolled(this.#keys, "Keys of the largest entries"),
    );
    this.element = el(
      "section",
      { class: "panel entries", "aria-label": "Entries" },
      el("h2", {}, "Entries"),
      el(
        "div",
        { class: "entries-parts" },
        scrolled(this.#facts, "About the entries"),
        el("div", {}, el("h3", {}, "How they left"), this.#left),
        el("div", {}, el("h3", {}, "Ages, since stored or compressed anew"), this.#ages),
        sizes,
        this.#keysPart,
      ),
    );
  }

  /** Whether keys are told; if so they have a place. */
  greet(keys: boolean): void {
    this.#keysPart.hidden = !keys;
  }

  show({ counters, texts, users, entries }: Tick): void {
    const facts = [...cacheFacts(counters, texts), ["Used by", usersOf(users)]];
    this.#facts.replaceChildren(
      ...facts.map(([name, text]) => el("div", {}, el("dt", { class: "dim" }, name), el("dd", {}, text))),
    );
    const left = LEFT.filter(([name]) => name in counters);
    fillBars(
      this.#left,
      left.map(([name, text]) => [text, counters[name]]),
    );
    if (entries !== null) this.#showEntries(entries);
    else
      fillBars(
        this.#ages,
        AGES.map((name) => [name, 0]),
      );
  }

  #showEntries({ counted, sizes, ages, earlier, raw, keys }: ShownEntries): void {
    const figures = [...ages, earlier];
    fillBars(
      this.#ages,
      AGES.map((name, i) => [name, figures[i] ?? 0]),
    );
    const most = Math.max(1, ...sizes);
    this.#sizes.replaceChildren(
      ...sizes.map((count) => {
        const bar = el("i");
        bar.style.height = `${count === 0 ? 0 : Math.max(4, (count / most) * 100)}%`;
        return bar;
      }),
    );
    this.#sizes.setAttribute("aria-label", sizesText(sizes));
    const incompressible = raw === 0 ? "all compress" : `${percentText(raw / counted)} do not compress`;
    this.#counted.textContent = `${countOf(counted, "entry", "entries")} looked at, ${counted === 0 ? "none yet" : incompressible}`;
    this.#keys.replaceChildren(
      ...(keys ?? []).map(({ key, bytes }) =>
        el("li", {}, el("span", {}, key), el("b", {}, bytesText(bytes))),
      ),
    );
  }
}

type Counters = Tick["counters"];

function cacheFacts(counters: Counters, texts: Tick["texts"]): string[][] {
  const facts: string[][] = [];
  if ("hits" in counters && "misses" in counters) {
    const share = hitShare(counters as { hits: number; misses: number });
    facts.push(["Hit rate since the start", share === null ? "no reads yet" : percentText(share)]);
  }
  if (texts["dictionary.state"] !== undefined) facts.push(["Dictionary", dictionaryText(counters, texts)]);
  if (texts["improvement.state"] !== undefined) {
    const count = counters["improvement.recompressed"] ?? 0;
    const saved = bytesText(counters["improvement.recompressedBytesSaved"] ?? 0);
    facts.push([
      "Compressed anew in pauses",
      `${texts["improvement.state"]}, ${countOf(count, "value", "values")}, ${saved} saved; cold codec ${texts["improvement.coldCodec"] ?? "none"}`,
    ]);
  }
  if (texts.isBackingFull !== undefined)
    facts.push(["Second tier", tierText(counters, texts.isBackingFull === "yes")]);
  const slower = Object.keys(texts).filter((name) => name.startsWith("fallbacks."));
  facts.push([
    "What the platform lacks",
    slower.length === 0 ? "nothing" : slower.map((name) => texts[name]).join("; "),
  ]);
  return facts;
}

function dictionaryText(counters: Counters, texts: Tick["texts"]): string {
  const error = texts["dictionary.error"] === undefined ? "" : `; ${texts["dictionary.error"]}`;
  const state = texts["dictionary.state"].replace("-", " ");
  if (texts["dictionary.state"] !== "in-use") return `${state}${error}`;
  const saved = counters["dictionary.savedBytes"] ?? 0;
  return `${state}, ${bytesText(counters["dictionary.bytes"] ?? 0)}, saved ${bytesText(saved)} so far${error}`;
}

function tierText(counters: Counters, isFull: boolean): string {
  const read = (counters.backingHits ?? counters.readBacks ?? 0) + (counters.backingMisses ?? 0);
  const written = counters.backingWrites ?? counters.writtenBackPages ?? 0;
  const failed =
    (counters.backingWritesFailed ?? counters.writebacksFailed ?? 0) + (counters.backingReadsFailed ?? 0);
  if (read + written + failed === 0 && !isFull) return "nothing went there, nor came back";
  return `${countText(counters.backingHits ?? counters.readBacks ?? 0)} came back, ${countText(written)} went there, ${countText(failed)} failed${isFull ? "; it takes nothing now" : ""}`;
}

function usersOf(users: readonly User[] | null): string {
  if (users === null) return "not known";
  const named = users.slice(0, NAMED_USERS).map(({ pid, threads }) => {
    return `${pid === 0 ? "a process" : pid} (${countOf(threads, "thread", "threads")})`;
  });
  const more = users.length > NAMED_USERS ? ", …" : "";
  return `${usersText(users)}: ${named.join(", ")}${more}`;
}

function sizesText(sizes: readonly number[]): string {
  const said = sizes.flatMap((count, i) => {
    if (count === 0) return [];
    const to = i === sizes.length - 1 ? "more" : `up to ${bytesText(SIZE_FIRST * 2 ** i)}`;
    return [`${to}: ${countText(count)}`];
  });
  return `Entries by size. ${said.join(", ")}`;
}

function bars(label: string): HTMLElement {
  return el("ul", { class: "bar-list num", "aria-label": label });
}

/** The rows stay; what is in them changes. */
function fillBars(list: HTMLElement, rows: readonly (readonly [name: string, count: number])[]): void {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  list.replaceChildren(
    ...rows.map(([name, count]) => {
      const bar = el("span", { class: "length" });
      bar.style.width = `${(count / most) * 100}%`;
      return el(
        "li",
        {},
        el("span", {}, name),
        el("span", { class: "track", "aria-hidden": "true" }, bar),
        el("b", {}, countText(count)),
      );
    }),
  );
}

function scrolled(content: HTMLElement, label: string): HTMLElement {
  return el("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": label }, content);
}
