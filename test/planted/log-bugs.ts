/** Bugs to plant in the log driver. */

import type { PlantedBug } from "./planted-bug.ts";

const ALLOCATOR = "src/drivers/log/allocator.ts";
const GEOMETRY = "src/drivers/log/geometry.ts";
const REPAIR = "src/drivers/log/repair.ts";
const VERIFY = "src/drivers/log/verify.ts";

export const LOG_BUGS: readonly PlantedBug[] = [
  {
    name: "log: an object is copied after it has moved",
    file: ALLOCATOR,
    find: `        this.#copy(bytes, table[row | PLACE], target | top, size);
        table[row | PLACE] = target | top;
        table[page | FIRST] = next;`,
    replace: `        const from = table[row | PLACE];
        table[row | PLACE] = target | top;
        table[page | FIRST] = next;
        this.#copy(bytes, from, target | top, size);`,
  },
  {
    name: "log: a page is cleaned in place, so that objects are copied over others",
    file: ALLOCATOR,
    find: "    const into = this.#takePage();\n    if (into === FREE) return false;",
    replace:
      "    const into = this.#table[W_OPEN] || this.#takePage();\n    if (into === FREE) return false;\n    this.#table[into | TOP] = 0;",
  },
  {
    name: "log: a freed object keeps its generation",
    file: ALLOCATOR,
    find: "table[row | GENERATION] = (table[row | GENERATION] + 1) & this.#generationMask;",
    replace: "table[row | GENERATION] &= this.#generationMask;",
  },
  {
    name: "log: an alloc notes what it changes too late",
    file: ALLOCATOR,
    find: `    if (this.#member !== 0) this.#intend(row);
    table[row | NEXT] = 0;`,
    replace: "    table[row | NEXT] = 0;",
  },
  {
    name: "log: a free notes its object's generation after it changed",
    file: ALLOCATOR,
    find: `    if (this.#member !== 0) this.#intend(row);
    table[row | SIZE] = 0;
    table[row | GENERATION] = (table[row | GENERATION] + 1) & this.#generationMask;`,
    replace: `    table[row | SIZE] = 0;
    table[row | GENERATION] = (table[row | GENERATION] + 1) & this.#generationMask;
    if (this.#member !== 0) this.#intend(row);`,
  },
  {
    name: "log: a free empties a page that is under reclaim",
    file: ALLOCATOR,
    find: "if (table[page | LRU_PREV] > FREE) {",
    replace: "if (table[page | LRU_PREV] !== FREE) {",
  },
  {
    name: "log: what was freed in the open page is not found",
    file: ALLOCATOR,
    find: "if (open === 0 || this.#listFor(table[open | LIVE]) === 0) return listed;",
    replace: "if (open !== -1) return listed;",
  },
  {
    name: "log: a page is cleaned that gains too little",
    file: ALLOCATOR,
    find: "const canGain = emptiest !== 0 && granules - table[emptiest | LIVE] >= wanted;",
    replace: "const canGain = emptiest !== 0 && granules - table[emptiest | LIVE] >= wanted - 1;",
  },
  {
    name: "log: pages are cleaned while less than the slack is free",
    file: ALLOCATOR,
    find: "canGain && percent >= table[W_FULL_SLACK] &&",
    replace: "canGain && percent >= table[W_FULL_SLACK] / 4 &&",
  },
  {
    name: "log: a page is taken beyond what is allowed",
    file: ALLOCATOR,
    find: "if (count < (allowed === 0 ? this.#maxPages : allowed)) {",
    replace: "if (count <= (allowed === 0 ? this.#maxPages : allowed)) {",
  },
  {
    name: "log: a gap is opened that is too short",
    file: ALLOCATOR,
    find: "this.#granules - this.#table[page | LIVE] >= wanted && this.#clean(page);",
    replace: "this.#granules > this.#table[page | LIVE] && this.#clean(page);",
  },
  {
    name: "log: a gap is opened in a page that is too full, though another has room",
    file: ALLOCATOR,
    find: "if (table[page | LIVE] <= most) return page;",
    replace: "if (table[page | LIVE] >= most) return page;",
  },
  {
    name: "log: compaction moves what no release comes of",
    file: ALLOCATOR,
    find: "if (plan.length > taken) return plan;",
    replace: "if (plan.length >= taken) return plan;",
  },
  {
    name: "log: compaction forgets the open page that it closed in vain",
    file: ALLOCATOR,
    find: "if (isClosed && plan.length === 0) {",
    replace: "if (isClosed && plan.length < 0) {",
  },
  {
    name: "log: a sweep takes the last of a chain out and leaves it the last",
    file: ALLOCATOR,
    find: "if (next === 0) table[page | LAST] = before;",
    replace: "if (next === 0 && before === 0) table[page | LAST] = before;",
  },
  {
    name: "log: a sweep goes over a page that is under reclaim",
    file: ALLOCATOR,
    find: "if (table[page | LRU_PREV] <= FREE) continue;",
    replace: "if (table[page | LRU_PREV] === FREE) continue;",
  },
  {
    name: "log: rows of freed objects are looked for only when there are no others",
    file: ALLOCATOR,
    find: "if ((isFull || dead > DEAD_MIN + (taken >> DEAD_SHIFT)) && this.#sweep()) return true;",
    replace: "if (isFull && dead > 0 && this.#sweep()) return true;",
  },
  {
    name: "log: the largest granule need not divide a page",
    file: GEOMETRY,
    find: "const GRANULE_SHIFT_MAX = 6;",
    replace: "const GRANULE_SHIFT_MAX = 7;",
  },
  {
    name: "log: a repair has the objects of a page in no order",
    file: REPAIR,
    find: "  rows.sort((one, other) => table[one | PLACE] - table[other | PLACE]);\n",
    replace: "",
  },
  {
    name: "log: a repair takes a page from the thread that has it under reclaim",
    file: REPAIR,
    find: "return member > 0 && !isDead(member);",
    replace: "return false;",
  },
  {
    name: "log: verify trusts the order of a chain",
    file: VERIFY,
    find: "check(granule >= end,",
    replace: "check(granule >= 0,",
  },
];
