/**
 * A data set at work in compressed memory, in the reader's browser: what browsers support, one feature a record of JSON.
 * Each search reads all of them. There is no index.
 */
import { CompressedCache } from "../../src/entry/cache.ts";
import { trainDictionary } from "../../src/entry/codecs.ts";
import { el } from "../shared/dom.ts";

/** A record, as `scripts/compat-lines.ts` writes them. */
interface Feature {
  name: string;
  mdn_url?: string;
  support: Record<string, Support | Support[] | undefined>;
}
interface Support {
  version_added: string | boolean | null;
}

const SHOWN = 40;
const BROWSERS = ["chrome", "firefox", "safari"];
/** One record of so many is what the dictionary is learned from. */
const SAMPLED = 40;
const DICTIONARY_BYTES = 32_768;

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
};
const input = element("words") as HTMLInputElement;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Fetches the records and keeps them; the text that came is garbage afterwards. */
async function load(): Promise<CompressedCache<string>> {
  const response = await fetch("features.jsonl");
  if (!response.ok) throw new Error(`features.jsonl: ${response.status}`);
  const lines = (await response.text()).trimEnd().split("\n");
  const encoder = new TextEncoder();
  const samples = lines.filter((_, i) => i % SAMPLED === 0).map((line) => encoder.encode(line));
  const cache = new CompressedCache<string>({
    maxBytes: "8MiB",
    averageBytes: 240,
    dictionary: trainDictionary(samples, DICTIONARY_BYTES),
  });
  for (const [i, line] of lines.entries()) {
    const result = cache.set(i, line);
    if (result !== "add") throw new Error(`record ${i} is not kept: ${result}`);
  }
  return cache;
}

/** Decompresses every record, and gives those that have the text in their name. */
function search(cache: CompressedCache<string>, text: string): Feature[] {
  const found: Feature[] = [];
  for (let i = 0; i < cache.size; i++) {
    const line = cache.get(i);
    if (line === undefined) throw new Error(`record ${i} is gone`);
    if (!line.toLowerCase().includes(text)) continue;
    const feature = JSON.parse(line) as Feature;
    if (feature.name.toLowerCase().includes(text)) found.push(feature);
  }
  return found;
}

function showSearch(cache: CompressedCache<string>): void {
  const start = performance.now();
  const found = search(cache, input.value.trim().toLowerCase());
  const ms = performance.now() - start;
  const [count, all] = [found.length, cache.size].map((number) => number.toLocaleString("en"));
  element("found").textContent =
    `${count} of ${all} features; all were decompressed and read in ${ms.toFixed(0)} ms.`;
  element("results").replaceChildren(...found.slice(0, SHOWN).map(rowOf));
}

function rowOf({ name, mdn_url: url, support }: Feature): HTMLElement {
  const title = url === undefined ? name : el("a", { href: url, target: "_top" }, name);
  const cells = BROWSERS.map((browser) => el("td", {}, since(support[browser])));
  return el("tr", {}, el("th", { scope: "row" }, title), ...cells);
}

function since(support: Support | Support[] | undefined): string {
  const version = [support].flat()[0]?.version_added;
  if (version === undefined || version === null) return "?";
  if (typeof version === "string") return version;
  return version ? "yes" : "no";
}

function showSaving(cache: CompressedCache<string>): void {
  const { originalBytes, bytesUsed } = cache.stats();
  const bars = [
    ["as JSON", originalBytes],
    ["in compressed memory", bytesUsed],
  ] as const;
  element("bars").replaceChildren(
    ...bars.flatMap(([name, bytes]) => {
      const bar = el("div", { class: "bar" });
      bar.style.width = `${(100 * bytes) / Math.max(originalBytes, bytesUsed)}%`;
      const value = el("span", { class: "value" }, megabytes(bytes));
      return [el("span", {}, name), el("div", { class: "track" }, bar), value];
    }),
  );
  element("saved").textContent =
    `${cache.size.toLocaleString("en")} records take ${(originalBytes / bytesUsed).toFixed(1)} times less memory ` +
    "than their JSON: keys, index and all are counted, and nothing of it is on the heap.";
}

try {
  const cache = await load();
  input.addEventListener("input", () => showSearch(cache));
  input.form?.addEventListener("submit", (event) => event.preventDefault());
  showSearch(cache);
  showSaving(cache);
} catch (error) {
  element("found").textContent = `The search does not work: ${(error as Error).message}`;
}
