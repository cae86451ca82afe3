import { integerOption } from "../../base/index.ts";
import { HEADER_WORDS, SLOTS_MAX } from "../../pool/index.ts";
import { SIZE_MIN, SIZE_STEP, type SizeClass, sizeClassesOf } from "./classes.ts";

/** The same bound as zbud's: 64 GiB of 4 KiB pages, if a place's number has the bits. */
export const PAGES_MAX: number = 2 ** 24;
/** Bits of the word that says where an object lies: group and place. */
const PLACE_WORD_BITS = 31;

/** Words of a group's row, as a shift. */
export const GROUP_SHIFT = 3;
/** Words of an object's row, as a shift. */
export const ROW_SHIFT = 2;
/** Bytes of the rows, for one of each: a page has one word. */
export const GROUP_BYTES = 32;
export const ROW_BYTES = 16;
export const PAGE_BYTES = 4;

/** Partly filled groups of a class are on this many lists at most, by how full they are. */
const PARTIAL_LISTS_MAX = 7;

// Columns of `Geometry.layouts`, 8 words a layout.
export const LAYOUT_SHIFT = 3;
export const L_SIZE = 0;
export const L_OBJECTS = 1;
export const L_PAGES = 2;
/** Word index of the layout's lists in the table. */
export const L_LISTS = 3;
/** The list of full groups, and so the number of those before it. */
export const L_FULL = 4;
/** The layout of one page for objects of this class, or 0 if a group of it is one page anyway. */
export const L_SHORT = 5;

/** How the pages of a pool are used. All figures follow from four options. */
export interface Geometry {
  /** Bytes, and the largest object. */
  readonly pageSize: number;
  readonly maxPages: number;
  /** The most pages a group. */
  readonly maxGroupPages: number;
  /** The most objects, and so the rows for them. */
  readonly maxObjects: number;
  readonly classes: readonly SizeClass[];
  /** Layouts: 1 … classes are those of the classes, behind them the short ones; 0 is none. */
  readonly layoutCount: number;
  readonly layouts: Int32Array;
  /** `1 + used * partialOf` is the list of a partly filled group. */
  readonly partialOf: Float64Array;
  /** The layout for objects of `(i - 1) * 16 + 1 … i * 16` bytes. */
  readonly layoutOf: Uint16Array;
  /** Bits of a place's number within its group. */
  readonly placeBits: number;
  // Word indices in the table.
  readonly firstGroup: number;
  readonly firstRow: number;
  readonly firstPage: number;
  /** Words of the table, the threads' not included. */
  readonly words: number;
}

/**
 * Checks the options that shape a pool.
 *
 * @param maxObjects - or undefined, for as many as the pages can hold.
 * @throws {ZbudError} `EINVAL`, naming the option, its value and what it may be.
 */
export function geometryOf(
  pageSize: number,
  maxPages: number,
  maxGroupPages: number,
  maxObjects?: number,
): Geometry {
  const classes = sizeClassesOf(pageSize, maxGroupPages);
  const placeBits = bitsFor(Math.max(...classes.map(({ objects }) => objects)));
  integerOption("maxPages", maxPages, 1, Math.min(PAGES_MAX, 2 ** (PLACE_WORD_BITS - placeBits)));
  const maxPlaces = Math.min(SLOTS_MAX, Math.floor((maxPages * pageSize) / SIZE_MIN));
  const rows = maxObjects === undefined ? maxPlaces : integerOption("maxObjects", maxObjects, 1, SLOTS_MAX);

  const { layouts, layoutCount, listsEnd } = layoutsOf(classes, pageSize);
  const layoutOf = new Uint16Array(Math.floor(pageSize / SIZE_STEP) + 1);
  let layout = 1;
  for (let i = 1; i < layoutOf.length; i++) {
    if (i * SIZE_STEP > classes[layout - 1].size) layout++;
    layoutOf[i] = layout;
  }
  const partialOf = new Float64Array(layoutCount);
  for (let i = 1; i < layoutCount; i++) {
    partialOf[i] = (layouts[(i << LAYOUT_SHIFT) | L_FULL] - 1) / layouts[(i << LAYOUT_SHIFT) | L_OBJECTS];
  }
  const firstGroup = (listsEnd + 7) & ~7;
  const firstRow = firstGroup + (maxPages << GROUP_SHIFT);
  const objectRows = Math.min(rows, maxPlaces);
  const firstPage = firstRow + (objectRows << ROW_SHIFT);
  return {
    pageSize,
    maxPages,
    maxGroupPages,
    maxObjects: objectRows,
    classes,
    layoutCount,
    layouts,
    partialOf,
    layoutOf,
    placeBits,
    firstGroup,
    firstRow,
    firstPage,
    words: (firstPage + maxPages + 1) & ~1,
  };
}

/** Bytes of bookkeeping that do not grow with the pool: the table up to its groups, and each thread's classes. */
export function fixedBytesOf(geometry: Geometry): number {
  const { layouts, partialOf, layoutOf } = geometry;
  return geometry.firstGroup * 4 + layouts.byteLength + partialOf.byteLength + layoutOf.byteLength;
}

/** The list that a group with `used` objects belongs on, unless it was spared. */
export function listOf(geometry: Geometry, layout: number, used: number): number {
  const at = layout << LAYOUT_SHIFT;
  if (used === geometry.layouts[at | L_OBJECTS]) return geometry.layouts[at | L_FULL];
  return 1 + ((used * geometry.partialOf[layout]) | 0);
}

function layoutsOf(
  classes: readonly SizeClass[],
  pageSize: number,
): { layouts: Int32Array; layoutCount: number; listsEnd: number } {
  const long = classes.map(({ size, pages, objects }) => ({ size, pages, objects, short: 0 }));
  const short: typeof long = [];
  for (const layout of long) {
    if (layout.pages === 1) continue;
    const { size } = layout;
    layout.short = 1 + long.length + short.length;
    short.push({ size, pages: 1, objects: Math.floor(pageSize / size), short: 0 });
  }
  const all = [...long, ...short];
  const layouts = new Int32Array((all.length + 1) << LAYOUT_SHIFT);
  let lists = HEADER_WORDS;
  for (const [i, { size, pages, objects, short: shortLayout }] of all.entries()) {
    const at = (i + 1) << LAYOUT_SHIFT;
    const full = Math.min(PARTIAL_LISTS_MAX, objects - 1) + 1;
    layouts[at | L_SIZE] = size;
    layouts[at | L_OBJECTS] = objects;
    layouts[at | L_PAGES] = pages;
    layouts[at | L_LISTS] = lists;
    layouts[at | L_FULL] = full;
    layouts[at | L_SHORT] = shortLayout;
    lists += 2 + 2 * (full + 1);
  }
  return { layouts, layoutCount: all.length + 1, listsEnd: lists };
}

function bitsFor(count: number): number {
  return 32 - Math.clz32(count - 1);
}
