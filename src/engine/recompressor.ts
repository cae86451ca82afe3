import { ownBytes, ownWords, powerOfTwoAtLeast } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import type { CodecTable } from "./codec-table.ts";
import type { Engine } from "./engine.ts";
import { type Draft, EMPTY, emptyDraft } from "./parts.ts";
import type { Shard } from "./shard.ts";
import {
  CODEC_SHIFT,
  F_RECOMPRESSED,
  F_RECOMPRESSED_SAVED,
  STATE,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_WRITING,
  VERSION,
  W_VERSION,
} from "./table.ts";
import type { ValueReader } from "./value-reader.ts";

/** Entries that one search for work looks at. */
const LOOKS_MAX = 10_000;
/** So many entries may become smaller for each that goes to make room for them. */
const SMALLER_BY_EVICTION = 64;

/** How far the search for work came in a shard. */
interface Cursor {
  /** The entry that is next, as row and version, and the one looked at before it; 0: the search begins anew. */
  row: number;
  version: number;
  behind: number;
  /** What was found since it began at the end of the queue. */
  found: number;
  /** The version of the last entry that is searched. */
  readonly last: number;
}

/** How a {@link Recompressor} works. */
export interface RecompressorRules {
  /** Only what is there when it is made is looked at. Default: all. */
  readonly onlyOld?: boolean;
  /**
   * Where a value's smaller form has no room beside the larger one, as all rows or pages are in use, the entry that is the
   * next to go goes a little earlier. From then on there is room for one after the other: at most one of 64 is
   * evicted so. By this clock. Default: such values stay as they are.
   */
  readonly evictsBy?: () => number;
  /** Entries that one search for work looks at, under the lock, each some 0.05 µs. Default: 10,000. */
  readonly looksMax?: number;
}

/** What one call of a {@link Recompressor} did. */
export interface Recompressed {
  readonly looked: number;
  readonly smaller: number;
  /** Whether there is nothing more to look at now. */
  readonly isThrough: boolean;
}

/** Compresses cold values again with another codec, those at the queue's end first; each is looked at once. */
export class Recompressor {
  readonly #shards: readonly Shard[];
  readonly #codecs: CodecTable;
  readonly #reader: ValueReader;
  /** The least that a smaller value saves: a slot, or a chunk, of a page. */
  readonly #unit: number;
  readonly #cursors: readonly Cursor[];
  readonly #draft: Draft = emptyDraft();
  #scratch: Uint8Array = EMPTY;
  /** The shard where the next call goes on. */
  #next = 0;
  readonly #onlyOld: boolean;
  readonly #looksMax: number;
  readonly #evictsBy: (() => number) | null;
  /** Values that may become smaller until one more entry may be evicted for them. */
  #untilEviction = 0;

  constructor(engine: Pick<Engine, "parts">, options: RecompressorRules = {}) {
    const { shape, shards, codecs, reader } = engine.parts();
    this.#shards = shards;
    this.#codecs = codecs;
    this.#reader = reader;
    this.#unit = shape.poolPageSize >> 6;
    this.#cursors = shards.map(({ words }) => {
      return { row: 0, version: 0, behind: 0, found: 0, last: words[W_VERSION] };
    });
    this.#onlyOld = options.onlyOld ?? false;
    this.#evictsBy = options.evictsBy ?? null;
    this.#looksMax = options.looksMax ?? LOOKS_MAX;
  }

  /**
   * Compresses cold values again with another codec, and keeps the result where it takes less of a page: idle
   * work. Each value is looked at once.
   *
   * @param number - of the codec.
   * @param max - entries to look at.
   */
  recompress(number: number, max: number): Recompressed {
    const stronger = this.#codecs.of(number);
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
        if (this.#recompressRow(shard, cursor, rows[at], rows[at + 1], number, stronger)) smaller++;
      }
    }
    return { looked, smaller, isThrough: isThrough && looked === 0 };
  }

  #recompressRow(
    shard: Shard,
    cursor: Cursor,
    row: number,
    version: number,
    number: number,
    codec: StagedCodec,
  ): boolean {
    const reader = this.#reader;
    const isThere = shard.locked(() => {
      if (!shard.isCurrent(row, version)) return false;
      shard.words[shard.rows.at(row) + STATE] |= STATE_SETTLED;
      shard.describe(row, reader.found);
      reader.stage(shard, row);
      return true;
    });
    if (!isThere) return false;
    const { length, storedLength, prefixLength, headLength } = reader.found;
    if (this.#scratch.length < length) this.#scratch = ownBytes(powerOfTwoAtLeast(length));
    try {
      reader.decode(this.#scratch);
    } catch {
      // Damaged, or of a codec that only other threads have: whoever loads it is told.
      return false;
    }
    const room = storedLength - 1;
    const bytes = room > 0 ? codec.encode(this.#scratch, length, room) : 0;
    const units = (stored: number): number => Math.ceil((prefixLength + headLength + stored) / this.#unit);
    if (bytes === 0 || units(bytes) >= units(storedLength)) return false;
    return shard.locked(() => {
      if (!shard.isCurrent(row, version)) return false;
      const draft = this.#draft;
      draft.bytes = codec.stage;
      draft.start = codec.stageAt;
      draft.stored = bytes;
      draft.length = length;
      draft.state = (number << CODEC_SHIFT) | STATE_SETTLED;
      const { queue } = shard;
      const isBehind = cursor.behind === row && queue.after(cursor.row) === row;
      if (!shard.replaceStored(row, draft) && !this.#replaceInRoom(shard, row, version, draft)) return false;
      // Another row has its place in the queue.
      if (isBehind) cursor.behind = queue.after(cursor.row);
      this.#untilEviction--;
      shard.floats[F_RECOMPRESSED]++;
      shard.floats[F_RECOMPRESSED_SAVED] += storedLength - bytes;
      return true;
    });
  }

  /** As {@link Shard.replaceStored}, in a shard that has no room for it yet. Expects the lock. */
  #replaceInRoom(shard: Shard, row: number, version: number, draft: Draft): boolean {
    if (this.#evictsBy === null || this.#untilEviction > 0) return false;
    if (!shard.evictDueOrOne(this.#evictsBy())) return false;
    this.#untilEviction = SMALLER_BY_EVICTION;
    // It may have been the one that went.
    return shard.isCurrent(row, version) && shard.replaceStored(row, draft);
  }

  /**
   * The last entries of the queue that recompression has not looked at: row and version of each. Goes on where
   * the last call ended, and begins anew once it was through. Expects the lock.
   */
  #search(shard: Shard, cursor: Cursor, codec: number, max: number): Int32Array {
    const { queue, rows, words } = shard;
    const list = ownWords(2 * max);
    let count = 0;
    let row = cursor.row;
    // If one of the two was used meanwhile, it lies elsewhere, and what is between was not looked at.
    if (row === 0 || !shard.isCurrent(row, cursor.version) || queue.after(row) !== cursor.behind) {
      row = queue.last();
      cursor.behind = 0;
      cursor.found = 0;
    }
    for (let looks = this.#looksMax; row !== 0 && looks > 0 && count < 2 * max; looks--) {
      const at = rows.at(row);
      const state = words[at + STATE];
      const version = words[at + VERSION];
      const isDone = (state & (STATE_SETTLED | STATE_SAME_FILLED | STATE_WRITING)) !== 0;
      const isNew = this.#onlyOld && ((version - cursor.last) | 0) > 0;
      if (!isDone && !isNew && ((state >> CODEC_SHIFT) & 0xff) !== codec) {
        list[count++] = row;
        list[count++] = version;
      }
      cursor.behind = row;
      row = queue.before(row);
    }
    cursor.row = row;
    cursor.version = row === 0 ? 0 : words[rows.at(row) + VERSION];
    cursor.found += count;
    return list.subarray(0, count);
  }
}
