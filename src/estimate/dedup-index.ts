import type { SampleBatch } from "./batch.ts";

/** Beyond so many different units no more are remembered: the table stays below 128 MiB. */
const UNITS_MAX = 1 << 22;
const PLACES_MIN = 1 << 12;

/**
 * The different units seen so far, to tell which ones come again. A unit is found by 64 bits of hash. If the
 * earlier one still lies in memory, in the same batch, the bytes decide; for one of an earlier batch the hash
 * has to do.
 *
 * Open addressing, at most half full; a place is empty while its `batches` is 0.
 */
export class DedupIndex {
  #places: number;
  #count = 0;
  #hashes: Int32Array;
  /** Number of the batch it was met in, from 1, and where in that batch, in units. */
  #batches: Int32Array;
  #indexes: Int32Array;
  #batch: SampleBatch | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #batchNumber = 0;
  #unit = 0;

  constructor() {
    this.#places = PLACES_MIN;
    this.#hashes = new Int32Array(2 * PLACES_MIN);
    this.#batches = new Int32Array(PLACES_MIN);
    this.#indexes = new Int32Array(PLACES_MIN);
  }

  /** What `batch` held before is no longer there; from now on offsets are in what it holds now. */
  beginBatch(batch: SampleBatch, unit: number): void {
    this.#batch = batch;
    this.#bytes = Buffer.from(batch.bytes.buffer);
    this.#batchNumber += 1;
    this.#unit = unit;
  }

  /** Whether an equal unit was seen before; if not, this one is from now on. */
  addOrFind(offset: number): boolean {
    const batch = this.#batch as SampleBatch;
    hashWords(batch.words, offset >> 2, this.#unit >> 2);
    const place = this.#find(hashHigh, hashLow, offset);
    if (this.#batches[place] !== 0) return true;
    if (this.#count === UNITS_MAX) return false;
    this.#put(place, hashHigh, hashLow, this.#batchNumber, offset / this.#unit);
    this.#count += 1;
    if (this.#count * 2 > this.#places) this.#grow();
    return false;
  }

  /** The place of an equal unit, or the empty one where it belongs. */
  #find(high: number, low: number, offset: number): number {
    const mask = this.#places - 1;
    let place = low & mask;
    while (this.#batches[place] !== 0) {
      if (this.#hashes[2 * place] === high && this.#hashes[2 * place + 1] === low) {
        if (this.#batches[place] !== this.#batchNumber || this.#sameBytes(offset, place)) return place;
      }
      place = (place + 1) & mask;
    }
    return place;
  }

  #sameBytes(offset: number, place: number): boolean {
    const bytes = this.#bytes;
    const unit = this.#unit;
    const other = this.#indexes[place] * unit;
    return bytes.compare(bytes, offset, offset + unit, other, other + unit) === 0;
  }

  #put(place: number, high: number, low: number, batch: number, index: number): void {
    this.#hashes[2 * place] = high;
    this.#hashes[2 * place + 1] = low;
    this.#batches[place] = batch;
    this.#indexes[place] = index;
  }

  #grow(): void {
    const { hashes, batches, indexes } = {
      hashes: this.#hashes,
      batches: this.#batches,
      indexes: this.#indexes,
    };
    this.#places *= 2;
    this.#hashes = new Int32Array(2 * this.#places);
    this.#batches = new Int32Array(this.#places);
    this.#indexes = new Int32Array(this.#places);
    const mask = this.#places - 1;
    for (let from = 0; from < batches.length; from++) {
      if (batches[from] === 0) continue;
      let place = hashes[2 * from + 1] & mask;
      while (this.#batches[place] !== 0) place = (place + 1) & mask;
      this.#put(place, hashes[2 * from], hashes[2 * from + 1], batches[from], indexes[from]);
    }
  }
}

/** The last hash; two numbers that need no object to come back in. */
let hashHigh = 0;
let hashLow = 0;

/**
 * Four sums side by side, since one multiplication need not wait for the other. Multiplication carries upwards
 * only, and the rotation brings the high bits back down, so that no two words can cancel each other.
 */
function hashWords(words: Int32Array, first: number, count: number): void {
  let a = 0x9e3779b1;
  let b = 0x85ebca77;
  let c = 0xc2b2ae3d;
  let d = 0x27d4eb2f;
  const end = first + count;
  for (let i = first; i < end; i += 4) {
    a = Math.imul(a ^ words[i], 0x9e3779b1);
    b = Math.imul(b ^ words[i + 1], 0x85ebca77);
    c = Math.imul(c ^ words[i + 2], 0xc2b2ae3d);
    d = Math.imul(d ^ words[i + 3], 0x27d4eb2f);
    a = (a << 15) | (a >>> 17);
    b = (b << 15) | (b >>> 17);
    c = (c << 15) | (c >>> 17);
    d = (d << 15) | (d >>> 17);
  }
  hashLow = mixed(mixed(mixed(a, b), c), d);
  hashHigh = mixed(mixed(mixed(d, c), b), a);
}

function mixed(state: number, word: number): number {
  let x = Math.imul(state ^ (state >>> 16), 0x85ebca6b) ^ word;
  x = Math.imul(x ^ (x >>> 15), 0xc2b2ae35);
  return x ^ (x >>> 13);
}
