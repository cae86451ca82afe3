import { type PageMemory, Reach } from "../../memory/index.ts";
import { type FreeWalk, followLinks, GivenBack, W_GIVEN_BACK, W_PAGE_COUNT } from "../../pool/index.ts";
import {
  type Geometry,
  GROUP_SHIFT,
  L_FULL,
  L_LISTS,
  L_OBJECTS,
  L_PAGES,
  L_SHORT,
  LAYOUT_SHIFT,
  listOf,
  ROW_SHIFT,
} from "./geometry.ts";
import {
  ATTACHED,
  COUNT_BITS,
  COUNT_MASK,
  FIRST_PAGE,
  FREE,
  FREE_ROW,
  GENERATION,
  HEADS,
  LAST_ROW,
  NEXT,
  PLACE,
  PREV,
  RING,
  SIZE,
  SPARED,
  STAMP,
  USED,
  W_CLOCK,
  W_FREE_GROUP,
  W_FREE_PAGE,
  W_FREE_ROW,
  W_GROUPS_TAKEN,
  W_PAGES_TAKEN,
  W_ROWS_TAKEN,
  type ZsmallocTable,
} from "./table.ts";

/** In place of a list: a group that was just made is on none. */
export const NO_LIST = 15;

/**
 * Groups, as the algorithm and compaction use them: made of free pages, put on lists, given rows, released.
 * Nothing here changes an object, so a death in the middle needs no note: see repair.ts.
 */
export class Groups {
  readonly table: ZsmallocTable;
  readonly geometry: Geometry;
  readonly #memory: PageMemory;
  readonly #givenBack: GivenBack;
  readonly #pageWords: Reach;
  readonly #groupRows: Reach;
  readonly #objectRows: Reach;
  readonly #firstGeneration: number;
  #pagesCommitted = 0;

  /** @param firstGeneration - of a row that never was used. */
  constructor(table: ZsmallocTable, geometry: Geometry, firstGeneration: number, memory: PageMemory) {
    this.table = table;
    this.geometry = geometry;
    this.#firstGeneration = firstGeneration;
    const { firstPage, firstGroup, firstRow } = geometry;
    this.#pageWords = new Reach(table.buffer, [[4 * firstPage, 4]]);
    this.#groupRows = new Reach(table.buffer, [[4 * firstGroup, 4 << GROUP_SHIFT]]);
    this.#objectRows = new Reach(table.buffer, [[4 * firstRow, 4 << ROW_SHIFT]]);
    this.#memory = memory;
    this.#givenBack = new GivenBack(table, memory, geometry.pageSize * geometry.maxPages);
  }

  /** The fullest group of a layout that has room, the one that came to its list last; 0 if there is none. */
  fullest(layout: number): number {
    const { table, geometry } = this;
    const at = layout << LAYOUT_SHIFT;
    const lists = geometry.layouts[at | L_LISTS];
    const open = table[lists] & ~(-1 << geometry.layouts[at | L_FULL]);
    return open === 0 ? 0 : table[(lists + HEADS + ((31 - Math.clz32(open)) << 1)) | NEXT];
  }

  /**
   * A group for an object of a layout whose groups have no room: one of the short layout, or a new one. Where
   * there are not enough pages for a whole group it is a short one, so no free page is ever out of reach.
   */
  room(layout: number): number {
    const short = this.geometry.layouts[(layout << LAYOUT_SHIFT) | L_SHORT];
    let group = short === 0 ? 0 : this.fullest(short);
    if (group === 0) group = this.#make(layout);
    if (group === 0 && short !== 0) group = this.#make(short);
    return group;
  }

  /** Gives the next place of a group its row; or 0 if there is no row. */
  attach(group: number): number {
    const { table, geometry } = this;
    const row = this.#takeRow();
    if (row === 0) return 0;
    const place = table[group | ATTACHED] & COUNT_MASK;
    table[row | PLACE] = (((group - geometry.firstGroup) >> GROUP_SHIFT) << geometry.placeBits) | place;
    table[row | SIZE] = 0; // the link that it had in another group's free list leads nowhere here
    const last = table[group | LAST_ROW];
    if (last === 0) {
      table[row | RING] = row;
    } else {
      table[row | RING] = table[last | RING];
      table[last | RING] = row;
    }
    table[group | LAST_ROW] = row;
    table[group | ATTACHED]++;
    return row;
  }

  /** Frees a group that is on no list and holds no object. How many pages that were. */
  release(group: number): number {
    const { table, geometry } = this;
    const pages = geometry.layouts[((table[group | USED] >> COUNT_BITS) << LAYOUT_SHIFT) | L_PAGES];
    const lastRow = table[group | LAST_ROW];
    if (lastRow !== 0) {
      const firstRow = table[lastRow | RING];
      table[lastRow | RING] = table[W_FREE_ROW];
      table[W_FREE_ROW] = firstRow;
    }
    this.#freePages(table[group | FIRST_PAGE], pages);
    table[W_PAGE_COUNT] -= pages;
    table[group | PREV] = FREE;
    table[group | NEXT] = table[W_FREE_GROUP];
    table[W_FREE_GROUP] = group;
    return pages;
  }

  /** Puts a group on the list that its used places say, if it is on another. */
  relist(group: number): void {
    const { table } = this;
    const used = table[group | USED];
    const list = listOf(this.geometry, used >> COUNT_BITS, used & COUNT_MASK);
    const listed = table[group | ATTACHED] >> COUNT_BITS;
    if (list === listed) return;
    if (listed !== NO_LIST) this.takeOff(group);
    this.putOn(group, list);
  }

  /** Lists a group whose reclaim came to nothing: with room, as spared. */
  spare(group: number): void {
    const used = this.table[group | USED];
    const { layouts } = this.geometry;
    const at = (used >> COUNT_BITS) << LAYOUT_SHIFT;
    this.putOn(group, (used & COUNT_MASK) === layouts[at | L_OBJECTS] ? layouts[at | L_FULL] : SPARED);
  }

  /** Puts a group that is on no list at the head of one. */
  putOn(group: number, list: number): void {
    const { table } = this;
    const lists = this.#listsOf(group);
    const head = lists + HEADS + (list << 1);
    const next = table[head | NEXT];
    table[group | NEXT] = next;
    table[group | PREV] = head;
    table[next | PREV] = group;
    table[head | NEXT] = group;
    table[lists] |= 1 << list;
    table[group | ATTACHED] = (table[group | ATTACHED] & COUNT_MASK) | (list << COUNT_BITS);
    table[group | STAMP] = table[W_CLOCK]++;
  }

  takeOff(group: number): void {
    const { table } = this;
    const next = table[group | NEXT];
    const prev = table[group | PREV];
    table[prev | NEXT] = next;
    table[next | PREV] = prev;
    // Only a head has itself or one group on both sides; with the group gone it is the head, alone.
    if (next === prev) table[this.#listsOf(group)] &= ~(1 << (table[group | ATTACHED] >> COUNT_BITS));
  }

  /** Forgets free pages from the last one in use on, and orders those below. Gives back the memory behind. */
  trim(): void {
    const { table, geometry } = this;
    const inUse = this.pagesInUse();
    const pages = inUse.lastIndexOf(1) + 1;
    table[W_FREE_PAGE] = 0;
    table[W_PAGES_TAKEN] = pages;
    for (let page = pages; page > 0; page--) {
      if (inUse[page - 1] === 1) continue;
      table[geometry.firstPage + page - 1] = ~table[W_FREE_PAGE];
      table[W_FREE_PAGE] = page;
    }
    this.#pagesCommitted = this.#memory.trim(pages);
    this.#givenBack.forget(pages * geometry.pageSize);
  }

  giveBack(walk: FreeWalk): void {
    const { table, geometry } = this;
    const isFree = (page: number): boolean => table[geometry.firstPage + page] < 0;
    this.#givenBack.step(walk, table[W_PAGES_TAKEN], geometry.pageSize, isFree);
  }

  touchedBytes(): number {
    return this.table[W_PAGES_TAKEN] * this.geometry.pageSize - this.#givenBack.bytes;
  }

  /** Counts anew what is given back, after a thread died. */
  repair(): void {
    this.#givenBack.repair();
  }

  /** A byte for each page that was ever taken: 1 if a group has it. */
  pagesInUse(): Uint8Array {
    const { table, geometry } = this;
    const inUse = new Uint8Array(table[W_PAGES_TAKEN]);
    const end = geometry.firstGroup + (table[W_GROUPS_TAKEN] << GROUP_SHIFT);
    for (let group = geometry.firstGroup; group < end; group += 1 << GROUP_SHIFT) {
      if (table[group | PREV] === FREE) continue;
      const pages = followLinks(
        table[group | FIRST_PAGE],
        0,
        inUse.length,
        (page) => table[geometry.firstPage + page - 1],
      );
      for (const page of pages) inUse[page - 1] = 1;
    }
    return inUse;
  }

  /** A new group, on no list; or 0 if there are not enough pages, and then nothing changed. */
  #make(layout: number): number {
    const { table, geometry } = this;
    const pages = geometry.layouts[(layout << LAYOUT_SHIFT) | L_PAGES];
    if (geometry.maxPages - table[W_PAGE_COUNT] < pages) return 0;
    const groups = table[W_GROUPS_TAKEN];
    let group = table[W_FREE_GROUP];
    if (group === 0 && groups >= this.#groupRows.end && !this.#groupRows.extend(groups)) return 0;
    const firstPage = this.#takePages(pages);
    if (firstPage === 0) return 0;
    if (group !== 0) {
      table[W_FREE_GROUP] = table[group | NEXT];
    } else {
      // There are as many rows for groups as for pages, and each group has a page.
      group = geometry.firstGroup + (table[W_GROUPS_TAKEN] << GROUP_SHIFT);
      table[W_GROUPS_TAKEN]++;
    }
    table[group | USED] = layout << COUNT_BITS;
    table[group | FREE_ROW] = 0;
    table[group | ATTACHED] = NO_LIST << COUNT_BITS;
    table[group | LAST_ROW] = 0;
    table[group | FIRST_PAGE] = firstPage;
    table[W_PAGE_COUNT] += pages;
    return group;
  }

  /** So many free pages, chained; or 0 if the system gives no memory. */
  #takePages(count: number): number {
    const { table, geometry } = this;
    const first = this.#takePage();
    let last = first;
    for (let i = 1; i < count && last !== 0; i++) {
      const page = this.#takePage();
      if (page === 0) return this.#untake(first, i);
      table[geometry.firstPage + last - 1] = page;
      last = page;
    }
    if (last !== 0) table[geometry.firstPage + last - 1] = 0;
    return first;
  }

  /** Frees pages of a chain that came to its end too early; gives 0, for no page. */
  #untake(first: number, count: number): number {
    this.#freePages(first, count);
    return 0;
  }

  /** Frees so many pages that are chained, with the first in front. */
  #freePages(first: number, count: number): void {
    const { table, geometry } = this;
    let page = first;
    for (let i = 1; i < count; i++) {
      const at = geometry.firstPage + page - 1;
      page = table[at];
      table[at] = ~page;
    }
    table[geometry.firstPage + page - 1] = ~table[W_FREE_PAGE];
    table[W_FREE_PAGE] = first;
  }

  /** A page that was free, as index + 1; or 0 if there is none. */
  #takePage(): number {
    const { table, geometry } = this;
    const page = table[W_FREE_PAGE];
    if (page !== 0) {
      if (table[W_GIVEN_BACK] !== 0 && !this.#takeBack(page - 1)) return 0;
      table[W_FREE_PAGE] = ~table[geometry.firstPage + page - 1];
      return page;
    }
    const taken = table[W_PAGES_TAKEN];
    if (taken >= geometry.maxPages) return 0;
    if (taken >= this.#pagesCommitted) {
      const committed = this.#memory.commit(taken + 1);
      if (!(committed > taken)) return 0;
      this.#pagesCommitted = committed;
    }
    if (taken >= this.#pageWords.end && !this.#pageWords.extend(taken)) return 0;
    if (table[W_GIVEN_BACK] !== 0 && !this.#takeBack(taken)) return 0;
    table[W_PAGES_TAKEN] = taken + 1;
    return taken + 1;
  }

  #takeBack(page: number): boolean {
    const { pageSize } = this.geometry;
    return this.#givenBack.take(page * pageSize, (page + 1) * pageSize);
  }

  /** A row that no group has; or 0 if there is none. */
  #takeRow(): number {
    const { table, geometry } = this;
    let row = table[W_FREE_ROW];
    if (row !== 0) {
      table[W_FREE_ROW] = table[row | RING];
      return row;
    }
    const taken = table[W_ROWS_TAKEN];
    if (taken >= geometry.maxObjects) return 0;
    if (taken >= this.#objectRows.end && !this.#objectRows.extend(taken)) return 0;
    table[W_ROWS_TAKEN] = taken + 1;
    row = geometry.firstRow + (taken << ROW_SHIFT);
    table[row | GENERATION] = this.#firstGeneration;
    return row;
  }

  #listsOf(group: number): number {
    return this.geometry.layouts[((this.table[group | USED] >> COUNT_BITS) << LAYOUT_SHIFT) | L_LISTS];
  }
}
