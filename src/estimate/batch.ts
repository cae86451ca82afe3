/**
 * The input that lies in memory at once: slots of one span each. A span is as long as the largest unit, so
 * every smaller unit divides it, and all unit sizes are measured on the same bytes.
 *
 *            slot 0              slot 1                 slot 2
 *         ┌───────────────────┬──────────┬────────┬───────────────────┐
 *   bytes │ span of the input │ a tail   │ zeros  │ span of the input │
 *         └───────────────────┴──────────┴────────┴───────────────────┘
 *           lengths[0] = span   lengths[1]          lengths[2] = span
 *
 * Only units that hold at least one byte of input count.
 */
export class SampleBatch {
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly words: Int32Array;
  readonly spanBytes: number;
  /** Bytes of input in each slot. */
  readonly lengths: Uint32Array;
  /** Where in the input each slot's span lies; slots are visited in this order. */
  readonly positions: Float64Array;
  /** Slots in use: 0 to `slots - 1`. */
  slots = 0;
  readonly #views = new Map<number, Uint8Array[]>();

  constructor(maxSlots: number, spanBytes: number) {
    const memory = new ArrayBuffer(maxSlots * spanBytes);
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.spanBytes = spanBytes;
    this.lengths = new Uint32Array(maxSlots);
    this.positions = new Float64Array(maxSlots);
  }

  get maxSlots(): number {
    return this.lengths.length;
  }

  /** Says that a slot now holds `length` bytes from place `position` of the input, and pads it with zeros. */
  setSlot(slot: number, length: number, position: number): void {
    this.lengths[slot] = length;
    this.positions[slot] = position;
    if (length < this.spanBytes) {
      this.bytes.fill(0, slot * this.spanBytes + length, (slot + 1) * this.spanBytes);
    }
    if (slot >= this.slots) this.slots = slot + 1;
  }

  /**
   * Views of all units of this size, by `offset / unit`; made once, since slots are filled again and again.
   */
  unitViews(unit: number): readonly Uint8Array[] {
    let views = this.#views.get(unit);
    if (views === undefined) {
      const count = this.bytes.length / unit;
      views = Array.from({ length: count }, (_, i) => this.bytes.subarray(i * unit, (i + 1) * unit));
      this.#views.set(unit, views);
    }
    return views;
  }

  /** Bytes of input here. */
  get inputBytes(): number {
    let sum = 0;
    for (let slot = 0; slot < this.slots; slot++) sum += this.lengths[slot];
    return sum;
  }

  /** Offsets in {@link bytes} of all units of this size that hold input, in the order of the input. */
  unitOffsets(unit: number): Uint32Array {
    const order = this.#order();
    let count = 0;
    for (let slot = 0; slot < this.slots; slot++) count += Math.ceil(this.lengths[slot] / unit);
    const offsets = new Uint32Array(count);
    let next = 0;
    for (let i = 0; i < this.slots; i++) {
      const slot = order[i];
      const end = this.lengths[slot];
      for (let at = 0; at < end; at += unit) offsets[next++] = slot * this.spanBytes + at;
    }
    return offsets;
  }

  #order(): Uint32Array {
    const order = new Uint32Array(this.slots);
    let sorted = true;
    for (let slot = 0; slot < this.slots; slot++) {
      order[slot] = slot;
      if (slot > 0 && this.positions[slot] < this.positions[slot - 1]) sorted = false;
    }
    if (!sorted) order.sort((a, b) => this.positions[a] - this.positions[b]);
    return order;
  }
}
