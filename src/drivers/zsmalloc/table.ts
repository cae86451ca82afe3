import { assert } from "../../base/index.ts";
import type { SharedMemory } from "../../memory/index.ts";
import { createTable, DRIVER_ZSMALLOC, type Table, W_INTENT, W_PAGE_COUNT } from "../../pool/index.ts";
import { type Geometry, L_FULL, L_LISTS, LAYOUT_SHIFT } from "./geometry.ts";

/**
 * The table of a zsmalloc pool: everything about its groups, objects and pages, in one Int32Array apart from the
 * page bytes.
 *
 *   word   0        80         firstGroup        firstRow            firstPage
 *          ┌────────┬──────────┬─────────────────┬───────────────────┬──────────────────┬─────────
 *          │ header │ lists of │ a row of 8 for  │ a row of 4 for    │ a word for       │ threads
 *          │        │ layouts  │ each group      │ each object       │ each page        │
 *          └────────┴──────────┴─────────────────┴───────────────────┴──────────────────┴─────────
 *
 * A group's row, 32 bytes. There may be as many groups as pages:
 *
 *   word   0           1           2        3          4          5        6       7
 *          ┌───────────┬───────────┬────────┬──────────┬──────────┬────────┬───────┬────────────┐
 *          │ list next │ list prev │ layout │ free row │ attached │ last   │ stamp │ first page │
 *          │           │           │ · used │          │ · list   │ row    │       │ + 1        │
 *          └───────────┴───────────┴────────┴──────────┴──────────┴────────┴───────┴────────────┘
 *
 * An object's row, 16 bytes; the slot of its handle. Its place is the only thing that says where it lies, so an
 * object moves when that word changes:
 *
 *   word   0          1              2        3
 *          ┌──────────┬──────────────┬────────┬────────────┐
 *          │ next row │ group, place │ size   │ generation │
 *          └──────────┴──────────────┴────────┴────────────┘
 *
 *   list prev    also says what the group is: FREE (0), under reclaim (negative, `-member`), else in use.
 *   used         live objects of the group.
 *   attached     places [0, attached) of the group have a row, live or free; the others never were used.
 *   list         which list of its layout the group is on: SPARED, 1 … by how full it is, FULL last.
 *   next row     rows of a group form a ring in the order of their places, which begins behind `last row`.
 *   size         bytes, > 0, of a live object; else -(next free row of the group), or 0.
 *   stamp        when the group came to its list, by the pool's clock: what breaks ties in reclaim.
 *   page's word  of a group's page: the next page + 1, or 0 at the end. Of a free one: ~(the next free page + 1), or ~0.
 *
 * All words of unused rows are 0: a fresh buffer is a valid table once the lists' heads are set.
 *
 * Invariants; `verify()` checks them all, from the objects' sizes and places and the groups' layouts and pages:
 *   Z1  no two live objects have one place; every live object's group is in use or under reclaim.
 *   Z2  used = live objects; a group in use that is not under reclaim has at least one.
 *   Z3  the i-th row of a group's ring has place i; free rows of the ring = the group's free list.
 *   Z4  a group in use is on the list that `used` says, or SPARED if it has room; its bit says so.
 *   Z5  next[prev] = prev[next] = itself; every row below the mark is attached to one group, or free.
 *   Z6  every page below the mark is of one group, or free; pages in use = pages of groups.
 */
export type ZsmallocTable = Table;

/** The driver's words of the header. */
export const W_GROUP_PAGES_MAX = 3;
export const W_MAX_OBJECTS = 8;
/** The generation, before, of the slot that W_INTENT notes. */
export const W_INTENT_GENERATION = 18;
/** First free page + 1, or 0. */
export const W_FREE_PAGE = 21;
/** Rows of pages, groups and objects from these marks on are unused. */
export const W_PAGES_TAKEN = 22;
export const W_FREE_GROUP = 23;
export const W_GROUPS_TAKEN = 24;
export const W_FREE_ROW = 25;
export const W_ROWS_TAKEN = 26;
/** Counts the changes of lists. */
export const W_CLOCK = 27;
/** Where compaction goes on: a layout. */
export const W_COMPACT_AT = 28;
/** Where the search for free rows to take from a group goes on: a group. */
export const W_TAKE_AT = 29;

/** Counters of this driver, as indices of the Float64Array. */
export const F_OBJECTS_MOVED = 37;
export const F_PAGES_COMPACTED = 38;

// Words of a group's row, and of a list's head.
export const NEXT = 0;
export const PREV = 1;
export const USED = 2;
export const FREE_ROW = 3;
export const ATTACHED = 4;
export const LAST_ROW = 5;
export const STAMP = 6;
export const FIRST_PAGE = 7;

/** `layout << LAYOUT_BITS | used`, and `list << LAYOUT_BITS | attached`. */
export const COUNT_BITS = 18;
export const COUNT_MASK: number = 2 ** COUNT_BITS - 1;

// Words of an object's row.
export const RING = 0;
export const PLACE = 1;
export const SIZE = 2;
export const GENERATION = 3;

/** The value of PREV of a free group. */
export const FREE = 0;
/** The list of groups with room whose reclaim was refused: the last to be tried again, and to be filled. */
export const SPARED = 0;

// The lists of a layout: a word of bits, bit i for list i, one unused, then the heads.
export const HEADS = 2;

assert(W_INTENT < W_INTENT_GENERATION && W_INTENT_GENERATION < W_PAGE_COUNT, "no two fields share a word");

/** Makes an empty table. */
export function createZsmallocTable(
  geometry: Geometry,
  locking: number,
  memory: SharedMemory | null,
): ZsmallocTable {
  const { pageSize, maxPages } = geometry;
  const memoryBytes = pageSize * maxPages;
  const parts = { driver: DRIVER_ZSMALLOC, pageSize, maxPages, memoryBytes, locking, memory };
  const table = createTable(parts, geometry.words, geometry.firstGroup);
  table[W_GROUP_PAGES_MAX] = geometry.maxGroupPages;
  table[W_MAX_OBJECTS] = geometry.maxObjects;
  clearLists(table, geometry);
  return table;
}

/** Empties all lists. */
export function clearLists(table: ZsmallocTable, geometry: Geometry): void {
  const { layouts, layoutCount } = geometry;
  for (let layout = 1; layout < layoutCount; layout++) {
    const lists = layouts[(layout << LAYOUT_SHIFT) | L_LISTS];
    table[lists] = 0;
    for (let list = 0; list <= layouts[(layout << LAYOUT_SHIFT) | L_FULL]; list++) {
      const head = lists + HEADS + 2 * list;
      table[head | NEXT] = head;
      table[head | PREV] = head;
    }
  }
}
