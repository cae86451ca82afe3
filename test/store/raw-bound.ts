/** Stores that are filled with what hardly compresses, in all orders: how much more do they take than the pages do? */

import assert from "node:assert/strict";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { PageStore } from "../../src/store/index.ts";

const PAGE = 4096;
/** Bytes that a store may take beside the pages. */
const FIXED = 65_536;
/** Pages that are stored between two looks. */
const LOOK_EVERY = 61;

const SIZES = ["random", "in turn", "drifting", "in phases", "few low"] as const;
const ORDERS = ["none", "first in", "last in", "random", "alternating", "replaced"] as const;
const LIMITS = [2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26, 2 ** 28];

/** What is stored, and what goes again. */
export interface RawCase {
  seed: number;
  /** What a page takes compressed, from and to; how it goes from the one to the other. Above 3840 it is kept as it is. */
  low: number;
  high: number;
  sizes: (typeof SIZES)[number];
  order: (typeof ORDERS)[number];
  /** Pages in memory, after which one goes for each that comes. */
  held: number;
  stored: number;
  maxBytes: number;
}

/** The worst that searches found, before what was mended for them and after. */
export const WORST: readonly RawCase[] = [
  { low: 4096, high: 4096, sizes: "random", order: "random", held: 1000, stored: 4000 },
  { low: 3500, high: 4095, sizes: "random", order: "random", held: 1000, stored: 4000 },
  { low: 3500, high: 4095, sizes: "random", order: "alternating", held: 1000, stored: 4000 },
  { low: 2070, high: 4096, sizes: "in turn", order: "random", held: 1000, stored: 4000 },
  { low: 2060, high: 2100, sizes: "random", order: "none", held: 4000, stored: 4000 },
  { low: 2000, high: 4096, sizes: "drifting", order: "first in", held: 1000, stored: 4000 },
  { low: 4096, high: 4096, sizes: "random", order: "none", held: 150, stored: 150 },
  { low: 3795, high: 3940, sizes: "drifting", order: "alternating", held: 3863, stored: 11_589, seed: 50 },
  { low: 3772, high: 3885, sizes: "drifting", order: "alternating", held: 661, stored: 1983, seed: 270 },
  { low: 4096, high: 4096, sizes: "random", order: "replaced", held: 33, stored: 99 },
  { low: 3749, high: 3943, sizes: "drifting", order: "alternating", held: 95, stored: 285, seed: 536 },
  { low: 3732, high: 3921, sizes: "drifting", order: "random", held: 4000, stored: 14_000, seed: 335 },
  { low: 3600, high: 4096, sizes: "in phases", order: "alternating", held: 2000, stored: 7000 },
  { low: 3782, high: 3827, sizes: "few low", order: "replaced", held: 2000, stored: 7000 },
  {
    low: 3706,
    high: 3877,
    sizes: "drifting",
    order: "alternating",
    held: 3349,
    stored: 13_396,
    seed: 100_408,
  },
].map((each) => ({ seed: 1, maxBytes: 2 ** 26, ...each }) as RawCase);

const noise = new Uint8Array(Uint32Array.from({ length: 8192 }, random(7)).buffer);

function random(seed: number): () => number {
  const prng = new Prng(seed);
  return () => prng.below(2 ** 32);
}

/** One of many cases, as a search tries them: half of them with sizes that are near to each other, and long. */
export function randomCase(seed: number, maxHeld: number): RawCase {
  const prng = new Prng(seed);
  const between = (from: number, to: number): number => from + prng.below(to - from + 1);
  const isClose = prng.below(2) === 0;
  const low = isClose ? between(3000, 4096) : between(100, 4096);
  const high = isClose ? Math.min(4096, low + between(0, 400)) : between(low, 4096);
  const order = ORDERS[prng.below(ORDERS.length)];
  const held = between(30, maxHeld);
  return {
    seed,
    low,
    high,
    sizes: SIZES[prng.below(SIZES.length)],
    order,
    held,
    stored: order === "none" ? held : between(2, 4) * held,
    maxBytes: LIMITS[prng.below(LIMITS.length)],
  };
}

/** Fills a page so that it takes about so many bytes compressed. */
function fillPage(page: Uint8Array, bytes: number, prng: Prng): void {
  page.fill(0);
  const at = prng.below(noise.length - PAGE);
  page.set(noise.subarray(at, at + bytes));
}

function sizeOf({ low, high, sizes, stored }: RawCase, i: number, prng: Prng): number {
  if (sizes === "in turn") return i % 2 === 0 ? low : high;
  if (sizes === "drifting") return low + Math.floor(((high - low) * i) / stored);
  if (sizes === "in phases") return i < stored / 2 ? low : high;
  if (sizes === "few low") return prng.below(10) === 0 ? low : high;
  return low + prng.below(high - low + 1);
}

function placeOf(order: RawCase["order"], length: number, i: number, prng: Prng): number {
  if (order === "first in") return 0;
  if (order === "last in") return length - 1;
  if (order === "alternating") return i % 2 === 0 ? length >> 1 : 0;
  return prng.below(length);
}

/** The most that a store took in a case, 64 KiB aside, for each byte of the pages that it held; and when. */
export function mostForRaw(each: RawCase): { times: number; when: string } {
  const prng = new Prng(each.seed);
  const store = new PageStore({ maxBytes: each.maxBytes, whenFull: "drop", sameFilled: false });
  const page = new Uint8Array(PAGE);
  const live: number[] = [];
  const most = { times: 0, when: "never" };
  let pages = 0;
  for (let i = 0; i < each.stored; i++) {
    fillPage(page, sizeOf(each, i, prng), prng);
    const isFull = live.length >= each.held;
    if (isFull && each.order === "replaced") {
      store.store(live[prng.below(live.length)], page);
    } else {
      store.store(i, page);
      live.push(i);
    }
    pages = Math.max(pages, store.size);
    if (live.length > each.held) {
      const at = placeOf(each.order, live.length, i, prng);
      store.invalidate(live[at]);
      live.splice(at, 1);
    }
    if (i % LOOK_EVERY !== LOOK_EVERY - 1 && i !== each.stored - 1) continue;
    const { memUsedMax: bytes, memUsedTotal } = store.stats();
    assert.ok(memUsedTotal <= bytes, `${memUsedTotal} bytes are in use, and only ${bytes} resident`);
    const times = (bytes - FIXED) / (pages * PAGE);
    if (times > most.times)
      Object.assign(most, { times, when: `${bytes} bytes for at most ${pages} pages, after ${i + 1}` });
  }
  verify(store);
  void store.close();
  return most;
}
