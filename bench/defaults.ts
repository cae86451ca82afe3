/**
 * What untouched defaults hold: page stores and caches on all kinds of data, filled, and after ten times their size went
 * through them in the order of the LRU, all memory counted. Beside the codec's own ratio, the best settings picked by
 * hand, and the raw bytes.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { Prng } from "../src/base/index.ts";
import { CacheCore } from "../src/cache/core.ts";
import { STATE, stateOf, TRAINING } from "../src/cache/dictionary-state.ts";
import { CompressedCache, type CompressedCacheOptions } from "../src/cache/index.ts";
import { warmCodec } from "../src/cache/options.ts";
import { type Codec, codecById } from "../src/codecs/index.ts";
import { registerBuiltIns } from "../src/drivers/index.ts";
import * as table from "../src/engine/table.ts";
import { estimate } from "../src/estimate/index.ts";
import { PageStore, type PageStoreOptions } from "../src/store/index.ts";
import { mostForRaw, randomCase, WORST } from "../test/store/raw-bound.ts";
import { type CacheData, cacheData } from "./cache-data.ts";
import { realData, spread } from "./codec-data.ts";
import { guestMemory } from "./guest-memory.ts";
import type { BenchOptions, Row } from "./harness.ts";

registerBuiltIns();

const SUITE = "defaults";
const PAGE = 4096;
const KIB = 1024;
const CODECS = ["lz4", "zstd"];
/** Goals, as shares of the codec's own ratio. */
const GOALS = { full: 0.9, churned: 0.8 };
const CHURN = 10;
/** Cases that are searched for one in which a store takes more than its pages do. */
const SEARCHED = 3000;
const SEARCHED_HELD = 4000;
/** The longest that a cache's helper may take. */
const HELPED_MS = 120_000;

/** What is tried by hand: each driver with pages of these sizes; and what `zbud estimate` says is the best. */
const BY_HAND: Partial<PageStoreOptions>[] = [
  { driver: "slots", poolPageSize: 2 * KIB },
  { driver: "slots", poolPageSize: 8 * KIB },
  { driver: "slots", poolPageSize: 16 * KIB },
  { driver: "zsmalloc", poolPageSize: 4 * KIB },
  { driver: "size-classes", poolPageSize: 4352 },
];

type Moment = keyof typeof GOALS;

/** What a store or cache holds at a moment: raw bytes for each byte of memory, and for each compressed byte. */
interface Held {
  ratio: number;
  codecRatio: number;
}

interface HeldByCache extends Held {
  /** What the codec reaches with the cache's dictionary. */
  ownRatio: number;
}

export async function run({ seed, quick, log }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const maxBytes = (quick ? 1 : 8) * KIB * KIB;
  for (const [kind, data] of await pageData(quick ? KIB * KIB : 12 * KIB * KIB, log)) {
    for (const codec of quick ? ["lz4"] : CODECS) {
      log(`pages of ${kind}, ${codec}`);
      const byHand = quick ? BY_HAND.slice(0, 1) : [...BY_HAND, ...(await byEstimate(data, codec))];
      rows.push(...pageRows(kind, data, { codec, maxBytes }, byHand, seed));
    }
  }
  log("the worst for raw pages");
  rows.push(worstRow(seed, quick ? SEARCHED / 100 : SEARCHED));
  for (const kind of quick ? [0] : [0, 1, 2, 3, -1]) {
    for (const codec of quick ? ["lz4"] : CODECS)
      rows.push(...(await cacheRows(kind, { codec, maxBytes }, seed, log)));
  }
  return rows;
}

/** The most that a store takes for each raw byte, 64 KiB aside, of the known worst cases and those of a search. */
function worstRow(seed: number, count: number): Row {
  const searched = Array.from({ length: count }, (_, i) => randomCase(seed * SEARCHED + i, SEARCHED_HELD));
  const times = [...WORST, ...searched].map((each) => mostForRaw(each).times);
  const what = `the worst of ${times.length} cases of pages that hardly compress (goal ≥ 0.97)`;
  return row(what, 1 / Math.max(...times), "raw and 64 KiB", 1);
}

/** Data in pages, as the name of each kind says. */
async function pageData(bytes: number, log: (line: string) => void): Promise<Map<string, Buffer>> {
  const data = await realData(Math.min(bytes, 3 * KIB * KIB), log);
  const guest = bytes > KIB * KIB ? await guestMemory(log) : null;
  if (guest !== null) data.set("an emulated machine's memory", spread(guest, Math.min(bytes, 3 * KIB * KIB)));
  data.set("SQLite database", spread(database(), Math.min(bytes, 3 * KIB * KIB)));
  data.set("mixed", mixedPages([...data.values()], bytes));
  data.set("incompressible", noise(Math.min(bytes, KIB * KIB)));
  return data;
}

/** A database as an application has it: MDN's compatibility data, a row for each statement, with two indices. */
function database(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "zbud-bench-"));
  const file = join(folder, "data.sqlite");
  try {
    const db = new DatabaseSync(file);
    db.exec(
      "CREATE TABLE compat (id INTEGER PRIMARY KEY, path TEXT, browser TEXT, version TEXT, flags TEXT, note TEXT)",
    );
    db.exec("CREATE INDEX by_path ON compat (path); CREATE INDEX by_browser ON compat (browser, version)");
    const insert = db.prepare(
      "INSERT INTO compat (path, browser, version, flags, note) VALUES (?, ?, ?, ?, ?)",
    );
    db.exec("BEGIN");
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, value] of Object.entries(node)) {
        if (key !== "__compat") {
          walk(value, `${path}.${key}`);
          continue;
        }
        for (const [browser, support] of Object.entries((value as { support: object }).support)) {
          const each = (Array.isArray(support) ? support[0] : support) as Record<string, unknown>;
          const flags = JSON.stringify(each.flags ?? null);
          insert.run(path, browser, String(each.version_added), flags, String(each.notes ?? ""));
        }
      }
    };
    const json = createRequire(import.meta.url).resolve("@mdn/browser-compat-data");
    walk(JSON.parse(readFileSync(json, "utf8")), "");
    db.exec("COMMIT");
    db.close();
    return readFileSync(file);
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true });
  }
}

function noise(bytes: number): Buffer {
  const prng = new Prng(7);
  return Buffer.from(Uint32Array.from({ length: bytes / 4 }, () => prng.below(2 ** 32)).buffer);
}

function mixedPages(kinds: readonly Buffer[], bytes: number): Buffer {
  const prng = new Prng(3);
  const pages = Math.floor(bytes / PAGE);
  return Buffer.concat(
    Array.from({ length: pages }, () => {
      const from = kinds[prng.below(kinds.length)];
      const at = prng.below(Math.floor(from.length / PAGE)) * PAGE;
      return from.subarray(at, at + PAGE);
    }),
  );
}

/** The best allocator for this data as `zbud estimate` finds it, fitted page sizes among them. */
async function byEstimate(data: Buffer, codec: string): Promise<Partial<PageStoreOptions>[]> {
  const { advice } = await estimate({ bytes: data }, { units: [PAGE], codecs: [codec], for: "size" });
  const best = advice.store?.byHand;
  return best == null ? [] : [{ driver: best.driver, poolPageSize: best.poolPageSize ?? undefined }];
}

function pageRows(
  kind: string,
  data: Buffer,
  common: { codec: string; maxBytes: number },
  byHand: readonly Partial<PageStoreOptions>[],
  seed: number,
): Row[] {
  const { codec } = common;
  const ours = tryPages(data, common, seed);
  const best: Record<Moment, { name: string; ratio: number }> = {
    full: { name: "none", ratio: 0 },
    churned: { name: "none", ratio: 0 },
  };
  for (const options of byHand) {
    let held: Record<Moment, Held>;
    try {
      held = tryPages(data, { ...common, ...options }, seed);
    } catch {
      continue; // Too large a page for the driver, or too few of them.
    }
    for (const moment of ["full", "churned"] as const) {
      if (held[moment].ratio <= best[moment].ratio) continue;
      best[moment] = { name: `${String(options.driver)} ${options.poolPageSize}`, ratio: held[moment].ratio };
    }
  }
  return (["full", "churned"] as const).flatMap((moment) => {
    const { ratio, codecRatio } = ours[moment];
    const what = `pages of ${kind}, ${codec}, ${moment}`;
    return [
      row(`${what} (goal ≥ ${GOALS[moment]})`, ratio, "codec alone", codecRatio),
      row(`${what} (goal ≥ 0.97)`, ratio, `by hand: ${best[moment].name}`, best[moment].ratio),
      row(`${what} (goal ≥ 0.97)`, ratio, "raw", 1),
    ];
  });
}

/** Fills a store, and lets ten times its size go through it. */
function tryPages(data: Buffer, options: PageStoreOptions, seed: number): Record<Moment, Held> {
  const store = new PageStore({ whenFull: "drop", sameFilled: false, ...options });
  const prng = new Prng(seed);
  const pages = Math.floor(data.length / PAGE);
  const order = Uint32Array.from({ length: pages }, (_, i) => i);
  for (let i = pages - 1; i > 0; i--) {
    const other = prng.below(i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  const put = (index: number): void => {
    const at = order[index % pages] * PAGE;
    store.store(index, data.subarray(at, at + PAGE));
  };
  let index = 0;
  while (store.stats().evictions === 0) for (let i = 0; i < 64; i++) put(index++);
  const full = heldBy(store);
  const held = store.stats().storedPages;
  for (const end = index + CHURN * held; index < end; ) put(index++);
  const churned = heldBy(store);
  void store.close();
  return { full, churned };
}

function heldBy(store: PageStore): Held {
  const { storedPages, memUsedTotal, comprDataSize } = store.stats();
  const raw = storedPages * PAGE;
  return { ratio: raw / memUsedTotal, codecRatio: raw / comprDataSize };
}

/** A cache of one kind of data, or of all: untouched, with the dictionary that it learns; and without one. */
async function cacheRows(
  kind: number,
  common: { codec: string; maxBytes: number },
  seed: number,
  log: (line: string) => void,
): Promise<Row[]> {
  const all = kind < 0 ? [0, 1, 2, 3].map((each) => cacheData(each, seed)) : [cacheData(kind, seed)];
  const name = `cache of ${kind < 0 ? "mixed" : all[0].name}, ${common.codec}`;
  log(name);
  const untouched = await tryCache(all, common);
  const without = await tryCache(all, { ...common, dictionary: "none" });
  return (["full", "churned"] as const).flatMap((moment) => {
    const { ratio, codecRatio, ownRatio } = untouched[moment];
    const bare = without[moment];
    const goal = `${moment} (goal ≥ ${GOALS[moment]})`;
    return [
      row(`${name}, ${goal}`, ratio, "codec, its dictionary", ownRatio),
      row(`${name}, ${moment}`, ratio, "codec alone", codecRatio),
      row(`${name}, without a dictionary, ${goal}`, bare.ratio, "codec alone", bare.codecRatio),
    ];
  });
}

/** Has a cache learn from the first values, fills it, and lets ten times its size go through it. */
async function tryCache(
  all: readonly CacheData[],
  options: CompressedCacheOptions<Buffer>,
): Promise<Record<Moment, HeldByCache>> {
  const core = CacheCore.create<Buffer>(options, {});
  const cache = new CompressedCache<Buffer>(core);
  let index = 0;
  const putUntil = (isDone: () => boolean): void => {
    while (!isDone()) {
      for (let i = 0; i < 64; i++, index++) {
        const data = all[index % all.length];
        cache.set(data.key(index), data.make(index));
      }
    }
  };
  const valueAt = (at: number): Buffer => all[at % all.length].make(at);
  const isFull = (): boolean => cache.stats().evictions > 0;
  // Not filled at once: how much would be stored before there is a dictionary depends on how busy the machine is.
  putUntil(() => isLearning(core) || isFull());
  await helped(core);
  putUntil(isFull);
  const full = heldByCache(cache, core, index, valueAt);
  const end = index + CHURN * cache.stats().entries;
  putUntil(() => index >= end);
  await helped(core);
  const churned = heldByCache(cache, core, index, valueAt);
  cache.close();
  return { full, churned };
}

/** Whether a cache has enough values to learn from, and has not yet. */
function isLearning({ sharedState }: CacheCore<Buffer>): boolean {
  return stateOf(Atomics.load(sharedState.words, STATE)) === TRAINING;
}

/** Waits until a cache has learned what it can from what was set, and its helper has been at all values. */
async function helped(core: CacheCore<Buffer>): Promise<void> {
  const { engine, dictionary } = core;
  const signal = AbortSignal.timeout(HELPED_MS);
  const isDone = (): boolean => {
    const codec = warmCodec(dictionary.slot(engine));
    return engine.parts().shards.every(({ rows, words }) => {
      for (let row = 1; row < words[table.W_HIGH_WATER]; row++) {
        const state = rows.stateOf(row);
        const isLooked = (state & (table.STATE_SETTLED | table.STATE_SAME_FILLED)) !== 0;
        const isOther = ((state >> table.CODEC_SHIFT) & 0xff) !== codec;
        if ((state & table.KIND_MASK) === table.KIND_ENTRY && isOther && !isLooked) return false;
      }
      return true;
    });
  };
  while (isLearning(core) || (dictionary.slot(engine) >= 0 && !isDone()))
    await sleep(20, undefined, { signal });
}

/** What a cache holds, and what its codec makes of the same values, each by itself: with its dictionary of now, and without. */
function heldByCache(
  cache: CompressedCache<Buffer>,
  { dictionary, engine, codecId }: CacheCore<Buffer>,
  end: number,
  valueAt: (index: number) => Buffer,
): HeldByCache {
  const { entries, originalBytes, bytesUsed } = cache.stats();
  const stage = new Uint8Array(2 ** 20);
  const plain = codecById(codecId) as Codec;
  const own = dictionary.codec(warmCodec(dictionary.slot(engine))) ?? plain;
  let [raw, byPlain, byOwn] = [0, 0, 0];
  // In the order of use, as they were set: the last ones are those that are there.
  for (let index = end - entries; index < end; index++) {
    const value = valueAt(index);
    raw += value.length;
    byPlain += plain.compress(value, stage) || value.length;
    byOwn += own.compress(value, stage) || value.length;
  }
  if (raw !== originalBytes) throw new Error(`a cache holds ${originalBytes} bytes, and should ${raw}`);
  return { ratio: originalBytes / bytesUsed, codecRatio: raw / byPlain, ownRatio: raw / byOwn };
}

function row(what: string, ours: number, peer: string, theirs: number): Row {
  return { suite: SUITE, case: what, ours, peer, theirs, unit: "times", ratio: ours / theirs };
}
