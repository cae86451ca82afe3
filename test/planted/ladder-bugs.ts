/** Bugs of pools with pages of several sizes. */

import type { PlantedBug } from "./planted-bug.ts";

const SEGMENTS = "src/drivers/zbud/segments.ts";
const LADDER = "src/drivers/zbud/ladder-allocator.ts";

export const LADDER_BUGS: readonly PlantedBug[] = [
  {
    name: "ladder: a segment whose last page was released stays its rung's",
    file: SEGMENTS,
    find: "    table[segment + S_OWNER] = 0;\n",
    replace: "",
  },
  {
    name: "ladder: a segment is not listed again when its fullness changes",
    file: SEGMENTS,
    find: "if (after < FULLNESS_STEPS) putOn(table, segment, headOf(rung, after));",
    replace: "if (after < FULLNESS_STEPS) putOn(table, segment, headOf(rung, before & 7));",
  },
  {
    name: "ladder: pages of a segment that was another rung's begin where that one's ended",
    file: SEGMENTS,
    find: "    table[segment + S_HIGH] = 0;\n",
    replace: "",
  },
  {
    name: "ladder: a small object takes a large page where its own have no memory",
    file: LADDER,
    find: "row = mayTake ? this.#segments.take(rung) : FREE;",
    replace: "row = this.#segments.take(rung);",
  },
  {
    name: "ladder: what is at the tail is passed over for ever by a rung that starves",
    file: LADDER,
    find: "if (own !== 0 && (victim === 0 || table[W_SKIPS] < SKIPS_MAX)) {",
    replace: "if (own !== 0) {",
  },
  {
    name: "ladder: pages of a ladder are placed as if all were of the first size",
    file: LADDER,
    find: "(rowIndex & this.#rowsMask) * pageSize;",
    replace: "(rowIndex & this.#rowsMask) * 1024;",
  },
  {
    name: "ladder: behind the last range the one of an earlier choice holds",
    file: "src/drivers/zbud/rungs.ts",
    find: "  for (let i = chosen.length; i < OPEN_MAX; i++) table[list + 1 + 2 * i] = SIZE_BEYOND;\n",
    replace: "",
  },
];
