import { libcIfAny } from "./libc.ts";
import { segmentAreaOf } from "./segment-area.ts";
import { systemOf } from "./system-calls.ts";

/** Room is taken for elements of so many bytes at a time. */
const STEP_BYTES = 2 ** 16;

/** An array in a buffer: the byte where it begins, and the bytes of an element. */
export type ElementArray = readonly [at: number, bytes: number];

/** How many elements of arrays room is taken for at a time. */
export function roomStep(arrays: readonly ElementArray[]): number {
  return Math.max(1, Math.floor(STEP_BYTES / Math.max(...arrays.map(([, bytes]) => bytes))));
}

/** Whether room must be taken in a buffer before it is touched: in memory that processes share. */
export function needsRoom(buffer: ArrayBufferLike): boolean {
  return segmentAreaOf(buffer) !== undefined;
}

/** Makes sure that elements [from, to) of arrays can be touched. False: the file system has no room. */
export function takeRoom(
  buffer: ArrayBufferLike,
  arrays: readonly ElementArray[],
  from: number,
  to: number,
): boolean {
  const area = segmentAreaOf(buffer);
  if (area === undefined) return true;
  return arrays.every(([at, bytes]) => {
    return area.allocate(at + from * bytes, Math.min(at + to * bytes, buffer.byteLength));
  });
}

/**
 * Gives back the memory of elements [from, to) of arrays, which read as zeros when they are touched again: in memory
 * that processes share, after {@link takeRoom}.
 *
 * @returns bytes given back, of whole pages of the machine; 0 where nothing can be.
 */
export function giveRoom(
  buffer: ArrayBufferLike,
  arrays: readonly ElementArray[],
  from: number,
  to: number,
): number {
  if (libcIfAny() === undefined) return 0;
  const area = segmentAreaOf(buffer);
  let given = 0;
  for (const [at, bytes] of arrays) {
    const range = systemOf().wholePages(buffer, at + from * bytes, at + to * bytes);
    if (range === null) continue;
    const [start, end] = range;
    const isGiven =
      area === undefined ? systemOf().discard(buffer, start, end - start) : area.giveBack(start, end);
    if (isGiven) given += end - start;
  }
  return given;
}

/** Whether {@link giveRoom} can give anything back here. */
export function canGiveRoom(): boolean {
  return libcIfAny() !== undefined;
}

/**
 * Arrays whose elements are used one after the other for the first time, such as the rows of a table. In memory that
 * processes share the file system is asked for room before an element is touched; elsewhere all can be touched at once.
 */
export class Reach {
  /** Elements from here on need an {@link extend} before they are used for the first time. */
  end: number = Number.POSITIVE_INFINITY;
  readonly #buffer: ArrayBufferLike;
  readonly #arrays: readonly ElementArray[];

  constructor(buffer: ArrayBufferLike, arrays: readonly ElementArray[]) {
    this.#buffer = buffer;
    this.#arrays = arrays;
    // Those that other threads use have their room; from which one on there is none, only they know.
    if (needsRoom(buffer)) this.end = 0;
  }

  /** Makes sure that an element can be touched, and some behind it. False: the file system has no room. */
  extend(element: number): boolean {
    const end = element + roomStep(this.#arrays);
    if (!takeRoom(this.#buffer, this.#arrays, element, end)) return false;
    this.end = end;
    return true;
  }
}
