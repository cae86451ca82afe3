import type { Handle } from "../../base/index.ts";
import { type PageMemory, Reach } from "../../memory/index.ts";
import {
  type Allocator,
  type FreeWalk,
  GivenBack,
  type HandleLayout,
  type ObjectVisitor,
  type Place,
  COUNTERS_END as POOL_COUNTERS_END,
  TAG_BITS as POOL_TAG_BITS,
  W_GIVEN_BACK as POOL_W_GIVEN_BACK,
  W_INTENT as POOL_W_INTENT,
  W_PAGE_COUNT as POOL_W_PAGE_COUNT,
  type PoolStats,
} from "../../pool/index.ts";
import type { Geometry } from "./geometry.ts";
import type { PageTable } from "./page-table.ts";
import * as tables from "./page-table.ts";
import { fillPlace } from "./places.ts";
import { repairTable } from "./repair.ts";
import { statsOf } from "./stats.ts";

// The engine folds a module's own constants into the code, but loads an imported one at each use. Bound here,
// they make alloc + free a third faster. One by one, since a bundler keeps all of a namespace that is taken apart.
const FREE = tables.FREE;
const GENERATIONS = tables.GENERATIONS;
const LIST_NEXT = tables.LIST_NEXT;
const LIST_PREV = tables.LIST_PREV;
const LRU_NEXT = tables.LRU_NEXT;
const LRU_PREV = tables.LRU_PREV;
const ROW_SHIFT = tables.ROW_SHIFT;
const SIZE_BITS = tables.SIZE_BITS;
const SIZE_MASK = tables.SIZE_MASK;
const SIZES = tables.SIZES;
const W_BITMAP = tables.W_BITMAP;
const W_FREE_HEAD = tables.W_FREE_HEAD;
const W_HEADS = tables.W_HEADS;
const W_HIGH_WATER = tables.W_HIGH_WATER;
const W_INTENT_GENERATION = tables.W_INTENT_GENERATION;
const W_LRU = tables.W_LRU;
const COUNTERS_END: number = POOL_COUNTERS_END;
const TAG_SHIFT: number = POOL_TAG_BITS;
const W_INTENT: number = POOL_W_INTENT;
const W_PAGE_COUNT: number = POOL_W_PAGE_COUNT;
const W_GIVEN_BACK: number = POOL_W_GIVEN_BACK;

/** The highest bit of a word: the bit of list 0 in the first word of the bitmap. */
const TOP_BIT = 0x8000_0000;
const ALL_BITS = 0xffff_ffff;

/**
 * The algorithm, on the page table alone: which object lies where, which page is next. It knows sizes and
 * places, no bytes, no handler and no errors; it expects sizes that fit and tells of handles that do not.
 *
 * Written for the processor: a fixed number of steps whatever the pool's size, no branch where a mask does,
 * and words of a row addressed by `row | WORD` (rows are multiples of 8), which needs no overflow check.
 */
export class ZbudAllocator implements Allocator {
  readonly maxObjectBytes: number;
  readonly moves = false;
  readonly #geometry: Geometry;
  #table: PageTable;
  readonly #counters: Float64Array;
  readonly #memory: PageMemory;
  readonly #givenBack: GivenBack;
  readonly #rows: Reach;
  // An initial value and `| 0` tell the engine that a field is a small integer; else it keeps "anything", or a
  // double, and converts at each use.
  #pageBound = 0;
  readonly #chunkCount: number = 0;
  /** log2 of the chunk size, or -1 if that is no power of two. */
  readonly #chunkShift: number = 0;
  readonly #chunkInverse: number = 0.5;
  readonly #firstRow: number = 0;
  readonly #tag: number = 0;
  readonly #slotMask: number = 0;
  readonly #generationStep: number = 0.5;
  /** log2 of the generation's unit. */
  readonly #generationShift: number = 0;
  /** The last generation whose handles are below 2^31. */
  readonly #maxGenerationSmall: number = 0;
  readonly #generationMask: number = 0;
  readonly #firstGeneration: number = 0;
  #pagesCommitted = 0;
  /** This thread's member in a shared pool; 0 in one that is not. */
  readonly #member: number = 0;

  /** @param member - of this thread in a shared pool, whose lock the caller holds at each call; else 0. */
  constructor(
    table: PageTable,
    geometry: Geometry,
    layout: HandleLayout,
    memory: PageMemory,
    member: number,
  ) {
    this.maxObjectBytes = geometry.maxObjectBytes;
    this.#geometry = geometry;
    this.#table = table;
    this.#counters = new Float64Array(table.buffer, 0, COUNTERS_END);
    this.#member = member | 0;
    this.#memory = memory;
    this.#givenBack = new GivenBack(table, memory, geometry.pageSize * geometry.maxPages);
    this.#rows = new Reach(table.buffer, [[4 * tables.firstRowOf(geometry), tables.ROW_BYTES]]);
    this.#pageBound = geometry.maxPages | 0;
    this.#chunkCount = geometry.chunkCount | 0;
    const chunkOrder = Math.log2(geometry.chunkSize);
    this.#chunkShift = Number.isInteger(chunkOrder) ? chunkOrder | 0 : -1;
    this.#chunkInverse = 1 / geometry.chunkSize;
    this.#firstRow = tables.firstRowOf(geometry) | 0;
    this.#tag = layout.tag | 0;
    this.#slotMask = layout.slotMask | 0;
    this.#generationStep = layout.generationStep;
    this.#generationShift = Math.log2(layout.generationStep) | 0;
    this.#maxGenerationSmall = (2 ** 31 / layout.generationStep - 1) | 0;
    this.#generationMask = layout.generationMask | 0;
    this.#firstGeneration = layout.firstGeneration | 0;
  }

  /**
   * Places an object in the tightest gap that takes it, else in a new page.
   *
   * @param size - bytes, an integer in [1, maxObjectBytes].
   * @returns its handle, or null if there is no page to be had; then nothing changed. Not 0: a caller that
   *   compares with a number unboxes a large handle, and boxes it again.
   */
  alloc(size: number): Handle | null {
    const table = this.#table;
    const shift = this.#chunkShift;
    // (size - 0.5) / chunkSize is never within 2^-20 of an integer, so its floor is exact in doubles.
    const chunks = shift >= 0 ? ((size - 1) >> shift) + 1 : (((size - 0.5) * this.#chunkInverse) | 0) + 1;

    // The first list >= chunks that holds a page. Up to 64 lists: two words, no branch (clz32(0) = 32).
    let list: number;
    if (this.#chunkCount <= 64) {
      const beyond = (31 - chunks) >> 31;
      const low = Math.clz32(table[W_BITMAP] & (ALL_BITS >>> chunks) & ~beyond);
      const high = Math.clz32(table[W_BITMAP + 1] & (ALL_BITS >>> ((chunks - 32) & beyond)));
      list = low + (high & -(low >> 5));
    } else {
      list = this.#findList(chunks);
    }

    let row: number;
    let buddy: number;
    if (list < this.#chunkCount) {
      const head = W_HEADS + (list << 1);
      row = table[head | LIST_NEXT];
      const next = table[row | LIST_NEXT];
      table[head | LIST_NEXT] = next;
      table[next | LIST_PREV] = head;
      // Clears the list's bit if it is empty now, that is if next = head; without a branch.
      const word = W_BITMAP + (list >> 5);
      table[word] &= ~((TOP_BIT >>> (list & 31)) & (((next ^ head) - 1) >> 31));
      buddy = (0 - table[row | SIZES]) >>> 31; // 1 if the first place is taken; 0 - x, as -x would be -0
      const lruNext = table[row | LRU_NEXT];
      const lruPrev = table[row | LRU_PREV];
      table[lruPrev | LRU_NEXT] = lruNext;
      table[lruNext | LRU_PREV] = lruPrev;
    } else {
      row = this.#takePage();
      if (row === FREE) return null;
      buddy = 0;
      this.#putOnList(row, this.#chunkCount - 1 - chunks);
    }
    if (this.#member !== 0) this.#intend(row, buddy);
    table[row | SIZES | buddy] = size | (chunks << SIZE_BITS);
    this.#putOnLru(row);
    if (this.#member !== 0) table[W_INTENT] = 0;

    return this.#handleAt(row, buddy);
  }

  /** Empties a place, and releases its page if that holds nothing now. False: the handle names no object. */
  free(handle: Handle): boolean {
    const table = this.#table;
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    const page = slot >> 1;
    if (page >= this.#pageBound) return false;
    const buddy = slot & 1;
    const row = this.#firstRow + (page << ROW_SHIFT);
    if (this.#handleAt(row, buddy) !== handle || table[row | SIZES | buddy] === 0) return false;
    if (this.#member !== 0) this.#intend(row, buddy);
    table[row | SIZES | buddy] = 0;
    table[row | GENERATIONS | buddy] = (table[row | GENERATIONS | buddy] + 1) & this.#generationMask;
    if (table[row | LRU_PREV] > FREE) {
      const other = table[row | SIZES | (buddy ^ 1)];
      if (other === 0) {
        this.#takeOffList(row);
        this.#takeOffLru(row);
        this.#releasePage(row);
      } else {
        this.#putOnList(row, this.#chunkCount - 1 - (other >> SIZE_BITS));
      }
    } // else the reclaim settles the page
    if (this.#member !== 0) table[W_INTENT] = 0;
    return true;
  }

  /** The word of the table that holds a live object's size, or 0 if the handle names none. */
  find(handle: Handle): number {
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    const page = slot >> 1;
    if (page >= this.#pageBound) return 0;
    const buddy = slot & 1;
    const row = this.#firstRow + (page << ROW_SHIFT);
    const word = row | SIZES | buddy;
    return this.#handleAt(row, buddy) === handle && this.#table[word] !== 0 ? word : 0;
  }

  /** Takes the page at the tail of the LRU out of everybody's sight. Its row, or 0 if the LRU is empty. */
  startReclaim(): number {
    const table = this.#table;
    const row = table[W_LRU | LRU_PREV];
    if (row === W_LRU) return 0;
    if (table[row | SIZES] === 0 || table[row | SIZES | 1] === 0) this.#takeOffList(row);
    this.#takeOffLru(row);
    table[row | LRU_PREV] = -Math.max(this.#member, 1);
    return row;
  }

  /** The handle of the object in this place (0 first, 1 last) of a page, or null if the place is empty. */
  objectAt(row: number, buddy: number): Handle | null {
    return this.#table[row | SIZES | buddy] === 0 ? null : this.#handleAt(row, buddy);
  }

  positions(): number {
    return 2;
  }

  pageBytesOf(): number {
    return this.#geometry.pageSize;
  }

  /** Ends the reclaim of a page: releases it if it is empty, else lists it again. */
  endReclaim(row: number): number {
    const table = this.#table;
    const first = table[row | SIZES];
    const last = table[row | SIZES | 1];
    if (first === 0 && last === 0) {
      this.#releasePage(row);
      return 1;
    }
    if (first === 0 || last === 0) {
      this.#putOnList(row, this.#chunkCount - 1 - ((first + last) >> SIZE_BITS));
    }
    this.#putOnLru(row);
    return 0;
  }

  /**
   * Lowers the high-water mark to the last page in use and gives back the memory behind it. What is free
   * below is taken from the front from now on.
   */
  trim(): void {
    const table = this.#table;
    let pages = table[W_HIGH_WATER];
    while (pages > 0 && table[this.#rowOf(pages - 1) | LRU_PREV] === FREE) pages--;
    table[W_HIGH_WATER] = pages;
    table[W_FREE_HEAD] = FREE;
    for (let page = pages - 1; page >= 0; page--) {
      const row = this.#rowOf(page);
      if (table[row | LRU_PREV] !== FREE) continue;
      table[row | LIST_NEXT] = table[W_FREE_HEAD];
      table[W_FREE_HEAD] = row;
    }
    this.#pagesCommitted = this.#memory.trim(pages);
    this.#givenBack.forget(pages * this.#geometry.pageSize);
  }

  giveBack(walk: FreeWalk): void {
    const table = this.#table;
    const isFree = (page: number): boolean => table[this.#rowOf(page) | LRU_PREV] === FREE;
    this.#givenBack.step(walk, table[W_HIGH_WATER], this.#geometry.pageSize, isFree);
  }

  metadataBytes(): number {
    return 4 * this.#firstRow + this.#table[W_HIGH_WATER] * tables.ROW_BYTES;
  }

  touchedBytes(): number {
    return this.#table[W_HIGH_WATER] * this.#geometry.pageSize - this.#givenBack.bytes;
  }

  /** Ends this thread's reclaims: what an overflow of the stack kept their own frames from doing. */
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

  /** Drops the table. From here on no handle is found. */
  close(): void {
    this.#pageBound = 0;
    this.#table = new Int32Array(0);
  }

  place(word: number, into: Place): void {
    fillPlace(this.#table, this.#geometry, word, into);
  }

  repair(isGone: (member: number) => boolean): void {
    repairTable(this.#table, this.#geometry, this.#generationMask, isGone);
    this.#givenBack.repair();
  }

  pageBytes(): number {
    return this.#table[W_PAGE_COUNT] * this.#geometry.pageSize;
  }

  objects(visit: ObjectVisitor): void {
    const table = this.#table;
    for (let page = 0; page < table[W_HIGH_WATER]; page++) {
      const row = this.#rowOf(page);
      for (let buddy = 0; buddy < 2; buddy++) {
        const word = table[row | SIZES | buddy];
        if (word !== 0) visit(this.#handleAt(row, buddy), word & SIZE_MASK);
      }
    }
  }

  stats(): PoolStats {
    return statsOf(this.#table, this.#counters, this.#geometry);
  }

  /** What its walks read. */
  inside(): { table: PageTable; geometry: Geometry; handleAt: (row: number, buddy: number) => Handle } {
    return {
      table: this.#table,
      geometry: this.#geometry,
      handleAt: (row, buddy) => this.#handleAt(row, buddy),
    };
  }

  /** Notes which place changes now, so that another thread can make it whole if this one dies meanwhile. */
  #intend(row: number, buddy: number): void {
    const table = this.#table;
    table[W_INTENT_GENERATION] = table[row | GENERATIONS | buddy];
    table[W_INTENT] = (((row - this.#firstRow) >> (ROW_SHIFT - 1)) | buddy) + 1;
  }

  /** A page that was free, counted as in use; or FREE if there is none. */
  #takePage(): number {
    const table = this.#table;
    let row = table[W_FREE_HEAD];
    if (row !== FREE) {
      if (table[W_GIVEN_BACK] !== 0 && !this.#takeBack(row)) return FREE;
      table[W_FREE_HEAD] = table[row | LIST_NEXT];
    } else {
      const page = table[W_HIGH_WATER];
      if (page >= this.#pageBound) return FREE;
      if (page >= this.#pagesCommitted) {
        const committed = this.#memory.commit(page + 1);
        if (!(committed > page)) return FREE;
        this.#pagesCommitted = committed;
      }
      if (page >= this.#rows.end && !this.#rows.extend(page)) return FREE;
      row = this.#firstRow + (page << ROW_SHIFT);
      if (table[W_GIVEN_BACK] !== 0 && !this.#takeBack(row)) return FREE;
      table[W_HIGH_WATER] = page + 1;
      for (let word = row | GENERATIONS; word < row + 8; word++) {
        // Not that of a page that was trimmed and comes again.
        if (table[word] === 0) table[word] = this.#firstGeneration;
      }
    }
    table[W_PAGE_COUNT]++;
    return row;
  }

  #takeBack(row: number): boolean {
    const { pageSize } = this.#geometry;
    const from = ((row - this.#firstRow) >> ROW_SHIFT) * pageSize;
    return this.#givenBack.take(from, from + pageSize);
  }

  #releasePage(row: number): void {
    const table = this.#table;
    table[W_PAGE_COUNT]--;
    table[row | LRU_PREV] = FREE;
    table[row | LIST_NEXT] = table[W_FREE_HEAD];
    table[W_FREE_HEAD] = row;
  }

  // These five do what pool/page-lists.ts does. As methods over this table they make free + alloc 3 to 5 % faster.

  #putOnList(row: number, list: number): void {
    const table = this.#table;
    const head = W_HEADS + (list << 1);
    const next = table[head | LIST_NEXT];
    table[row | LIST_NEXT] = next;
    table[row | LIST_PREV] = head;
    table[next | LIST_PREV] = row;
    table[head | LIST_NEXT] = row;
    table[W_BITMAP + (list >> 5)] |= TOP_BIT >>> (list & 31);
  }

  #takeOffList(row: number): void {
    const table = this.#table;
    const next = table[row | LIST_NEXT];
    const prev = table[row | LIST_PREV];
    table[prev | LIST_NEXT] = next;
    table[next | LIST_PREV] = prev;
    if (next === prev) {
      // Only a head has itself or one row on both sides; with the row gone it is the head, alone.
      const list = (next - W_HEADS) >> 1;
      table[W_BITMAP + (list >> 5)] &= ~(TOP_BIT >>> (list & 31));
    }
  }

  #putOnLru(row: number): void {
    const table = this.#table;
    const next = table[W_LRU | LRU_NEXT];
    table[row | LRU_NEXT] = next;
    table[row | LRU_PREV] = W_LRU;
    table[next | LRU_PREV] = row;
    table[W_LRU | LRU_NEXT] = row;
  }

  #takeOffLru(row: number): void {
    const table = this.#table;
    const next = table[row | LRU_NEXT];
    const prev = table[row | LRU_PREV];
    table[prev | LRU_NEXT] = next;
    table[next | LRU_PREV] = prev;
  }

  /** The search for pools of more than 64 lists: at most `chunkCount / 32` words. */
  #findList(chunks: number): number {
    const table = this.#table;
    const words = this.#chunkCount >> 5;
    let word = chunks >> 5;
    let bits = table[W_BITMAP + word] & (ALL_BITS >>> (chunks & 31));
    while (bits === 0 && ++word < words) bits = table[W_BITMAP + word];
    return (word << 5) + (word < words ? Math.clz32(bits) : 0);
  }

  #rowOf(page: number): number {
    return this.#firstRow + (page << ROW_SHIFT);
  }

  /** The handle of what lies, or will lie, in this place of the page. */
  #handleAt(row: number, buddy: number): Handle {
    const generation = this.#table[row | GENERATIONS | buddy];
    const low = ((row - this.#firstRow) << (TAG_SHIFT - ROW_SHIFT + 1)) | (buddy << TAG_SHIFT) | this.#tag;
    return (
      generation <= this.#maxGenerationSmall
        ? (generation << this.#generationShift) | low
        : generation * this.#generationStep + low
    ) as Handle;
  }
}
