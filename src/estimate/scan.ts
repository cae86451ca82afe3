import type { SampleBatch } from "./batch.ts";
import type { DedupIndex } from "./dedup-index.ts";

/** Input looked at in one go. */
const SLICE_BYTES = 1 << 18;

/**
 * Looks at every unit of a batch: one word repeated? the same as an earlier one? It goes forward slice by slice,
 * so that a codec can work on a slice while it is still in the caches.
 */
export class UnitScan {
  readonly unit: number;
  /** Units of the batch. */
  readonly units: number;
  readonly paddingBytes: number;
  /** Offsets in the batch of the units that are not same-filled, in the order of the input; see {@link count}. */
  readonly offsets: Uint32Array;
  /** How many of {@link offsets} are known so far. */
  count = 0;
  /** Units that are one word repeated, and units that equal an earlier one; complete when `next` said false. */
  sameFilled = 0;
  duplicates = 0;
  readonly #batch: SampleBatch;
  readonly #seen: DedupIndex;
  readonly #all: Uint32Array;
  #next = 0;

  /** @param seen - the units of all batches so far; this batch's are added. */
  constructor(batch: SampleBatch, unit: number, seen: DedupIndex) {
    this.#batch = batch;
    this.#seen = seen;
    this.#all = batch.unitOffsets(unit);
    this.unit = unit;
    this.units = this.#all.length;
    this.paddingBytes = this.units * unit - batch.inputBytes;
    this.offsets = new Uint32Array(this.units);
    seen.beginBatch(batch, unit);
  }

  /** Looks at one slice more; false if there was none. */
  next(): boolean {
    const all = this.#all;
    const unit = this.unit;
    const words = this.#batch.words;
    if (this.#next === all.length) return false;
    const end = Math.min(this.#next + Math.max(1, SLICE_BYTES / unit), all.length);
    for (let i = this.#next; i < end; i++) {
      const offset = all[i];
      if (isSameFilled(words, offset >> 2, unit >> 2)) {
        this.sameFilled += 1;
      } else {
        this.offsets[this.count++] = offset;
        if (this.#seen.addOrFind(offset)) this.duplicates += 1;
      }
    }
    this.#next = end;
    return true;
  }
}

/**
 * Whether `count` 32-bit words are one 64-bit word, repeated. Nearly free for a unit that is not: its last
 * word is compared with its first before the rest is looked at.
 */
export function isSameFilled(words: Int32Array, first: number, count: number): boolean {
  const end = first + count;
  const a = words[first];
  const b = words[first + 1];
  if (words[end - 2] !== a || words[end - 1] !== b) return false;
  for (let i = first + 2; i < end; i += 2) if (words[i] !== a || words[i + 1] !== b) return false;
  return true;
}
