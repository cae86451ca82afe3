import { ownBytes, ownWords, powerOfTwoAtLeast } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import type { CodecTable } from "./codec-table.ts";
import type { Engine } from "./engine.ts";
import { type Draft, EMPTY, emptyDraft } from "./parts.ts";
import type { Shard } from "./shard.ts";
import {
  CODEC_SHIFT,
  F_RECOMPRESSED,
  F_RECOMPRESSED_SAVED,
  LENGTH,
  STATE,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_WRITING,
  VERSION,
} from "./table.ts";
import type { ValueReader } from "./value-reader.ts";

/** Entries that one search for work looks at. */
const LOOKS_MAX = 10_000;

/** How far the search for work came in a shard: an entry, as row and version. */
interface Cursor {
  row: number;
  version: number;
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

  constructor(engine: Pick<Engine, "parts">) {
    const { shape, shards, codecs, reader } = engine.parts();
    this.#shards = shards;
    this.#codecs = codecs;
    this.#reader = reader;
    this.#unit = Math.min(...shape.pools.map(({ unitBytes }) => unitBytes));
    this.#cursors = shards.map(() => ({ row: 0, version: 0 }));
  }

  /**
   * Compresses cold values again with another codec, and keeps the result where it takes less of a page: idle
   * work. Each value is looked at once.
   *
   * @param number - of the codec.
   * @param max - entries to look at.
   * @returns how many were looked at, and how many of them became smaller.
   */
  recompress(number: number, max: number): { looked: number; smaller: number } {
    const stronger = this.#codecs.of(number);
    let smaller = 0;
    let looked = 0;
    for (let i = 0; i < this.#shards.length && looked < max; i++) {
      const shard = this.#shards[this.#next];
      const cursor = this.#cursors[this.#next];
      this.#next = (this.#next + 1) % this.#shards.length;
      const rows = shard.locked(() => unsettled(shard, cursor, number, max - looked));
      for (let at = 0; at < rows.length; at += 2) {
        looked++;
        if (this.#recompressRow(shard, rows[at], rows[at + 1], number, stronger)) smaller++;
      }
    }
    return { looked, smaller };
  }

  #recompressRow(shard: Shard, row: number, version: number, number: number, codec: StagedCodec): boolean {
    const reader = this.#reader;
    const isThere = shard.locked(() => {
      if (!shard.isCurrent(row, version)) return false;
      shard.words[shard.rows.at(row) + STATE] |= STATE_SETTLED;
      shard.describe(row, reader.found);
      reader.stage(shard, row);
      return true;
    });
    if (!isThere) return false;
    const { length, storedLength } = reader.found;
    if (this.#scratch.length < length) this.#scratch = ownBytes(powerOfTwoAtLeast(length));
    try {
      reader.decode(this.#scratch);
    } catch {
      // Damaged, or of a codec that only other threads have: whoever loads it is told.
      return false;
    }
    const room = storedLength - 1;
    const bytes = room > 0 ? codec.encode(this.#scratch, length, room) : 0;
    if (bytes === 0 || Math.ceil(bytes / this.#unit) >= Math.ceil(storedLength / this.#unit)) return false;
    return shard.locked(() => {
      if (!shard.isCurrent(row, version)) return false;
      const draft = this.#draft;
      draft.bytes = codec.stage;
      draft.start = codec.stageAt;
      draft.stored = bytes;
      draft.length = length;
      draft.state = (number << CODEC_SHIFT) | STATE_SETTLED;
      if (!shard.replaceStored(row, draft)) return false;
      shard.floats[F_RECOMPRESSED]++;
      shard.floats[F_RECOMPRESSED_SAVED] += storedLength - bytes;
      return true;
    });
  }
}

/**
 * The last entries of the queue that recompression has not looked at: row and version of each. Goes on where
 * the last call ended, and begins anew once it was through. Expects the lock.
 */
function unsettled(shard: Shard, cursor: Cursor, codec: number, max: number): Int32Array {
  const { queue, rows, words } = shard;
  const list = ownWords(2 * max);
  let count = 0;
  let looked = 0;
  let row = shard.isCurrent(cursor.row, cursor.version) ? cursor.row : queue.last();
  cursor.row = 0;
  for (; row !== 0 && count < 2 * max; row = queue.before(row)) {
    const at = rows.at(row);
    if (++looked > LOOKS_MAX) {
      cursor.row = row;
      cursor.version = words[at + VERSION];
      break;
    }
    const state = words[at + STATE];
    if ((state & (STATE_SETTLED | STATE_SAME_FILLED | STATE_WRITING)) !== 0) continue;
    if (((state >> CODEC_SHIFT) & 0xff) === codec) continue;
    // Values of several blocks stay as they are.
    if (words[at + LENGTH] > BLOCK_BYTES) continue;
    list[count++] = row;
    list[count++] = words[at + VERSION];
  }
  return list.subarray(0, count);
}
