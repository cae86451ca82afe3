import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Prng } from "../src/base/index.ts";
import { zipf } from "./zipf.ts";

/** A sequence of keys, numbered from 0 in the order in which they first come. */
export interface KeyTrace {
  name: string;
  keys: Int32Array;
  /** Bytes of each key's value. */
  sizes: Uint32Array;
}

/** Traces that Debian packages bring along, and where they put them. */
const DEBIAN: readonly [string, string][] = [
  [
    "golang-github-dgraph-io-ristretto-dev",
    "/usr/share/gocode/src/github.com/dgraph-io/ristretto/sim/gli.lirs.gz",
  ],
  ["logstalgia", "/usr/share/logstalgia/example.log"],
];

/**
 * Recorded traces: those of Debian packages that are installed, and all files of the folder that the variable
 * CACHE_TRACES names. A line is a key; or four numbers, a block and how many follow it, as ARC's authors publish
 * theirs; or one of a web server's log. Any of them may be gzipped.
 */
export function recordedTraces(log: (line: string) => void): KeyTrace[] {
  const files = DEBIAN.filter(([, file]) => existsSync(file)).map(([, file]) => file);
  for (const [name, file] of DEBIAN) {
    if (!existsSync(file)) log(`no ${basename(file)}: Debian's package ${name} brings it`);
  }
  const folder = process.env.CACHE_TRACES;
  if (folder !== undefined) files.push(...readdirSync(folder).map((file) => join(folder, file)));
  return files.map(readTrace);
}

function readTrace(file: string): KeyTrace {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("latin1");
  const gathered = new Gathered(basename(file).replace(/\..*/, ""));
  for (const line of text.split("\n")) {
    const request = / "(?:GET|HEAD) (\S+)[^"]*" \d+ (\d+|-)/.exec(line);
    const blocks = /^(\d+) (\d+) \d+ \d+\s*$/.exec(line);
    if (request !== null) {
      gathered.add(request[1], Number(request[2]) || 0);
    } else if (blocks !== null) {
      const first = Number(blocks[1]);
      for (let i = 0; i < Number(blocks[2]); i++) gathered.add(first + i);
    } else if (/^\S+$/.test(line.trim()) && line.trim() !== "*") {
      gathered.add(line.trim());
    }
  }
  return gathered.trace();
}

/** How many requests and keys generated traces have. */
export interface TraceSize {
  requests: number;
  keys: number;
}

/** Traces with properties that are known: how skewed, how scanned, how fast what is popular changes. */
export function generatedTraces(seed: number, { requests, keys }: TraceSize): KeyTrace[] {
  const traces: KeyTrace[] = [];
  const generate = (name: string, next: (prng: Prng, request: number) => number): void => {
    const prng = new Prng(seed);
    const gathered = new Gathered(name);
    for (let request = 0; request < requests; request++) gathered.add(next(prng, request));
    traces.push(gathered.trace());
  };
  const even = zipf(keys, 0.8);
  const skewed = zipf(keys, 1);
  generate("Zipf 0.8", (prng) => even(prng));
  generate("Zipf 1.0", (prng) => skewed(prng));
  // One request in four belongs to a scan, of a thousandth of the keys at a time, through keys of its own.
  const run = Math.ceil(keys / 1000);
  let scanned = 0;
  generate("Zipf 1.0, scans", (prng, request) => {
    if (request % (4 * run) >= run) return skewed(prng);
    return keys + (scanned++ % (4 * keys));
  });
  generate("loop", (_, request) => request % Math.ceil(keys / 10));
  // As news: each twentieth request finds a new key, which is asked for most until the next comes.
  const age = zipf(keys, 1);
  generate("news", (prng, request) => keys + Math.floor(request / 20) - age(prng));
  // A key is asked for as often as others for a while, and never again.
  const width = Math.ceil(keys / 20);
  generate("window moves", (prng, request) => prng.below(width) + Math.floor(request / 20));
  return traces;
}

/** Sizes from 200 bytes to 64 KiB, as many of each power of two: what a trace does not say. */
function sizeOf(number: number): number {
  const mixed = Math.imul(number ^ (number >>> 15), 0x2c1b3c6d) >>> 0;
  return Math.round(200 * 2 ** (8.36 * (mixed / 2 ** 32)));
}

/** Keys as they come, numbered. */
class Gathered {
  readonly #name: string;
  readonly #numbers: Map<string | number, number> = new Map();
  readonly #keys: number[] = [];
  readonly #sizes: number[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** @param bytes - of the value, if known; of several figures for one key the largest counts. */
  add(key: string | number, bytes?: number): void {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(key, number);
      this.#sizes.push(bytes ?? sizeOf(number));
    }
    if (bytes !== undefined) this.#sizes[number] = Math.max(1, bytes, this.#sizes[number]);
    this.#keys.push(number);
  }

  trace(): KeyTrace {
    return { name: this.#name, keys: Int32Array.from(this.#keys), sizes: Uint32Array.from(this.#sizes) };
  }
}
