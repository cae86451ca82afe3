import {
  BUCKETS_AT,
  HASH_NEXT,
  hashOf,
  K0,
  K1,
  KIND_FREE,
  LRU_NEXT,
  LRU_PREV,
  NAME,
  ROW_SHIFT,
  type ShardLayout,
  STATE,
  STATE_VISITED,
  W_FREE,
  W_HAND,
  W_HIGH_WATER,
} from "./table.ts";

/**
 * The rows of one shard: free ones, hash chains, LRU. Knows neither objects nor locks; a few instructions each,
 * and no step that grows with the number of rows but the length of a hash chain.
 */
export class Rows {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly layout: ShardLayout;
  readonly #at: number = 0;
  readonly #bucketMask: number = 0;

  constructor(words: Int32Array, layout: ShardLayout) {
    this.words = words;
    this.floats = new Float64Array(words.buffer);
    this.layout = layout;
    this.#at = layout.rowsAt | 0;
    this.#bucketMask = (layout.bucketCount - 1) | 0;
  }

  /** A fresh table: zeros, but for the LRU's head, which is its own neighbour, and row 0, which is used. */
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

  /** Puts an entry at the head of its hash chain and of the LRU. */
  link(row: number, hash: number): void {
    const words = this.words;
    const at = this.at(row);
    const bucket = BUCKETS_AT + (hash & this.#bucketMask);
    words[at + HASH_NEXT] = words[bucket];
    words[bucket] = row;
    this.linkFirst(row);
  }

  /** Takes an entry off its hash chain and off the LRU. */
  unlink(row: number): void {
    const words = this.words;
    const at = this.at(row);
    let link = BUCKETS_AT + (hashOf(words[at + K0], words[at + K1]) & this.#bucketMask);
    while (words[link] !== row) link = this.at(words[link]) + HASH_NEXT;
    words[link] = words[at + HASH_NEXT];
    if (words[W_HAND] === row) words[W_HAND] = words[at + LRU_PREV];
    this.unlinkLru(row);
  }

  /** Makes an entry the most recently used one. */
  touch(row: number): void {
    if (this.words[this.#at + LRU_NEXT] === row) return;
    this.unlinkLru(row);
    this.linkFirst(row);
  }

  /** Notes that an entry was used, and leaves it where it is. */
  visit(row: number): void {
    const state = this.at(row) + STATE;
    if ((this.words[state] & STATE_VISITED) === 0) this.words[state] |= STATE_VISITED;
  }

  /** Moves an entry on the LRU to right behind another one, whose turn is its turn. */
  moveBehind(row: number, other: number): void {
    this.unlinkLru(row);
    const words = this.words;
    if (words[W_HAND] === other) words[W_HAND] = row;
    const at = this.at(row);
    const next = words[this.at(other) + LRU_NEXT];
    words[at + LRU_PREV] = other;
    words[at + LRU_NEXT] = next;
    words[this.at(next) + LRU_PREV] = row;
    words[this.at(other) + LRU_NEXT] = row;
  }

  linkFirst(row: number): void {
    const words = this.words;
    const head = this.#at;
    const at = this.at(row);
    const next = words[head + LRU_NEXT];
    words[at + LRU_NEXT] = next;
    words[at + LRU_PREV] = 0;
    words[this.at(next) + LRU_PREV] = row;
    words[head + LRU_NEXT] = row;
  }

  unlinkLru(row: number): void {
    const words = this.words;
    const at = this.at(row);
    const next = words[at + LRU_NEXT];
    const prev = words[at + LRU_PREV];
    words[this.at(prev) + LRU_NEXT] = next;
    words[this.at(next) + LRU_PREV] = prev;
  }

  /** The least recently used entry, or 0. */
  last(): number {
    return this.words[this.#at + LRU_PREV];
  }

  /** The entry used next after this one, or 0. */
  before(row: number): number {
    return this.words[this.at(row) + LRU_PREV];
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
    if (high >= maxHighWater) return 0;
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
