import { REGISTRY_WORDS } from "../base/index.ts";
import type { PageMemory } from "../memory/index.ts";
import type { FreeWalk } from "./allocator.ts";
import { corrupt } from "./links.ts";
import {
  givenBackWordsOf,
  LOCK_OWN,
  PART_BYTES,
  type Table,
  W_GIVEN_BACK,
  W_LOCKING,
  W_PART_BYTES,
} from "./table-header.ts";

/** Pages that one step of a walk looks at, so that the lock is not held for long: some 0.1 ms. */
const PAGES_A_STEP = 2 ** 14;

/**
 * Which parts of a pool's page memory are with the system, so that they can be taken back before they are touched. Its
 * methods expect the pool's lock.
 *
 * A bit is set before its part is given and cleared after it is taken: whoever dies in between leaves one that is set
 * and has its memory, which taking it back does not mind.
 *
 * Invariants; `verify()` checks them:
 *   G1  W_GIVEN_BACK is the number of bits that are set.
 *   G2  no part of which a page in use, or under reclaim, has a byte has its bit set.
 *   G3  no part has it that lies behind all pages that were ever taken.
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
    this.#at = firstWordOf(table, this.#words);
  }

  /** Bytes that are with the system now. */
  get bytes(): number {
    return this.#table[W_GIVEN_BACK] * this.#table[W_PART_BYTES];
  }

  /**
   * One step of a walk over pages of one size, of which the first `count` were ever taken: gives back what whole parts
   * of the free ones there are.
   */
  step(walk: FreeWalk, count: number, pageSize: number, isFree: (page: number) => boolean): void {
    const first = Math.floor(walk.at / pageSize);
    // The step ends where a part does: of one that lies on both sides no step would see all pages.
    const unit = pagesInParts(pageSize, this.open());
    const stop = Math.min(count, Math.ceil((first + PAGES_A_STEP) / unit) * unit);
    if (this.give(walk, 0, first, stop, pageSize, isFree)) walk.at = stop * pageSize;
    if (walk.at >= count * pageSize) walk.at = Number.POSITIVE_INFINITY;
  }

  /**
   * Gives back what whole parts of the free pages there are, of pages `[first, end)` of one size that begin at a byte.
   *
   * @returns whether the walk goes on behind them; else it is where it goes on.
   */
  give(
    walk: FreeWalk,
    start: number,
    first: number,
    end: number,
    pageSize: number,
    isFree: (page: number) => boolean,
  ): boolean {
    for (let page = first; page < end; page++) {
      if (!isFree(page)) continue;
      const from = page;
      while (page + 1 < end && isFree(page + 1)) page++;
      if (!this.giveRun(walk, start + from * pageSize, start + (page + 1) * pageSize)) return false;
    }
    return true;
  }

  /** As {@link give}, of one run of free bytes. */
  giveRun(walk: FreeWalk, from: number, to: number): boolean {
    const partBytes = this.open();
    if (partBytes === 0) return isOver(walk);
    let part = Math.ceil(from / partBytes);
    const end = Math.floor(to / partBytes);
    while (part < end) {
      if (this.#has(part)) {
        part++;
        continue;
      }
      const stop = this.#runOf(part, Math.min(end, part + Math.ceil(walk.left / partBytes)), false);
      this.#mark(part, stop, true);
      if (!this.#giveParts(part, stop)) return isOver(walk);
      walk.given += (stop - part) * partBytes;
      walk.left -= (stop - part) * partBytes;
      part = stop;
      if (walk.left <= 0) {
        walk.at = part * partBytes;
        return false;
      }
    }
    return true;
  }

  /** Takes back what a page that is about to be used needs: bytes [from, to). False: the system has no memory now. */
  take(from: number, to: number): boolean {
    const partBytes = this.#table[W_PART_BYTES];
    const end = Math.ceil(to / partBytes);
    for (let part = Math.floor(from / partBytes); part < end; part++) {
      if (!this.#has(part)) continue;
      const stop = this.#runOf(part, end, true);
      if (!this.#memory.takeBack(part * partBytes, stop * partBytes)) return false;
      this.#mark(part, stop, false);
      part = stop;
    }
    return true;
  }

  /** Nothing is given back any more, from a byte on: that memory is gone. */
  forget(fromByte: number): void {
    const table = this.#table;
    const end = this.#words * 32;
    for (let part = Math.floor(fromByte / table[W_PART_BYTES]); part < end && table[W_GIVEN_BACK] > 0; part++)
      if (this.#has(part)) this.#mark(part, part + 1, false);
  }

  /** Counts anew: a thread may have died between a bit and its count. */
  repair(): void {
    let count = 0;
    for (let word = this.#at; word < this.#at + this.#words; word++) {
      for (let bits = this.#table[word]; bits !== 0; bits &= bits - 1) count++;
    }
    this.#table[W_GIVEN_BACK] = count;
  }

  /** Bytes of a part; 0 where nothing can be given back. */
  open(): number {
    const unit = this.#memory.unitBytes();
    if (unit === 0) return 0;
    this.#table[W_PART_BYTES] = Math.max(PART_BYTES, unit);
    return this.#table[W_PART_BYTES];
  }

  /** Gives marked parts back. If the system does not take them they are as they were. */
  #giveParts(part: number, stop: number): boolean {
    const partBytes = this.#table[W_PART_BYTES];
    // Somebody may have transferred the buffer away through a view of it.
    const isThere = stop * partBytes <= this.#memory.buffer.byteLength;
    if (isThere && this.#memory.giveBack(part * partBytes, stop * partBytes)) return true;
    // Some of them may be gone.
    if (!isThere || this.#memory.takeBack(part * partBytes, stop * partBytes)) this.#mark(part, stop, false);
    return false;
  }

  /** The end of the parts from `part` on, before `end`, whose bits are as said. */
  #runOf(part: number, end: number, isGiven: boolean): number {
    let stop = part + 1;
    while (stop < end && this.#has(stop) === isGiven) stop++;
    return stop;
  }

  #has(part: number): boolean {
    return (this.#table[this.#at + (part >>> 5)] & (1 << (part & 31))) !== 0;
  }

  /** Sets bits that are not set, or clears bits that are. */
  #mark(from: number, to: number, isGiven: boolean): void {
    const table = this.#table;
    for (let part = from; part < to; part++) {
      table[this.#at + (part >>> 5)] ^= 1 << (part & 31);
      table[W_GIVEN_BACK] += isGiven ? 1 : -1;
    }
  }
}

function isOver(walk: FreeWalk): false {
  walk.at = Number.POSITIVE_INFINITY;
  return false;
}

/**
 * Checks G1 to G3.
 *
 * @param memoryBytes - of all pages together.
 * @param takenBytes - of those that were ever taken.
 * @param eachUsed - calls `visit` for pages in use or under reclaim, with their first byte and the one behind the last.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken.
 */
export function verifyGivenBack(
  table: Table,
  memoryBytes: number,
  takenBytes: number,
  eachUsed: (visit: (from: number, to: number) => void) => void,
): void {
  const words = givenBackWordsOf(memoryBytes);
  const at = firstWordOf(table, words);
  const { [W_PART_BYTES]: partBytes, [W_GIVEN_BACK]: noted } = table;
  let count = 0;
  let last = -1;
  for (let word = 0; word < words; word++) {
    for (let bits = table[at + word]; bits !== 0; bits &= bits - 1) {
      count++;
      last = 32 * word + 31 - Math.clz32(bits & -bits);
    }
  }
  if (count !== noted) throw corrupt("G1: not as many parts given back as are counted,", noted);
  if (count === 0) return;
  if (!isPartSize(partBytes)) throw corrupt("the bytes of a part that is given back", partBytes);
  if ((last + 1) * partBytes > takenBytes) throw corrupt("G3: given back, and never taken: part", last);
  eachUsed((from, to) => {
    for (let part = Math.floor(from / partBytes); part * partBytes < to; part++) {
      if ((table[at + (part >>> 5)] & (1 << (part & 31))) !== 0) {
        throw corrupt(`G2: given back, and in use by the page at byte ${from}: part`, part);
      }
    }
  });
}

/** Whether parts can have so many bytes. */
export function isPartSize(bytes: number): boolean {
  return bytes >= PART_BYTES && (bytes & (bytes - 1)) === 0;
}

function firstWordOf(table: Table, words: number): number {
  return table.length - (table[W_LOCKING] === LOCK_OWN ? REGISTRY_WORDS : 0) - words;
}

/** The fewest pages of a size that are whole parts together. */
function pagesInParts(pageSize: number, partBytes: number): number {
  let [a, b] = [pageSize, partBytes];
  while (b !== 0) [a, b] = [b, a % b];
  return Math.max(1, partBytes / a);
}
