/** Bugs of pools with pages of several sizes. */

import type { PlantedBug } from "./planted-bug.ts";

const SEGMENTS = "src/drivers/size-classes/segments.ts";
const ALLOCATOR = "src/drivers/size-classes/allocator.ts";

export const SIZE_CLASSES_BUGS: readonly PlantedBug[] = [
  {
    name: "size classes: a segment whose last page was released stays its size class's",
    file: SEGMENTS,
    find: "    table[segment + S_OWNER] = 0;\n",
    replace: "",
  },
  {
    name: "size classes: a segment is not listed again when its fullness changes",
    file: SEGMENTS,
    find: "if (after < FULLNESS_STEPS) putOn(table, segment, headOf(sizeClass, after));",
    replace: "if (after < FULLNESS_STEPS) putOn(table, segment, headOf(sizeClass, before & 7));",
  },
  {
    name: "size classes: pages of a segment that was another size class's begin where that one's ended",
    file: SEGMENTS,
    find: "    table[segment + S_HIGH] = 0;\n",
    replace: "",
  },
  {
    name: "size classes: a small object takes a large page where its own have no memory",
    file: ALLOCATOR,
    find: "row = mayTake ? this.#segments.take(sizeClass) : FREE;",
    replace: "row = this.#segments.take(sizeClass);",
  },
  {
    name: "size classes: what is at the tail is passed over for ever by a size class that starves",
    file: ALLOCATOR,
    find: "if (own !== 0 && (victim === 0 || table[W_SKIPS] < SKIPS_MAX)) {",
    replace: "if (own !== 0) {",
  },
  {
    name: "size classes: pages of a pool of size classes are placed as if all were of the first size",
    file: ALLOCATOR,
    find: "(rowIndex & this.#rowsMask) * pageSize;",
    replace: "(rowIndex & this.#rowsMask) * 1024;",
  },
  {
    name: "size classes: behind the last range the one of an earlier choice holds",
    file: "src/drivers/size-classes/open-classes.ts",
    find: "  for (let i = chosen.length; i < OPEN_MAX; i++) table[list + 1 + 2 * i] = SIZE_BEYOND;\n",
    replace: "",
  },
];
