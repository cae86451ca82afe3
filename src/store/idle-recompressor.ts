import { unlessLockBusy } from "../base/index.ts";
import type { Recompressor } from "../engine/index.ts";

/** Between two looks whether the thread has nothing to do. */
const LOOK_MS = 50;
/** Pages between two looks at the clock. */
const STEP = 4;
/** The most that one turn takes of the event loop's time. */
const TURN_MS = 2;

/** Compresses cold pages anew with a stronger codec, whenever no call was made for a while. */
export class IdleRecompressor {
  readonly #timer: unknown;

  /** @param calls - a number that grows with each call of the store. */
  constructor(recompressor: Recompressor, number: number, calls: () => number, clock: () => number) {
    let seen = calls();
    this.#timer = setInterval(() => {
      const isIdle = seen === calls();
      seen = calls();
      if (!isIdle) return;
      const start = clock();
      unlessLockBusy(() => {
        for (let looked = STEP; looked > 0 && clock() - start < TURN_MS; )
          looked = recompressor.recompress(number, STEP).looked;
      });
    }, LOOK_MS);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  close(): void {
    clearInterval(this.#timer as NodeJS.Timeout);
  }
}
