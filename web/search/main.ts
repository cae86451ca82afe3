/**
 * The search of the documentation, at work in compressed memory: all text of the site is kept in a cache in this page,
 * and each search reads all of it. There is no index.
 */
import { CompressedCache } from "../../src/entry/cache.ts";
import { type Child, el } from "../shared/dom.ts";

/** A part of a page under one heading, as `scripts/site-text.ts` writes them. */
interface Section {
  path: string;
  title: string;
  text: string;
}

interface Hit extends Section {
  score: number;
  at: number;
}

const SHOWN = 8;
const BEFORE = 50;
const EXCERPT = 180;

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
};
const input = element("words") as HTMLInputElement;

const cache = new CompressedCache<Section>({ maxBytes: "16MiB", maxEntries: 20_000 });

/** The sections come as lines of JSON, and each goes into the cache as it comes. */
async function loadText(): Promise<number> {
  const response = await fetch("text.jsonl");
  if (!response.ok || response.body === null) throw new Error(`text.jsonl: ${response.status}`);
  let count = 0;
  let rest = "";
  for await (const chunk of chunksOf(response.body.pipeThrough(new TextDecoderStream()))) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const result = cache.set(count++, JSON.parse(line) as Section);
      if (result !== "add") throw new Error(`section ${count}: ${result}`);
    }
  }
  return count;
}

async function* chunksOf(stream: ReadableStream<string>): AsyncGenerator<string> {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Reads every section, and gives those that have all words, the best first. */
function search(words: readonly string[], count: number): Hit[] {
  const hits: Hit[] = [];
  for (let i = 0; i < count; i++) {
    const section = cache.get(i);
    if (section === undefined) throw new Error(`section ${i} is gone`);
    const title = section.title.toLowerCase();
    const text = section.text.toLowerCase();
    let score = 0;
    let at = text.length;
    for (const word of words) {
      const place = text.indexOf(word);
      const inTitle = title.includes(word);
      if (place < 0 && !inTitle) {
        score = -1;
        break;
      }
      if (place >= 0) at = Math.min(at, place);
      score += (inTitle ? 10 : 0) + (place >= 0 ? 1 : 0);
    }
    if (score > 0) hits.push({ ...section, score, at: at === text.length ? 0 : at });
  }
  return hits.sort((a, b) => b.score - a.score || a.text.length - b.text.length);
}

function showSearch(count: number): void {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    element("found").textContent = `${count.toLocaleString("en")} sections to search.`;
    element("results").replaceChildren();
    return;
  }
  const start = performance.now();
  const hits = search(words, count);
  const ms = performance.now() - start;
  element("found").textContent =
    `${hits.length.toLocaleString("en")} of ${count.toLocaleString("en")} sections have ` +
    `${words.length === 1 ? "this word" : "these words"}; all were decompressed and read in ${ms.toFixed(0)} ms.`;
  element("results").replaceChildren(...hits.slice(0, SHOWN).map((hit) => resultOf(hit, words)));
}

function resultOf({ path, title, text, at }: Hit, words: readonly string[]): HTMLElement {
  const from = Math.max(0, at - BEFORE);
  const end = from + EXCERPT;
  return el(
    "li",
    {},
    el("a", { href: `../${path}`, target: "_top" }, title),
    el(
      "p",
      {},
      from > 0 ? "… " : null,
      ...marked(text.slice(from, end), words),
      end < text.length ? " …" : null,
    ),
  );
}

/** The text with each of the words in a `mark`. */
function marked(text: string, words: readonly string[]): Child[] {
  const escaped = words.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const parts = text.split(new RegExp(`(${escaped.join("|")})`, "i"));
  return parts.map((part, i) => (i % 2 === 0 ? part : el("mark", {}, part)));
}

function showSaving(count: number): void {
  const { originalBytes, bytesUsed, dictionary } = cache.stats();
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
  const bars = [
    ["as JSON", originalBytes],
    ["in compressed memory", bytesUsed],
  ] as const;
  element("bars").replaceChildren(
    ...bars.flatMap(([name, bytes]) => {
      const bar = el("div", { class: "bar" });
      bar.style.width = `${(100 * bytes) / Math.max(originalBytes, bytesUsed)}%`;
      return [
        el("span", {}, name),
        el("div", { class: "track" }, bar),
        el("span", { class: "value" }, mb(bytes)),
      ];
    }),
  );
  const learned =
    dictionary.state === "in-use" ? ` What they have in common was learned: ${mb(dictionary.bytes)}.` : "";
  element("saved").textContent =
    `${count.toLocaleString("en")} sections take ${(originalBytes / bytesUsed).toFixed(1)} times less memory ` +
    `than their JSON, with index and all.${learned}`;
}

try {
  const count = await loadText();
  input.addEventListener("input", () => showSearch(count));
  input.form?.addEventListener("submit", (event) => event.preventDefault());
  showSearch(count);
  showSaving(count);
  // What was kept before the dictionary was there is made smaller in the page's pauses.
  setInterval(() => showSaving(count), 1000);
} catch (error) {
  element("found").textContent = `The search does not work: ${(error as Error).message}`;
}
