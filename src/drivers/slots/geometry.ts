import { integerOption, type Size, sizeOption, ZbudError } from "../../base/index.ts";

/** Slots of a page: as many as two 32-bit words have bits. */
export const SLOTS_PER_PAGE = 64;
export const PAGE_SIZE_DEFAULT = 4096;
/** The largest page: 1 MiB. */
export const PAGE_SIZE_MAX: number = 2 ** 20;
/** 4 GiB of 4 KiB pages; bounded by the bits that a handle has for a record. */
export const PAGES_MAX: number = 2 ** 20;

/** How the pages of a pool are divided, and how many rows of metadata there are. */
export interface SlotsGeometry {
  /** Bytes; also the largest object. */
  readonly pageSize: number;
  readonly maxPages: number;
  /** How many objects there are to be rows for. */
  readonly maxObjects: number;
  /** Bytes of one slot: `pageSize / 64`. */
  readonly slotSize: number;
  /** The most further rows that pages with many objects can have at once. */
  readonly maxExtras: number;
}

/** Records in the row of a page, and in a further row. */
export const RECORDS_PER_PAGE = 6;
export const RECORDS_PER_EXTRA = 9;
/** Further rows of a page with 64 objects. */
export const EXTRAS_PER_PAGE: number = Math.ceil((SLOTS_PER_PAGE - RECORDS_PER_PAGE) / RECORDS_PER_EXTRA);
/** Rows of pages and further rows together: a handle has 25 bits for a word of them, and a row is 16 words. */
const ROWS_MAX: number = 2 ** 21;

/**
 * Checks the options that shape a page.
 *
 * @param maxObjects - a positive integer, at most the slots of all pages: the default.
 * @throws {ZbudError} `EINVAL`, naming the option, its value and what it may be.
 */
export function geometryOf(
  given: Size,
  maxPages: number,
  maxObjects: number = SLOTS_PER_PAGE * maxPages,
): SlotsGeometry {
  const pageSize = sizeOption("pageSize", given, SLOTS_PER_PAGE, PAGE_SIZE_MAX, null);
  if (pageSize % SLOTS_PER_PAGE !== 0) {
    const below = pageSize - (pageSize % SLOTS_PER_PAGE);
    throw new ZbudError(
      "EINVAL",
      `pageSize must be a multiple of ${SLOTS_PER_PAGE}, the slots of a page, not ${pageSize}; the nearest are ${below} and ${below + SLOTS_PER_PAGE}`,
    );
  }
  integerOption("maxPages", maxPages, 1, PAGES_MAX);
  // A page takes its first extra with one object more than its row has records for.
  const maxExtras = Math.min(
    EXTRAS_PER_PAGE * maxPages,
    Math.ceil(maxObjects / (RECORDS_PER_PAGE + 1)),
    ROWS_MAX - maxPages,
  );
  return { pageSize, maxPages, maxObjects, slotSize: pageSize / SLOTS_PER_PAGE, maxExtras };
}

/** Whole slots that an object of `size` bytes takes. */
export function slotsOf(geometry: SlotsGeometry, size: number): number {
  return Math.ceil(size / geometry.slotSize);
}
