import { integerOption, type Size, sizeOption, ZbudError } from "../../base/index.ts";

export const PAGE_SIZE_DEFAULT = 4096;
export const CHUNK_ORDER_DEFAULT = 6;
/** The largest page: 1 MiB. */
export const PAGE_SIZE_MAX: number = 2 ** 20;
/** Chunks a page = 2^chunkOrder. Below 4 no object would fit; 1024 lists are as many as a bitmap of 32 words names. */
export const CHUNK_ORDER_MIN = 2;
export const CHUNK_ORDER_MAX = 10;
/** 64 GiB of 4 KiB pages; bounded by the bits that a handle has for a page. */
export const PAGES_MAX: number = 2 ** 24;

/** How a page of a pool is divided. All figures follow from three options. */
export interface Geometry {
  /** Bytes. */
  readonly pageSize: number;
  readonly chunkOrder: number;
  readonly maxPages: number;
  /** `2^chunkOrder`. Chunk 0 is reserved; chunks [1, chunkCount) hold objects. */
  readonly chunkCount: number;
  /** Bytes: `pageSize / chunkCount`. */
  readonly chunkSize: number;
  /** `pageSize - 2 * chunkSize`: the reserved chunk, and one that keeps a lone object's gap from being empty. */
  readonly maxObjectBytes: number;
}

/**
 * Checks the options that shape a page.
 *
 * @throws {ZbudError} `EINVAL`, naming the option, its value and what it may be.
 */
export function geometryOf(given: Size, chunkOrder: number, maxPages: number): Geometry {
  integerOption("chunkOrder", chunkOrder, CHUNK_ORDER_MIN, CHUNK_ORDER_MAX);
  const chunkCount = 2 ** chunkOrder;
  const pageSize = sizeOption("pageSize", given, chunkCount, PAGE_SIZE_MAX, null);
  if (pageSize % chunkCount !== 0) {
    const below = pageSize - (pageSize % chunkCount);
    throw new ZbudError(
      "EINVAL",
      `pageSize must be a multiple of ${chunkCount} (2^chunkOrder), not ${pageSize}; the nearest are ${below} and ${below + chunkCount}`,
    );
  }
  integerOption("maxPages", maxPages, 1, PAGES_MAX);
  const chunkSize = pageSize / chunkCount;
  return { pageSize, chunkOrder, maxPages, chunkCount, chunkSize, maxObjectBytes: pageSize - 2 * chunkSize };
}

/** Whole chunks that an object of `size` bytes takes. */
export function chunksOf(geometry: Pick<Geometry, "chunkSize">, size: number): number {
  return Math.ceil(size / geometry.chunkSize);
}
