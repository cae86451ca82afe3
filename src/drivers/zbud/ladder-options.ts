import { integerOption, show, ZbudError } from "../../base/index.ts";
import {
  type CommonOptions,
  checkCommonOptions,
  type PageSizeRange,
  type PoolOptions,
  SLOTS_MAX,
} from "../../pool/index.ts";
import { FIT_COUNT_MAX, fitPageSizes, smallestPageFor } from "./fit-ladder.ts";
import { CHUNK_ORDER_DEFAULT, geometryOf, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from "./geometry.ts";
import type { LadderGeometry } from "./ladder-table.ts";

/** What a `ZbudLadder` is made of. */
export interface ZbudLadderOptions extends Omit<PoolOptions, "maxPages"> {
  /** The most bytes of pages in use at once. */
  maxBytes: number;
  /**
   * The page sizes, one to four: multiples of `2^chunkOrder` bytes up to 1 MiB, each with the largest object that
   * goes to its pages, as `fitPageSizes` gives them. A bare number stands for objects of which two fit a page;
   * the last takes what is larger. `"fit"`: what fits the `sample`, or the first `warmUp` objects.
   */
  pageSizes: readonly (number | PageSizeRange)[] | "fit";
  /** Sizes of objects, for `"fit"`. */
  sample?: ArrayLike<number>;
  /** For `"fit"` without a sample: how many objects go to pages of `pageSize` first; default 4096, 0: never fit. */
  warmUp?: number;
  /** For `"fit"`: the pages of objects that no fitted page takes, and of the warm-up; default 4096. */
  pageSize?: number;
  /** For `"fit"`: the smallest page that fitting may choose. Each page has 32 bytes of metadata. Default 256. */
  minPageSize?: number;
  /** Chunks a page = `2^chunkOrder`, 2 to 10; default 6. */
  chunkOrder?: number;
}

const WARM_UP_DEFAULT = 4096;
/** The smallest page that a later refit may choose, unless the first ones are smaller. */
const PAGE_SIZE_MIN = 256;
const SEGMENT_BYTES_MIN = 2 ** 16;
const SEGMENT_BYTES_MAX = 2 ** 20;
/** 64 TiB would be beyond the system's addresses in any case. */
const BYTES_MAX = 2 ** 46;

/** The options with their defaults, and what follows from them. */
export interface CheckedLadder extends CommonOptions {
  geometry: LadderGeometry;
  ranges: PageSizeRange[];
  warmUp: number;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkLadderOptions(options: ZbudLadderOptions): CheckedLadder {
  const common = checkCommonOptions(options, ["chunkOrder", "pageSizes", "sample", "warmUp", "minPageSize"]);
  const { pageSizes, sample, warmUp, pageSize, minPageSize, chunkOrder = CHUNK_ORDER_DEFAULT } = options;
  geometryOf(PAGE_SIZE_MAX, chunkOrder, 1);
  if ((options as { readonly maxPages?: unknown }).maxPages !== undefined) {
    throw new ZbudError("EINVAL", "maxPages says nothing where pages have several sizes; give maxBytes");
  }
  const isFit = pageSizes === "fit";
  for (const [name, value] of Object.entries({ sample, warmUp, pageSize, minPageSize })) {
    if (value !== undefined && !isFit) {
      throw new ZbudError("EINVAL", `${name} goes with pageSizes: "fit" only, not with ${show(pageSizes)}`);
    }
  }
  const maxBytes = integerOption("maxBytes", options.maxBytes, 2 ** chunkOrder, BYTES_MAX);
  const chunkCount = 2 ** chunkOrder;
  let ranges: PageSizeRange[];
  if (isFit) {
    const top = geometryOf(pageSize ?? PAGE_SIZE_DEFAULT, chunkOrder, 1);
    const fitted =
      sample === undefined
        ? []
        : fitPageSizes(sample, { chunkOrder, maxPageSize: Math.min(maxBytes, PAGE_SIZE_MAX) }).pageSizes;
    const maxObjectBytes = Math.max(top.maxObjectBytes, ...fitted.map(({ maxSize }) => maxSize));
    ranges = withTop(fitted, maxObjectBytes, chunkCount);
  } else {
    ranges = rangesOf(pageSizes, chunkOrder);
  }
  if (sample !== undefined && warmUp !== undefined) {
    throw new ZbudError("EINVAL", "a sample and a warmUp are both given; give one of them");
  }
  const warm = integerOption("warmUp", warmUp ?? WARM_UP_DEFAULT, 0, 2 ** 30);
  return {
    ...common,
    geometry: ladderGeometryOf(
      maxBytes,
      chunkOrder,
      ranges,
      integerOption("minPageSize", minPageSize ?? PAGE_SIZE_MIN, 2 ** chunkOrder, PAGE_SIZE_MAX),
    ),
    ranges,
    warmUp: isFit && sample === undefined ? warm : 0,
  };
}

/**
 * Checks page sizes as users give them.
 *
 * @throws {ZbudError} `EINVAL` naming a bad one.
 */
export function rangesOf(pageSizes: unknown, chunkOrder: number): PageSizeRange[] {
  if (!Array.isArray(pageSizes) || pageSizes.length === 0 || pageSizes.length > FIT_COUNT_MAX) {
    throw new ZbudError(
      "EINVAL",
      `pageSizes must be an array of 1 to ${FIT_COUNT_MAX} page sizes, or "fit", not ${show(pageSizes)}`,
    );
  }
  const ranges = pageSizes.map((each: unknown, i): PageSizeRange => {
    const { pageSize, maxSize } =
      typeof each === "object" && each !== null
        ? (each as Partial<PageSizeRange>)
        : { pageSize: each as number };
    const { maxObjectBytes, chunkCount, chunkSize } = geometryOf(pageSize as number, chunkOrder, 1);
    const isLast = i === pageSizes.length - 1;
    const most = isLast ? maxObjectBytes : Math.floor((chunkCount - 1) / 2) * chunkSize;
    return {
      pageSize: pageSize as number,
      maxSize: integerOption(`maxSize of page size ${pageSize}`, maxSize ?? most, 1, maxObjectBytes),
    };
  });
  for (const [i, { pageSize, maxSize }] of ranges.entries()) {
    if (i > 0 && maxSize <= ranges[i - 1].maxSize) {
      throw new ZbudError(
        "EINVAL",
        `pageSizes must be in ascending order of the objects that they take; ${pageSize} takes up to ${maxSize} bytes and ${ranges[i - 1].pageSize}, before it, up to ${ranges[i - 1].maxSize}`,
      );
    }
  }
  return ranges;
}

/** The ranges, the last of which takes objects up to maxObjectBytes, if need be in pages of another size. */
export function withTop(
  ranges: readonly PageSizeRange[],
  maxObjectBytes: number,
  chunkCount: number,
): PageSizeRange[] {
  const last = ranges.at(-1);
  const top = smallestPageFor(maxObjectBytes, chunkCount);
  const plain = ranges.map(({ pageSize, maxSize }) => ({ pageSize, maxSize }));
  if (last === undefined || last.pageSize < top)
    return [...plain, { pageSize: top, maxSize: maxObjectBytes }];
  return [
    ...plain.slice(0, -1),
    { pageSize: last.pageSize, maxSize: Math.max(last.maxSize, maxObjectBytes) },
  ];
}

/**
 * How the memory is divided: into segments that are small against the whole, so that no rung keeps much that it
 * does not use, and large against a page, so that little is left at their ends.
 *
 * @throws {ZbudError} `EINVAL` if maxBytes is too small for the page sizes, or too large for a handle.
 */
export function ladderGeometryOf(
  maxBytes: number,
  chunkOrder: number,
  ranges: readonly PageSizeRange[],
  minPageSize: number = PAGE_SIZE_MIN,
): LadderGeometry {
  const sizes = ranges.map(({ pageSize }) => pageSize);
  const largest = Math.max(...sizes);
  const floorPower = (bytes: number): number => 2 ** Math.floor(Math.log2(Math.max(bytes, 1)));
  const ceilPower = (bytes: number): number => 2 ** Math.ceil(Math.log2(bytes));
  const segmentBytes = Math.min(
    Math.max(
      floorPower(maxBytes / 128),
      Math.min(SEGMENT_BYTES_MIN, floorPower(maxBytes / 16)),
      Math.min(ceilPower(16 * largest), floorPower(maxBytes / 64)),
      ceilPower(largest),
    ),
    SEGMENT_BYTES_MAX,
  );
  const segments = Math.floor(maxBytes / segmentBytes);
  if (segments < sizes.length) {
    throw new ZbudError(
      "EINVAL",
      `maxBytes must be at least ${sizes.length * segmentBytes} for ${sizes.length} page sizes of up to ${largest} bytes, not ${maxBytes}`,
    );
  }
  const pageSizeMin = Math.min(floorPower(minPageSize), floorPower(Math.min(...sizes)));
  const rowsMost = Math.floor(SLOTS_MAX / 2 / segments);
  const rowsShift = Math.min(Math.log2(segmentBytes / pageSizeMin), Math.floor(Math.log2(rowsMost)));
  if (rowsShift < 0 || Math.min(...sizes) < segmentBytes / 2 ** rowsShift) {
    throw new ZbudError(
      "EINVAL",
      `maxBytes of ${maxBytes} are more than ${SLOTS_MAX / 2} pages of ${Math.min(...sizes)} bytes; lower it, or use several pools`,
    );
  }
  const chunkCount = 2 ** chunkOrder;
  const maxObjectBytes = Math.max(...ranges.map(({ maxSize }) => maxSize));
  return { chunkOrder, chunkCount, segmentBytes, segments, rowsShift, maxObjectBytes };
}
