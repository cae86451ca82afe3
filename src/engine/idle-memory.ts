import type { IdleMemory } from "../pool/index.ts";
import type { Engine } from "./engine.ts";

/** An engine as what gives free memory back by itself: of the threads that share it one does. */
export class IdleEngine implements IdleMemory {
  readonly #engine: Engine;

  constructor(engine: Engine) {
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
    return this.#engine.isClosed ? 0 : this.#engine.trim(maxBytes);
  }
}
