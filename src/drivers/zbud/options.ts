import type { Size } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf, type PoolOptions } from "../../pool/index.ts";
import { CHUNK_ORDER_DEFAULT, geometryOf, PAGE_SIZE_DEFAULT, PAGES_MAX } from "./geometry.ts";

/** What a `ZbudPool` is made of. Its evict handler is called first buddy first. */
export interface ZbudPoolOptions extends PoolOptions {
  /** Bytes; any multiple of `2^chunkOrder` up to 1 MiB; default 4096. The first thing to choose: see `fitPageSize`. */
  pageSize?: Size;
  /** Chunks a page = `2^chunkOrder`, 2 to 10; default 6. */
  chunkOrder?: number;
}

/** The options with their defaults. Ranges are the geometry's to check. */
export interface CheckedOptions extends CommonOptions {
  pageSize: number;
  chunkOrder: number;
  maxPages: number;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: ZbudPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["chunkOrder"]);
  const { pageSize: given = PAGE_SIZE_DEFAULT, chunkOrder = CHUNK_ORDER_DEFAULT } = options;
  // Checks these two; the most pages follow from maxBytes only when the size of one is known to be good.
  const { pageSize } = geometryOf(given, chunkOrder, 1);
  return { ...common, pageSize, chunkOrder, maxPages: maxPagesOf(options, pageSize, PAGES_MAX) };
}
