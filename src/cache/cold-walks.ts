import { fallbacks } from "../base/index.ts";
import { createZstd } from "../codecs/index.ts";
import { type ColdCodecs, ColdPass } from "../engine/index.ts";
import type { Improved } from "./dictionary-use.ts";
import { coldCodec, isColdCodec, needsDictionary, warmCodec, ZSTD } from "./options.ts";

/** Longer values would keep the event loop for more than half a millisecond. */
const LENGTH_MAX = 2 ** 17;
/** Entries between two looks at the clock. */
const STEP = 2;
/** From one walk for cold entries to the next. What is not used in between is cold. */
const WALK_MS = 30_000;
/** Walks after the last use until there can be nothing more to do: one that marks, and one that finds. */
const WALKS = 2;

/** The walks of a cache for entries that are not used: these get zstd, and what is used again the cache's own codec. */
export class ColdWalks {
  readonly #cache: Improved;
  /** The walk that is under way. */
  #pass: ColdPass | null = null;
  #nextPass: number;
  /** Uses and sets when it began, and how many walks since there was another one. */
  #uses = -1;
  #walks = 0;
  /** Whether there is one that is fast; null: not looked yet. */
  #hasZstd: boolean | null = null;

  constructor(cache: Improved) {
    this.#cache = cache;
    this.#nextPass = cache.clock() + WALK_MS;
  }

  /** Which codec cold entries get. */
  get codec(): "zstd" | "none" {
    return this.#codecs() === null ? "none" : "zstd";
  }

  /** Goes on until `end`, by `performance.now()`. Whether there is more to do now. */
  work(end: number): boolean {
    if (this.#pass === null && !this.#isDue()) return false;
    const codecs = this.#codecs();
    if (codecs === null) return false;
    const { engine, clock } = this.#cache;
    this.#pass ??= new ColdPass(engine, codecs, LENGTH_MAX, clock);
    while (performance.now() < end) {
      if (this.#pass.step(STEP)) continue;
      this.#pass = null;
      return false;
    }
    return true;
  }

  #isDue(): boolean {
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

  #codecs(): ColdCodecs | null {
    const { engine, dictionary, codecId, recompresses, recompressesWithDictionary } = this.#cache;
    if (!recompresses) return null;
    this.#hasZstd ??= hasFastZstd();
    if (!this.#hasZstd) return null;
    const slot = dictionary.slot(engine);
    if (slot < 0) return { cold: ZSTD, warm: codecId, isCold };
    return recompressesWithDictionary ? { cold: coldCodec(slot), warm: warmCodec(slot), isCold } : null;
  }
}

/** With whatever dictionary, or none. */
function isCold(codec: number): boolean {
  return codec === ZSTD || (needsDictionary(codec) && isColdCodec(codec));
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
