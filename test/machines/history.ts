/** What processes did with keys that all of them have, as rows of numbers: a million of them are checked at once. */

/** Kinds of operations. A load is what a loader of `getOrSet` gave: a copy of what it loaded when it began. */
export const Kind = { set: 0, delete: 1, deleteByTag: 2, clear: 3, read: 4, load: 5 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** The value of a read that found none. */
export const MISS = 0;
/** The value of a read that found what nobody wrote: bytes of two values, or of none. */
export const MIXED = -1;
/** The tag of a value that has none. */
export const NO_TAG = -1;

/** One operation. All times are of one clock, in ms. */
export interface Operation {
  readonly process: number;
  readonly kind: Kind;
  /** Of a set, a delete, a read, a load. */
  readonly key: number;
  /** Set, loaded or read: a number that no other set or load has, or {@link MISS}, or {@link MIXED}. */
  readonly value: number;
  /** Of a set or a load, and of a deletion by tag. */
  readonly tag: number;
  readonly begin: number;
  readonly end: number;
  /** Of a write: when it was known that all had been told of it; Infinity as long as that is not known. */
  readonly told: number;
}

const WIDTH = 7;
const [KIND, KEY, VALUE, TAG, BEGIN, END, TOLD] = [0, 1, 2, 3, 4, 5, 6];

/** Operations of one process, in the order in which they began. */
export class History {
  readonly process: number;
  #rows: Float64Array;
  #count = 0;

  /** @param rows - of `bytes()` of another one. */
  constructor(process: number, rows: Float64Array = new Float64Array(0)) {
    this.process = process;
    this.#rows = rows;
    this.#count = rows.length / WIDTH;
  }

  static of(process: number, bytes: Uint8Array): History {
    const copy = bytes.slice();
    return new History(process, new Float64Array(copy.buffer, 0, copy.length / 8));
  }

  get length(): number {
    return this.#count;
  }

  /** Notes that an operation begins. @returns its row. */
  begin(kind: Kind, key: number, value: number, tag: number, now: number): number {
    const row = this.#count++;
    if (this.#count * WIDTH > this.#rows.length) {
      const larger = new Float64Array(Math.max(1024, 2 * row) * WIDTH);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows.set(
      [kind, key, value, tag, now, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      row * WIDTH,
    );
    return row;
  }

  end(row: number, now: number): void {
    this.#rows[row * WIDTH + END] = now;
  }

  /** A read gave this value. */
  gave(row: number, value: number, now: number): void {
    this.#rows[row * WIDTH + VALUE] = value;
    this.#rows[row * WIDTH + END] = now;
  }

  /** All have been told of a write. */
  told(row: number, now: number): void {
    this.#rows[row * WIDTH + TOLD] = now;
  }

  at(row: number): Operation {
    const at = row * WIDTH;
    const rows = this.#rows;
    return {
      process: this.process,
      kind: rows[at + KIND] as Kind,
      key: rows[at + KEY],
      value: rows[at + VALUE],
      tag: rows[at + TAG],
      begin: rows[at + BEGIN],
      end: rows[at + END],
      told: rows[at + TOLD],
    };
  }

  *[Symbol.iterator](): Generator<Operation> {
    for (let row = 0; row < this.#count; row++) yield this.at(row);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#rows.buffer, this.#rows.byteOffset, this.#count * WIDTH * 8);
  }
}

/** The clock of all processes of a machine, in ms with fractions. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
