import { sharedBuffer } from "../base/index.ts";

/**
 * What a store counts beside its engine: events, and how long calls took. Each thread counts in a row of its own
 * in one shared buffer, so that counting costs one addition; a total is the sum over the rows.
 */
const ROWS = 128;
const ROW_FLOATS = 128;
const BUCKETS = 40;
/** The count of threads, the rows, the write budget. */
export const TALLIES_BYTES: number = 8 + ROWS * ROW_FLOATS * 8 + 8;

/** Events, as places in a row. */
export const WRITTEN_BACK = 0;
export const WRITTEN_BACK_BYTES = 1;
export const WRITEBACK_FAILED = 2;
export const REJECT_COMPRESS_FAIL = 3;
export const DECOMPRESS_FAIL = 4;
export const LOADED_BACK = 5;
export const REJECT_RECLAIM_FAIL = 6;
export const LOADS_MISSED = 7;
export const LOADS_AWAY = 8;
export const STORES = 9;
export const REJECT_ALLOC_FAIL = 10;
export const DROPPED = 11;
const HISTOGRAMS_AT = 16;
/** Histograms, as numbers. */
export const STORE_NS = 0;
export const LOAD_NS = 1;

/** One thread's view of the tallies of a store. */
export class Tallies {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly #floats: Float64Array;
  readonly #row: number = 0;

  /** When the write budget of all threads will be whole again, in microseconds. */
  readonly budget: BigInt64Array;

  /** @param from - the buffer of another thread. */
  constructor(shared: boolean, from?: SharedArrayBuffer) {
    const bytes = TALLIES_BYTES;
    this.buffer = from ?? (shared ? sharedBuffer(bytes) : new ArrayBuffer(bytes));
    this.#floats = new Float64Array(this.buffer);
    this.budget = new BigInt64Array(this.buffer, TALLIES_BYTES - 8, 1);
    // The first double says how many threads came; beyond the last row they share rows.
    const turn = Atomics.add(new Int32Array(this.buffer), 0, 1);
    this.#row = (1 + (turn % (ROWS - 1)) * ROW_FLOATS) | 0;
  }

  count(event: number, by: number): void {
    this.#floats[this.#row + event] += by;
  }

  /** Notes a duration: bucket `i` counts those of `[2^i, 2^(i + 1))` nanoseconds. */
  time(histogram: number, ns: number): void {
    const bucket = ns < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ns)));
    this.#floats[this.#row + HISTOGRAMS_AT + histogram * BUCKETS + bucket]++;
  }

  total(event: number): number {
    let sum = 0;
    for (let row = 1; row + ROW_FLOATS <= this.#floats.length; row += ROW_FLOATS)
      sum += this.#floats[row + event];
    return sum;
  }

  /** How many calls took `[2^i, 2^(i + 1))` nanoseconds, for each `i`; without empty buckets at the end. */
  histogram(number: number): number[] {
    const counts = Array.from({ length: BUCKETS }, (_, i) =>
      this.total(HISTOGRAMS_AT + number * BUCKETS + i),
    );
    return counts.slice(0, counts.findLastIndex((count) => count > 0) + 1);
  }
}
