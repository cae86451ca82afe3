import type { AnyCache } from "./keys.ts";

/** How exactly two clocks can be compared. Those that differ by less count as one. */
const SAME_MS = 1;
/** A process whose clock is ahead by more takes the others with it: the machine slept, or was started anew. */
const LAG_MS = 1000;
/** Nobody's clock is ahead by more: what says so was damaged. */
const AHEAD_MS = 365 * 86_400_000;
/** Measurements of a difference, of which the best counts: a thread may have to wait in the middle of one. */
const MEASUREMENTS = 5;

/**
 * What the clocks of several processes differ by, to compare the times that each took from its own. Such a clock is
 * that of the machine when the process started, and the time that passed since: if the machine's clock was set, or the
 * machine slept, processes that started before and after that differ for as long as they run.
 *
 * All agree on the difference (`base`) between a clock and the machine's steady one, which starts with the machine,
 * is never set, and is one for all processes. It is an entry of the cache: the first process puts it there.
 */
export class MachineClock {
  readonly #cache: AnyCache;
  readonly #key: string;
  /** This process's difference. */
  readonly #own: number;
  /** That of all. It never falls while the process runs: what was later stays later. */
  #base: number;

  /**
   * @param local - this process's clock: ms since 1970, never set.
   * @param steady - the machine's: ms since any time.
   */
  constructor(cache: AnyCache, key: string, local: () => number, steady: () => number) {
    this.#cache = cache;
    this.#key = key;
    this.#own = Math.max(...Array.from({ length: MEASUREMENTS }, () => local() - steady()));
    const found = this.#found();
    this.#base = found === undefined || this.#own - found > LAG_MS ? this.#own : found;
    if (found !== this.#base) this.#write();
  }

  /** What has to be added to a time of this process's clock to have the time that all processes have; ms. */
  offset(): number {
    const found = this.#found();
    if (found !== undefined && found > this.#base) this.#base = found;
    else if (found !== this.#base) this.#write(); // it was evicted, or somebody who did not find it began anew
    const offset = this.#base - this.#own;
    return Math.abs(offset) < SAME_MS ? 0 : offset;
  }

  #found(): number | undefined {
    const value = this.#cache.get(this.#key);
    return typeof value === "number" && value < this.#own + AHEAD_MS ? value : undefined;
  }

  #write(): void {
    this.#cache.set(this.#key, this.#base, { ttl: 0 });
  }
}
