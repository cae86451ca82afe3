import { ownBytes, ownWords } from "../../base/index.ts";
import type { Rows } from "../rows.ts";
import { LRU_NEXT, LRU_PREV, ROW_SHIFT } from "../table.ts";

/**
 * The entries of one shard in a row: a circular list through their rows, whose head is row 0. In which order they
 * are, and which of them goes next, is the policy's to say. A few instructions a call.
 */
export class EntryQueue {
  readonly rows: Rows;
  readonly words: Int32Array;
  /** Word of row 0. */
  readonly #head: number = 0;

  constructor(rows: Rows) {
    this.rows = rows;
    this.words = rows.words;
    this.#head = rows.layout.rowsAt | 0;
  }

  /** The entry at the front, or 0. */
  first(): number {
    return this.words[this.#head + LRU_NEXT];
  }

  /** The entry at the end, or 0. */
  last(): number {
    return this.words[this.#head + LRU_PREV];
  }

  /** The next one towards the front, or 0. */
  before(row: number): number {
    return this.words[this.#at(row) + LRU_PREV];
  }

  /** The next one towards the end, or 0. */
  after(row: number): number {
    return this.words[this.#at(row) + LRU_NEXT];
  }

  /** Puts an entry at the front. */
  add(row: number): void {
    const words = this.words;
    const head = this.#head;
    const at = this.#at(row);
    const next = words[head + LRU_NEXT];
    words[at + LRU_NEXT] = next;
    words[at + LRU_PREV] = 0;
    words[this.#at(next) + LRU_PREV] = row;
    words[head + LRU_NEXT] = row;
  }

  remove(row: number): void {
    const words = this.words;
    const at = this.#at(row);
    const next = words[at + LRU_NEXT];
    const prev = words[at + LRU_PREV];
    words[this.#at(prev) + LRU_NEXT] = next;
    words[this.#at(next) + LRU_PREV] = prev;
  }

  /** Moves an entry to the front. */
  moveFirst(row: number): void {
    if (this.words[this.#head + LRU_NEXT] === row) return;
    this.remove(row);
    this.add(row);
  }

  /** Puts an entry right behind another one, that is nearer to the end. */
  addBehind(row: number, other: number): void {
    const words = this.words;
    const at = this.#at(row);
    const next = words[this.#at(other) + LRU_NEXT];
    words[at + LRU_PREV] = other;
    words[at + LRU_NEXT] = next;
    words[this.#at(next) + LRU_PREV] = row;
    words[this.#at(other) + LRU_NEXT] = row;
  }

  clear(): void {
    this.words[this.#head + LRU_NEXT] = 0;
    this.words[this.#head + LRU_PREV] = 0;
  }

  /**
   * The order as far as the links still tell, after a thread died: those that can be reached from the front, then
   * those that cannot be reached, then those that can be reached from the end.
   *
   * @param isEntry - for each row whether it is an entry.
   */
  rebuilt(isEntry: Uint8Array): Int32Array {
    const high = isEntry.length;
    const taken = ownBytes(high);
    const fromFront = ownWords(high);
    const fromEnd = ownWords(high);
    const frontCount = this.#follow(LRU_NEXT, isEntry, taken, fromFront);
    const endCount = this.#follow(LRU_PREV, isEntry, taken, fromEnd);
    const order = ownWords(high);
    order.set(fromFront.subarray(0, frontCount));
    let count = frontCount;
    for (let row = 1; row < high; row++) if (isEntry[row] === 1 && taken[row] === 0) order[count++] = row;
    order.set(fromEnd.subarray(0, endCount).reverse(), count);
    return order.subarray(0, count + endCount);
  }

  /** As {@link Rows.at}, at hand: every hit asks for several. */
  #at(row: number): number {
    return (this.#head + (row << ROW_SHIFT)) | 0;
  }

  /** Follows the links of one direction until one leads nowhere. How many entries were met. */
  #follow(link: number, isEntry: Uint8Array, taken: Uint8Array, into: Int32Array): number {
    let count = 0;
    for (let row = this.words[this.#head + link]; ; row = this.words[this.#at(row) + link]) {
      const isThere = row > 0 && row < isEntry.length && isEntry[row] === 1 && taken[row] === 0;
      if (!isThere) return count;
      taken[row] = 1;
      into[count++] = row;
    }
  }
}
