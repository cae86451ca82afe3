import { ownWords } from "../base/index.ts";
import type { Engine } from "./engine.ts";
import { type Cursor, EntryRecompressor, goOnAt, placeOf } from "./entry-recompressor.ts";
import type { Shard } from "./shard.ts";
import {
  CODEC_SHIFT,
  LENGTH,
  STATE,
  STATE_RESTED,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_UNYIELDING,
  STATE_WRITING,
  VERSION,
  W_ENTRIES,
} from "./table.ts";

/** Entries that one step looks at, under the lock: some 50 µs. */
const LOOKS_MAX = 1000;
/** Shorter values are not worth their row. */
const LENGTH_MIN = 64;

/** What to do with an entry. */
const TO_COLD = 1;
const TO_WARM = 2;

/** Numbers of the codecs between which a {@link ColdPass} moves entries. */
export interface ColdCodecs {
  /** Of what is not used. */
  readonly cold: number;
  /** Of what is used: the one that new values get. */
  readonly warm: number;
  /** Whether a codec is one that what is not used gets, or got before. */
  readonly isCold: (codec: number) => boolean;
}

/** How far the pass came in a shard. */
interface PassCursor extends Cursor {
  /** Entries that were passed. */
  passed: number;
  isThrough: boolean;
}

/**
 * One walk over all entries: those of the colder half that were not used since the last walk get a stronger codec, and
 * those that were used since they got it get the faster one back. It marks entries as resting, and each use takes the
 * mark away; so an entry is cold when it was not used from one walk to the next.
 */
export class ColdPass {
  readonly #shards: readonly Shard[];
  readonly #entries: EntryRecompressor;
  readonly #codecs: ColdCodecs;
  readonly #maxLength: number;
  readonly #cursors: readonly PassCursor[];
  #next = 0;
  /** Entries that got another codec. */
  changed = 0;

  /**
   * @param maxLength - longer values stay as they are, since one of them would take too long.
   * @param evictsBy - as of {@link EntryRecompressor}.
   */
  constructor(engine: Pick<Engine, "parts">, codecs: ColdCodecs, maxLength: number, evictsBy: () => number) {
    this.#shards = engine.parts().shards;
    this.#entries = new EntryRecompressor(engine, evictsBy);
    this.#codecs = codecs;
    this.#maxLength = maxLength;
    this.#cursors = this.#shards.map(() => ({ row: 0, version: 0, behind: 0, passed: 0, isThrough: false }));
  }

  /**
   * Goes on, in one shard.
   *
   * @param max - entries to compress.
   * @returns false: the walk is over.
   */
  step(max: number): boolean {
    const { cold, warm } = this.#codecs;
    for (let i = 0; i < this.#shards.length; i++) {
      const shard = this.#shards[this.#next];
      const cursor = this.#cursors[this.#next];
      this.#next = (this.#next + 1) % this.#shards.length;
      if (cursor.isThrough) continue;
      const found = shard.locked(() => this.#walk(shard, cursor, max));
      for (let at = 0; at < found.length; at += 3) {
        const [row, version, what] = found.subarray(at, at + 3);
        const isChanged =
          what === TO_COLD
            ? this.#entries.recompress(
                shard,
                cursor,
                row,
                version,
                cold,
                STATE_UNYIELDING,
                STATE_SETTLED | STATE_RESTED,
                false,
              )
            : this.#entries.recompress(shard, cursor, row, version, warm, 0, STATE_SETTLED, true);
        if (isChanged) this.changed++;
      }
      return true;
    }
    return false;
  }

  /** Row and version of entries that another codec is wanted for, and which one. Expects the lock. */
  #walk(shard: Shard, cursor: PassCursor, max: number): Int32Array {
    const { queue, rows, words } = shard;
    const list = ownWords(3 * max);
    let count = 0;
    let row = placeOf(shard, cursor);
    if (row === 0) {
      // It was lost: what is left has the next walk. Only at the beginning it begins.
      if (cursor.row === 0 && cursor.passed === 0) row = queue.last();
    }
    const half = words[W_ENTRIES] >> 1;
    for (let looks = LOOKS_MAX; row !== 0 && looks > 0 && count < 3 * max; looks--) {
      const at = rows.at(row);
      const what = this.#wanted(words, at, cursor.passed++ < half);
      if (what !== 0) {
        list[count++] = row;
        list[count++] = words[at + VERSION];
        list[count++] = what;
      }
      row = queue.before(row);
    }
    goOnAt(shard, cursor, row);
    cursor.isThrough = row === 0;
    return list.subarray(0, count);
  }

  /** What is to be done with the entry of a row; marks one that begins to rest. */
  #wanted(words: Int32Array, at: number, isInColdHalf: boolean): number {
    const state = words[at + STATE];
    const codec = (state >> CODEC_SHIFT) & 0xff;
    const rests = (state & STATE_RESTED) !== 0;
    if ((state & (STATE_SAME_FILLED | STATE_WRITING)) !== 0) return 0;
    if (!isInColdHalf) return !rests && this.#codecs.isCold(codec) ? TO_WARM : 0;
    words[at + STATE] = state | STATE_RESTED;
    const length = words[at + LENGTH];
    if (!rests || codec === this.#codecs.cold || (state & STATE_UNYIELDING) !== 0) return 0;
    return length >= LENGTH_MIN && length <= this.#maxLength ? TO_COLD : 0;
  }
}
