import { Prng } from "../src/base/index.ts";

/** Sizes as LZ4 leaves 4 KiB pages of a Node heap: straight lines between p0, p10, p50, p90 and p100. */
const RANKS = [0, 100, 500, 900, 1000];
const SIZES = [64, 1027, 1420, 2605, 3968];

function randomSize(prng: Prng): number {
  const rank = prng.below(1000);
  let i = 0;
  while (rank >= RANKS[i + 1]) i++;
  return SIZES[i] + Math.floor(((rank - RANKS[i]) * (SIZES[i + 1] - SIZES[i])) / (RANKS[i + 1] - RANKS[i]));
}

/** What to do, the same for every contender: native/zbud.c draws the same numbers in the same order. */
export interface Work {
  live: number;
  operations: number;
  seed: number;
  /** Sizes of the objects that fill the pool. */
  fillSizes: Int32Array;
  /** For each of `2 * operations` steps: which object to free, and the size of the one to take its place. */
  places: Int32Array;
  sizes: Int32Array;
}

/** Draws the work: `live` objects to fill a pool with, and twice `operations` steps. */
export function makeWork(live: number, operations: number, seed: number): Work {
  const prng = new Prng(seed);
  const fillSizes = Int32Array.from({ length: live }, () => randomSize(prng));
  const places = new Int32Array(2 * operations);
  const sizes = new Int32Array(2 * operations);
  for (let i = 0; i < 2 * operations; i++) {
    places[i] = prng.below(live);
    sizes[i] = randomSize(prng);
  }
  return { live, operations, seed, fillSizes, places, sizes };
}
