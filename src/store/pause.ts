/**
 * Rests that can be ended, for work that nobody waits for: those that take time do not keep the process alive. So
 * whoever has a caller who waits ends them first, or holds the process itself.
 */
export class Pause {
  readonly #ends: Set<() => void> = new Set();
  #ended = false;

  /** Resolves after `ms` milliseconds, or in the next turn of the event loop for 0; at once after {@link end}. */
  forMs(ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#ends.delete(end);
        clearTimeout(timer as NodeJS.Timeout);
        resolve();
      };
      const timer: unknown = setTimeout(end, ms);
      // Only Node's timers have it.
      if (ms > 0) (timer as { unref?: () => void }).unref?.();
      this.#ends.add(end);
    });
  }

  /** Ends the rests that are under way. */
  skip(): void {
    for (const end of this.#ends) end();
  }

  /** Ends the rests that are under way, and all later ones. */
  end(): void {
    this.#ended = true;
    this.skip();
  }
}
