import type { PageMemory } from "../../src/memory/index.ts";

/** Memory that is asked for each single page, and refuses when `refuses` says so. */
export class FaultyMemory implements PageMemory {
  asked = 0;
  refused = 0;
  readonly #inner: PageMemory;
  readonly #refuses: (asked: number) => boolean;

  constructor(inner: PageMemory, refuses: (asked: number) => boolean) {
    this.#inner = inner;
    this.#refuses = refuses;
  }

  get buffer(): ArrayBuffer | SharedArrayBuffer {
    return this.#inner.buffer;
  }

  commit(pageCount: number): number {
    if (this.#refuses(this.asked++)) {
      this.refused++;
      return 0;
    }
    return this.#inner.commit(pageCount) === 0 ? 0 : pageCount;
  }

  trim(pageCount: number): number {
    this.#inner.trim(pageCount);
    return pageCount;
  }

  unitBytes(): number {
    return this.#inner.unitBytes();
  }

  giveBack(from: number, to: number): boolean {
    return this.#inner.giveBack(from, to);
  }

  takeBack(from: number, to: number): boolean {
    if (this.#refuses(this.asked++)) {
      this.refused++;
      return false;
    }
    return this.#inner.takeBack(from, to);
  }

  close(): void {
    this.#inner.close();
  }
}
