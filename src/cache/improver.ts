import { fallbacks, type IdleWork, stopWorking, workWhenIdle, ZbudError } from "../base/index.ts";
import { createZstd } from "../codecs/index.ts";
import { type ColdCodecs, ColdPass, type Engine, Recompressor } from "../engine/index.ts";
import type { DictionaryUse } from "./dictionary-use.ts";
import { COLD_CODEC, DICTIONARY_CODEC, ZSTD } from "./options.ts";

/** Entries between two looks at the clock, with the dictionary and with the stronger codec. */
const STEP = 8;
const COLD_STEP = 2;
/** Entries that one search for work looks at under the lock: some 50 µs. */
const LOOKS_MAX = 1000;
/** Longer values would keep the event loop for more than half a millisecond. */
const LENGTH_MAX = 2 ** 17;
/** From one walk for cold entries to the next. What is not used in between is cold. */
const WALK_MS = 30_000;
/** Walks after the last use until there can be nothing more to do: one that marks, and one that finds. */
const WALKS = 2;

/** What it works on. */
export interface Improved {
  readonly engine: Engine;
  readonly dictionary: DictionaryUse;
  readonly clock: () => number;
  /** Of the codec that new values get without a dictionary. */
  readonly codecId: number;
  /** Whether what is cold may get the stronger codec; and whether with the dictionary. */
  readonly recompresses: boolean;
  readonly recompressesWithDictionary: boolean;
}

/**
 * What a cache does for itself in the pauses of the event loop: values that were set before the dictionary was there are
 * compressed anew with it, and entries that are not used for some time by zstd. Of the threads that have the cache one
 * does it, the one that came first; if that is gone, the next one goes on, since entries say themselves what was done to
 * them.
 */
export class CacheImprover implements IdleWork {
  readonly #cache: Improved;
  /** Of the values from before the dictionary; null: it is not there yet, or all of them are done. */
  #recompressor: Recompressor | null = null;
  #isThrough = false;
  /** The walk for cold entries; null: it is over. */
  #pass: ColdPass | null = null;
  #nextPass: number;
  /** Uses and sets when it began, and how many walks since there was another one. */
  #uses = -1;
  #walks = 0;
  /** Whether there is one that is fast; null: not looked yet. */
  #hasZstd: boolean | null = null;
  #error: string | null = null;

  constructor(cache: Improved) {
    this.#cache = cache;
    this.#nextPass = cache.clock() + WALK_MS;
    workWhenIdle(this);
  }

  work(end: number): boolean {
    const { engine, dictionary } = this.#cache;
    if (engine.isClosed) {
      this.close();
      return false;
    }
    if (dictionary.trainer.work(engine, end)) return true;
    const isUsed = dictionary.isUsed(engine);
    if (!engine.isFirst()) return false;
    return (isUsed && this.#addDictionary(end)) || this.#recompressCold(end);
  }

  failed(error: unknown): void {
    this.#error = error instanceof ZbudError ? error.message : String(error);
  }

  /** Why it ended, if it did so by itself. */
  get error(): string | null {
    return this.#error;
  }

  get coldCodec(): "zstd" | "none" {
    return this.#coldCodecs() === null ? "none" : "zstd";
  }

  close(): void {
    stopWorking(this);
  }

  /** Values from before the dictionary get it. Whether there is more to do. */
  #addDictionary(end: number): boolean {
    if (this.#isThrough) return false;
    this.#recompressor ??= new Recompressor(this.#cache.engine, {
      onlyOld: true,
      evictsBy: this.#cache.clock,
      looksMax: LOOKS_MAX,
      maxLength: LENGTH_MAX,
    });
    while (performance.now() < end) {
      if (!this.#recompressor.recompress(DICTIONARY_CODEC, STEP).isThrough) continue;
      this.#isThrough = true;
      this.#recompressor = null;
      return false;
    }
    return true;
  }

  /** What is cold gets the stronger codec, and what is used again the other. Whether there is more to do now. */
  #recompressCold(end: number): boolean {
    if (this.#pass === null && !this.#isWalkDue()) return false;
    const codecs = this.#coldCodecs();
    if (codecs === null) return false;
    const { engine, clock } = this.#cache;
    this.#pass ??= new ColdPass(engine, codecs, LENGTH_MAX, clock);
    while (performance.now() < end) {
      if (this.#pass.step(COLD_STEP)) continue;
      this.#pass = null;
      return false;
    }
    return true;
  }

  #isWalkDue(): boolean {
    const { clock, engine, recompresses } = this.#cache;
    if (!recompresses) return false;
    const now = clock();
    // Or the clock was set back.
    if (now < this.#nextPass && now >= this.#nextPass - WALK_MS) return false;
    this.#nextPass = now + WALK_MS;
    const { hits, puts } = engine.stats();
    this.#walks = this.#uses === hits + puts ? this.#walks + 1 : 0;
    this.#uses = hits + puts;
    return this.#walks < WALKS;
  }

  #coldCodecs(): ColdCodecs | null {
    const { engine, dictionary, codecId, recompresses, recompressesWithDictionary } = this.#cache;
    if (!recompresses) return null;
    this.#hasZstd ??= hasFastZstd();
    if (!this.#hasZstd) return null;
    if (!dictionary.isUsed(engine)) return { cold: ZSTD, warm: codecId };
    return recompressesWithDictionary ? { cold: COLD_CODEC, warm: DICTIONARY_CODEC } : null;
  }
}

/** Whether there is zstd here that reads about as fast as lz4. */
function hasFastZstd(): boolean {
  const codec = createZstd();
  const block = new Uint8Array(64);
  try {
    codec.decompress(block.slice(0, codec.compress(new Uint8Array(256), block)), new Uint8Array(256));
  } catch {
    return false;
  }
  return !fallbacks().includes("zstd-frames");
}
