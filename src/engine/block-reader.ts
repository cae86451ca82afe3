import { fillWith, ownBytes, wordAt, ZbudError } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import {
  BLOCK_BYTES,
  BlockKind,
  blockCount,
  blockLength,
  bytesOfBlock,
  checkTable,
  isInBlocks,
  kindOfBlock,
  tableBytes,
} from "../record/index.ts";
import type { Engine } from "./engine.ts";
import type { FragmentCursor } from "./fragments.ts";
import { EMPTY } from "./parts.ts";
import type { Shard } from "./shard.ts";
import type { FoundEntry } from "./types.ts";

/**
 * Reads an entry block after block, where it lies: each block is copied under the lock of the shard if the entry is
 * still the same value, so what was read is never of two values. Nothing keeps the entry there meanwhile; but by LRU
 * each block that is read makes it the most recently used one.
 *
 * A part of its own, so that a bundler can leave it out where nobody reads in blocks.
 */
export class BlockReader {
  /** Bytes of the value. */
  readonly length: number;
  readonly #shard: Shard;
  readonly #codec: StagedCodec | null;
  readonly #entry: FoundEntry;
  readonly #cursor: FragmentCursor;
  /** Empty for a value that is stored as it is. */
  readonly #table: Uint8Array = EMPTY;
  readonly #word: Uint8Array = ownBytes(8);
  #block = 0;

  /**
   * @param found - an entry that a lookup of this engine found.
   * @throws {ZbudError} `ESTALE` if it is gone already; `EBADMSG` if its table is damaged; `ENOENT` if this thread does
   *   not know its codec.
   */
  constructor(engine: Engine, found: FoundEntry) {
    const { codecs } = engine.parts();
    this.#entry = { ...found, bytes: EMPTY };
    this.length = found.length;
    this.#shard = engine.shard(found.shard);
    this.#codec = found.codec === 0 || found.sameFilled ? null : codecs.of(found.codec);
    this.#cursor = { row: found.row, fragment: found.row, at: 0 };
    const named = found.prefixLength + found.headLength;
    const table = isInBlocks(found) ? ownBytes(tableBytes(found.length)) : EMPTY;
    if (table.length > found.storedLength) throw damaged(found);
    this.#locked(() => {
      const { fragments } = this.#shard;
      if (!found.sameFilled) fragments.skip(this.#cursor, named);
      if (table.length > 0) fragments.readOn(this.#cursor, table.length, table, 0);
    });
    if (table.length === 0) return;
    checkTable(table, 0, found.length, found.storedLength);
    this.#table = table;
  }

  /** Bytes of the next block; 0 at the end. */
  get nextLength(): number {
    return this.#block < blockCount(this.length) ? blockLength(this.length, this.#block) : 0;
  }

  /**
   * Reads the next block.
   *
   * @param target - of exactly {@link nextLength} bytes.
   * @throws {ZbudError} `ESTALE` if the value was replaced, removed or moved; `EBADMSG` if its bytes are damaged.
   */
  read(target: Uint8Array): void {
    const { sameFilled, codec, fill0, fill1, storedLength } = this.#entry;
    const block = this.#block++;
    const { length } = target;
    if (sameFilled) {
      fillWith(target, length, fill0, fill1);
    } else if (this.#codec === null) {
      this.#copy(length, target, 0);
    } else {
      const kind = this.#table.length === 0 ? BlockKind.packed : kindOfBlock(this.#table, 0, block);
      const stored = this.#table.length === 0 ? storedLength : bytesOfBlock(this.#table, 0, block);
      if (kind === BlockKind.raw) {
        this.#copy(length, target, 0);
      } else if (kind === BlockKind.filled) {
        this.#copy(stored, this.#word, 0);
        fillWith(target, length, wordAt(this.#word, 0), wordAt(this.#word, 4));
      } else {
        const staged = this.#codec;
        if (!staged.reserve(stored)) throw damaged(this.#entry);
        this.#copy(stored, staged.stage, staged.stageAt);
        const written = staged.decode(stored, target);
        if (written !== length)
          throw new ZbudError(
            "EBADMSG",
            `block ${block} of codec ${codec} has ${written} bytes, not ${length}`,
          );
      }
    }
  }

  /** Reads all blocks that are left, to the start of `target`. */
  readAll(target: Uint8Array): void {
    for (let at = 0; this.nextLength > 0; at += BLOCK_BYTES)
      this.read(target.subarray(at, at + this.nextLength));
  }

  #copy(count: number, target: Uint8Array, at: number): void {
    this.#locked(() => {
      this.#shard.eviction.touched(this.#entry.row);
      this.#shard.fragments.readOn(this.#cursor, count, target, at);
    });
  }

  /** Does something with the lock held, if the entry is still there. */
  #locked(act: () => void): void {
    const { row, version } = this.#entry;
    const isThere = this.#shard.locked(() => {
      if (!this.#shard.isCurrent(row, version)) return false;
      act();
      return true;
    });
    if (isThere) return;
    throw new ZbudError(
      "ESTALE",
      "the value that was being read was replaced, deleted, evicted or moved meanwhile; what was read so far is of the old one: read it again from its start",
    );
  }
}

function damaged({ length, storedLength }: FoundEntry): ZbudError {
  return new ZbudError("EBADMSG", `a value of ${length} bytes cannot be stored in ${storedLength}`);
}
