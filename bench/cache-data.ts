import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Prng } from "../src/base/index.ts";

/** One kind of what caches hold: `make(i)` is the i-th record of it, always the same for a seed. */
export interface CacheData {
  name: string;
  /** What a record takes on average, roughly. */
  bytes: number;
  key(index: number): string;
  make(index: number): Buffer;
}

const require = createRequire(import.meta.url);

/** Lengths of JSON records that are taken: about 0.5, 1.3 and 4 KB. */
const JSON_KINDS: [string, number, number][] = [
  ["JSON 0.5 KB", 400, 620],
  ["JSON 1.3 KB", 1050, 1600],
  ["JSON 4 KB", 3200, 5000],
];

interface Compat {
  path: string;
  value: unknown;
}

/** Names of the kinds, in the order of their numbers. */
export const CACHE_DATA: readonly string[] = [...JSON_KINDS.map(([name]) => name), "HTML 20–60 KB"];

/**
 * Real records, as many as are wanted: the support statements of MDN's browser compatibility data, each wrapped
 * in what an API adds to its answers (an id, times, an etag), by which no two are equal.
 *
 * What they are made from is off the heap, so that collections have the caches' objects to look at, not these.
 *
 * @param kind - index into {@link CACHE_DATA}.
 */
export function cacheData(kind: number, seed: number): CacheData {
  const statements = readStatements();
  if (kind === JSON_KINDS.length) return htmlPages(statements, seed);
  const [name, low, high] = JSON_KINDS[kind];
  const fitting = new Texts(pieces(statements, low - 150, high - 150));
  return {
    name,
    bytes: Math.round(fitting.bytes / fitting.count) + 150,
    key: (index) => `${name.slice(5).replaceAll(" ", "")}:${index}:${(index * 2654435761) >>> 0}`,
    make: (index) => answer(fitting.at(mixed(index, fitting.count)), index, seed),
  };
}

/** Texts in one buffer. */
class Texts {
  readonly count: number;
  readonly bytes: number;
  readonly #all: Buffer;
  readonly #ends: Uint32Array;

  constructor(texts: readonly string[]) {
    if (texts.length === 0) throw new Error("no text of the lengths wanted");
    this.#all = Buffer.from(texts.join(""));
    this.#ends = new Uint32Array(texts.length);
    let end = 0;
    texts.forEach((text, i) => {
      end += Buffer.byteLength(text);
      this.#ends[i] = end;
    });
    this.count = texts.length;
    this.bytes = end;
  }

  at(index: number): Buffer {
    return this.#all.subarray(index === 0 ? 0 : this.#ends[index - 1], this.#ends[index]);
  }
}

/** A step through `count` things that meets each before any twice, and neighbours far apart: traffic is mixed. */
function mixed(index: number, count: number): number {
  return (index * 7919) % count;
}

/** JSON texts of about the lengths wanted: statements, or rows of neighbours where one is too short. */
function pieces(statements: readonly Compat[], low: number, high: number): string[] {
  const texts: string[] = [];
  for (let i = 0; i < statements.length; i++) {
    const items: unknown[] = [];
    let text = "";
    for (let j = i; j < statements.length && text.length < low; j++) {
      items.push({ path: statements[j].path, compat: statements[j].value });
      text = JSON.stringify(items);
      i = j;
    }
    if (text.length >= low && text.length <= high) texts.push(text);
  }
  return texts;
}

/** What an API answers: the payload, and what tells this answer from all others. */
function answer(payload: Buffer, index: number, seed: number): Buffer {
  const prng = new Prng(index * 7919 + seed + 1);
  const hex = (): string => prng.uint32().toString(16).padStart(8, "0");
  const time = new Date(1_700_000_000_000 + prng.below(2 ** 31)).toISOString();
  const status = prng.chance(0.9) ? "ok" : "partial";
  const start =
    `{"id":${index},"etag":"${hex()}${hex()}","updatedAt":"${time}",` +
    `"status":"${status}","revision":${prng.below(1000)},"data":`;
  return Buffer.concat([Buffer.from(start), payload, Buffer.from("}")]);
}

/** Pages of 20 to 60 KB: tables of compatibility with a navigation, as documentation sites serve them. */
function htmlPages(statements: readonly Compat[], seed: number): CacheData {
  const pages = new Texts(
    Array.from({ length: 200 }, (_, number) => {
      const prng = new Prng(number * 104_729 + seed + 1);
      const wanted = prng.between(20_000, 58_000);
      const start = prng.below(statements.length - 200);
      let body = navigation(statements, start);
      for (let i = start; body.length < wanted && i < statements.length; i++)
        body += section(statements[i], i);
      return body;
    }),
  );
  return {
    name: CACHE_DATA[JSON_KINDS.length],
    bytes: Math.round(pages.bytes / pages.count) + 300,
    key: (index) => `/en-US/docs/page/${index}`,
    make: (index) => {
      const prng = new Prng(index * 7919 + seed + 1);
      const nonce = prng.uint32().toString(36) + prng.uint32().toString(36);
      const head =
        `<!doctype html><html lang="en-US"><head><meta charset="utf-8"><title>Page ${index}</title>` +
        `<script nonce="${nonce}" src="/static/js/main.${nonce.slice(0, 6)}.js"></script></head>` +
        `<body data-user="${prng.below(2 ** 31)}">`;
      const end = `<footer>${nonce}</footer></body></html>`;
      return Buffer.concat([Buffer.from(head), pages.at(index % pages.count), Buffer.from(end)]);
    },
  };
}

function navigation(statements: readonly Compat[], start: number): string {
  const links = statements
    .slice(start, start + 40)
    .map(
      ({ path }) => `<li><a class="sidebar-link" href="/docs/${path.replaceAll(".", "/")}">${path}</a></li>`,
    );
  return `<nav aria-label="Related topics"><ol>${links.join("")}</ol></nav>`;
}

function section({ path, value }: Compat, index: number): string {
  const {
    support = {},
    status = {},
    description = "",
  } = value as {
    support?: Record<string, unknown>;
    status?: Record<string, unknown>;
    description?: string;
  };
  const rows = Object.entries(support).map(([browser, statement]) => {
    const text = JSON.stringify(statement).replaceAll("<", "&lt;").replaceAll('"', "&quot;");
    return `<tr class="bc-row" data-browser="${browser}"><th scope="row">${browser}</th><td>${text}</td></tr>`;
  });
  return (
    `<section aria-labelledby="s${index}"><h2 id="s${index}">${path.split(".").at(-1)}</h2>` +
    `<p>${description} Status: ${Object.keys(status).join(", ")}.</p>` +
    `<table class="bc-table"><tbody>${rows.join("")}</tbody></table></section>`
  );
}

function readStatements(): Compat[] {
  const statements: Compat[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === "__compat") statements.push({ path, value });
      else walk(value, path === "" ? key : `${path}.${key}`);
    }
  };
  walk(JSON.parse(readFileSync(require.resolve("@mdn/browser-compat-data"), "utf8")), "");
  return statements;
}
