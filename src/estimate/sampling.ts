import { Prng } from "../base/index.ts";

/** A run of consecutive spans. */
export interface SpanRange {
  first: number;
  count: number;
}

/** Which spans of an input to read: `wanted` of `total`, and of those the share of one batch. */
export interface SpanChoice {
  total: number;
  wanted: number;
  seed: number;
  spanBytes: number;
  batch: number;
  batches: number;
}

/** When everything is read, it is dealt out to the batches in blocks of this many bytes. */
const BLOCK_BYTES = 1 << 20;

/**
 * Chooses `wanted` of `total` spans, evenly and in order: the input is cut into `wanted` stretches of equal
 * length (to within one span), and one span is taken from each, at a random place. So every region of the
 * input is represented by its size, and no period in the data can meet a period of the choice.
 *
 * With several batches, each takes every `batches`-th of them, so that it is an even sample itself: what is
 * learned from the first batch (the best page size) holds for the others.
 *
 * Consecutive spans come as one range.
 */
export function* chooseSpans(choice: SpanChoice): Generator<SpanRange> {
  const { total, wanted, batch, batches } = choice;
  if (wanted >= total) {
    yield* dealBlocks(choice);
    return;
  }
  const prng = new Prng(choice.seed);
  let range: SpanRange | null = null;
  for (let i = 0; i < wanted; i++) {
    const low = Math.floor((i * total) / wanted);
    const high = Math.floor(((i + 1) * total) / wanted);
    const span = low + Math.floor((prng.uint32() / 0x1_0000_0000) * (high - low));
    if (i % batches !== batch) continue;
    if (range !== null && range.first + range.count === span) {
      range.count += 1;
    } else {
      if (range !== null) yield range;
      range = { first: span, count: 1 };
    }
  }
  if (range !== null) yield range;
}

/** The most spans that a batch of such a choice can get. */
export function spansPerBatch(total: number, wanted: number, spanBytes: number, batches: number): number {
  if (batches === 1) return Math.min(total, wanted);
  if (wanted < total) return Math.ceil(wanted / batches);
  const block = blockSpans(spanBytes);
  return Math.ceil(Math.ceil(total / block) / batches) * block;
}

function* dealBlocks({ total, spanBytes, batch, batches }: SpanChoice): Generator<SpanRange> {
  if (batches === 1) {
    if (total > 0) yield { first: 0, count: total };
    return;
  }
  const block = blockSpans(spanBytes);
  for (let first = batch * block; first < total; first += batches * block) {
    yield { first, count: Math.min(block, total - first) };
  }
}

function blockSpans(spanBytes: number): number {
  return Math.max(1, Math.floor(BLOCK_BYTES / spanBytes));
}

/**
 * Keeps an even sample of a stream whose length nobody knows (Vitter's algorithm R): after `n` spans each of
 * them was kept with the same probability.
 */
export class Reservoir {
  readonly #prng: Prng;
  readonly #slots: number;
  #seen = 0;

  constructor(slots: number, seed: number) {
    this.#prng = new Prng(seed);
    this.#slots = slots;
  }

  /** @returns the slot in which to keep the next span, over what lies there; -1: pass over this span. */
  next(): number {
    const index = this.#seen;
    this.#seen += 1;
    if (index < this.#slots) return index;
    const slot = Math.floor((this.#prng.uint32() / 0x1_0000_0000) * (index + 1));
    return slot < this.#slots ? slot : -1;
  }
}
