import { ownWords } from "../base/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import type { Engine } from "./engine.ts";
import { type Cursor, EntryRecompressor, goOnAt, placeOf } from "./entry-recompressor.ts";
import type { Shard } from "./shard.ts";
import {
  CODEC_SHIFT,
  LENGTH,
  STATE,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_WRITING,
  VERSION,
  W_VERSION,
} from "./table.ts";

/** Entries that one search for work looks at. */
const LOOKS_MAX = 10_000;

/** How a {@link Recompressor} works. */
export interface RecompressorRules {
  /** Only what is there when it is made is looked at. Default: all. */
  readonly onlyOld?: boolean;
  /** As of {@link EntryRecompressor}. Default: nothing is evicted. */
  readonly evictsBy?: () => number;
  /** Entries that one search for work looks at, under the lock, each some 0.05 µs. Default: 10,000. */
  readonly looksMax?: number;
  /** Longer values are passed over. Default, and the most: those of several blocks. */
  readonly maxLength?: number;
  /** What others looked at before is looked at again, but for what has this codec. Default: nothing is. */
  readonly lookedBy?: number;
}

/** What one call of a {@link Recompressor} did. */
export interface Recompressed {
  readonly looked: number;
  readonly smaller: number;
  /** Whether there is nothing more to look at now. */
  readonly isThrough: boolean;
}

/** How far the search for work came in a shard. */
interface SearchCursor extends Cursor {
  /** What was found since it began at the end of the queue. */
  found: number;
  /** The version of the last entry that is searched. */
  readonly last: number;
  /** Whether the first walk is under way, which forgets what others looked at. */
  forgets: boolean;
}

/** Compresses cold values again with another codec, those at the queue's end first; each is looked at once. */
export class Recompressor {
  readonly #shards: readonly Shard[];
  readonly #entries: EntryRecompressor;
  readonly #cursors: readonly SearchCursor[];
  /** The shard where the next call goes on. */
  #next = 0;
  readonly #onlyOld: boolean;
  readonly #looksMax: number;
  readonly #maxLength: number;
  readonly #lookedBy: number;

  constructor(engine: Pick<Engine, "parts">, rules: RecompressorRules = {}) {
    this.#shards = engine.parts().shards;
    this.#entries = new EntryRecompressor(engine, rules.evictsBy ?? null);
    this.#cursors = this.#shards.map(({ words }) => {
      return {
        row: 0,
        version: 0,
        behind: 0,
        found: 0,
        last: words[W_VERSION],
        forgets: rules.lookedBy !== undefined,
      };
    });
    this.#lookedBy = rules.lookedBy ?? 0;
    this.#onlyOld = rules.onlyOld ?? false;
    this.#looksMax = rules.looksMax ?? LOOKS_MAX;
    this.#maxLength = rules.maxLength ?? BLOCK_BYTES;
  }

  /**
   * Compresses cold values again with another codec, and keeps the result where it takes less of a page: idle
   * work. Each value is looked at once.
   *
   * @param number - of the codec.
   * @param max - entries to look at.
   */
  recompress(number: number, max: number): Recompressed {
    let smaller = 0;
    let looked = 0;
    let isThrough = true;
    for (let i = 0; i < this.#shards.length && looked < max; i++) {
      const shard = this.#shards[this.#next];
      const cursor = this.#cursors[this.#next];
      this.#next = (this.#next + 1) % this.#shards.length;
      const rows = shard.locked(() => this.#search(shard, cursor, number, max - looked));
      isThrough &&= cursor.row === 0 && cursor.found === 0;
      for (let at = 0; at < rows.length; at += 2) {
        looked++;
        const [row, version] = [rows[at], rows[at + 1]];
        if (
          this.#entries.recompress(shard, cursor, row, version, number, STATE_SETTLED, STATE_SETTLED, false)
        )
          smaller++;
      }
    }
    return { looked, smaller, isThrough: isThrough && looked === 0 };
  }

  /**
   * The last entries of the queue that recompression has not looked at: row and version of each. Goes on where
   * the last call ended, and begins anew once it was through. Expects the lock.
   */
  #search(shard: Shard, cursor: SearchCursor, codec: number, max: number): Int32Array {
    const { queue, rows, words } = shard;
    const list = ownWords(2 * max);
    let count = 0;
    let row = placeOf(shard, cursor);
    if (row === 0) {
      row = queue.last();
      cursor.found = 0;
    }
    for (let looks = this.#looksMax; row !== 0 && looks > 0 && count < 2 * max; looks--) {
      const at = rows.at(row);
      const state = words[at + STATE];
      const version = words[at + VERSION];
      const number = (state >> CODEC_SHIFT) & 0xff;
      const isDone = (state & (STATE_SETTLED | STATE_SAME_FILLED | STATE_WRITING)) !== 0;
      const isOut =
        words[at + LENGTH] > this.#maxLength || (this.#onlyOld && ((version - cursor.last) | 0) > 0);
      if (cursor.forgets) {
        if (number !== this.#lookedBy) words[at + STATE] = state & ~STATE_SETTLED;
      } else if (!isDone && !isOut && number !== codec) {
        list[count++] = row;
        list[count++] = version;
      }
      row = queue.before(row);
    }
    goOnAt(shard, cursor, row);
    cursor.found += count;
    if (cursor.forgets && row === 0) {
      cursor.forgets = false;
      // It is not through: the walk that looks begins.
      cursor.found = 1;
    }
    return list.subarray(0, count);
  }
}
