/** Bugs to plant in the zsmalloc driver. */

import type { PlantedBug } from "./planted-bug.ts";

const ALLOCATOR = "src/drivers/zsmalloc/allocator.ts";
const CLASSES = "src/drivers/zsmalloc/classes.ts";
const COMPACTION = "src/drivers/zsmalloc/compaction.ts";
const GROUPS = "src/drivers/zsmalloc/groups.ts";
const PLACES = "src/drivers/zsmalloc/places.ts";
const REPAIR = "src/drivers/zsmalloc/repair.ts";

export const ZSMALLOC_BUGS: readonly PlantedBug[] = [
  {
    name: "zsmalloc: pages a group are chosen by the byte, not by whole percents",
    file: CLASSES,
    find: "const percent = Math.floor(((bytes - (bytes % size)) * 100) / bytes);",
    replace: "const percent = ((bytes - (bytes % size)) * 100) / bytes;",
  },
  {
    name: "zsmalloc: an object that ends at a page's border goes on in the next",
    file: PLACES,
    find: "into.size = Math.min(size, pageSize - offset);",
    replace: "into.size = Math.min(size, pageSize - offset - 1);",
  },
  {
    name: "zsmalloc: a second fragment lies in the page behind, not in the group's next",
    file: PLACES,
    find: "into.offset2 = into.size2 === 0 ? 0 : (table[firstPage + page - 1] - 1) * pageSize;",
    replace: "into.offset2 = into.size2 === 0 ? 0 : page * pageSize;",
  },
  {
    name: "zsmalloc: a freed row keeps its generation",
    file: ALLOCATOR,
    find: "(table[row | GENERATION] + 1) & this.#generationMask;",
    replace: "table[row | GENERATION] & this.#generationMask;",
  },
  {
    name: "zsmalloc: a group under reclaim is released by a free",
    file: ALLOCATOR,
    find: "if (table[group | PREV] > FREE) {",
    replace: "if (table[group | PREV] !== FREE) {",
  },
  {
    name: "zsmalloc: of groups equally full the newest is reclaimed",
    file: ALLOCATOR,
    find: "((table[group | STAMP] - table[best | STAMP]) | 0) > 0) continue;",
    replace: "((table[group | STAMP] - table[best | STAMP]) | 0) < 0) continue;",
  },
  {
    name: "zsmalloc: a refused group is tried again at once",
    file: GROUPS,
    find: "this.putOn(group, (used & COUNT_MASK) === layouts[at | L_OBJECTS] ? layouts[at | L_FULL] : SPARED);",
    replace: "this.putOn(group, listOf(this.geometry, used >> COUNT_BITS, used & COUNT_MASK));",
  },
  {
    name: "zsmalloc: a row takes a link of another group's free list along",
    file: GROUPS,
    find: "table[row | SIZE] = 0; // the link",
    replace: "// the link",
  },
  {
    name: "zsmalloc: a short group is not made where there are pages for one",
    file: GROUPS,
    find: "if (group === 0 && short !== 0) group = this.#make(short);",
    replace: "",
  },
  {
    name: "zsmalloc: compaction copies after the object has moved",
    file: COMPACTION,
    find: `    this.#copy(row, free);
    const from = table[row | PLACE];
    table[target | FREE_ROW] = 0 - table[free | SIZE];
    table[row | PLACE] = table[free | PLACE];`,
    replace: `    const from = table[row | PLACE];
    table[target | FREE_ROW] = 0 - table[free | SIZE];
    table[row | PLACE] = table[free | PLACE];
    this.#copy(row, free);`,
  },
  {
    name: "zsmalloc: compaction moves where the others have no room for all",
    file: COMPACTION,
    find: "if (wanted <= 0) return true;",
    replace: "if (wanted < 2) return true;",
  },
  {
    name: "zsmalloc: a repair loses the group that a living thread has under reclaim",
    file: REPAIR,
    find: "return member > 0 && !isDead(member);",
    replace: "return false;",
  },
];
