import type { Rows } from "./rows.ts";
import { STATE, STATE_VISITED, W_ENTRIES, W_HAND } from "./table.ts";

/**
 * The most entries that one search spares. Where all were used since the hand came by, it would clear the bits of all
 * under the lock, milliseconds for each hundred thousand; the next search goes on where this one ended.
 */
const SPARED_MAX = 4096;

/**
 * Which entry goes next by SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, NSDI 2024): entries stay in the order in
 * which they came, and a hand goes over them from the oldest to the newest, and round. It spares those that were
 * used since it last came by (4096 at a time at most) and takes the first that was not. A hit sets one bit and moves nothing.
 *
 * The hand is the row to look at next, 0 before the oldest: it is in the table, so that threads share it. Whoever
 * takes away the entry under it puts it on to the next one ({@link Rows.unlink}).
 */
export class Sieve {
  readonly #rows: Rows;
  /** Entries that this search may still look at: each once to take its bit away, and once after that. */
  #left = 0;

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  /** The entry under the hand, once it has passed those that were used; or 0: there are no entries. */
  first(): number {
    const { words } = this.#rows;
    this.#left = 2 * words[W_ENTRIES];
    const hand = words[W_HAND];
    return this.#pass(hand === 0 ? this.#rows.last() : hand);
  }

  /** The one after an entry that has to stay; or 0: all were looked at. */
  next(row: number): number {
    return this.#pass(this.#after(row));
  }

  #pass(from: number): number {
    const { words } = this.#rows;
    let spared = 0;
    for (let row = from; this.#left-- > 0; row = this.#after(row)) {
      words[W_HAND] = row;
      const state = this.#rows.at(row) + STATE;
      if ((words[state] & STATE_VISITED) === 0 || spared === SPARED_MAX) return row;
      words[state] &= ~STATE_VISITED;
      spared++;
    }
    return 0;
  }

  #after(row: number): number {
    const before = this.#rows.before(row);
    return before === 0 ? this.#rows.last() : before;
  }
}
