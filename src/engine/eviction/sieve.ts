import type { Rows } from "../rows.ts";
import {
  KIND_ENTRY,
  KIND_MASK,
  STATE,
  STATE_EVICTION,
  W_ENTRIES,
  W_EVICTION,
  W_HIGH_WATER,
} from "../table.ts";
import type { EvictionPolicy } from "./policy.ts";
import type { EntryQueue } from "./queue.ts";

/** The entry to look at next, or 0: the oldest. */
const W_HAND = W_EVICTION;
/** Used since the hand passed by. */
const VISITED = STATE_EVICTION & -STATE_EVICTION;
/**
 * The most entries that one search spares. Where all were used since the hand came by, it would clear the bits of all
 * under the lock, milliseconds for each hundred thousand; the next search goes on where this one ended.
 */
const SPARED_MAX = 4096;

/**
 * SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024): entries stay in the order in
 * which they came, and a hand goes over them from the oldest to the newest, and round. It spares those that were
 * used since it last came by (4096 at a time at most) and takes the first that was not. A hit sets one bit and moves
 * nothing. Whoever takes away the entry under the hand puts it on to the next one.
 */
export class Sieve implements EvictionPolicy {
  readonly byPage: boolean = false;
  readonly #queue: EntryQueue;
  readonly #rows: Rows;
  readonly #words: Int32Array;
  /** Entries that this search may still look at: each once to take its bit away, and once after that. */
  #left = 0;

  constructor(queue: EntryQueue) {
    this.#queue = queue;
    this.#rows = queue.rows;
    this.#words = queue.words;
  }

  inserted(row: number): void {
    this.#queue.add(row);
  }

  touched(row: number): void {
    const state = this.#rows.at(row) + STATE;
    if ((this.#words[state] & VISITED) === 0) this.#words[state] |= VISITED;
  }

  removed(row: number): void {
    if (this.#words[W_HAND] === row) this.#words[W_HAND] = this.#queue.before(row);
    this.#queue.remove(row);
  }

  replaced(old: number, row: number): void {
    if (this.#words[W_HAND] === old) this.#words[W_HAND] = row;
    this.#queue.addBehind(row, old);
  }

  first(): number {
    this.#left = 2 * this.#words[W_ENTRIES];
    return this.#pass(this.start());
  }

  start(): number {
    const hand = this.#words[W_HAND];
    return hand === 0 ? this.#queue.last() : hand;
  }

  next(row: number): number {
    return this.#pass(this.#after(row));
  }

  repair(): void {
    if (!this.#isHand(this.#words[W_HAND])) this.#words[W_HAND] = 0;
  }

  fault(): string | null {
    const hand = this.#words[W_HAND];
    return this.#isHand(hand) ? null : `the hand is at row ${hand}, which is no entry`;
  }

  #isHand(hand: number): boolean {
    if (hand === 0) return true;
    const isRow = hand > 0 && hand < this.#words[W_HIGH_WATER];
    return isRow && (this.#rows.stateOf(hand) & KIND_MASK) === KIND_ENTRY;
  }

  #pass(from: number): number {
    const words = this.#words;
    let spared = 0;
    for (let row = from; this.#left-- > 0; row = this.#after(row)) {
      words[W_HAND] = row;
      const state = this.#rows.at(row) + STATE;
      if ((words[state] & VISITED) === 0 || spared === SPARED_MAX) return row;
      words[state] &= ~VISITED;
      spared++;
    }
    return 0;
  }

  #after(row: number): number {
    const before = this.#queue.before(row);
    return before === 0 ? this.#queue.last() : before;
  }
}
