import { integerOption, type Size } from "../../base/index.ts";
import { type CommonOptions, checkCommonOptions, maxPagesOf, type PoolOptions } from "../../pool/index.ts";
import { geometryOf, type LogGeometry, PAGE_SIZE_DEFAULT, PAGES_MAX } from "./geometry.ts";

/** What a `LogPool` is made of. Its evict handler is called for the objects of a page in the order in which they came. */
export interface LogPoolOptions extends PoolOptions {
  /**
   * Bytes, and the largest object; a multiple of 64 from 512 to 1 MiB; default 4096. The larger, the less is lost at the
   * end of each, and the more is moved at a time.
   */
  pageSize?: Size;
  /**
   * The most objects at once; default one for every 64 bytes. Each has 16 bytes of bookkeeping, which are taken as they
   * are needed.
   */
  maxObjects?: number | undefined;
  /**
   * How much of its pages the pool leaves free rather than move objects for it, in percent, 0 to 50: with 5, at most 19
   * bytes are moved on average for each that is stored. Default: 5 while it may take another page, 0 when it is full,
   * so that it refuses nothing that a page has room for, and may move a page of objects for each.
   */
  slack?: number | undefined;
}

/** The options with their defaults. */
export interface CheckedOptions extends CommonOptions {
  geometry: LogGeometry;
  /** When it may take another page, and when not. */
  slack: number;
  fullSlack: number;
}

const SLACK_DEFAULT = 5;
const SLACK_MAX = 50;

/** @throws {ZbudError} `EINVAL` naming a bad or unknown option. */
export function checkOptions(options: LogPoolOptions): CheckedOptions {
  const common = checkCommonOptions(options, ["maxObjects", "slack"]);
  const { pageSize: given = PAGE_SIZE_DEFAULT, maxObjects, slack } = options;
  // Checks these; the most pages follow from maxBytes only when the size of one is known to be good.
  const { pageSize } = geometryOf(given, 1, maxObjects);
  const maxPages = maxPagesOf(options, pageSize, PAGES_MAX);
  return {
    ...common,
    geometry: geometryOf(pageSize, maxPages, maxObjects),
    slack: integerOption("slack", slack ?? SLACK_DEFAULT, 0, SLACK_MAX),
    fullSlack: slack ?? 0,
  };
}
