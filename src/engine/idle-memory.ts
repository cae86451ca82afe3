import type { IdleMemory } from "../pool/index.ts";
import type { RowPacker } from "./shrinking.ts";
import type { EngineStats } from "./types.ts";

/** What one turn of moving entries may take of the event loop's time. */
const TURN_MS = 1;

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
  readonly #rows: RowPacker;

  constructor(engine: Giver, rows: RowPacker) {
    this.#engine = engine;
    this.#rows = rows;
  }

  touchedBytes(): number {
    return this.#engine.isClosed ? 0 : this.#engine.stats().maxPoolBytes + this.#rows.looseBytes;
  }

  freeTouchedBytes(): number {
    if (this.#engine.isClosed || !this.#engine.isFirst()) return 0;
    const { maxPoolBytes, poolBytes } = this.#engine.stats();
    return maxPoolBytes - poolBytes + this.#rows.looseBytes;
  }

  giveBack(maxBytes: number): number {
    // Never waits for a lock: this thread may not need the memory at all.
    if (this.#engine.isClosed || this.#engine.isBusy()) return 0;
    const { maxPoolBytes, poolBytes } = this.#engine.stats();
    // Entries move to pages that are free.
    if (this.#rows.looseBytes > maxPoolBytes - poolBytes) {
      const end = performance.now() + TURN_MS;
      const given = this.#rows.step(() => performance.now() >= end);
      if (given > 0) return given;
    }
    return this.#engine.trim(maxBytes);
  }
}
