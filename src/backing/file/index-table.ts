import { ZbudError } from "../../base/index.ts";
import { Reach } from "../../memory/index.ts";
import {
  DOOMED,
  F_CLEARED,
  F_DROPPED,
  F_SEQUENCE,
  FREE,
  FULL_OF_BYTES,
  FULL_OF_NOTHING,
  FULL_OF_RECORDS,
  type IndexWords,
  LIVE,
  R_BYTES,
  R_K0,
  R_K1,
  R_NEWER,
  R_NEXT,
  R_OLDER,
  R_PREFIX,
  R_SEQUENCE,
  R_START,
  R_STATE,
  R_WRITER,
  ROW_WORDS,
  W_CURSOR,
  W_DROPS,
  W_FREE_ROW,
  W_FULL_OF,
  W_NEWEST,
  W_NO_RUN_OF,
  W_OLDEST,
  W_RECORDS,
  W_ROWS_USED,
  W_UNDER_WAY,
  W_UNITS_USED,
  WRITING,
} from "./index-words.ts";
import { fillBits, UnitMap } from "./unit-bitmap.ts";

const UINT32 = 0x1_0000_0000;

/** A record's name as the index knows it. Two names may look alike here: the record itself has the prefix. */
export interface IndexKey {
  k0: number;
  k1: number;
  /** CRC-32 of the prefix, as an int32. */
  prefix: number;
}

/** Where a record is. */
export interface RecordPlace {
  row: number;
  sequence: number;
  start: number;
  bytes: number;
}

/**
 * Which record lies where: the algorithm on the words of index-words.ts. The caller holds the lock.
 *
 * Invariants, which `verify()` of verify.ts checks:
 *   I1  a row r ≥ 1 is FREE iff it is above W_ROWS_USED or on the free list.
 *   I2  a LIVE or WRITING row is in the chain of its key's bucket, once; no two of them have one key.
 *   I3  a LIVE row is on the list from W_OLDEST to W_NEWEST, once.
 *   I4  the set bits of `used` are the units of the rows that are not FREE, and no two rows share one.
 *
 * Rows never move. A row's words are written before its state, and its state is cleared before its words
 * mean something else, so `repair` can make everything else anew from the rows, whatever a thread that died
 * left half done.
 */
export class IndexTable {
  readonly #words: IndexWords;
  readonly #units: UnitMap;
  readonly #reach: Reach;

  constructor(words: IndexWords) {
    this.#words = words;
    this.#units = new UnitMap(words);
    this.#reach = new Reach(words.buffer, [
      [words.rows.byteOffset, 4 * ROW_WORDS],
      [words.buckets.byteOffset, 4],
    ]);
  }

  /**
   * Takes units for a record that is about to be written. What the key had is dropped.
   *
   * @returns the row, or 0: no room.
   */
  begin(key: IndexKey, bytes: number, writer: number): number {
    this.remove(key);
    const { header, rows } = this.#words;
    const units = this.#unitsOf(bytes);
    const start = this.#takeUnits(units);
    if (start < 0) return 0;
    let row = header[W_FREE_ROW];
    if (row !== 0) header[W_FREE_ROW] = rows[row * ROW_WORDS + R_NEXT];
    else row = this.#newRow();
    this.#name(row, key, start, bytes, this.#nextSequence());
    const at = row * ROW_WORDS;
    rows[at + R_WRITER] = writer;
    rows[at + R_STATE] = WRITING;
    this.#link(row);
    header[W_UNITS_USED] += units;
    header[W_UNDER_WAY]++;
    return row;
  }

  /** The write of a row has ended well. False: the key has moved on, and the record is not there. */
  commit(row: number): boolean {
    const { header, rows } = this.#words;
    const at = row * ROW_WORDS;
    if (rows[at + R_STATE] === DOOMED || this.sequenceOf(row) <= this.#words.numbers[F_CLEARED]) {
      this.abort(row);
      return false;
    }
    rows[at + R_STATE] = LIVE;
    header[W_UNDER_WAY]--;
    this.#append(row);
    return true;
  }

  /** The write of a row has ended badly, or in vain. */
  abort(row: number): void {
    if (this.#words.rows[row * ROW_WORDS + R_STATE] === WRITING) this.#unlink(row);
    this.#words.header[W_UNDER_WAY]--;
    this.#free(row);
  }

  /** Nobody waits for this write any more, but it may still end: its units stay taken until then. */
  doom(row: number): void {
    const at = row * ROW_WORDS + R_STATE;
    if (this.#words.rows[at] !== WRITING) return;
    this.#unlink(row);
    this.#words.rows[at] = DOOMED;
  }

  /** Fills `place` with where the key's record is. False: there is none. */
  find(key: IndexKey, place: RecordPlace): boolean {
    const row = this.#lookup(key);
    if (row === 0) return false;
    const { rows, numbers } = this.#words;
    if (row === 0 || rows[row * ROW_WORDS + R_STATE] !== LIVE) return false;
    if (this.sequenceOf(row) <= numbers[F_CLEARED]) return false;
    this.#fill(place, row);
    return true;
  }

  /**
   * Fills `place` with where the key's record will be whose write is under way. False: there is none, or it is another
   * thread's, whose bytes this one has not.
   */
  findWriting(key: IndexKey, place: RecordPlace, writer: number): boolean {
    const row = this.#lookup(key);
    const { rows, numbers } = this.#words;
    const at = row * ROW_WORDS;
    if (row === 0 || rows[at + R_STATE] !== WRITING || rows[at + R_WRITER] !== writer) return false;
    if (this.sequenceOf(row) <= numbers[F_CLEARED]) return false;
    this.#fill(place, row);
    return true;
  }

  /** Whether what was found is still there. */
  isCurrent(place: RecordPlace): boolean {
    const { rows, numbers } = this.#words;
    const isLive = rows[place.row * ROW_WORDS + R_STATE] === LIVE;
    return isLive && this.sequenceOf(place.row) === place.sequence && place.sequence > numbers[F_CLEARED];
  }

  /** Drops what the key has. */
  remove(key: IndexKey): boolean {
    const row = this.#lookup(key);
    if (row === 0) return false;
    if (this.#words.rows[row * ROW_WORDS + R_STATE] === LIVE) this.removeLive(row);
    else this.doom(row);
    return true;
  }

  /** Drops a LIVE row. */
  removeLive(row: number): void {
    this.#unlink(row);
    this.#leave(row);
    this.#free(row);
  }

  /** The oldest LIVE row, or 0. */
  oldest(): number {
    return this.#words.header[W_OLDEST];
  }

  sequenceOf(row: number): number {
    const { rows } = this.#words;
    const at = row * ROW_WORDS + R_SEQUENCE;
    return (rows[at] >>> 0) + (rows[at + 1] >>> 0) * UINT32;
  }

  /**
   * Puts a record that a file's index names into an empty table's next row. False: its units are not free.
   *
   * @throws {ZbudError} `ENOMEM` if processes share the index, and their file system has no room for the row.
   */
  restore(key: IndexKey, place: Omit<RecordPlace, "row">): boolean {
    const { header, rows, geometry, used } = this.#words;
    const units = this.#unitsOf(place.bytes);
    if (header[W_ROWS_USED] >= geometry.maxRows || place.start + units > geometry.unitCount) return false;
    for (let unit = place.start; unit < place.start + units; unit++) {
      if (((used[unit >>> 5] >>> (unit & 31)) & 1) === 1) return false;
    }
    if (this.#lookup(key) !== 0) return false;
    if (!this.#hasRow()) {
      throw new ZbudError(
        "ENOMEM",
        "the file system of the shared memory has no room for the index of this file; give it more (docker run --shm-size=1g; mount -o remount,size=…), raise averageBytes, or give shared a path elsewhere",
      );
    }
    const row = this.#newRow();
    this.#name(row, key, place.start, place.bytes, place.sequence);
    rows[row * ROW_WORDS + R_STATE] = LIVE;
    fillBits(used, place.start, units, true);
    header[W_UNITS_USED] += units;
    this.#link(row);
    this.#append(row);
    return true;
  }

  /**
   * Makes chains, lists, bits and counts anew from the rows, after a thread died. What it was writing is
   * dropped: its row is free, since a thread that is gone has no I/O under way.
   */
  repair(isGone: (member: number) => boolean): void {
    const { header, rows, buckets, used } = this.#words;
    buckets.fill(0, 0, header[W_ROWS_USED] + 1);
    used.fill(0);
    for (const word of [W_FREE_ROW, W_UNITS_USED, W_RECORDS, W_OLDEST, W_NEWEST, W_UNDER_WAY, W_NO_RUN_OF]) {
      header[word] = 0;
    }
    header[W_CURSOR] = 0;
    // A thread may have died between raising the mark and using the row: then the row is free.
    const live: number[] = [];
    for (let row = header[W_ROWS_USED]; row >= 1; row--) {
      const at = row * ROW_WORDS;
      const isUnderWay = rows[at + R_STATE] === WRITING || rows[at + R_STATE] === DOOMED;
      if (rows[at + R_STATE] === FREE || (isUnderWay && isGone(rows[at + R_WRITER]))) {
        rows[at + R_STATE] = FREE;
        rows[at + R_NEXT] = header[W_FREE_ROW];
        header[W_FREE_ROW] = row;
        continue;
      }
      const units = this.#unitsOf(rows[at + R_BYTES]);
      fillBits(used, rows[at + R_START], units, true);
      header[W_UNITS_USED] += units;
      if (isUnderWay) header[W_UNDER_WAY]++;
      if (rows[at + R_STATE] === LIVE) live.push(row);
      if (rows[at + R_STATE] !== DOOMED) this.#link(row);
    }
    live.sort((one, other) => this.sequenceOf(one) - this.sequenceOf(other));
    for (const row of live) this.#append(row);
  }

  /** Whether there is a row that is free, or one that was never used and can be touched. */
  #hasRow(): boolean {
    const { header, geometry } = this.#words;
    if (header[W_FREE_ROW] !== 0) return true;
    const next = header[W_ROWS_USED] + 1;
    return next <= geometry.maxRows && (next < this.#reach.end || this.#reach.extend(next));
  }

  #takeUnits(units: number): number {
    const { header } = this.#words;
    const drops = header[W_DROPS] === 1;
    // One that drops stays full.
    if (!drops) header[W_FULL_OF] = FULL_OF_NOTHING;
    while (!this.#hasRow()) {
      header[W_FULL_OF] = FULL_OF_RECORDS;
      if (!drops || !this.#drop()) return -1;
    }
    let start = this.#units.take(units);
    if (start < 0) header[W_FULL_OF] = FULL_OF_BYTES;
    while (start < 0 && drops) {
      const given = header[W_OLDEST] === 0 ? -1 : this.#words.rows[header[W_OLDEST] * ROW_WORDS + R_START];
      if (!this.#drop()) return -1;
      start = this.#units.takeAround(given, units);
    }
    return start;
  }

  #drop(): boolean {
    const row = this.oldest();
    if (row === 0) return false;
    this.removeLive(row);
    this.#words.numbers[F_DROPPED]++;
    return true;
  }

  #fill(place: RecordPlace, row: number): void {
    const { rows } = this.#words;
    const at = row * ROW_WORDS;
    place.row = row;
    place.sequence = this.sequenceOf(row);
    place.start = rows[at + R_START];
    place.bytes = rows[at + R_BYTES];
  }

  #unitsOf(bytes: number): number {
    return Math.ceil(bytes / this.#words.geometry.unitBytes);
  }

  #nextSequence(): number {
    return ++this.#words.numbers[F_SEQUENCE];
  }

  #name(row: number, key: IndexKey, start: number, bytes: number, sequence: number): void {
    const { rows } = this.#words;
    const at = row * ROW_WORDS;
    rows[at + R_K0] = key.k0;
    rows[at + R_K1] = key.k1;
    rows[at + R_PREFIX] = key.prefix;
    rows[at + R_START] = start;
    rows[at + R_BYTES] = bytes;
    rows[at + R_SEQUENCE] = (sequence % UINT32) | 0;
    rows[at + R_SEQUENCE + 1] = Math.floor(sequence / UINT32) | 0;
  }

  #bucketOf(k0: number, k1: number, prefix: number): number {
    let hash = Math.imul(k0 ^ Math.imul(k1, 0x85eb_ca6b) ^ prefix, 0x9e37_79b1);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0xc2b2_ae35) >>> 5;
    // Linear hashing: of n buckets, those that are not split yet have the rows of two.
    const count = this.#words.header[W_ROWS_USED] + 1;
    const half = highestBit(count);
    const bucket = hash & (2 * half - 1);
    return bucket < count ? bucket : hash & (half - 1);
  }

  /** A row that was never used, and with it one more bucket: the rows of another are divided among the two. */
  #newRow(): number {
    const { header, rows, buckets } = this.#words;
    const row = ++header[W_ROWS_USED];
    const from = row - highestBit(row);
    let stays = 0;
    let moves = 0;
    for (let next = buckets[from]; next !== 0; ) {
      const at = next * ROW_WORDS;
      const after = rows[at + R_NEXT];
      const isMoved = this.#bucketOfRow(next) === row;
      rows[at + R_NEXT] = isMoved ? moves : stays;
      if (isMoved) moves = next;
      else stays = next;
      next = after;
    }
    buckets[from] = stays;
    buckets[row] = moves;
    return row;
  }

  #lookup(key: IndexKey): number {
    const { rows, buckets } = this.#words;
    let row = buckets[this.#bucketOf(key.k0, key.k1, key.prefix)];
    for (; row !== 0; row = rows[row * ROW_WORDS + R_NEXT]) {
      const at = row * ROW_WORDS;
      const sameWords = rows[at + R_K0] === key.k0 && rows[at + R_K1] === key.k1;
      if (sameWords && rows[at + R_PREFIX] === key.prefix) return row;
    }
    return 0;
  }

  #bucketOfRow(row: number): number {
    const at = row * ROW_WORDS;
    const { rows } = this.#words;
    return this.#bucketOf(rows[at + R_K0], rows[at + R_K1], rows[at + R_PREFIX]);
  }

  #link(row: number): void {
    const { rows, buckets } = this.#words;
    const bucket = this.#bucketOfRow(row);
    rows[row * ROW_WORDS + R_NEXT] = buckets[bucket];
    buckets[bucket] = row;
  }

  #unlink(row: number): void {
    const { rows, buckets } = this.#words;
    const bucket = this.#bucketOfRow(row);
    const next = rows[row * ROW_WORDS + R_NEXT];
    if (buckets[bucket] === row) {
      buckets[bucket] = next;
      return;
    }
    let before = buckets[bucket];
    while (rows[before * ROW_WORDS + R_NEXT] !== row) before = rows[before * ROW_WORDS + R_NEXT];
    rows[before * ROW_WORDS + R_NEXT] = next;
  }

  #append(row: number): void {
    const { header, rows } = this.#words;
    const newest = header[W_NEWEST];
    rows[row * ROW_WORDS + R_OLDER] = newest;
    rows[row * ROW_WORDS + R_NEWER] = 0;
    if (newest === 0) header[W_OLDEST] = row;
    else rows[newest * ROW_WORDS + R_NEWER] = row;
    header[W_NEWEST] = row;
    header[W_RECORDS]++;
  }

  #leave(row: number): void {
    const { header, rows } = this.#words;
    const older = rows[row * ROW_WORDS + R_OLDER];
    const newer = rows[row * ROW_WORDS + R_NEWER];
    if (older === 0) header[W_OLDEST] = newer;
    else rows[older * ROW_WORDS + R_NEWER] = newer;
    if (newer === 0) header[W_NEWEST] = older;
    else rows[newer * ROW_WORDS + R_OLDER] = older;
    header[W_RECORDS]--;
  }

  #free(row: number): void {
    const { header, rows } = this.#words;
    const at = row * ROW_WORDS;
    rows[at + R_STATE] = FREE;
    const units = this.#unitsOf(rows[at + R_BYTES]);
    this.#units.giveBack(rows[at + R_START], units);
    header[W_UNITS_USED] -= units;
    rows[at + R_NEXT] = header[W_FREE_ROW];
    header[W_FREE_ROW] = row;
  }
}

/** The highest power of two that is not above a positive number. */
function highestBit(number: number): number {
  return 1 << (31 - Math.clz32(number));
}
