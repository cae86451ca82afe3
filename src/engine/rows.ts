import { type ElementArray, giveRoom, needsRoom, roomStep, takeRoom } from "../memory/index.ts";
import {
  BUCKETS_AT,
  BUCKETS_MIN,
  bucketOf,
  type GrowingIndex,
  HASH_NEXT,
  hashOf,
  K0,
  K1,
  KIND_FREE,
  KIND_MASK,
  NAME,
  NO_END,
  ROW_SHIFT,
  rowArraysOf,
  type ShardLayout,
  STATE,
  W_BUCKETS_USED,
  W_ENTRIES,
  W_FREE,
  W_HIGH_WATER,
  W_ROOM,
  W_ROWS_END,
} from "./table.ts";

/**
 * The rows of one shard: free ones, hash chains. Knows neither objects nor order nor locks; a few instructions each,
 * and no step that grows with the number of rows but the length of a hash chain.
 */
export class Rows {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly layout: ShardLayout;
  readonly #at: number = 0;
  readonly #bucketCount: number = 0;
  readonly #arrays: readonly ElementArray[];

  /** @param secondaryIndex - whose words grow with the rows too. */
  constructor(words: Int32Array, layout: ShardLayout, secondaryIndex: GrowingIndex | null) {
    this.words = words;
    this.floats = new Float64Array(words.buffer, 0, words.length >> 1);
    this.layout = layout;
    this.#at = layout.rowsAt | 0;
    this.#arrays = rowArraysOf(layout, secondaryIndex);
    this.#bucketCount = layout.bucketCount | 0;
  }

  /** A fresh table: zeros, so that row 0, the queue's head, is its own neighbour; and it is in use. */
  format(): void {
    this.words[W_HIGH_WATER] = 1;
    this.words[W_ROWS_END] = NO_END;
    this.words[W_BUCKETS_USED] = BUCKETS_MIN;
    this.words[W_ROOM] = needsRoom(this.words.buffer) ? 1 : this.layout.maxRows + 1;
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
    let next = row === 0 ? words[this.#bucketOf(hash)] : words[this.at(row) + HASH_NEXT];
    while (next !== 0) {
      const at = this.at(next);
      if (words[at + K0] === k0 && words[at + K1] === k1 && (words[at + NAME] & 0xffff) === nameWord) break;
      next = words[at + HASH_NEXT];
    }
    return next;
  }

  /** The word of a hash's bucket. */
  #bucketOf(hash: number): number {
    return BUCKETS_AT + bucketOf(hash, this.words[W_BUCKETS_USED]);
  }

  /** Takes one more bucket into use, and moves to it what belongs there: some entries of one other. */
  #addBucket(): void {
    const words = this.words;
    const added = words[W_BUCKETS_USED];
    if (added >= this.#bucketCount) return;
    let link = this.#bucketOf(added);
    words[W_BUCKETS_USED] = added + 1;
    words[BUCKETS_AT + added] = 0;
    while (words[link] !== 0) {
      const row = words[link];
      const at = this.at(row);
      if (this.#bucketOf(hashOf(words[at + K0], words[at + K1])) === BUCKETS_AT + added) {
        words[link] = words[at + HASH_NEXT];
        words[at + HASH_NEXT] = words[BUCKETS_AT + added];
        words[BUCKETS_AT + added] = row;
      } else {
        link = at + HASH_NEXT;
      }
    }
  }

  /** Puts an entry at the head of its hash chain. */
  link(row: number, hash: number): void {
    const words = this.words;
    const at = this.at(row);
    if (words[W_ENTRIES] >= words[W_BUCKETS_USED]) this.#addBucket();
    const bucket = this.#bucketOf(hash);
    words[at + HASH_NEXT] = words[bucket];
    words[bucket] = row;
  }

  /** Takes an entry off its hash chain. */
  unlink(row: number): void {
    const words = this.words;
    const at = this.at(row);
    let link = this.#bucketOf(hashOf(words[at + K0], words[at + K1]));
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
    if (high >= words[W_ROWS_END]) {
      this.#keepAll();
      return this.take(maxHighWater);
    }
    if (high >= maxHighWater || (high >= words[W_ROOM] && !this.#takeRoom(high))) return 0;
    words[W_HIGH_WATER] = high + 1;
    return high;
  }

  /** Gives a row back. */
  release(row: number): void {
    const words = this.words;
    const at = this.at(row);
    words[at + STATE] = KIND_FREE;
    if (row >= words[W_ROWS_END]) return;
    words[at + HASH_NEXT] = words[W_FREE];
    words[W_FREE] = row;
  }

  /**
   * Forgets rows from `high` on, which are free, and orders the free ones below: the first is taken next. Their memory
   * goes back to the system. How many bytes it were.
   *
   * @param end - rows from here on are not taken again, unless there is no other.
   */
  lowerTo(high: number, end: number = NO_END): number {
    const words = this.words;
    const before = words[W_HIGH_WATER];
    words[W_ROWS_END] = end;
    words[W_FREE] = 0;
    for (let row = Math.min(high, end) - 1; row > 0; row--)
      if ((this.stateOf(row) & KIND_MASK) === KIND_FREE) this.release(row);
    words[W_HIGH_WATER] = high;
    if (needsRoom(words.buffer)) words[W_ROOM] = Math.min(words[W_ROOM], high);
    return giveRoom(words.buffer, this.#arrays, high, before);
  }

  /** None is given up: more are needed than was thought. Those below were taken, or are about to be used. */
  #keepAll(): void {
    const words = this.words;
    const end = words[W_ROWS_END];
    words[W_ROWS_END] = NO_END;
    for (let row = words[W_HIGH_WATER] - 1; row >= end; row--)
      if ((this.stateOf(row) & KIND_MASK) === KIND_FREE) this.release(row);
  }

  /** The file system is asked for some rows at a time. */
  #takeRoom(row: number): boolean {
    const end = Math.min(row + roomStep(this.#arrays), this.layout.maxRows + 1);
    if (!takeRoom(this.words.buffer, this.#arrays, row, end)) return false;
    this.words[W_ROOM] = end;
    return true;
  }

  stateOf(row: number): number {
    return this.words[this.at(row) + STATE];
  }
}
