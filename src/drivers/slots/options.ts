import { integerOption, type Size } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf, type PoolOptions } from "../../pool/index.ts";
import { geometryOf, PAGE_SIZE_DEFAULT, PAGES_MAX, SLOTS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";

/** What a `SlotsPool` is made of. Its evict handler is called in the order in which they lie in their page; one that stays spares the others. */
export interface SlotsPoolOptions extends PoolOptions {
  /** Bytes; any multiple of 64 up to 1 MiB; default 4096. A page has 64 slots whatever its size. */
  pageSize?: Size;
  /**
   * How many objects the pool has metadata for; default: as many as its pages have slots. With
   * more, pages that already have 6 objects may take no more although they have room.
   */
  maxObjects?: number | undefined;
}

/** The options with their defaults. */
export interface CheckedOptions extends CommonOptions {
  geometry: SlotsGeometry;
}

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: SlotsPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["maxObjects"]);
  const { pageSize: given = PAGE_SIZE_DEFAULT, maxObjects } = options;
  // Checks it; the most pages follow from maxBytes only when the size of one is known to be good.
  const { pageSize } = geometryOf(given, 1);
  const maxPages = maxPagesOf(options, pageSize, PAGES_MAX);
  const slots = SLOTS_PER_PAGE * maxPages;
  const objects = maxObjects === undefined ? slots : integerOption("maxObjects", maxObjects, 1, slots);
  return { ...common, geometry: geometryOf(pageSize, maxPages, objects) };
}
