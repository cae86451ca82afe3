import type { Size } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf, type PoolOptions } from "../../pool/index.ts";
import { GROUP_PAGES_DEFAULT, groupPagesFor, pageSizeOption } from "./classes.ts";
import { type Geometry, geometryOf, PAGES_MAX } from "./geometry.ts";

const PAGE_SIZE_DEFAULT = 4096;

/** What a `ZsmallocPool` is made of. Its evict handler is called for each object of a group, in the order of their places; one that stays spares the rest. */
export interface ZsmallocPoolOptions extends PoolOptions {
  /** Bytes, and the largest object; a multiple of 16 from 64 to 1 MiB; default 4096. */
  pageSize?: Size;
  /**
   * The most pages a group, 1 to 16; default 4, in small pools 3 or 2 (with pages of 4 KiB, below 2076 and 1380).
   * With more, objects are packed tighter if there are many of each size class, and groups take longer to become empty.
   */
  maxGroupPages?: number;
  /**
   * The most objects at once; default as many as the pages can hold. Each has 16 bytes of bookkeeping, so this
   * bounds what the pool costs beside its pages.
   */
  maxObjects?: number | undefined;
}

/** The options with their defaults, and what follows from them. */
export interface CheckedOptions extends CommonOptions {
  geometry: Geometry;
  /** Whether the number of objects was bounded. */
  isBounded: boolean;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: ZsmallocPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["maxGroupPages", "maxObjects"]);
  const { pageSize: given = PAGE_SIZE_DEFAULT, maxGroupPages, maxObjects } = options;
  // Checks these; the most pages follow from maxBytes only when the size of one is known to be good.
  const pageSize = pageSizeOption(given);
  geometryOf(pageSize, 1, maxGroupPages ?? GROUP_PAGES_DEFAULT, maxObjects);
  const maxPages = maxPagesOf(options, pageSize, PAGES_MAX);
  const geometry = geometryOf(
    pageSize,
    maxPages,
    maxGroupPages ?? groupPagesFor(maxPages, pageSize),
    maxObjects,
  );
  return { ...common, geometry, isBounded: maxObjects !== undefined };
}
