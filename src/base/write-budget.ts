/** What a second's bytes may be written ahead of time. */
const BURST_MS = 1000;

/**
 * Bytes that writeback may write a second, of all threads together: one word says when all that was written will be
 * paid off. A thread may write while that is less than a second ahead.
 */
export class WriteBudget {
  readonly #word: BigInt64Array;
  readonly #bytesPerSecond: number;
  readonly #clock: () => number;
  #last = Number.NEGATIVE_INFINITY;
  #setBack = 0;

  /**
   * @param word - in memory that the threads share: microseconds, 0 at first.
   * @param clock - milliseconds, on a clock that is the same in all threads.
   */
  constructor(word: BigInt64Array, bytesPerSecond: number, clock: () => number) {
    this.#word = word;
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** How long until something may be written; 0: now. */
  waitMs(): number {
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return 0;
    const ahead = Number(Atomics.load(this.#word, 0)) / 1000 - this.#time();
    return ahead < BURST_MS ? 0 : Math.ceil(ahead - BURST_MS) + 1;
  }

  spend(bytes: number): void {
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const now = BigInt(Math.floor(this.#time() * 1000));
    const costs = BigInt(Math.ceil((bytes * 1e6) / this.#bytesPerSecond));
    for (;;) {
      const paidAt = Atomics.load(this.#word, 0);
      const next = (paidAt > now ? paidAt : now) + costs;
      if (Atomics.compareExchange(this.#word, 0, paidAt, next) === paidAt) return;
    }
  }

  /** A clock that is set back stands still meanwhile: it gives nothing, and takes nothing. */
  #time(): number {
    const time = this.#clock();
    if (time < this.#last) this.#setBack += this.#last - time;
    this.#last = time;
    return time + this.#setBack;
  }
}
