import { integerOption, type Size, show, sizeOption, ZbudError } from "../../base/index.ts";
import {
  type CommonOptions,
  checkCommonOptions,
  maxPagesOf,
  type PageSizeRange,
  type PoolOptions,
} from "../../pool/index.ts";
import {
  CHUNK_ORDER_DEFAULT,
  CHUNK_ORDER_MAX,
  CHUNK_ORDER_MIN,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  geometryOf as pageGeometryOf,
} from "../zbud/geometry.ts";
import { FIT_COUNT_MAX, fitPageSizes, smallestPageFor } from "./fit.ts";
import { type Geometry, geometryOf, PAGE_SIZE_MIN } from "./geometry.ts";

/** What a `SizeClassPool` is made of. */
export interface SizeClassPoolOptions extends PoolOptions {
  /**
   * The same as `maxBytes` of `maxPages * pageSize`. Default: `maxBytes` counts. Not to be given with `pageSizes`,
   * since pages then have several sizes.
   */
  maxPages?: number;
  /**
   * The page sizes, one to four: multiples of `2^chunkOrder` bytes up to 1 MiB, each with the largest object that
   * goes to its pages, as `fitPageSizes` gives them. A bare number stands for objects of which two fit a page;
   * the last takes what is larger. `"fit"`, the default: what fits the `sample`, or the first `warmUp` objects.
   */
  pageSizes?: readonly (Size | PageSizeRange)[] | "fit";
  /** Sizes of objects, for `"fit"`. Default: none; the first `warmUp` objects are the sample. */
  sample?: ArrayLike<number>;
  /** For `"fit"` without a sample: how many objects go to pages of `pageSize` first; default 4096, 0: never fit. */
  warmUp?: number;
  /** For `"fit"`: the pages of objects that no fitted page takes, and of the warm-up; default 4096. */
  pageSize?: Size;
  /** For `"fit"`: the smallest page that fitting may choose. Each page has 32 bytes of metadata. Default 256. */
  minPageSize?: Size;
  /** Chunks a page = `2^chunkOrder`, 2 to 10; default 6. */
  chunkOrder?: number;
}

const WARM_UP_DEFAULT = 4096;
/** 64 TiB would be beyond the system's addresses in any case. */
const BYTES_MAX = 2 ** 46;

/** The options with their defaults, and what follows from them. */
export interface CheckedOptions extends CommonOptions {
  geometry: Geometry;
  ranges: PageSizeRange[];
  warmUp: number;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: SizeClassPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["chunkOrder", "pageSizes", "sample", "warmUp", "minPageSize"]);
  const {
    pageSizes = "fit",
    sample,
    warmUp,
    pageSize,
    minPageSize,
    chunkOrder = CHUNK_ORDER_DEFAULT,
  } = options;
  const chunkCount = 2 ** integerOption("chunkOrder", chunkOrder, CHUNK_ORDER_MIN, CHUNK_ORDER_MAX);
  const isFit = pageSizes === "fit";
  for (const [name, value] of Object.entries({ sample, warmUp, pageSize, minPageSize })) {
    if (value !== undefined && !isFit) {
      throw new ZbudError("EINVAL", `${name} goes with pageSizes: "fit" only, not with ${show(pageSizes)}`);
    }
  }
  const top = pageGeometryOf(pageSize === undefined ? PAGE_SIZE_DEFAULT : pageSize, chunkOrder, 1);
  const maxBytes = maxBytesOf(options, isFit, top.pageSize, chunkCount);
  let ranges: PageSizeRange[];
  if (isFit) {
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
    geometry: geometryOf(
      maxBytes,
      chunkOrder,
      ranges,
      sizeOption("minPageSize", minPageSize ?? PAGE_SIZE_MIN, chunkCount, PAGE_SIZE_MAX),
    ),
    ranges,
    warmUp: isFit && sample === undefined ? warm : 0,
  };
}

/** The pool's limit, in bytes. */
function maxBytesOf(
  options: SizeClassPoolOptions,
  isFit: boolean,
  pageSize: number,
  chunkCount: number,
): number {
  const { maxPages, maxBytes } = options;
  const isInPages = maxPages !== undefined || (isFit && maxBytes === undefined);
  if (!isInPages) return sizeOption("maxBytes", maxBytes, chunkCount, BYTES_MAX);
  if (!isFit) {
    throw new ZbudError("EINVAL", "with several page sizes, maxPages is no limit; give maxBytes");
  }
  return maxPagesOf(options, pageSize, Math.floor(BYTES_MAX / pageSize)) * pageSize;
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
    const given =
      typeof each === "object" && each !== null
        ? (each as Partial<PageSizeRange>)
        : { pageSize: each as number };
    const { pageSize, maxObjectBytes, chunkCount, chunkSize } = pageGeometryOf(
      given.pageSize as Size,
      chunkOrder,
      1,
    );
    const isLast = i === pageSizes.length - 1;
    const most = isLast ? maxObjectBytes : Math.floor((chunkCount - 1) / 2) * chunkSize;
    return {
      pageSize,
      maxSize: integerOption(`maxSize of page size ${pageSize}`, given.maxSize ?? most, 1, maxObjectBytes),
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
