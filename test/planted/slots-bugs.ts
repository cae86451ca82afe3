/** Bugs to plant in the slots driver. */

import type { PlantedBug } from "./planted-bug.ts";

const ALLOCATOR = "src/drivers/slots/allocator.ts";
const RUNS = "src/drivers/slots/runs.ts";

export const SLOTS_BUGS: readonly PlantedBug[] = [
  {
    name: "slots: a run that crosses the middle of a page ends there",
    file: RUNS,
    find: "const carry = ((lowLeft & ~lowSum) >>> 31) & ~inHigh;",
    replace: "const carry = 0;",
  },
  {
    name: "slots: of several gaps the highest tightest is taken",
    file: RUNS,
    find: "const isBest = ((length - best) >> 31) & ~((length - need) >> 31);",
    replace: "const isBest = ((length - best - 1) >> 31) & ~((length - need) >> 31);",
  },
  {
    name: "slots: a freed gap does not join the one above it",
    file: RUNS,
    find: "return firstBit(low & ~LOW_BITS[end], high & ~HIGH_BITS[end]) - from;",
    replace: "return end - from;",
  },
  {
    name: "slots: what is left of a gap is not looked at when the page is listed",
    file: ALLOCATOR,
    find: "longest = Math.max(left, rest);",
    replace: "longest = rest;",
  },
  {
    name: "slots: a page stays on its list when a free made a longer gap",
    file: ALLOCATOR,
    find: "if (run > longest) {",
    replace: "if (run > longest + 1) {",
  },
  {
    name: "slots: an object takes one slot less than it needs",
    file: ALLOCATOR,
    find: "const slots = shift >= 0 ? ((size - 1) >> shift) + 1",
    replace: "const slots = shift >= 0 ? Math.max((size - 1) >> shift, 1)",
  },
  {
    name: "slots: the bytes of the last slot that are not used are forgotten above 7",
    file: ALLOCATOR,
    find: "this.#table[record] |= (tail >> TAIL_BITS) << this.#generationBits;",
    replace: "this.#table[record] |= 0;",
  },
  {
    name: "slots: a freed record keeps its generation",
    file: ALLOCATOR,
    find: "((table[record] & this.#generationMask) + 1) & this.#generationMask;",
    replace: "table[record] & this.#generationMask;",
  },
  {
    name: "slots: any word of a row passes for a record",
    file: ALLOCATOR,
    find: "    return ((records >> (word & WORD_IN_ROW)) & 1) === 1;",
    replace: "    return records !== 0;",
  },
  {
    name: "slots: a further row without objects is not given back",
    file: "src/drivers/slots/extras.ts",
    find: "  table[extra | NEXT] = table[W_EXTRA_FREE];\n  table[W_EXTRA_FREE] = extra;",
    replace: "  table[extra | NEXT] = 0;",
  },
  {
    name: "slots: a page's further rows stay with it when it is released by reclaim",
    file: ALLOCATOR,
    find: "    releaseEmptyExtras(this.#whole, row);\n",
    replace: "",
  },
  {
    name: "slots: a page into which an object was put stays where it is in the LRU",
    file: ALLOCATOR,
    find: "if (table[W_LRU | LRU_NEXT] !== row) {",
    replace: "if (table[W_LRU | LRU_PREV] === row) {",
  },
  {
    name: "slots: a page under reclaim is listed by a free",
    file: ALLOCATOR,
    find: "    if (table[row | LRU_PREV] > FREE) {",
    replace: "    if (table[row | LRU_PREV] !== FREE) {",
  },
];
