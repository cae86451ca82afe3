import { ownBytes, powerOfTwoAtLeast } from "../base/index.ts";
import type { CodecTable } from "./codec-table.ts";
import type { Engine } from "./engine.ts";
import { type Draft, EMPTY, emptyDraft } from "./parts.ts";
import type { Shard } from "./shard.ts";
import { CODEC_SHIFT, F_RECOMPRESSED, F_RECOMPRESSED_SAVED, STATE, STATE_WRITING, VERSION } from "./table.ts";
import type { ValueReader } from "./value-reader.ts";

/** So many entries may be replaced for each that goes to make room for them. */
const REPLACED_BY_EVICTION = 64;

/** How far a walk through a shard's queue came. */
export interface Cursor {
  /** The entry that is next, as row and version, and the one before it; 0: the walk begins anew. */
  row: number;
  version: number;
  behind: number;
}

/** Gives single entries other stored bytes: those of the same value by another codec. */
export class EntryRecompressor {
  readonly #codecs: CodecTable;
  readonly #reader: ValueReader;
  /** The least that a smaller value saves: a slot, or a chunk, of a page. */
  readonly #unit: number;
  readonly #evictsBy: (() => number) | null;
  readonly #draft: Draft = emptyDraft();
  #scratch: Uint8Array = EMPTY;
  /** Entries that may be replaced until one more may be evicted for them. */
  #untilEviction = 0;

  /**
   * @param evictsBy - if an entry has no room beside its former self, as all rows or pages are in use, the next to go goes a
   *   little earlier, by this clock. From then on there is room for one after the other: at most one of 64 is evicted so.
   *   Null: such entries stay as they are.
   */
  constructor(engine: Pick<Engine, "parts">, evictsBy: (() => number) | null) {
    const { shape, codecs, reader } = engine.parts();
    this.#codecs = codecs;
    this.#reader = reader;
    this.#unit = Math.min(...shape.pools.map(({ unitBytes }) => unitBytes));
    this.#evictsBy = evictsBy;
  }

  /**
   * Compresses one entry anew.
   *
   * @param number - of the codec.
   * @param mark - what its state says from here on in any case, and what it says if it was replaced.
   * @param mayGrow - whether the result is kept even if it takes more of a page.
   * @returns whether it was replaced. Its row and version are others then, its place in the queue is the same.
   */
  recompress(
    shard: Shard,
    cursor: Cursor,
    row: number,
    version: number,
    number: number,
    mark: number,
    markReplaced: number,
    mayGrow: boolean,
  ): boolean {
    const reader = this.#reader;
    const codec = this.#codecs.of(number);
    const isThere = shard.locked(() => {
      if (!isAtRest(shard, row, version)) return false;
      shard.words[shard.rows.at(row) + STATE] |= mark;
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
    const room = mayGrow ? length - 1 : storedLength - 1;
    const bytes = room > 0 ? codec.encode(this.#scratch, length, room) : 0;
    const units = (stored: number): number => Math.ceil((prefixLength + headLength + stored) / this.#unit);
    if (bytes === 0 || (!mayGrow && units(bytes) >= units(storedLength))) return false;
    return shard.locked(() => {
      if (!isAtRest(shard, row, version)) {
        // It is looked at again when the backing store has it.
        if (shard.isCurrent(row, version)) shard.words[shard.rows.at(row) + STATE] &= ~mark;
        return false;
      }
      const draft = this.#draft;
      draft.bytes = codec.stage;
      draft.start = codec.stageAt;
      draft.stored = bytes;
      draft.length = length;
      draft.state = (number << CODEC_SHIFT) | markReplaced;
      const { queue } = shard;
      const isBehind = cursor.behind === row && queue.after(cursor.row) === row;
      if (!shard.replaceStored(row, draft) && !this.#replaceInRoom(shard, row, version, draft)) return false;
      // Another row has its place in the queue.
      if (isBehind) cursor.behind = queue.after(cursor.row);
      this.#untilEviction--;
      if (mayGrow) return true;
      shard.floats[F_RECOMPRESSED]++;
      shard.floats[F_RECOMPRESSED_SAVED] += storedLength - bytes;
      return true;
    });
  }

  /** As {@link Shard.replaceStored}, in a shard that has no room for it yet. Expects the lock. */
  #replaceInRoom(shard: Shard, row: number, version: number, draft: Draft): boolean {
    if (this.#evictsBy === null || this.#untilEviction > 0) return false;
    if (!shard.evictDueOrOne(this.#evictsBy())) return false;
    this.#untilEviction = REPLACED_BY_EVICTION;
    // It may have been the one that went.
    return shard.isCurrent(row, version) && shard.replaceStored(row, draft);
  }
}

/**
 * Whether an entry is still there, and not on its way to the backing store: in another row it would be taken for one that
 * nobody writes, and the end of its write for that of a value which is gone. Expects the lock.
 */
function isAtRest(shard: Shard, row: number, version: number): boolean {
  return shard.isCurrent(row, version) && (shard.rows.stateOf(row) & STATE_WRITING) === 0;
}

/** Where a walk goes on, from the end of the queue to its front; 0 if it must begin anew. Expects the lock. */
export function placeOf(shard: Shard, cursor: Cursor): number {
  const { row, version, behind } = cursor;
  // If one of the two was used meanwhile, it lies elsewhere, and what is between was not looked at.
  return row !== 0 && shard.isCurrent(row, version) && shard.queue.after(row) === behind ? row : 0;
}

/** The walk goes on at this entry, or is at its end. Expects the lock. */
export function goOnAt(shard: Shard, cursor: Cursor, row: number): void {
  cursor.row = row;
  cursor.version = row === 0 ? 0 : shard.words[shard.rows.at(row) + VERSION];
  cursor.behind = row === 0 ? 0 : shard.queue.after(row);
}
