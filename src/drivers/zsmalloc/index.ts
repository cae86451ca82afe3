export {
  GROUP_PAGES_DEFAULT,
  GROUP_PAGES_LIMIT,
  PUBLISHED_CLASS_COUNTS,
  type SizeClass,
  sizeClassesOf,
} from "./classes.ts";
export { zsmallocDriver } from "./driver.ts";
export type { ZsmallocPoolOptions } from "./options.ts";
export { ZsmallocPool } from "./zsmalloc-pool.ts";
