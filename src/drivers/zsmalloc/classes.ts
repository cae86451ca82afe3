import { integerOption, type Size, sizeOption, ZbudError } from "../../base/index.ts";

/**
 * Size classes: objects are stored in places of a few fixed sizes, so that a place that was freed fits the next
 * object of its class. A *group* of pages holds places of one size side by side, across the pages' borders; what
 * is left behind the last one is the *tail*.
 *
 * The rule, by which the published numbers of distinct classes come out (a test compares them):
 *
 * 1. Sizes are 32, 48, 64, … up to a whole page: 255 for 4 KiB.
 * 2. A group has the number of pages that uses most of them, in *whole percent*; of equal ones the smallest.
 * 3. Neighbours with the same pages a group and objects a group are one class, of the largest of their sizes.
 *
 * A whole percent, since a larger group for a fraction of one does not pay: it is harder to fill and to empty.
 */

const PAGE_SIZE_MIN = 64;
const PAGE_SIZE_MAX: number = 2 ** 20;

/** Sizes of classes differ by at least this many bytes. */
export const SIZE_STEP = 16;
/** The smallest place, in bytes. */
export const SIZE_MIN = 32;
/** Pages a group, unless told otherwise, or in small pools: {@link groupPagesFor}. */
export const GROUP_PAGES_DEFAULT = 4;
/** The most pages that a group can have. */
export const GROUP_PAGES_LIMIT = 16;

/** One class, merged from neighbours of the same layout. */
export interface SizeClass {
  /** Bytes of a place: the largest object of the class. */
  readonly size: number;
  /** Pages a group. */
  readonly pages: number;
  /** Places a group. */
  readonly objects: number;
  /** Bytes of a group behind its last place. */
  readonly tailBytes: number;
  /** How many sizes of 16-byte steps were merged into it. */
  readonly sizes: number;
}

/**
 * Numbers of distinct classes for pages of 4096 bytes that have been published, by the most pages a group.
 * {@link sizeClassesOf} must come to the same.
 */
export const PUBLISHED_CLASS_COUNTS: ReadonlyMap<number, number> = new Map([
  [4, 69],
  [5, 86],
  [6, 93],
  [7, 112],
  [8, 123],
  [9, 140],
]);

/**
 * The classes for pages of `pageSize` bytes, smallest first.
 *
 * @param pageSize - bytes, a multiple of 16 from 64 to 1 MiB.
 * @param maxGroupPages - the most pages a group, 1 to 16.
 * @throws {ZbudError} `EINVAL` naming a bad one.
 */
export function sizeClassesOf(pageSize: number, maxGroupPages: number): SizeClass[] {
  pageSizeOption(pageSize);
  integerOption("maxGroupPages", maxGroupPages, 1, GROUP_PAGES_LIMIT);
  const classes: SizeClass[] = [];
  for (let size = SIZE_MIN; size <= pageSize; size += SIZE_STEP) {
    const pages = groupPagesOf(pageSize, maxGroupPages, size);
    const objects = Math.floor((pages * pageSize) / size);
    const last = classes.at(-1);
    const isSame = last !== undefined && last.pages === pages && last.objects === objects;
    const merged = isSame ? (classes.pop() as SizeClass).sizes : 0;
    classes.push({ size, pages, objects, tailBytes: pages * pageSize - objects * size, sizes: merged + 1 });
  }
  return classes;
}

function groupPagesOf(pageSize: number, maxGroupPages: number, size: number): number {
  let best = 0;
  let bestPercent = -1;
  for (let pages = 1; pages <= maxGroupPages; pages++) {
    const bytes = pages * pageSize;
    const percent = Math.floor(((bytes - (bytes % size)) * 100) / bytes);
    if (percent > bestPercent) {
      bestPercent = percent;
      best = pages;
    }
  }
  return best;
}

/** The size of a page as an option gives it, in bytes. */
export function pageSizeOption(given: Size): number {
  const pageSize = sizeOption("pageSize", given, PAGE_SIZE_MIN, PAGE_SIZE_MAX, null);
  if (pageSize % SIZE_STEP !== 0) {
    const below = pageSize - (pageSize % SIZE_STEP);
    throw new ZbudError(
      "EINVAL",
      `pageSize must be a multiple of ${SIZE_STEP}, not ${pageSize}; the nearest are ${below} and ${below + SIZE_STEP}`,
    );
  }
  return pageSize;
}

/** Below so many pages for each page of one group of every class, groups are smaller. */
const PAGES_PER_GROUP_PAGE = 12;

/**
 * How many pages a group has at most, if nobody says: 2 to {@link GROUP_PAGES_DEFAULT}. Every class has a group that
 * is partly full; where pages are few, larger groups, of more classes, lose more by that than they save at the ends
 * of pages.
 */
export function groupPagesFor(maxPages: number, pageSize: number): number {
  for (let most = GROUP_PAGES_DEFAULT; most > 2; most--) {
    const pages = sizeClassesOf(pageSize, most).reduce((sum, each) => sum + each.pages, 0);
    if (maxPages >= PAGES_PER_GROUP_PAGE * pages) return most;
  }
  return 2;
}
