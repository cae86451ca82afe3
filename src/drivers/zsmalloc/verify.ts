import {
  check,
  checkHeader,
  checkMark,
  checkReclaims,
  verifyGivenBack,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import {
  type Geometry,
  GROUP_SHIFT,
  L_FULL,
  L_LISTS,
  L_OBJECTS,
  L_PAGES,
  L_SIZE,
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
  HEADS,
  LAST_ROW,
  NEXT,
  PLACE,
  PREV,
  RING,
  SIZE,
  SPARED,
  USED,
  W_COMPACT_AT,
  W_FREE_GROUP,
  W_FREE_PAGE,
  W_FREE_ROW,
  W_GROUPS_TAKEN,
  W_PAGES_TAKEN,
  W_ROWS_TAKEN,
  W_TAKE_AT,
  type ZsmallocTable,
} from "./table.ts";

/**
 * Walks the whole table and checks the invariants Z1 to Z6 that table.ts states, from the objects' sizes and
 * places and the groups' layouts and pages: what links and counts say is compared with those, never trusted.
 *
 * @param reclaims - how many reclaims are under way, each with one group; null if that is not known.
 * @throws {ZbudError} `ECORRUPT` naming the first that is broken, and where.
 */
export function verifyTable(table: ZsmallocTable, geometry: Geometry, reclaims: number | null): void {
  new Verification(table, geometry).run(reclaims);
}

class Verification {
  readonly #table: ZsmallocTable;
  readonly #geometry: Geometry;
  /** Live objects of each group, as their rows say. */
  readonly #used: Int32Array;
  /** By row: 1 when a group's ring, or the free rows, were found to hold it. */
  readonly #rowSeen: Uint8Array;
  /** By page: 1 when a group's chain, or the free pages, were found to hold it. */
  readonly #pageSeen: Uint8Array;

  constructor(table: ZsmallocTable, geometry: Geometry) {
    this.#table = table;
    this.#geometry = geometry;
    for (const [what, word, most] of [
      ["groups", W_GROUPS_TAKEN, geometry.maxPages],
      ["rows", W_ROWS_TAKEN, geometry.maxObjects],
      ["pages", W_PAGES_TAKEN, geometry.maxPages],
    ] as const) {
      check(table[word] >= 0 && table[word] <= most, `the mark of ${what} taken`, table[word]);
    }
    this.#used = new Int32Array(table[W_GROUPS_TAKEN]);
    this.#rowSeen = new Uint8Array(table[W_ROWS_TAKEN]);
    this.#pageSeen = new Uint8Array(table[W_PAGES_TAKEN]);
  }

  run(reclaims: number | null): void {
    checkHeader(this.#table);
    for (const word of [W_COMPACT_AT, W_TAKE_AT]) {
      check(this.#table[word] >= 0, "where compaction goes on", this.#table[word]);
    }
    this.#surveyObjects();
    let pages = 0;
    let underReclaim = 0;
    const onLists = new Set<number>();
    for (let i = 0; i < this.#used.length; i++) {
      const group = this.#geometry.firstGroup + (i << GROUP_SHIFT);
      const state = this.#table[group | PREV];
      if (state === FREE) {
        check(this.#used[i] === 0, "Z1: a free group holds an object: group", i);
        continue;
      }
      pages += this.#checkGroup(group, i);
      if (state < FREE) {
        checkMark(this.#table, state, "group", i);
        underReclaim++;
      } else {
        check(this.#used[i] > 0, "Z2: a group in use holds no object: group", i);
        onLists.add(group);
      }
    }
    check(pages === this.#table[W_PAGE_COUNT], "Z6: pageCount is not the pages of groups", pages);
    checkReclaims(underReclaim, reclaims);
    this.#checkLists(onLists);
    this.#checkFree();
    this.#checkGivenBack();
  }

  /** Z1, and how many objects each group has. */
  #surveyObjects(): void {
    const { firstRow, firstGroup, layouts, placeBits, maxObjects } = this.#geometry;
    const table = this.#table;
    const taken = new Set<number>();
    check(this.#rowSeen.length <= maxObjects, "more objects than there are rows", this.#rowSeen.length);
    for (let i = 0; i < this.#rowSeen.length; i++) {
      const row = firstRow + (i << ROW_SHIFT);
      const size = table[row | SIZE];
      if (size <= 0) continue;
      const placeWord = table[row | PLACE];
      const group = placeWord >> placeBits;
      const place = placeWord & ~(-1 << placeBits);
      check(group >= 0 && group < this.#used.length, "Z1: an object lies in no group: row", i);
      const at = (table[(firstGroup + (group << GROUP_SHIFT)) | USED] >> COUNT_BITS) << LAYOUT_SHIFT;
      check(at > 0 && at < layouts.length, "an impossible layout: group", group);
      check(place < layouts[at | L_OBJECTS], "Z1: an object lies behind its group's last place: row", i);
      check(size <= layouts[at | L_SIZE], `${size} bytes in a place too small for it: row`, i);
      check(!taken.has(placeWord), "Z1: two objects have one place: row", i);
      taken.add(placeWord);
      this.#used[group]++;
    }
  }

  /** Z2, Z3 and the pages of one group in use; gives how many pages it has. */
  #checkGroup(group: number, index: number): number {
    const table = this.#table;
    const { layouts, placeBits, firstPage } = this.#geometry;
    const at = (table[group | USED] >> COUNT_BITS) << LAYOUT_SHIFT;
    check(at > 0 && at < layouts.length, "an impossible layout: group", index);
    check((table[group | USED] & COUNT_MASK) === this.#used[index], "Z2: used is wrong: group", index);
    const attached = table[group | ATTACHED] & COUNT_MASK;
    check(attached <= layouts[at | L_OBJECTS], "Z3: more rows than places: group", index);
    let row = table[group | LAST_ROW];
    check((row === 0) === (attached === 0), "Z3: rows and their count disagree: group", index);
    const free = new Set<number>();
    for (let place = 0; place < attached; place++) {
      this.#checkRow(row, "Z3: a ring");
      row = table[row | RING];
      this.#see(row, `Z3: the ring of group ${index}`);
      check(
        table[row | PLACE] === ((index << placeBits) | place),
        "Z3: a row has another place: group",
        index,
      );
      if (table[row | SIZE] <= 0) free.add(row);
    }
    check(row === table[group | LAST_ROW], "Z3: a ring does not close: group", index);
    check(attached - free.size === this.#used[index], "Z3: objects outside their group's ring: group", index);
    for (let each = table[group | FREE_ROW]; each !== 0; each = 0 - table[each | SIZE]) {
      check(free.delete(each), "Z3: the free list holds a row that is not free, or twice: group", index);
    }
    check(free.size === 0, "Z3: the free list lacks a row: group", index);

    const pages = layouts[at | L_PAGES];
    let page = table[group | FIRST_PAGE];
    for (let i = 0; i < pages; i++) {
      this.#seePage(page, `Z6: group ${index}`);
      page = table[firstPage + page - 1];
    }
    check(page === 0, "Z6: a chain of pages has no end: group", index);
    return pages;
  }

  /** Z4 and Z5 of lists. */
  #checkLists(onLists: Set<number>): void {
    const table = this.#table;
    const { layouts, layoutCount, firstGroup } = this.#geometry;
    for (let layout = 1; layout < layoutCount; layout++) {
      const at = layout << LAYOUT_SHIFT;
      const lists = layouts[at | L_LISTS];
      const full = layouts[at | L_FULL];
      check(table[lists] >>> 0 < 2 ** (full + 1), "Z4: bits of lists that are not: layout", layout);
      for (let list = 0; list <= full; list++) {
        const head = lists + HEADS + 2 * list;
        let before = head;
        for (let group = table[head | NEXT]; group !== head; group = table[group | NEXT]) {
          check(onLists.delete(group), `Z4: list ${list} of layout ${layout} wrongly holds row`, group);
          check(table[group | PREV] === before, "Z5: next and prev disagree at row", group);
          const used = table[group | USED] & COUNT_MASK;
          const isRight =
            table[group | USED] >> COUNT_BITS === layout &&
            table[group | ATTACHED] >> COUNT_BITS === list &&
            (list === SPARED
              ? used < layouts[at | L_OBJECTS]
              : listOf(this.#geometry, layout, used) === list);
          check(
            isRight,
            `Z4: list ${list} of layout ${layout} is not that of group`,
            (group - firstGroup) >> 3,
          );
          before = group;
        }
        check(table[head | PREV] === before, `Z5: next and prev disagree at the head of list ${list}`);
        const bit = (table[lists] >>> list) & 1;
        check(bit === (before === head ? 0 : 1), `Z4: the bit of list ${list} is wrong: layout`, layout);
      }
    }
    check(onLists.size === 0, "Z4: no list holds the group of row", [...onLists][0]);
  }

  /** Z5 and Z6 of what is free: all that no group has, once. */
  #checkFree(): void {
    const table = this.#table;
    const { firstGroup, firstPage, firstRow } = this.#geometry;
    for (let row = table[W_FREE_ROW]; row !== 0; row = table[row | RING]) {
      this.#see(row, "Z5: the list of free rows");
      check(table[row | SIZE] <= 0, "Z5: the list of free rows holds an object: row", row);
    }
    const lost = this.#rowSeen.indexOf(0);
    check(lost < 0, "Z5: neither attached nor free: row", firstRow + (lost << ROW_SHIFT));

    const groups = new Set<number>();
    for (let group = table[W_FREE_GROUP]; group !== FREE; group = table[group | NEXT]) {
      const index = (group - firstGroup) >> GROUP_SHIFT;
      check(index >= 0 && index < this.#used.length, "Z5: the list of free groups leads to no group", group);
      check(!groups.has(group) && table[group | PREV] === FREE, "Z5: wrongly a free group:", index);
      groups.add(group);
    }
    for (let i = 0; i < this.#used.length; i++) {
      const group = firstGroup + (i << GROUP_SHIFT);
      check(groups.has(group) === (table[group | PREV] === FREE), "Z5: neither in use nor free: group", i);
    }
    for (let page = table[W_FREE_PAGE]; page !== 0; page = ~table[firstPage + page - 1]) {
      this.#seePage(page, "Z6: the list of free pages");
    }
    check(!this.#pageSeen.includes(0), "Z6: neither in use nor free: page", this.#pageSeen.indexOf(0));
  }

  #checkGivenBack(): void {
    const { firstPage, pageSize, maxPages } = this.#geometry;
    const pages = this.#pageSeen.length;
    verifyGivenBack(this.#table, maxPages * pageSize, pages * pageSize, (visit) => {
      for (let page = 0; page < pages; page++) {
        if (this.#table[firstPage + page] >= 0) visit(page * pageSize, (page + 1) * pageSize);
      }
    });
  }

  #checkRow(row: number, what: string): number {
    const { firstRow } = this.#geometry;
    const index = (row - firstRow) >> ROW_SHIFT;
    const isRow = index >= 0 && index < this.#rowSeen.length && row === firstRow + (index << ROW_SHIFT);
    check(isRow, `${what} leads to no row`, row);
    return index;
  }

  #see(row: number, what: string): void {
    const index = this.#checkRow(row, what);
    check(this.#rowSeen[index] === 0, `${what} holds a row twice, or another's: row`, index);
    this.#rowSeen[index] = 1;
  }

  #seePage(page: number, what: string): void {
    check(page > 0 && page <= this.#pageSeen.length, `${what} leads to no page`, page - 1);
    check(this.#pageSeen[page - 1] === 0, `${what} holds a page twice, or another's: page`, page - 1);
    this.#pageSeen[page - 1] = 1;
  }
}
