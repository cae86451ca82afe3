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

/**
 * Real records, as many as are wanted: the support statements of MDN's browser compatibility data, each wrapped
 * in what an API adds to its answers (an id, times, an etag), by which no two are equal.
 */
export function cacheData(seed: number): CacheData[] {
  const statements = readStatements();
  const kinds = JSON_KINDS.map(([name, low, high]): CacheData => {
    const fitting = pieces(statements, low - 150, high - 150);
    if (fitting.length === 0) throw new Error(`no record of ${low} to ${high} bytes`);
    return {
      name,
      bytes: Math.round(fitting.reduce((sum, text) => sum + text.length, 0) / fitting.length) + 150,
      key: (index) => `${name.slice(5).replaceAll(" ", "")}:${index}:${(index * 2654435761) >>> 0}`,
      make: (index) => Buffer.from(answer(fitting[index % fitting.length], index, seed)),
    };
  });
  return [...kinds, htmlPages(statements, seed)];
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
function answer(payload: string, index: number, seed: number): string {
  const prng = new Prng(index * 7919 + seed + 1);
  const hex = (): string => prng.uint32().toString(16).padStart(8, "0");
  const time = new Date(1_700_000_000_000 + prng.below(2 ** 31)).toISOString();
  const status = prng.chance(0.9) ? "ok" : "partial";
  return (
    `{"id":${index},"etag":"${hex()}${hex()}","updatedAt":"${time}",` +
    `"status":"${status}","revision":${prng.below(1000)},"data":${payload}}`
  );
}

/** Pages of 20 to 60 KB: tables of compatibility with a navigation, as documentation sites serve them. */
function htmlPages(statements: readonly Compat[], seed: number): CacheData {
  const pages = 200;
  const made = new Map<number, string>();
  const page = (number: number): string => {
    const known = made.get(number);
    if (known !== undefined) return known;
    const prng = new Prng(number * 104_729 + seed + 1);
    const wanted = prng.between(20_000, 58_000);
    const start = prng.below(statements.length - 200);
    let body = navigation(statements, start);
    for (let i = start; body.length < wanted && i < statements.length; i++) body += section(statements[i], i);
    made.set(number, body);
    return body;
  };
  return {
    name: "HTML 20–60 KB",
    bytes: 40_000,
    key: (index) => `/en-US/docs/page/${index}`,
    make: (index) => {
      const prng = new Prng(index * 7919 + seed + 1);
      const nonce = prng.uint32().toString(36) + prng.uint32().toString(36);
      return Buffer.from(
        `<!doctype html><html lang="en-US"><head><meta charset="utf-8"><title>Page ${index}</title>` +
          `<script nonce="${nonce}" src="/static/js/main.${nonce.slice(0, 6)}.js"></script></head>` +
          `<body data-user="${prng.below(2 ** 31)}">${page(index % pages)}<footer>${nonce}</footer></body></html>`,
      );
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
