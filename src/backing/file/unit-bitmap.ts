import { type IndexWords, unitLimit, W_CURSOR, W_NO_RUN_OF } from "./index-words.ts";

/**
 * The most words of a bitmap that one search looks at: a millisecond's worth. A search that ends there found
 * nothing; the next one goes on behind it.
 */
const SEARCH_WORDS_MAX = 2 ** 18;

const isSet = (bits: Int32Array, at: number): boolean => ((bits[at >>> 5] >>> (at & 31)) & 1) === 1;

/** Sets or clears `count` bits from `start` on. */
export function fillBits(bits: Int32Array, start: number, count: number, value: boolean): void {
  for (let at = start; at < start + count; ) {
    const bit = at & 31;
    const inWord = Math.min(32 - bit, start + count - at);
    const mask = inWord === 32 ? -1 : ((1 << inWord) - 1) << bit;
    if (value) bits[at >>> 5] |= mask;
    else bits[at >>> 5] &= ~mask;
    at += inWord;
  }
}

/** Whether any of `count` bits from `start` on is set. */
export function anyBit(bits: Int32Array, start: number, count: number): boolean {
  for (let at = start; at < start + count; ) {
    const bit = at & 31;
    const inWord = Math.min(32 - bit, start + count - at);
    const mask = inWord === 32 ? -1 : ((1 << inWord) - 1) << bit;
    if ((bits[at >>> 5] & mask) !== 0) return true;
    at += inWord;
  }
  return false;
}

/**
 * Units in a row that nobody has, taken from the cursor on: writes that follow each other lie behind each
 * other in the file, and go there in one piece. The caller holds the lock.
 *
 * Invariant: a unit may be taken iff its bit is clear in `used`, `pins[0]` and `pins[1]`, and it is below `unitLimit`.
 */
export class UnitMap {
  readonly #words: IndexWords;

  constructor(words: IndexWords) {
    this.#words = words;
  }

  /** Takes `count` units in a row. The first of them, or -1: no such run was found. */
  take(count: number): number {
    const { header, used } = this.#words;
    const failed = header[W_NO_RUN_OF];
    if (failed > 0 && count >= failed) return -1;
    const start = this.#find(count);
    if (start < 0) return -1;
    fillBits(used, start, count, true);
    header[W_CURSOR] = start + count;
    return start;
  }

  /** Takes `count` units in a row around a unit that was just given back, or -1. */
  takeAround(unit: number, count: number): number {
    const { header, used } = this.#words;
    const limit = unitLimit(this.#words);
    let start = unit;
    while (start > 0 && unit - start < count && !this.#isTaken(start - 1)) start--;
    let end = unit;
    while (end < limit && end - start < count && !this.#isTaken(end)) end++;
    if (end - start < count) return -1;
    fillBits(used, start, count, true);
    header[W_CURSOR] = start + count;
    return start;
  }

  giveBack(start: number, count: number): void {
    fillBits(this.#words.used, start, count, false);
    this.#words.header[W_NO_RUN_OF] = 0;
  }

  #isTaken(unit: number): boolean {
    const { used, pins } = this.#words;
    return isSet(used, unit) || isSet(pins[0], unit) || isSet(pins[1], unit);
  }

  #find(count: number): number {
    const { header } = this.#words;
    const limit = unitLimit(this.#words);
    const cursor = header[W_CURSOR] < limit ? header[W_CURSOR] : 0;
    let words = SEARCH_WORDS_MAX;
    // From the cursor to the end, then from the front to behind the cursor, so that every run is seen whole.
    for (const [from, to] of [
      [cursor, limit],
      [0, Math.min(limit, cursor + count - 1)],
    ]) {
      const found = this.#findIn(from, to, count, words);
      if (found >= 0) return found;
      words -= (to - from) >>> 5;
      if (words <= 0) {
        header[W_CURSOR] = Math.min(to, from + 32 * SEARCH_WORDS_MAX);
        return -1;
      }
    }
    header[W_NO_RUN_OF] = count;
    return -1;
  }

  #findIn(from: number, to: number, count: number, maxWords: number): number {
    const { used, pins } = this.#words;
    const [pins0, pins1] = pins;
    let run = 0;
    let words = maxWords;
    for (let unit = from; unit < to; ) {
      const word = unit >>> 5;
      const taken = (used[word] | pins0[word] | pins1[word]) >>> (unit & 31);
      const left = Math.min(32 - (unit & 31), to - unit);
      if (taken === 0) {
        run += left;
        unit += left;
        if (run >= count) return unit - run;
        if (words-- <= 0) return -1;
        continue;
      }
      // Free units before the first taken one.
      const free = Math.min(left, 31 - Math.clz32(taken & -taken));
      run += free;
      if (run >= count) return unit + free - run;
      unit += free;
      if (free === left) continue;
      run = 0;
      // Taken units from here on.
      const high = ~(taken >>> free);
      const full = high === 0 ? 32 : 31 - Math.clz32(high & -high);
      unit += Math.min(full, left - free);
      if (words-- <= 0) return -1;
    }
    return -1;
  }
}
