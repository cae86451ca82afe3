const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Ctrl-C and its kind, as an AbortSignal: whoever works under it cleans up and stops. Asked a second time, the
 * process ends at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #handlers = new Map<keyof typeof CODES, () => void>();
  #exitCode = 1;

  constructor() {
    for (const [name, code] of Object.entries(CODES) as [keyof typeof CODES, number][]) {
      const handler = (): void => {
        if (this.signal.aborted) process.exit(code);
        this.#exitCode = code;
        this.#controller.abort();
      };
      this.#handlers.set(name, handler);
      process.on(name, handler);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What a shell expects of a process that such a signal ended. */
  get exitCode(): number {
    return this.#exitCode;
  }

  dispose(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}
