import { type IdleWork, stopWorking, workWhenIdle, ZbudError } from "../base/index.ts";
import { type Engine, Recompressor } from "../engine/index.ts";
import type { DictionaryUse } from "./dictionary-use.ts";
import { DICTIONARY_CODEC } from "./options.ts";

/** Entries between two looks at the clock: some 10 µs each for 1 KB, and 40 for a page of 40 KB. */
const STEP = 8;
/** Entries that one search for work looks at under the lock: some 50 µs. */
const LOOKS_MAX = 1000;

/** What it works on. */
export interface Improved {
  readonly engine: Engine;
  readonly dictionary: DictionaryUse;
  readonly clock: () => number;
}

/**
 * What a cache does for itself in the pauses of the event loop: values that were set before the dictionary was there are
 * compressed anew with it. Of the threads that have the cache one does it, the one that came first; if that is gone, the
 * next one goes on, since entries say themselves what was done to them.
 */
export class CacheImprover implements IdleWork {
  readonly #cache: Improved;
  /** Of the values from before the dictionary; null: it is not there yet, or all of them are done. */
  #recompressor: Recompressor | null = null;
  #isThrough = false;
  #error: string | null = null;

  constructor(cache: Improved) {
    this.#cache = cache;
    workWhenIdle(this);
  }

  work(end: number): boolean {
    const { engine, dictionary } = this.#cache;
    if (engine.isClosed) {
      this.close();
      return false;
    }
    if (dictionary.trainer.work(engine, end)) return true;
    if (this.#isThrough || !dictionary.isUsed(engine) || !engine.isFirst()) return false;
    this.#recompressor ??= new Recompressor(engine, {
      onlyOld: true,
      evictsBy: this.#cache.clock,
      looksMax: LOOKS_MAX,
    });
    do {
      if (!this.#recompressor.recompress(DICTIONARY_CODEC, STEP).isThrough) continue;
      this.#isThrough = true;
      this.#recompressor = null;
      return false;
    } while (performance.now() < end);
    return true;
  }

  failed(error: unknown): void {
    this.#error = error instanceof ZbudError ? error.message : String(error);
  }

  /** Why it ended, if it did so by itself. */
  get error(): string | null {
    return this.#error;
  }

  close(): void {
    stopWorking(this);
  }
}
