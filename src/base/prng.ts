/**
 * A seeded generator (xorshift32, Marsaglia 2003): the same seed gives the same run on every machine, and
 * the benchmarks' C programs use the same one.
 */
export class Prng {
  #state: number;

  /** @param seed - any number; 0 is replaced, since xorshift never leaves 0. */
  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e3779b9 | 0;
  }

  /** The next 32 bits, as an integer in [0, 2^32). */
  uint32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** An integer in [0, bound). `bound` is at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * bound);
  }

  /** An integer in [low, high], both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uint32() / 0x1_0000_0000 < probability;
  }
}
