import { type IdleWork, stopWorking, workWhenIdle } from "../base/index.ts";
import type { Engine, Recompressor } from "../engine/index.ts";

/** Pages between two looks at the clock. */
const STEP = 4;

/** Compresses cold pages anew with a stronger codec, in the pauses of the event loop after which no call was made. */
export class IdleRecompressor implements IdleWork {
  readonly #engine: Engine;
  readonly #recompressor: Recompressor;
  readonly #number: number;
  readonly #calls: () => number;
  #seen: number;

  /** @param calls - a number that grows with each call of the store. */
  constructor(engine: Engine, recompressor: Recompressor, number: number, calls: () => number) {
    this.#engine = engine;
    this.#recompressor = recompressor;
    this.#number = number;
    this.#calls = calls;
    this.#seen = calls();
    workWhenIdle(this);
  }

  work(end: number): boolean {
    const calls = this.#calls();
    const isIdle = this.#seen === calls;
    this.#seen = calls;
    // Never waits for a lock: whoever has it may be stopped.
    if (!isIdle || this.#engine.isBusy()) return false;
    while (performance.now() < end) {
      if (this.#recompressor.recompress(this.#number, STEP).looked === 0) return false;
    }
    return true;
  }

  failed(): void {
    // The next call of the store meets the same, and its caller is told.
  }

  close(): void {
    stopWorking(this);
  }
}
