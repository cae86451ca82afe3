const CTRL_C = "\x03";

/** The key q of a terminal, as an AbortSignal. While it is listened for, the terminal hands over each key at once. */
export class QuitKey {
  readonly #controller = new AbortController();
  readonly #isListening: boolean;

  /** @param wanted - false: nobody listens, and the signal never comes. */
  constructor(wanted: boolean) {
    const { stdin } = process;
    this.#isListening = wanted && stdin.isTTY === true;
    if (!this.#isListening) return;
    stdin.setRawMode(true);
    stdin.setEncoding("utf8");
    stdin.on("data", this.#take);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    if (!this.#isListening) return;
    process.stdin.off("data", this.#take).pause();
    process.stdin.setRawMode(false);
  }

  readonly #take = (keys: string): void => {
    // The terminal makes no signal of it meanwhile.
    if (keys.includes(CTRL_C)) process.kill(process.pid, "SIGINT");
    else if (/q/i.test(keys)) this.#controller.abort();
  };
}
