import { integerOption, type Size, sizeOption, ZbudError } from "../../base/index.ts";
import { SLOTS_MAX } from "../../pool/index.ts";

export const PAGE_SIZE_DEFAULT = 4096;
export const PAGE_SIZE_MIN = 512;
export const PAGE_SIZE_MAX: number = 2 ** 20;
/** Objects begin at multiples of so many bytes; of more where the pages are too many to be numbered so. */
const GRANULE_SHIFT_MIN = 3;
/** Bits of the word that says where an object lies: page and granule. */
const PLACE_BITS = 31;
/** Pages are multiples of the longest granule, so that none has a rest. */
const GRANULE_SHIFT_MAX = 6;
export const PAGES_MAX: number = 2 ** 24;

/** How the memory of a pool is divided. All figures follow from three options. */
export interface LogGeometry {
  /** Bytes, and the largest object. */
  readonly pageSize: number;
  /** The most pages in use at once. One more is there, to which objects are copied. */
  readonly maxPages: number;
  /** The most objects, and so the rows for them. */
  readonly maxObjects: number;
  /** Pages of memory: `maxPages + 1`. */
  readonly pages: number;
  /** log2 of the bytes that objects are rounded up to. */
  readonly granuleShift: number;
  /** Granules of a page. */
  readonly granules: number;
  /** Bits of a place that number the granule in its page; those above number the page. */
  readonly placeBits: number;
}

/**
 * Checks the options that shape a pool.
 *
 * @param maxObjects - or undefined: one for every 64 bytes.
 * @throws {ZbudError} `EINVAL`, naming the option, its value and what it may be.
 */
export function geometryOf(given: Size, maxPages: number, maxObjects?: number): LogGeometry {
  const pageSize = sizeOption("pageSize", given, PAGE_SIZE_MIN, PAGE_SIZE_MAX, null);
  if (pageSize % 64 !== 0) {
    const below = pageSize - (pageSize % 64);
    throw new ZbudError(
      "EINVAL",
      `pageSize must be a multiple of 64, not ${pageSize}; the nearest are ${below} and ${below + 64}`,
    );
  }
  const numberedPages = 2 ** (PLACE_BITS - placeBitsOf(pageSize, GRANULE_SHIFT_MAX));
  integerOption("maxPages", maxPages, 1, Math.min(PAGES_MAX, numberedPages - 1));
  const pages = maxPages + 1;
  let granuleShift = GRANULE_SHIFT_MIN;
  while (placeBitsOf(pageSize, granuleShift) + bitsFor(pages) > PLACE_BITS) granuleShift++;
  const most = Math.min(SLOTS_MAX, Math.max(2, (maxPages * pageSize) / 64));
  const objects = maxObjects === undefined ? most : integerOption("maxObjects", maxObjects, 1, SLOTS_MAX);
  return {
    pageSize,
    maxPages,
    maxObjects: Math.min(objects, SLOTS_MAX),
    pages,
    granuleShift,
    granules: pageSize >> granuleShift,
    placeBits: placeBitsOf(pageSize, granuleShift),
  };
}

function placeBitsOf(pageSize: number, granuleShift: number): number {
  return bitsFor(pageSize >> granuleShift);
}

function bitsFor(count: number): number {
  return 32 - Math.clz32(count - 1);
}
