import { Reach } from "../memory/index.ts";
import {
  BUCKETS_AT,
  HASH_NEXT,
  hashOf,
  K0,
  K1,
  KIND_FREE,
  NAME,
  ROW_SHIFT,
  rowArraysOf,
  type ShardLayout,
  STATE,
  W_FREE,
  W_HIGH_WATER,
} from "./table.ts";
import type { SecondaryIndex } from "./types.ts";

/**
 * The rows of one shard: free ones, hash chains. Knows neither objects nor order nor locks; a few instructions each,
 * and no step that grows with the number of rows but the length of a hash chain.
 */
export class Rows {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly layout: ShardLayout;
  readonly #at: number = 0;
  readonly #bucketMask: number = 0;
  readonly #reach: Reach;

  /** @param secondaryIndex - whose words grow with the rows too. */
  constructor(words: Int32Array, layout: ShardLayout, secondaryIndex: SecondaryIndex | null) {
    this.words = words;
    this.floats = new Float64Array(words.buffer, 0, words.length >> 1);
    this.layout = layout;
    this.#at = layout.rowsAt | 0;
    this.#reach = new Reach(words.buffer, rowArraysOf(layout, secondaryIndex));
    this.#bucketMask = (layout.bucketCount - 1) | 0;
  }

  /** A fresh table: zeros, so that row 0, the queue's head, is its own neighbour; and it is in use. */
  format(): void {
    this.words[W_HIGH_WATER] = 1;
  }

  /** Index of the row's first word. */
  at(row: number): number {
    return (this.#at + (row << ROW_SHIFT)) | 0;
  }

  /**
   * The first row of a name from `row` on in its chain, or 0. Several entries may share the words: the caller
   * compares the prefix, and asks for the next one.
   *
   * @param row - where to go on, or 0: at the start of the chain.
   */
  find(k0: number, k1: number, hash: number, nameWord: number, row: number): number {
    const words = this.words;
    let next = row === 0 ? words[BUCKETS_AT + (hash & this.#bucketMask)] : words[this.at(row) + HASH_NEXT];
    while (next !== 0) {
      const at = this.at(next);
      if (words[at + K0] === k0 && words[at + K1] === k1 && (words[at + NAME] & 0xffff) === nameWord) break;
      next = words[at + HASH_NEXT];
    }
    return next;
  }

  /** Puts an entry at the head of its hash chain. */
  link(row: number, hash: number): void {
    const words = this.words;
    const at = this.at(row);
    const bucket = BUCKETS_AT + (hash & this.#bucketMask);
    words[at + HASH_NEXT] = words[bucket];
    words[bucket] = row;
  }

  /** Takes an entry off its hash chain. */
  unlink(row: number): void {
    const words = this.words;
    const at = this.at(row);
    let link = BUCKETS_AT + (hashOf(words[at + K0], words[at + K1]) & this.#bucketMask);
    while (words[link] !== row) link = this.at(words[link]) + HASH_NEXT;
    words[link] = words[at + HASH_NEXT];
  }

  /** A free row, or 0. Its words still say free: until its state is written, a repair finds it free. */
  take(maxHighWater: number): number {
    const words = this.words;
    const row = words[W_FREE];
    if (row !== 0) {
      words[W_FREE] = words[this.at(row) + HASH_NEXT];
      return row;
    }
    const high = words[W_HIGH_WATER];
    if (high >= maxHighWater || (high >= this.#reach.end && !this.#reach.extend(high))) return 0;
    words[W_HIGH_WATER] = high + 1;
    return high;
  }

  /** Gives a row back. */
  release(row: number): void {
    const words = this.words;
    const at = this.at(row);
    words[at + STATE] = KIND_FREE;
    words[at + HASH_NEXT] = words[W_FREE];
    words[W_FREE] = row;
  }

  stateOf(row: number): number {
    return this.words[this.at(row) + STATE];
  }
}
