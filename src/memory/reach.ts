import { segmentAreaOf } from "./segment-area.ts";

/** Room is taken for elements of so many bytes at a time. */
const STEP_BYTES = 2 ** 16;

/** An array in a buffer: the byte where it begins, and the bytes of an element. */
export type ElementArray = readonly [at: number, bytes: number];

/**
 * Arrays whose elements are used one after the other for the first time, such as the rows of a table. In memory that
 * processes share the file system is asked for room before an element is touched; elsewhere all can be touched at once.
 */
export class Reach {
  /** Elements from here on need an {@link extend} before they are used for the first time. */
  end: number = Number.POSITIVE_INFINITY;
  readonly #buffer: ArrayBufferLike;
  readonly #arrays: readonly ElementArray[];
  readonly #step: number;

  constructor(buffer: ArrayBufferLike, arrays: readonly ElementArray[]) {
    this.#buffer = buffer;
    this.#arrays = arrays;
    this.#step = Math.max(1, Math.floor(STEP_BYTES / Math.max(...arrays.map(([, bytes]) => bytes))));
    // Those that other threads use have their room; from which one on there is none, only they know.
    if (segmentAreaOf(buffer) !== undefined) this.end = 0;
  }

  /** Makes sure that an element can be touched, and some behind it. False: the file system has no room. */
  extend(element: number): boolean {
    const end = element + this.#step;
    for (const [at, bytes] of this.#arrays) {
      const to = Math.min(at + end * bytes, this.#buffer.byteLength);
      if (!segmentAreaOf(this.#buffer)?.allocate(at + element * bytes, to)) return false;
    }
    this.end = end;
    return true;
  }
}
