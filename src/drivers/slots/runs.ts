/**
 * Runs of slots in a mask of 64 bits, which is two 32-bit words: slot `s` is bit `s & 31` of word `s >> 5`.
 *
 * The lowest run of ones in a number `x` ends where adding its lowest bit carries to: with `sum = x + (x & -x)`,
 * the run is `x & ~sum`, and `x & sum` is what remains. So a walk takes a few instructions for each run, and pages
 * hold few runs.
 *
 * Which runs a page has is as good as random, and a branch that the processor guesses wrong costs as much as all
 * else here: so nothing branches but the end of a walk. `(a - b) >> 31` is -1 if a < b, else 0; `clz32(0)` is 32,
 * and `n >> 5` is 1 for 32 and 0 for less.
 */

/** What {@link tightestRun} gives: `start | length << 6 | rest << 13`. */
export const RUN_LENGTH_SHIFT = 6;
export const RUN_REST_SHIFT = 13;

/** A length that no run has: above all that fit. */
const NONE = 127;
// Bound here, since the engine loads what other modules export at each use.
const LENGTH_SHIFT = RUN_LENGTH_SHIFT;
const REST_SHIFT = RUN_REST_SHIFT;

/** The mask of slots `[0, end)`, by end: its low words and its high words. */
export const LOW_BITS: Int32Array = Int32Array.from({ length: 65 }, (_, end) =>
  end > 31 ? -1 : 2 ** end - 1,
);
export const HIGH_BITS: Int32Array = Int32Array.from(
  { length: 65 },
  (_, end) => LOW_BITS[Math.max(end - 32, 0)],
);

/**
 * Of the runs in a mask, the shortest that has `need` slots, the lowest of several; and the longest of all others.
 *
 * @param low - slots 0 to 31, free ones 1.
 * @param high - slots 32 to 63.
 * @returns `start | length << 6 | rest << 13`. If none has `need` slots, length is 127 and start 0.
 */
export function tightestRun(low: number, high: number, need: number): number {
  let best = NONE;
  let bestStart = 0;
  let rest = 0;
  let lowLeft = low | 0;
  let highLeft = high | 0;
  while ((lowLeft | highLeft) !== 0) {
    const start = firstBit(lowLeft, highLeft);
    // The sum of the two words and their lowest bit, with its carry.
    const inHigh = -(start >> 5);
    const bit = 1 << start;
    const lowSum = (lowLeft + (bit & ~inHigh)) | 0;
    const carry = ((lowLeft & ~lowSum) >>> 31) & ~inHigh;
    const highSum = (highLeft + (bit & inHigh) + carry) | 0;
    const clz = Math.clz32(highLeft & ~highSum);
    const length = 64 - clz - (Math.clz32(lowLeft & ~lowSum) & -(clz >> 5)) - start;
    lowLeft &= lowSum;
    highLeft &= highSum;
    // -1 if it is the best so far. What is not the best, or no more, is one of the rest.
    const isBest = ((length - best) >> 31) & ~((length - need) >> 31);
    const loser = (best & isBest & -(((best + 1) >> 7) ^ 1)) | (length & ~isBest);
    rest += (loser - rest) & ~((loser - rest) >> 31);
    best += (length - best) & isBest;
    bestStart += (start - bestStart) & isBest;
  }
  return bestStart | (best << LENGTH_SHIFT) | (rest << REST_SHIFT);
}

/** The longest run in a mask. */
export function longestRun(low: number, high: number): number {
  return tightestRun(low, high, NONE) >> REST_SHIFT;
}

/**
 * How long the free run is that slots `[start, end)` are part of.
 *
 * @param low - slots 0 to 31, taken ones 1; those of `[start, end)` are 0.
 * @param high - slots 32 to 63.
 */
export function runAround(low: number, high: number, start: number, end: number): number {
  const clz = Math.clz32(high & HIGH_BITS[start]);
  const from = 64 - clz - (Math.clz32(low & LOW_BITS[start]) & -(clz >> 5));
  return firstBit(low & ~LOW_BITS[end], high & ~HIGH_BITS[end]) - from;
}

/** The lowest 1 of a mask; 64 if it has none. */
export function firstBit(low: number, high: number): number {
  const first = 32 - Math.clz32(~low & (low - 1));
  return first + ((32 - Math.clz32(~high & (high - 1))) & -(first >> 5));
}
