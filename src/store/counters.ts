/**
 * What a store counts beside its engine: events, and how long calls took. One block for all threads:
 *
 *   byte   0              8           104              424             744
 *          ┌──────────────┬───────────┬────────────────┬───────────────┐
 *          │ write budget │ 12 events │ store, 40      │ load, 40      │
 *          │              │           │ buckets        │ buckets       │
 *          └──────────────┴───────────┴────────────────┴───────────────┘
 *
 * Each count is two words, the low one first. Whoever makes the low one overflow adds one to the high one.
 */
const EVENTS = 12;
const BUCKETS = 40;
const EVENTS_AT = 2;
const HISTOGRAMS_AT: number = EVENTS_AT + 2 * EVENTS;
const WORDS: number = HISTOGRAMS_AT + 2 * 2 * BUCKETS;
export const COUNTERS_BYTES: number = 4 * WORDS;

/** Events, as places. */
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
/** Histograms, as numbers. */
export const STORE_NS = 0;
export const LOAD_NS = 1;

/** One thread's view of the counters of a store. */
export class Counters {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  readonly #words: Int32Array;

  /** When the write budget of all threads will be whole again, in microseconds. */
  readonly budget: BigInt64Array;

  /** @param buffer - of {@link COUNTERS_BYTES} bytes. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(this.buffer, 0, WORDS);
    this.budget = new BigInt64Array(this.buffer, 0, 1);
  }

  /** @param by - 0 to 2^31 - 1. */
  count(event: number, by: number): void {
    this.#add(EVENTS_AT + 2 * event, by);
  }

  /** Notes a duration: bucket `i` counts those of `[2^i, 2^(i + 1))` nanoseconds. */
  time(histogram: number, ns: number): void {
    const bucket = ns < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ns)));
    this.#add(bucketAt(histogram, bucket), 1);
  }

  total(event: number): number {
    return this.#at(EVENTS_AT + 2 * event);
  }

  /** How many calls took `[2^i, 2^(i + 1))` nanoseconds, for each `i`; without empty buckets at the end. */
  histogram(number: number): number[] {
    const counts = Array.from({ length: BUCKETS }, (_, i) => this.#at(bucketAt(number, i)));
    return counts.slice(0, counts.findLastIndex((count) => count > 0) + 1);
  }

  #add(at: number, by: number): void {
    const before = Atomics.add(this.#words, at, by) >>> 0;
    if (before + by >= 2 ** 32) Atomics.add(this.#words, at + 1, 1);
  }

  #at(at: number): number {
    return (this.#words[at + 1] >>> 0) * 2 ** 32 + (this.#words[at] >>> 0);
  }
}

function bucketAt(histogram: number, bucket: number): number {
  return HISTOGRAMS_AT + 2 * (histogram * BUCKETS + bucket);
}
