import type { Handle } from "../../base/index.ts";
import { type PageMemory, Reach } from "../../memory/index.ts";
import {
  type Allocator,
  COUNTERS_END,
  corrupt,
  type FreeWalk,
  GivenBack,
  type HandleLayout,
  type ObjectVisitor,
  type Place,
  type PoolStats,
  putOnLru,
  TAG_BITS,
  takeOffList,
  takeOffLru,
  W_GIVEN_BACK,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import { freeExtraRecord, releaseEmptyExtras, releaseExtraIfEmpty } from "./extras.ts";
import { SLOTS_PER_PAGE, type SlotsGeometry } from "./geometry.ts";
import { putOnList, takeOffListIfOn } from "./lists.ts";
import type { Table } from "./page-table.ts";
import * as tables from "./page-table.ts";
import { fillPlace, lowerHighWater, recordAt, type SlotsTable, visitObjects } from "./records.ts";
import { repairTable } from "./repair.ts";
import {
  firstBit,
  HIGH_BITS,
  LOW_BITS,
  longestRun,
  RUN_LENGTH_SHIFT,
  RUN_REST_SHIFT,
  runAround,
  tightestRun,
} from "./runs.ts";
import { statsOf } from "./stats.ts";

// The engine folds a module's own constants into the code, but loads an imported one at each use. Bound here,
// they make alloc + free a third faster.
const CROWDED = tables.CROWDED;
const EXTRA_RECORD_WORDS = tables.EXTRA_RECORD_WORDS;
const EXTRAS = tables.EXTRAS;
const EXTRAS_MASK = tables.EXTRAS_MASK;
const FIRST_ROW = tables.FIRST_ROW;
const FREE = tables.FREE;
const HALVES = tables.HALVES;
const LIST_NEXT = tables.LIST_NEXT;
const LIST_PREV = tables.LIST_PREV;
const LONGEST_SHIFT = tables.LONGEST_SHIFT;
const LRU_NEXT = tables.LRU_NEXT;
const LRU_PREV = tables.LRU_PREV;
const MASK_HIGH = tables.MASK_HIGH;
const MASK_LOW = tables.MASK_LOW;
const OWNER = tables.OWNER;
const PAGE_RECORD_WORDS = tables.PAGE_RECORD_WORDS;
const PAGE_RECORDS = tables.PAGE_RECORDS;
const ROW_SHIFT = tables.ROW_SHIFT;
const ROW_WORDS = tables.ROW_WORDS;
const SLOTS_MASK = tables.SLOTS_MASK;
const SLOTS_SHIFT = tables.SLOTS_SHIFT;
const START_MASK = tables.START_MASK;
const TAIL_BITS = tables.TAIL_BITS;
const TAIL_MASK = tables.TAIL_MASK;
const TAIL_SHIFT = tables.TAIL_SHIFT;
const W_BITMAP = tables.W_BITMAP;
const W_FREE_HEAD = tables.W_FREE_HEAD;
const W_HEADS = tables.W_HEADS;
const W_HIGH_WATER = tables.W_HIGH_WATER;
const W_INTENT_GENERATION = tables.W_INTENT_GENERATION;
const W_LRU = tables.W_LRU;
const TAG_SHIFT = TAG_BITS;
const INTENT = W_INTENT;
const PAGE_COUNT = W_PAGE_COUNT;
const GIVEN_BACK = W_GIVEN_BACK;
const LENGTH_SHIFT = RUN_LENGTH_SHIFT;
const REST_SHIFT = RUN_REST_SHIFT;
const LOW = LOW_BITS;
const HIGH = HIGH_BITS;
const WORD_IN_ROW = ROW_WORDS - 1;

/** The bit of list 0 in the first word of the bitmap. */
const TOP_BIT = 0x8000_0000;
const ALL_BITS = 0xffff_ffff;

/**
 * The algorithm, on the table alone: an object takes a run of whole slots in one page, the tightest that takes
 * it of the page whose longest run is the tightest. Nothing moves.
 *
 * Written for the processor as ZbudAllocator is; see there.
 */
export class SlotsAllocator implements Allocator {
  readonly maxObjectBytes: number;
  readonly moves = false;
  readonly #whole: SlotsTable;
  #table: Table;
  #halves: Uint16Array;
  readonly #counters: Float64Array;
  readonly #memory: PageMemory;
  readonly #givenBack: GivenBack;
  readonly #rows: Reach;
  // Initial values and `| 0`, so that the engine knows that these are small integers.
  readonly #maxPages: number = 0;
  readonly #slotSize: number = 0;
  /** log2 of the slot size, or -1 if that is no power of two. */
  readonly #slotShift: number = 0;
  readonly #slotInverse: number = 0.5;
  readonly #firstExtra: number = 0;
  #wordBound = 0;
  readonly #tag: number = 0;
  readonly #slotMask: number = 0;
  readonly #generationStep: number = 0.5;
  readonly #generationShift: number = 0;
  /** The last generation whose handles are below 2^31. */
  readonly #maxGenerationSmall: number = 0;
  readonly #generationMask: number = 0;
  readonly #generationBits: number = 0;
  readonly #firstGeneration: number = 0;
  #pagesCommitted = 0;
  /** This thread's member in a shared pool; 0 in one that is not. */
  readonly #member: number = 0;

  /** @param member - of this thread in a shared pool, whose lock the caller holds at each call; else 0. */
  constructor(
    table: Table,
    geometry: SlotsGeometry,
    layout: HandleLayout,
    memory: PageMemory,
    member: number,
  ) {
    this.#table = table;
    this.#halves = new Uint16Array(table.buffer, 0, 2 * (table.length | 0));
    const extras = new Reach(table.buffer, [[4 * tables.firstExtraOf(geometry), tables.ROW_BYTES]]);
    this.#whole = { table, halves: this.#halves, geometry, layout, extras };
    this.#counters = new Float64Array(table.buffer, 0, COUNTERS_END);
    this.#memory = memory;
    this.#givenBack = new GivenBack(table, memory, geometry.pageSize * geometry.maxPages);
    this.#member = member | 0;
    this.maxObjectBytes = geometry.pageSize | 0;
    this.#rows = new Reach(table.buffer, [[4 * FIRST_ROW, tables.ROW_BYTES]]);
    this.#maxPages = geometry.maxPages | 0;
    this.#slotSize = geometry.slotSize | 0;
    const slotOrder = Math.log2(geometry.slotSize);
    this.#slotShift = Number.isInteger(slotOrder) ? slotOrder | 0 : -1;
    this.#slotInverse = 1 / geometry.slotSize;
    this.#firstExtra = tables.firstExtraOf(geometry) | 0;
    this.#wordBound = tables.slotCountOf(geometry) | 0;
    this.#tag = layout.tag | 0;
    this.#slotMask = layout.slotMask | 0;
    this.#generationStep = layout.generationStep;
    this.#generationShift = Math.log2(layout.generationStep) | 0;
    this.#maxGenerationSmall = Math.floor(2 ** 31 / layout.generationStep - 1) | 0;
    this.#generationMask = layout.generationMask | 0;
    this.#generationBits = (32 - Math.clz32(layout.generationMask)) | 0;
    this.#firstGeneration = layout.firstGeneration | 0;
  }

  alloc(size: number): Handle | null {
    const table = this.#table;
    const shift = this.#slotShift;
    // (size - 0.5) / slotSize is never within 2^-20 of an integer, so its floor is exact in doubles.
    const slots = shift >= 0 ? ((size - 1) >> shift) + 1 : (((size - 0.5) * this.#slotInverse) | 0) + 1;

    let list = this.#listFor(slots);
    let record = 0;
    let crowded = 0;
    while (list < SLOTS_PER_PAGE) {
      const row = table[(W_HEADS + (list << 1)) | LIST_NEXT];
      record = this.#freeRecord(row);
      if (record !== 0) {
        this.#refill(row, record, list, size, slots);
        break;
      }
      if (++crowded > this.#maxPages) throw corrupt("a list of pages has no end");
      takeOffList(table, W_HEADS, W_BITMAP, row);
      table[row | EXTRAS] = (table[row | EXTRAS] & EXTRAS_MASK) | (CROWDED << LONGEST_SHIFT);
      list = this.#listFor(slots);
    }
    if (record === 0) {
      const row = this.#takePage();
      if (row === FREE) return null;
      record = row | PAGE_RECORDS;
      this.#setRecord(record, size, slots, 0);
      table[row | MASK_LOW] = LOW[slots];
      table[row | MASK_HIGH] = HIGH[slots];
      putOnList(table, row, SLOTS_PER_PAGE - slots);
      putOnLru(table, row);
    }
    if (this.#member !== 0) table[INTENT] = 0;
    return this.#handleAt(record);
  }

  free(handle: Handle): boolean {
    const table = this.#table;
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    if (slot >= this.#wordBound) return false;
    const record = FIRST_ROW + slot;
    const at = 2 * record - (record & WORD_IN_ROW) + HALVES;
    const half = this.#halves[at];
    if (half === 0 || !this.#names(handle, record)) return false;
    const isExtra = record >= this.#firstExtra;
    const row = isExtra ? table[(record & ~WORD_IN_ROW) | OWNER] : record & ~WORD_IN_ROW;
    if (this.#member !== 0) this.#intend(record);
    this.#halves[at] = 0;
    table[record] = ((table[record] & this.#generationMask) + 1) & this.#generationMask;

    const start = half & START_MASK;
    const end = start + ((half >> SLOTS_SHIFT) & SLOTS_MASK);
    const low = table[row | MASK_LOW] & ~(LOW[end] & ~LOW[start]);
    const high = table[row | MASK_HIGH] & ~(HIGH[end] & ~HIGH[start]);
    table[row | MASK_LOW] = low;
    table[row | MASK_HIGH] = high;
    // Else a reclaim settles the page.
    if (table[row | LRU_PREV] > FREE) {
      if (isExtra) releaseExtraIfEmpty(this.#whole, row, record & ~WORD_IN_ROW);
      const longest = table[row | EXTRAS] >> LONGEST_SHIFT;
      if ((low | high) === 0) {
        takeOffListIfOn(table, row);
        takeOffLru(table, row);
        this.#releasePage(row);
      } else if (longest === CROWDED) {
        putOnList(table, row, longestRun(~low, ~high));
      } else {
        const run = runAround(low, high, start, end);
        if (run > longest) {
          if (longest !== 0) takeOffList(table, W_HEADS, W_BITMAP, row);
          putOnList(table, row, run);
        }
      }
    }
    if (this.#member !== 0) table[INTENT] = 0;
    return true;
  }

  find(handle: Handle): number {
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    if (slot >= this.#wordBound) return 0;
    const record = FIRST_ROW + slot;
    const half = this.#halves[2 * record - (record & WORD_IN_ROW) + HALVES];
    return half !== 0 && this.#names(handle, record) ? record : 0;
  }

  place(locator: number, into: Place): void {
    fillPlace(this.#whole, locator, into);
  }

  startReclaim(): number {
    const table = this.#table;
    const row = table[W_LRU | LRU_PREV];
    if (row === W_LRU) return 0;
    takeOffListIfOn(table, row);
    takeOffLru(table, row);
    table[row | LRU_PREV] = -Math.max(this.#member, 1);
    return row;
  }

  positions(): number {
    return SLOTS_PER_PAGE;
  }

  /** The handle of the object that begins at a slot. */
  objectAt(row: number, slot: number): Handle | null {
    const taken = this.#table[slot < 32 ? row | MASK_LOW : row | MASK_HIGH];
    if (((taken >>> (slot & 31)) & 1) === 0) return null;
    const record = recordAt(this.#whole, row, slot);
    return record === 0 ? null : this.#handleAt(record);
  }

  pageBytesOf(): number {
    return this.maxObjectBytes;
  }

  endReclaim(row: number): number {
    const table = this.#table;
    releaseEmptyExtras(this.#whole, row);
    const low = table[row | MASK_LOW];
    const high = table[row | MASK_HIGH];
    if ((low | high) === 0) {
      this.#releasePage(row);
      return 1;
    }
    putOnList(table, row, longestRun(~low, ~high));
    putOnLru(table, row);
    return 0;
  }

  /** What is free below the last page in use is taken from the front from now on. */
  trim(): void {
    const pages = lowerHighWater(this.#whole);
    this.#pagesCommitted = this.#memory.trim(pages);
    this.#givenBack.forget(pages * this.maxObjectBytes);
  }

  giveBack(walk: FreeWalk): void {
    const table = this.#table;
    const isFree = (page: number): boolean => table[this.#rowOf(page) | LRU_PREV] === FREE;
    this.#givenBack.step(walk, table[W_HIGH_WATER], this.maxObjectBytes, isFree);
  }

  metadataBytes(): number {
    const rows = this.#table[W_HIGH_WATER] + this.#table[tables.W_EXTRA_HIGH_WATER];
    return 4 * FIRST_ROW + rows * tables.ROW_BYTES;
  }

  touchedBytes(): number {
    return this.#table[W_HIGH_WATER] * this.maxObjectBytes - this.#givenBack.bytes;
  }

  endReclaims(): void {
    const table = this.#table;
    const mark = -Math.max(this.#member, 1);
    for (let page = 0; page < table[W_HIGH_WATER]; page++) {
      const row = this.#rowOf(page);
      if (table[row | LRU_PREV] === mark) this.endReclaim(row);
    }
  }

  count(counter: number, by: number): void {
    this.#counters[counter] += by;
  }

  close(): void {
    this.#wordBound = 0;
    this.#table = new Int32Array(0);
    this.#halves = new Uint16Array(0);
  }

  repair(isGone: (member: number) => boolean): void {
    repairTable(this.#whole, isGone);
    this.#givenBack.repair();
  }

  pageBytes(): number {
    return this.#table[PAGE_COUNT] * this.maxObjectBytes;
  }

  objects(visit: ObjectVisitor): void {
    visitObjects(this.#whole, visit);
  }

  stats(): PoolStats {
    return statsOf(this.#whole, this.#counters);
  }

  /** What its walks read. */
  inside(): SlotsTable {
    return this.#whole;
  }

  /** The first list >= `slots` that holds a page, or SLOTS_PER_PAGE: two words, no branch but for a whole page. */
  #listFor(slots: number): number {
    if (slots >= SLOTS_PER_PAGE) return SLOTS_PER_PAGE;
    const table = this.#table;
    const beyond = (31 - slots) >> 31;
    const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> slots) & ~beyond); // clz32(0) = 32
    const high = Math.clz32(table[W_BITMAP + 1] & (ALL_BITS >>> ((slots - 32) & beyond)));
    return low + (high & -(low >> 5));
  }

  /** Puts an object into a page that has a run for it, and the page where it belongs now. */
  #refill(row: number, record: number, list: number, size: number, slots: number): void {
    const table = this.#table;
    const low = table[row | MASK_LOW];
    const high = table[row | MASK_HIGH];
    let start = firstBit(~low, ~high); // mostly of the page's only free run, which is as long as its list says
    let longest = list - slots;
    const isOne =
      ((low | (LOW[start + list] & ~LOW[start])) & (high | (HIGH[start + list] & ~HIGH[start]))) === -1;
    if (!isOne) {
      const run = tightestRun(~low, ~high, slots);
      const left = ((run >> LENGTH_SHIFT) & SLOTS_MASK) - slots;
      const rest = run >> REST_SHIFT;
      start = run & START_MASK;
      longest = Math.max(left, rest);
    }
    this.#setRecord(record, size, slots, start);
    table[row | MASK_LOW] = low | (LOW[start + slots] & ~LOW[start]);
    table[row | MASK_HIGH] = high | (HIGH[start + slots] & ~HIGH[start]);
    if (longest !== list) {
      // It heads its list.
      const head = W_HEADS + (list << 1);
      const next = table[row | LIST_NEXT];
      table[head | LIST_NEXT] = next;
      table[next | LIST_PREV] = head;
      // Clears the list's bit if it is empty now, that is if next = head; without a branch.
      const word = W_BITMAP + (list >> 5);
      table[word] &= ~((TOP_BIT >>> (list & 31)) & (((next ^ head) - 1) >> 31));
      putOnList(table, row, longest);
    }
    if (table[W_LRU | LRU_NEXT] !== row) {
      takeOffLru(table, row);
      putOnLru(table, row);
    }
  }

  /** Enters an object into a free record. */
  #setRecord(record: number, size: number, slots: number, start: number): void {
    const tail = slots * this.#slotSize - size;
    if (this.#member !== 0) this.#intend(record);
    this.#table[record] |= (tail >> TAIL_BITS) << this.#generationBits;
    this.#halves[2 * record - (record & WORD_IN_ROW) + HALVES] =
      start | (slots << SLOTS_SHIFT) | ((tail & TAIL_MASK) << TAIL_SHIFT);
  }

  /** Notes which record changes now. */
  #intend(record: number): void {
    const table = this.#table;
    table[W_INTENT_GENERATION] = table[record] & this.#generationMask;
    table[INTENT] = record - FIRST_ROW + 1;
  }

  /** A record of a page that names no object, or 0 if there can be none. Which one is as good as random. */
  #freeRecord(row: number): number {
    const halves = this.#halves;
    const at = (row << 1) + PAGE_RECORDS + HALVES;
    // Bit 31 of half - 1 says that a half is 0. From bit 0 on: which are.
    let free = (halves[at] - 1) >>> 31;
    free |= ((halves[at + 1] - 1) >> 31) & 2;
    free |= ((halves[at + 2] - 1) >> 31) & 4;
    free |= ((halves[at + 3] - 1) >> 31) & 8;
    free |= ((halves[at + 4] - 1) >> 31) & 16;
    free |= ((halves[at + 5] - 1) >> 31) & 32;
    if (free === 0) return freeExtraRecord(this.#whole, row);
    return (row | PAGE_RECORDS) + 31 - Math.clz32(free & (0 - free));
  }

  /** A page that was free, counted as in use; or FREE if there is none. */
  #takePage(): number {
    const table = this.#table;
    let row = table[W_FREE_HEAD];
    if (row !== FREE) {
      if (table[GIVEN_BACK] !== 0 && !this.#takeBack(row)) return FREE;
      table[W_FREE_HEAD] = table[row | LIST_NEXT];
    } else {
      const page = table[W_HIGH_WATER];
      if (page >= this.#maxPages) return FREE;
      if (page >= this.#pagesCommitted) {
        const committed = this.#memory.commit(page + 1);
        if (!(committed > page)) return FREE;
        this.#pagesCommitted = committed;
      }
      if (page >= this.#rows.end && !this.#rows.extend(page)) return FREE;
      row = this.#rowOf(page);
      if (table[GIVEN_BACK] !== 0 && !this.#takeBack(row)) return FREE;
      for (let record = row | PAGE_RECORDS; record < (row | EXTRAS); record++) {
        // Not that of a page that was trimmed and comes again.
        if (table[record] === 0) table[record] = this.#firstGeneration;
      }
      table[W_HIGH_WATER] = page + 1;
    }
    table[PAGE_COUNT]++;
    return row;
  }

  #takeBack(row: number): boolean {
    const from = ((row - FIRST_ROW) >> ROW_SHIFT) * this.maxObjectBytes;
    return this.#givenBack.take(from, from + this.maxObjectBytes);
  }

  #releasePage(row: number): void {
    const table = this.#table;
    table[PAGE_COUNT]--;
    table[row | EXTRAS] = 0;
    table[row | LRU_PREV] = FREE;
    table[row | LIST_NEXT] = table[W_FREE_HEAD];
    table[W_FREE_HEAD] = row;
  }

  /** Whether a word is a record, and its handle this one: calculated as a double, which needs no heap number. */
  #names(handle: Handle, word: number): boolean {
    const low = ((word - FIRST_ROW) << TAG_SHIFT) | this.#tag;
    if ((this.#table[word] & this.#generationMask) * this.#generationStep + low !== handle) return false;
    const records = word < this.#firstExtra ? PAGE_RECORD_WORDS : EXTRA_RECORD_WORDS;
    return ((records >> (word & WORD_IN_ROW)) & 1) === 1;
  }

  #rowOf(page: number): number {
    return FIRST_ROW + (page << ROW_SHIFT);
  }

  /** The handle of what a record names, or will name. */
  #handleAt(record: number): Handle {
    const generation = this.#table[record] & this.#generationMask;
    const low = ((record - FIRST_ROW) << TAG_SHIFT) | this.#tag;
    return (
      generation <= this.#maxGenerationSmall
        ? (generation << this.#generationShift) | low
        : generation * this.#generationStep + low
    ) as Handle;
  }
}
