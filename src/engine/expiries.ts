import type { Rows } from "./rows.ts";
import { W_EXPIRIES, W_EXPIRIES_MAX } from "./table.ts";

/**
 * The entries of a shard that expire, as a binary heap of row numbers: the earliest deadline is at its top, so
 * what is due is found without looking at anything else. Deadlines mostly come in order, and such an entry
 * stays where it is put, at the bottom.
 *
 * Place 0 of the heap is not used; parents of place `i` are `i >> 1`.
 */
export class Expiries {
  readonly #rows: Rows;
  readonly #words: Int32Array;
  readonly #deadlines: number = 0;
  readonly #heap: number = 0;
  readonly #places: number = 0;

  constructor(rows: Rows) {
    const { deadlinesAt, heapAt, heapPlacesAt } = rows.layout;
    this.#rows = rows;
    this.#words = rows.words;
    this.#deadlines = (deadlinesAt >> 1) | 0;
    this.#heap = heapAt | 0;
    this.#places = heapPlacesAt | 0;
  }

  deadlineOf(row: number): number {
    return this.#rows.floats[this.#deadlines + row];
  }

  /** Notes a deadline; what is in the heap does not change. */
  setDeadline(row: number, deadline: number): void {
    this.#rows.floats[this.#deadlines + row] = deadline;
  }

  add(row: number): void {
    const count = this.#words[W_EXPIRIES] + 1;
    this.#words[W_EXPIRIES] = count;
    if (count > this.#words[W_EXPIRIES_MAX]) this.#words[W_EXPIRIES_MAX] = count;
    this.#rise(row, count);
  }

  remove(row: number): void {
    const words = this.#words;
    const place = words[this.#places + row];
    const count = words[W_EXPIRIES];
    const moved = words[this.#heap + count];
    words[W_EXPIRIES] = count - 1;
    if (moved === row) return;
    this.#sink(moved, place);
    this.#rise(moved, words[this.#places + moved]);
  }

  /** The entry with the earliest deadline, or 0. */
  first(): number {
    return this.#words[W_EXPIRIES] === 0 ? 0 : this.#words[this.#heap + 1];
  }

  clear(): void {
    this.#words[W_EXPIRIES] = 0;
  }

  /** What is wrong with the heap, or null. */
  fault(): string | null {
    const words = this.#words;
    for (let place = 1; place <= words[W_EXPIRIES]; place++) {
      const row = words[this.#heap + place];
      if (words[this.#places + row] !== place) return `row ${row} does not know its place ${place}`;
      const parent = words[this.#heap + (place >> 1)];
      if (place > 1 && this.deadlineOf(parent) > this.deadlineOf(row)) {
        return `row ${row} expires before its parent ${parent}`;
      }
    }
    return null;
  }

  /** Puts a row at `place` or above, where it belongs. */
  #rise(row: number, place: number): void {
    const words = this.#words;
    const deadline = this.deadlineOf(row);
    let at = place;
    while (at > 1) {
      const parent = words[this.#heap + (at >> 1)];
      if (this.deadlineOf(parent) <= deadline) break;
      words[this.#heap + at] = parent;
      words[this.#places + parent] = at;
      at >>= 1;
    }
    words[this.#heap + at] = row;
    words[this.#places + row] = at;
  }

  /** Puts a row at `place` or below, where it belongs. */
  #sink(row: number, place: number): void {
    const words = this.#words;
    const count = words[W_EXPIRIES];
    const deadline = this.deadlineOf(row);
    let at = place;
    for (let child = 2 * at; child <= count; child = 2 * at) {
      if (
        child < count &&
        this.deadlineOf(words[this.#heap + child + 1]) < this.deadlineOf(words[this.#heap + child])
      ) {
        child++;
      }
      const moved = words[this.#heap + child];
      if (this.deadlineOf(moved) >= deadline) break;
      words[this.#heap + at] = moved;
      words[this.#places + moved] = at;
      at = child;
    }
    words[this.#heap + at] = row;
    words[this.#places + row] = at;
  }
}
