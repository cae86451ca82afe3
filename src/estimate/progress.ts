import type { StopSignal } from "./options.ts";

/** How long to work before others get a turn. Ctrl-C is answered, and the bar moves, this often. */
const TURN_MS = 40;

/**
 * Lets a long computation share its thread: it works in turns, and between them timers, signals and the
 * progress bar are served.
 */
export class Progress {
  readonly #signal: StopSignal | null;
  readonly #onProgress: (share: number, doing: string) => void;
  #turnEnds: number = performance.now() + TURN_MS;
  #done = 0;
  #total = 1;
  #weight = 0;
  /** How much of the step is done; what is tried again does not make it less. */
  #share = 0;
  #doing = "";

  constructor(signal: StopSignal | null, onProgress: (share: number, doing: string) => void) {
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  /** Starts to count from nothing: `total` is the sum of the weights of the steps to come. */
  plan(total: number): void {
    this.#total = total;
    this.#done = 0;
    this.#weight = 0;
  }

  /**
   * Begins a step; the one before it is done.
   *
   * @throws the signal's reason, when the work is to stop.
   */
  step(weight: number, doing: string): void {
    this.#signal?.throwIfAborted();
    this.#done += this.#weight;
    this.#weight = weight;
    this.#share = 0;
    this.#doing = doing;
  }

  /** Says more closely what the step does. */
  doing(text: string): void {
    this.#doing = text;
  }

  /** Whether this turn is over: then `await yieldThread()`. */
  get shouldYield(): boolean {
    return performance.now() >= this.#turnEnds;
  }

  /**
   * Ends a turn.
   *
   * @param share - how much of the step is done, from 0 to 1.
   * @throws the signal's reason, when the work is to stop.
   */
  async yieldThread(share: number): Promise<void> {
    this.#share = Math.max(this.#share, share);
    this.#onProgress(Math.min(1, (this.#done + this.#weight * this.#share) / this.#total), this.#doing);
    await new Promise((resolve) => setImmediate(resolve));
    this.#signal?.throwIfAborted();
    this.#turnEnds = performance.now() + TURN_MS;
  }
}
