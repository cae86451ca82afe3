import { choiceOption, type IdleWork, show, stopWorking, workWhenIdle, ZbudError } from "../base/index.ts";
import { getCodec } from "../codecs/index.ts";
import { type EngineStats, Recompressor } from "../engine/index.ts";
import { ColdWalks } from "./cold-walks.ts";
import type { Improved } from "./dictionary-use.ts";
import { coldCodec, warmCodec } from "./options.ts";
import type { ImprovementStats } from "./types.ts";

/** Entries between two looks at the clock. */
const STEP = 8;
/** Entries that one search for work looks at under the lock: some 50 µs. */
const LOOKS_MAX = 1000;
/** Longer values would keep the event loop for more than half a millisecond. */
const LENGTH_MAX = 2 ** 17;
/** A thread that is not the first to have the cache asks again after so many looks: it may cost a call of the system. */
const RESTS = 10;

/**
 * What a cache does for itself in the pauses of the event loop: values that were set before the dictionary was there, or
 * with the one before it, are compressed anew with it, and entries that are not used for some time by zstd. Of the threads that have the cache one
 * does it, the one that came first; if that is gone, the next one goes on, since entries say themselves what was done to
 * them.
 */
export class CacheImprover implements IdleWork {
  readonly #cache: Improved;
  /** Of the values from before the dictionary; null: all of them are done. */
  #recompressor: Recompressor | null = null;
  /** The slot of the dictionary that they get, or got; -1: there is none yet. */
  #slot = -1;
  readonly #coldWalks: ColdWalks;
  /** Looks until it asks whether it is the first. */
  #rests = 0;
  #error: string | null = null;

  constructor(cache: Improved) {
    this.#cache = cache;
    this.#coldWalks = new ColdWalks(cache);
    workWhenIdle(this);
  }

  work(end: number): boolean {
    const { engine, dictionary } = this.#cache;
    if (engine.isClosed) {
      this.close();
      return false;
    }
    // Never waits for a lock: whoever has it may be stopped, and this thread may not need the cache at all.
    if (engine.isBusy()) return false;
    if (dictionary.trainer.work(engine, end)) return true;
    const slot = dictionary.slot(engine);
    if (this.#rests-- > 0) return false;
    if (!engine.isFirst()) {
      this.#rests = RESTS;
      return false;
    }
    this.#rests = 0;
    // What is compressed anew would be trusted anew.
    if (this.#cache.keepsVersions) return false;
    return this.#addDictionary(slot, end) || this.#coldWalks.work(end);
  }

  failed(error: unknown): void {
    this.#error = error instanceof ZbudError ? error.message : String(error);
  }

  /** Why it ended, if it did so by itself. */
  get error(): string | null {
    return this.#error;
  }

  get coldCodec(): "zstd" | "none" {
    return this.#coldWalks.codec;
  }

  close(): void {
    stopWorking(this);
  }

  /** Values from before the dictionary get it. Whether there is more to do. */
  #addDictionary(slot: number, end: number): boolean {
    if (slot !== this.#slot) {
      this.#slot = slot;
      this.#recompressor = new Recompressor(this.#cache.engine, {
        onlyOld: true,
        evictsBy: this.#cache.clock,
        looksMax: LOOKS_MAX,
        maxLength: LENGTH_MAX,
        // What another dictionary did not make smaller, this one may.
        lookedBy: coldCodec(slot),
      });
    }
    if (this.#recompressor === null) return false;
    while (performance.now() < end) {
      if (!this.#recompressor.recompress(warmCodec(slot), STEP).isThrough) continue;
      this.#recompressor = null;
      return false;
    }
    return true;
  }
}

/** What `stats()` says of it. */
export function improvementOf(
  improver: CacheImprover | null,
  isOn: boolean,
  { recompressed, recompressedBytesSaved }: EngineStats,
): ImprovementStats {
  const counts = { coldCodec: improver?.coldCodec ?? "none", recompressed, recompressedBytesSaved } as const;
  const error = improver?.error ?? null;
  if (error !== null) return { state: "failed", ...counts, error };
  return { state: isOn ? "on" : "off", ...counts };
}

/** @throws {ZbudError} `EINVAL` if it is unknown, or would do nothing with these other options; `ENOTSUP` without zstd. */
export function recompressOption(value: unknown, codec: string | null, improves: boolean): boolean {
  const chosen = choiceOption("recompress", value === undefined ? "none" : value, ["zstd", "none"]);
  if (chosen === "zstd" && (codec !== "lz4" || !improves)) {
    throw new ZbudError(
      "EINVAL",
      `recompress: "zstd" is for values of codec "lz4" that the cache improves; leave it out with ${improves ? `codec ${show(codec)}` : "improve: false"}`,
    );
  }
  if (chosen === "zstd") getCodec(chosen);
  return chosen === "zstd";
}
