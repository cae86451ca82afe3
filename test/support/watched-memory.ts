import assert from "node:assert/strict";
import type { PageMemory } from "../../src/memory/index.ts";

/** What stands in memory that is with the system. */
const POISON = 0xa5;

/**
 * Memory that notices what is touched while it is given back. It can be given back on any platform, and may refuse to
 * be taken or given.
 */
export class WatchedMemory implements PageMemory {
  readonly unit: number;
  /** Parts that are with the system, by number. */
  readonly given: Set<number> = new Set();
  /** Whether the next call is refused. */
  refuses: (call: "commit" | "give" | "take") => boolean = () => false;
  readonly #inner: PageMemory;

  constructor(inner: PageMemory, unit = 4096) {
    this.#inner = inner;
    this.unit = unit;
  }

  get buffer(): ArrayBuffer | SharedArrayBuffer {
    return this.#inner.buffer;
  }

  commit(pageCount: number): number {
    if (this.refuses("commit")) return 0;
    return this.#inner.commit(pageCount);
  }

  trim(pageCount: number): number {
    const pages = this.#inner.trim(pageCount);
    for (const part of this.given)
      if ((part + 1) * this.unit > this.buffer.byteLength) this.given.delete(part);
    return pages;
  }

  unitBytes(): number {
    return this.unit;
  }

  giveBack(from: number, to: number): boolean {
    assert.ok(from < to && to <= this.buffer.byteLength, `there are no bytes ${from} to ${to}`);
    assert.ok(from % this.unit === 0 && to % this.unit === 0, `${from} to ${to} are no whole parts`);
    if (this.refuses("give")) return false;
    for (let part = from / this.unit; part < to / this.unit; part++) {
      assert.ok(!this.given.has(part), `part ${part} is given back twice`);
      this.given.add(part);
      this.#bytesOf(part).fill(POISON);
    }
    return true;
  }

  takeBack(from: number, to: number): boolean {
    assert.ok(from % this.unit === 0 && to % this.unit === 0, `${from} to ${to} are no whole parts`);
    if (this.refuses("take")) return false;
    for (let part = from / this.unit; part < to / this.unit; part++) {
      if (!this.given.delete(part)) continue;
      assert.ok(
        this.#bytesOf(part).every((byte) => byte === POISON),
        `part ${part} was touched while it was given back`,
      );
    }
    return true;
  }

  close(): void {
    this.#inner.close();
  }

  #bytesOf(part: number): Uint8Array {
    return new Uint8Array(this.buffer, part * this.unit, this.unit);
  }
}
