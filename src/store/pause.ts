/** Waits that can be ended. Those that take time do not keep the process alive. */
export class Pause {
  #end: (() => void) | null = null;
  #ended = false;

  /** Resolves after `ms` milliseconds, or in the next turn of the event loop for 0; at once after {@link end}. */
  forMs(ms: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const timer: unknown = setTimeout(resolve, ms);
      // Only Node's timers have it.
      if (ms > 0) (timer as { unref?: () => void }).unref?.();
      this.#end = () => {
        clearTimeout(timer as NodeJS.Timeout);
        resolve();
      };
    });
  }

  /** Ends the wait that is under way. */
  skip(): void {
    this.#end?.();
  }

  /** Ends the wait that is under way, and all later ones. */
  end(): void {
    this.#ended = true;
    this.#end?.();
  }
}

/** Rejects with the signal's reason as soon as it is aborted. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
