import { checkNames, integerOption, Prng, type Size, show, sizeOption, ZbudError } from "../../base/index.ts";
import type { PageSizeRange } from "../../pool/index.ts";
import { largestOf, thin } from "../zbud/fit.ts";
import { CHUNK_ORDER_DEFAULT, CHUNK_ORDER_MAX, CHUNK_ORDER_MIN, PAGE_SIZE_MAX } from "../zbud/geometry.ts";
import { pagesFor } from "../zbud/packing.ts";
import { ROW_BYTES } from "../zbud/page-table.ts";

/** The most page sizes that are fitted. */
export const FIT_COUNT_MAX = 4;
/** Sizes that the search for cuts looks at; the page sizes are then chosen with up to EXACT_SIZES_MAX. */
const SEARCH_SIZES_MAX = 2000;
const EXACT_SIZES_MAX = 20_000;
/** Pieces of equal counts between which cuts may lie. */
const PIECES = 24;
/** Page sizes tried for a range of sizes, while cuts are searched and in the end. */
const SEARCH_CANDIDATES = 32;
const EXACT_CANDIDATES = 128;

/** How many objects have which size: `counts[i]` sizes in `(i, i + 1] * step`. */
export interface SizeHistogram {
  /** Bytes. */
  step: number;
  counts: ArrayLike<number>;
  /** The largest size there is, in bytes, if that is less than where the last step ends. */
  maxSize?: number;
}

/** How {@link fitPageSizes} searches. */
export interface FitPageSizesOptions {
  /** The most page sizes, 1 to 4; default 4. Fewer come out where more save nothing. */
  count?: number;
  /** Chunks a page = `2^chunkOrder`; default 6. */
  chunkOrder?: number;
  /** The largest page size to consider, in bytes; default 1 MiB. */
  maxPageSize?: Size;
  /** The smallest, in bytes; default 1. */
  minPageSize?: Size;
}

/** One of the fitted page sizes, with what its pages hold of the given objects. */
export interface FittedSizeClass extends PageSizeRange {
  objects: number;
  objectBytes: number;
  pages: number;
}

/** Page sizes, and the density that they give. */
export interface FittedSizeClasses {
  /** By ascending `maxSize`: what the option `pageSizes` of a `SizeClassPool` takes. */
  pageSizes: FittedSizeClass[];
  objects: number;
  /** Bytes of the objects. */
  objectBytes: number;
  pages: number;
  /** Bytes of all pages and of the metadata for each. */
  bytes: number;
  /** `objectBytes / bytes`: the share of the codec's own ratio that is reached. */
  utilisation: number;
}

/**
 * Finds the page sizes with which a `SizeClassPool` needs least memory for objects of the given sizes, each size range with
 * pages of its own: by dynamic programming over where to cut, and for each range by storing its objects, in their
 * order, in pages of each candidate size. Nothing is written.
 *
 * @param sizes - compressed sizes in bytes, in the order in which they come; or a histogram of them.
 * @throws {ZbudError} `EINVAL` if there are none, one is not a positive integer, or is above what a page takes.
 * @remarks About a quarter of a second, for 10,000 sizes as for more: those are thinned out evenly.
 */
export function fitPageSizes(
  sizes: ArrayLike<number> | SizeHistogram,
  options: FitPageSizesOptions = {},
): FittedSizeClasses {
  const { count, chunkOrder, maxPageSize, minPageSize } = checkOptions(options);
  const all = isHistogram(sizes) ? sizesOf(sizes) : sizes;
  const maxSize = largestOf(all);
  const chunkCount = 2 ** chunkOrder;
  if (smallestPageFor(maxSize, chunkCount) > maxPageSize) {
    throw new ZbudError(
      "EINVAL",
      `no page of up to ${maxPageSize} bytes takes an object of ${maxSize} bytes; drop such sizes, or raise maxPageSize`,
    );
  }
  const shape = { chunkOrder, chunkCount, minPageSize, maxPageSize };
  const exact = thin(all, EXACT_SIZES_MAX);
  const ranges = findCuts(thin(all, SEARCH_SIZES_MAX), maxSize, count, shape).map((cut, i, cuts) => {
    const inRange = between(exact, i === 0 ? 0 : cuts[i - 1], cut);
    const { pageSize, pages } = bestPage(inRange, cut, EXACT_CANDIDATES, shape);
    let objectBytes = 0;
    for (const size of inRange) objectBytes += size;
    return { pageSize, maxSize: cut, objects: inRange.length, objectBytes, pages };
  });
  return summed(merged(ranges));
}

/** The smallest page that takes an object of this size. */
export function smallestPageFor(size: number, chunkCount: number): number {
  return Math.ceil(size / (chunkCount - 2)) * chunkCount;
}

/** What all candidates have in common. */
interface Shape {
  chunkOrder: number;
  chunkCount: number;
  minPageSize: number;
  maxPageSize: number;
}

/** The options with their defaults. */
interface CheckedFit {
  count: number;
  chunkOrder: number;
  maxPageSize: number;
  minPageSize: number;
}

function checkOptions(options: FitPageSizesOptions): CheckedFit {
  checkNames("fitPageSizes", options, ["count", "chunkOrder", "maxPageSize", "minPageSize"]);
  const {
    count = FIT_COUNT_MAX,
    chunkOrder = CHUNK_ORDER_DEFAULT,
    maxPageSize: most = PAGE_SIZE_MAX,
    minPageSize: least = 1,
  } = options;
  integerOption("count", count, 1, FIT_COUNT_MAX);
  integerOption("chunkOrder", chunkOrder, CHUNK_ORDER_MIN, CHUNK_ORDER_MAX);
  const chunkCount = 2 ** chunkOrder;
  const maxPageSize = sizeOption("maxPageSize", most, chunkCount, PAGE_SIZE_MAX, null);
  const minPageSize = sizeOption("minPageSize", least, 1, maxPageSize, null);
  if (maxPageSize - (maxPageSize % chunkCount) < minPageSize) {
    throw new ZbudError(
      "EINVAL",
      `no multiple of ${chunkCount} lies from minPageSize ${minPageSize} to maxPageSize ${maxPageSize}`,
    );
  }
  return { count, chunkOrder, maxPageSize, minPageSize };
}

function isHistogram(sizes: ArrayLike<number> | SizeHistogram): sizes is SizeHistogram {
  return typeof sizes === "object" && sizes !== null && "counts" in sizes;
}

/** Sizes as a histogram tells of them, each the largest of its step, in random order. */
function sizesOf({ step, counts, maxSize = Number.POSITIVE_INFINITY }: SizeHistogram): Float64Array {
  integerOption("step", step, 1, PAGE_SIZE_MAX);
  if (typeof counts !== "object" || counts === null) {
    throw new ZbudError("EINVAL", `counts must be an array of numbers of objects, not ${show(counts)}`);
  }
  let total = 0;
  let last = 0;
  for (let i = 0; i < counts.length; i++) {
    if (!Number.isInteger(counts[i]) || counts[i] < 0) {
      throw new ZbudError("EINVAL", `counts[${i}] must be a whole number of objects, not ${show(counts[i])}`);
    }
    total += counts[i];
    if (counts[i] > 0) last = i;
  }
  const length = Math.min(total, EXACT_SIZES_MAX);
  const sizes = new Float64Array(length);
  let bucket = 0;
  let end = counts.length === 0 ? 0 : counts[0];
  for (let i = 0; i < length; i++) {
    // Ends with the last object of all: there must be a page for the largest.
    const at = Math.floor(((i + 1) * total) / length) - 1;
    while (at >= end && bucket < last) end += counts[++bucket];
    sizes[i] = Math.min((bucket + 1) * step, maxSize);
  }
  const prng = new Prng(total);
  for (let i = length - 1; i > 0; i--) {
    const other = prng.below(i + 1);
    [sizes[i], sizes[other]] = [sizes[other], sizes[i]];
  }
  return sizes;
}

/**
 * The largest size of each range, at most `count` of them. Least bytes for the first `j` pieces in `k` ranges is
 * the least, over all `i < j`, of that for `i` pieces in `k - 1` ranges and one range of the pieces from i to j.
 */
function findCuts(sizes: ArrayLike<number>, maxSize: number, count: number, shape: Shape): number[] {
  const ends = count === 1 ? [maxSize] : pieceEnds(sizes, maxSize);
  const pieces = ends.length;
  const bytes = Array.from({ length: pieces + 1 }, () =>
    new Float64Array(pieces + 1).fill(Number.POSITIVE_INFINITY),
  );
  for (let from = 0; from < pieces; from++) {
    for (let to = from + 1; to <= pieces; to++) {
      if (count === 1 && (from > 0 || to < pieces)) continue;
      const inRange = between(sizes, from === 0 ? 0 : ends[from - 1], ends[to - 1]);
      bytes[from][to] = bestPage(inRange, ends[to - 1], SEARCH_CANDIDATES, shape).bytes;
    }
  }
  let least = Array.from(bytes[0]);
  let cuts = ends.map((end) => [end]);
  let best = { bytes: least[pieces], cuts: cuts[pieces - 1] };
  for (let ranges = 2; ranges <= count; ranges++) {
    const next = new Array<number>(pieces + 1).fill(Number.POSITIVE_INFINITY);
    const nextCuts: number[][] = ends.map(() => []);
    for (let to = ranges; to <= pieces; to++) {
      for (let from = ranges - 1; from < to; from++) {
        const sum = least[from] + bytes[from][to];
        if (sum >= next[to]) continue;
        next[to] = sum;
        nextCuts[to - 1] = [...cuts[from - 1], ends[to - 1]];
      }
    }
    least = next;
    cuts = nextCuts;
    if (least[pieces] < best.bytes) best = { bytes: least[pieces], cuts: cuts[pieces - 1] };
  }
  return best.cuts;
}

/** The largest size of each of some pieces of equal counts, ascending, no size twice; the last is maxSize. */
function pieceEnds(sizes: ArrayLike<number>, maxSize: number): number[] {
  const sorted = Float64Array.from(sizes).sort();
  const ends = new Set<number>();
  for (let piece = 1; piece < PIECES; piece++) {
    ends.add(sorted[Math.min(Math.floor((piece * sorted.length) / PIECES), sorted.length - 1)]);
  }
  ends.delete(maxSize);
  return [...ends, maxSize];
}

/** Those of the sizes that are above `low` and at most `high`, in their order. */
function between(sizes: ArrayLike<number>, low: number, high: number): Float64Array {
  const found = new Float64Array(sizes.length);
  let length = 0;
  for (let i = 0; i < sizes.length; i++) if (sizes[i] > low && sizes[i] <= high) found[length++] = sizes[i];
  return found.subarray(0, length);
}

/** The page size, of so many candidates, that needs least for these sizes, of which none is above maxSize. */
function bestPage(
  sizes: ArrayLike<number>,
  maxSize: number,
  candidates: number,
  { chunkOrder, chunkCount, minPageSize, maxPageSize }: Shape,
): { pageSize: number; pages: number; bytes: number } {
  const least = Math.ceil(minPageSize / chunkCount) * chunkCount;
  const low = Math.max(smallestPageFor(maxSize, chunkCount), least);
  // A page that takes two of the largest is as large as is ever of use.
  const two = Math.ceil((2 * maxSize) / (chunkCount - 1) + 1) * chunkCount;
  const high = Math.max(low, Math.min(two, maxPageSize - (maxPageSize % chunkCount)));
  const step = Math.max(1, Math.floor((high - low) / chunkCount / candidates)) * chunkCount;
  let best = { pageSize: low, pages: 0, bytes: Number.POSITIVE_INFINITY };
  for (let pageSize = low; pageSize <= high; pageSize += step) {
    const pages = pagesFor(sizes, pageSize, chunkOrder);
    const bytes = pages * (pageSize + ROW_BYTES);
    if (bytes < best.bytes) best = { pageSize, pages, bytes };
  }
  return best;
}

/** Neighbours whose pages came out equal are one range. */
function merged(ranges: readonly FittedSizeClass[]): FittedSizeClass[] {
  const result: FittedSizeClass[] = [];
  for (const range of ranges) {
    const before = result.at(-1);
    if (before === undefined || before.pageSize !== range.pageSize) {
      result.push(range);
      continue;
    }
    result[result.length - 1] = {
      ...range,
      objects: before.objects + range.objects,
      objectBytes: before.objectBytes + range.objectBytes,
      pages: before.pages + range.pages,
    };
  }
  return result;
}

function summed(pageSizes: FittedSizeClass[]): FittedSizeClasses {
  const sum = (of: (range: FittedSizeClass) => number): number =>
    pageSizes.reduce((total, each) => total + of(each), 0);
  const objectBytes = sum((range) => range.objectBytes);
  const bytes = sum(({ pages, pageSize }) => pages * (pageSize + ROW_BYTES));
  return {
    pageSizes,
    objects: sum(({ objects }) => objects),
    objectBytes,
    pages: sum(({ pages }) => pages),
    bytes,
    utilisation: objectBytes / bytes,
  };
}
