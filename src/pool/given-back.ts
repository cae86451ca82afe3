import { REGISTRY_WORDS } from "../base/index.ts";
import type { PageMemory } from "../memory/index.ts";
import {
  givenBackWordsOf,
  LOCK_OWN,
  PART_BYTES,
  type Table,
  W_GIVEN_BACK,
  W_LOCKING,
} from "./table-header.ts";

/**
 * Calls `visit` for each run of free pages that the pool has touched, with its first byte and the one behind its last,
 * until that says false.
 */
export type FreeRuns = (visit: (from: number, to: number) => boolean) => void;

/** {@link FreeRuns} of pages of one size, of which the first `count` were touched. */
export function freeRunsOf(
  count: number,
  pageSize: number,
  isFree: (page: number) => boolean,
  visit: (from: number, to: number) => boolean,
): void {
  for (let page = 0; page < count; page++) {
    if (!isFree(page)) continue;
    let end = page + 1;
    while (end < count && isFree(end)) end++;
    if (!visit(page * pageSize, end * pageSize)) return;
    page = end;
  }
}

/**
 * Which parts of a pool's page memory are with the system, so that they can be taken back before they are touched. Its
 * methods expect the pool's lock.
 *
 * A bit is set before its part is given and cleared after it is taken: whoever dies in between leaves one that is set
 * and has its memory, which taking it back does not mind. `W_GIVEN_BACK` is the number of bits that are set.
 */
export class GivenBack {
  readonly #table: Table;
  readonly #memory: PageMemory;
  /** Word of the first bit. */
  readonly #at: number;
  readonly #words: number;

  /** @param memoryBytes - of all pages together. */
  constructor(table: Table, memory: PageMemory, memoryBytes: number) {
    this.#table = table;
    this.#memory = memory;
    this.#words = givenBackWordsOf(memoryBytes);
    this.#at = table.length - (table[W_LOCKING] === LOCK_OWN ? REGISTRY_WORDS : 0) - this.#words;
  }

  /** Bytes that are with the system now. */
  get bytes(): number {
    const count = this.#table[W_GIVEN_BACK];
    return count === 0 ? 0 : count * this.#partBytes();
  }

  /**
   * Gives back what whole parts of the free pages there are.
   *
   * @param maxBytes - about as many, so that the lock is not held for long: 4 KiB take some 0.5 µs.
   * @returns bytes given back by this call.
   */
  give(runs: FreeRuns, maxBytes: number): number {
    const partBytes = this.#partBytes();
    if (partBytes === 0) return 0;
    let given = 0;
    runs((from, to) => {
      let part = Math.ceil(from / partBytes);
      const last = Math.floor(to / partBytes);
      while (part < last && given < maxBytes) {
        if (this.#has(part)) {
          part++;
          continue;
        }
        let stop = part + 1;
        while (stop < last && !this.#has(stop) && given + (stop - part) * partBytes < maxBytes) stop++;
        for (let each = part; each < stop; each++) this.#mark(each, true);
        if (!this.#memory.giveBack(part * partBytes, stop * partBytes)) {
          for (let each = part; each < stop; each++) this.#mark(each, false);
          return false;
        }
        given += (stop - part) * partBytes;
        part = stop;
      }
      return given < maxBytes;
    });
    return given;
  }

  /** Takes back what a page that is about to be used needs: bytes [from, to). False: the system has no memory now. */
  take(from: number, to: number): boolean {
    const partBytes = this.#partBytes();
    for (let part = Math.floor(from / partBytes); part * partBytes < to; part++) {
      if (!this.#has(part)) continue;
      if (!this.#memory.takeBack(part * partBytes, (part + 1) * partBytes)) return false;
      this.#mark(part, false);
    }
    return true;
  }

  /** Nothing is given back any more, from a byte on: that memory is gone. */
  forget(fromByte: number): void {
    const partBytes = this.#partBytes();
    if (partBytes === 0 || this.#table[W_GIVEN_BACK] === 0) return;
    const parts = Math.ceil((this.#words * 32 * PART_BYTES) / partBytes);
    for (let part = Math.floor(fromByte / partBytes); part < parts; part++)
      if (this.#has(part)) this.#mark(part, false);
  }

  /** Counts anew: a thread may have died between a bit and its count. */
  repair(): void {
    let count = 0;
    for (let word = this.#at; word < this.#at + this.#words; word++) {
      for (let bits = this.#table[word]; bits !== 0; bits &= bits - 1) count++;
    }
    this.#table[W_GIVEN_BACK] = count;
  }

  #partBytes(): number {
    const unit = this.#memory.unitBytes();
    return unit === 0 ? 0 : Math.max(PART_BYTES, unit);
  }

  #has(part: number): boolean {
    return (this.#table[this.#at + (part >>> 5)] & (1 << (part & 31))) !== 0;
  }

  #mark(part: number, isGiven: boolean): void {
    const word = this.#at + (part >>> 5);
    const bit = 1 << (part & 31);
    if (isGiven) this.#table[word] |= bit;
    else this.#table[word] &= ~bit;
    this.#table[W_GIVEN_BACK] += isGiven ? 1 : -1;
  }
}
