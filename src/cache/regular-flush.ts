import type { Engine } from "../engine/index.ts";
import { Counter, type SharedState } from "./shared-state.ts";
import type { Tier } from "./tier.ts";
import type { FlushedCache } from "./types.ts";

/**
 * Flushes a cache again and again, for the option `flushEvery`: in the one of its threads that does what one of them is
 * to do. What was set before a flush began is found after a crash, once that flush has ended.
 */
export class RegularFlush {
  readonly #engine: Engine;
  readonly #flush: () => Promise<FlushedCache>;
  readonly #everyMs: number;
  readonly #sharedState: SharedState;
  #timer: unknown;

  constructor(
    engine: Engine,
    tier: Pick<Tier<unknown>, "flush" | "budget">,
    everyMs: number,
    sharedState: SharedState,
  ) {
    this.#engine = engine;
    this.#flush = () => tier.flush(tier.budget);
    this.#everyMs = everyMs;
    this.#sharedState = sharedState;
    this.#wait(everyMs);
  }

  close(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    this.#timer = null;
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => void this.#run(), ms);
    // Only Node's timers have it.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  async #run(): Promise<void> {
    const start = performance.now();
    if (this.#engine.isFirst()) {
      try {
        // Somebody may be stopped within a lock: it is not waited for, as this thread may not need the cache at all.
        const isLeft = this.#engine.isBusy() || (await this.#flush()).entriesLeft > 0;
        if (isLeft && !this.#engine.isClosed) this.#sharedState.count(Counter.flushesFailed);
      } catch {
        if (!this.#engine.isClosed) this.#sharedState.count(Counter.flushesFailed);
      }
    }
    if (this.#timer === null) return;
    // One that took longer is followed by the next at once.
    this.#wait(Math.max(1, this.#everyMs - (performance.now() - start)));
  }
}
