import { copyBytes, isFilled, ownBytes } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import { BLOCK_BYTES, BlockKind, setBlock, tableBytes, VALUE_BYTES_MAX } from "../record/index.ts";
import type { Engine } from "./engine.ts";
import type { PackedValue } from "./parts.ts";

/** Bytes of the word that fills a block. */
const FILL_BYTES = 8;
/** The least that a further block saves which is not kept as it is: what the longest table takes, so all gets smaller. */
const SAVED_MIN = tableBytes(VALUE_BYTES_MAX);

/**
 * A value on its way into an engine, block by block: each is compressed as it comes, so that beside what is stored
 * there is one block at a time. What is stored is in pieces, which the engine copies one after the other to where they
 * are kept.
 *
 * A part of its own, so that a bundler leaves it out where values are short.
 */
export class BlockPacker implements PackedValue {
  /** Bytes of the value so far. */
  length = 0;
  /** Whether a codec, or a word that fills a block, made it smaller; else it is stored as it is, without a table. */
  isPacked = false;
  /** The number of the codec. */
  readonly codecNumber: number;
  readonly #codec: StagedCodec;
  readonly #pieces: Uint8Array[] = [];
  readonly #kinds: number[] = [];
  /** Bytes of the pieces. */
  #bytes = 0;

  constructor(engine: Pick<Engine, "parts">) {
    const { codecs } = engine.parts();
    this.#codec = codecs.current;
    this.codecNumber = codecs.currentNumber;
  }

  /** Bytes that are stored. */
  get stored(): number {
    return this.#hasTable ? this.#bytes + tableBytes(this.length) : this.#bytes;
  }

  /** What turns out to be one block is stored as any other value of that length. */
  get #hasTable(): boolean {
    return this.isPacked && this.length > BLOCK_BYTES;
  }

  /**
   * Takes the next block.
   *
   * @param block - of `BLOCK_BYTES`, but for the last one.
   * @param keeps - whether the array stays as it is until the value is put: then one that does not compress is not
   *   copied. Else it is the caller's again when this returns.
   */
  add(block: Uint8Array, keeps: boolean): void {
    const { length } = block;
    const isFirst = this.length === 0;
    const saved = Math.max(isFirst ? 0 : SAVED_MIN, (length >> 4) + 1);
    const codec = this.#codec;
    if (!isFirst && length >= FILL_BYTES + SAVED_MIN && isFilled(block, length)) {
      this.#push(BlockKind.filled, copyOf(block, 0, FILL_BYTES), length);
      return;
    }
    const bytes = length > saved ? codec.encode(block, length, length - saved) : 0;
    if (bytes !== 0) this.#push(BlockKind.packed, copyOf(codec.stage, codec.stageAt, bytes), length);
    else this.#push(BlockKind.raw, keeps ? block : copyOf(block, 0, length), length);
  }

  /** Takes all of a value, which stays as it is until it is put; not further than to `most` stored bytes. */
  addAll(value: Uint8Array, length: number, most: number): void {
    for (let at = 0; at < length && this.stored <= most; at += BLOCK_BYTES)
      this.add(value.subarray(at, Math.min(length, at + BLOCK_BYTES)), true);
  }

  /** What is stored, piece by piece. */
  pieces(): readonly Uint8Array[] {
    if (!this.#hasTable) return this.#pieces;
    const table = ownBytes(tableBytes(this.length));
    for (const [block, piece] of this.#pieces.entries())
      setBlock(table, block, this.#kinds[block], piece.length);
    return [table, ...this.#pieces];
  }

  #push(kind: number, piece: Uint8Array, length: number): void {
    if (kind !== BlockKind.raw) this.isPacked = true;
    this.#kinds.push(kind);
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.length += length;
  }
}

function copyOf(from: Uint8Array, at: number, length: number): Uint8Array {
  const copy = ownBytes(length);
  copyBytes(from, at, at + length, copy, 0);
  return copy;
}
