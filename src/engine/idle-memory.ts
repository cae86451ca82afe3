import type { IdleMemory } from "../pool/index.ts";
import type { EngineStats } from "./types.ts";

/** What it needs of an engine. */
interface Giver {
  readonly isClosed: boolean;
  stats(): Pick<EngineStats, "maxPoolBytes" | "poolBytes">;
  /** Whether no other thread that has it open came before. */
  isFirst(): boolean;
  /** Whether somebody keeps a lock, who may be stopped. */
  isBusy(): boolean;
  trim(maxBytes: number): number;
}

/** An engine as what gives free memory back by itself: of the threads that share it one does. */
export class IdleEngine implements IdleMemory {
  readonly #engine: Giver;

  constructor(engine: Giver) {
    this.#engine = engine;
  }

  touchedBytes(): number {
    return this.#engine.isClosed ? 0 : this.#engine.stats().maxPoolBytes;
  }

  freeTouchedBytes(): number {
    if (this.#engine.isClosed || !this.#engine.isFirst()) return 0;
    const { maxPoolBytes, poolBytes } = this.#engine.stats();
    return maxPoolBytes - poolBytes;
  }

  giveBack(maxBytes: number): number {
    // Never waits for a lock: this thread may not need the memory at all.
    return this.#engine.isClosed || this.#engine.isBusy() ? 0 : this.#engine.trim(maxBytes);
  }
}
