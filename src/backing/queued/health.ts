/** Failures in a row after which a store is taken to be down. */
const FAILURES_MAX = 3;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5000;

/**
 * Whether a store can be reached. After some failures in a row it is down: then one call at a time is let
 * through to try, ever more rarely, and the first that succeeds ends it.
 */
export class Health {
  readonly #clock: () => number;
  #failures = 0;
  #retryAt = 0;
  #isTrying = false;

  /** @param clock - a clock that only goes forward, in ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get isDown(): boolean {
    return this.#failures >= FAILURES_MAX;
  }

  /** How long until the store is tried again, in ms. */
  get waitMs(): number {
    return Math.max(0, this.#retryAt - this.#clock());
  }

  /** Whether a call may be made now. While the store is down, true makes it the one that tries. */
  admits(): boolean {
    if (!this.isDown) return true;
    if (this.#isTrying || this.waitMs > 0) return false;
    this.#isTrying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isTrying = false;
  }

  /** The caller gave up before it was known. */
  unknown(): void {
    this.#isTrying = false;
  }

  failed(): void {
    // Those that were under way when it went down say nothing new.
    if (this.isDown && !this.#isTrying) return;
    this.#failures++;
    this.#isTrying = false;
    if (!this.isDown) return;
    const doublings = Math.min(20, this.#failures - FAILURES_MAX);
    this.#retryAt = this.#clock() + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** doublings);
  }
}
