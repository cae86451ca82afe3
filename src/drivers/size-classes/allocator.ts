import type { Handle } from "../../base/index.ts";
import type { PageMemory } from "../../memory/index.ts";
import type {
  Allocator,
  FreeWalk,
  HandleLayout,
  ObjectVisitor,
  PageSizeRange,
  Place,
  PoolStats,
  Table,
} from "../../pool/index.ts";
import * as pools from "../../pool/index.ts";
import * as pageTables from "../zbud/page-table.ts";
import type { Geometry } from "./geometry.ts";
import { liveClasses, openClasses } from "./open-classes.ts";
import { repairTable } from "./repair.ts";
import { Segments } from "./segments.ts";
import { statsOf } from "./stats.ts";
import * as tables from "./table.ts";

// See allocator.ts for why these are bound here.
const { FREE, GENERATIONS, LIST_NEXT, LIST_PREV, LRU_PREV, ROW_SHIFT, SIZE_BITS, SIZE_MASK, SIZES, W_LRU } =
  pageTables;
const {
  OPEN_WORDS,
  C_BITMAP,
  C_CHUNK_SIZE,
  C_HEADS,
  C_PAGE_COUNT,
  C_PAGE_SIZE,
  S_HIGH,
  S_OWNER,
  S_USED,
  W_HISTOGRAM,
  W_INTENT_GENERATION,
  W_OPEN,
  W_SKIPS,
  W_STARVED,
  W_VICTIM,
  W_WARM_UP,
  W_WHICH,
} = tables;
const { findList, putOnList, putOnLru, TAG_BITS: TAG_SHIFT, takeOffList, takeOffLru, W_INTENT } = pools;

/** The highest bit of a word: the bit of list 0 in the first word of a bitmap. */
const TOP_BIT = 0x8000_0000;
const ALL_BITS = 0xffff_ffff;

/** Pages from the LRU's tail among which one of a starving size class is looked for. */
const TAIL_PAGES = 32;
/** How often in turn the page at the tail may be passed over for one. */
const SKIPS_MAX = 32;

/**
 * zbud over pages of several sizes: each object goes to the size class of its size range, and
 * there to the tightest gap. One LRU holds the pages of all size classes. What is where is told in table.ts.
 */
export class SizeClassAllocator implements Allocator {
  readonly maxObjectBytes: number;
  readonly moves = false;
  readonly #geometry: Geometry;
  #table: Table;
  readonly #counters: Float64Array;
  readonly #segments: Segments;
  #pageBound = 0;
  readonly #firstRow: number = 0;
  readonly #rowsMask: number = 0;
  readonly #chunkCount: number = 0;
  readonly #bitmapWords: number = 0;
  readonly #histogramInverse: number = 0.5;
  readonly #tag: number = 0;
  readonly #slotMask: number = 0;
  readonly #generationStep: number = 0.5;
  readonly #generationShift: number = 0;
  /** The last generation whose handles are below 2^31. */
  readonly #maxGenerationSmall: number = 0;
  readonly #generationMask: number = 0;
  readonly #member: number = 0;

  /** @param member - of this thread in a shared pool, whose lock the caller holds at each call; else 0. */
  constructor(table: Table, geometry: Geometry, layout: HandleLayout, memory: PageMemory, member: number) {
    this.#table = table;
    this.#geometry = geometry;
    this.#counters = new Float64Array(table.buffer, 0, pools.COUNTERS_END);
    this.#segments = new Segments(table, geometry, memory, layout.firstGeneration);
    this.maxObjectBytes = geometry.maxObjectBytes;
    this.#pageBound = (geometry.segments << geometry.rowsShift) | 0;
    this.#firstRow = tables.firstRowOf(geometry) | 0;
    this.#rowsMask = ((1 << geometry.rowsShift) - 1) | 0;
    this.#chunkCount = geometry.chunkCount | 0;
    this.#bitmapWords = ((geometry.chunkCount + 31) >> 5) | 0;
    this.#histogramInverse = 1 / tables.histogramStepOf(geometry.maxObjectBytes);
    this.#tag = layout.tag | 0;
    this.#slotMask = layout.slotMask | 0;
    this.#generationStep = layout.generationStep;
    this.#generationShift = Math.log2(layout.generationStep) | 0;
    this.#maxGenerationSmall = (2 ** 31 / layout.generationStep - 1) | 0;
    this.#generationMask = layout.generationMask | 0;
    this.#member = member | 0;
  }

  alloc(size: number): Handle | null {
    const table = this.#table;
    table[W_HISTOGRAM + (((size - 0.5) * this.#histogramInverse) | 0)]++;
    table[W_WARM_UP] -= table[W_WARM_UP] > 1 ? 1 : 0;
    // The first range that the size is in, without a branch: ranges that are not there end at SIZE_BEYOND.
    const ranges = W_OPEN + table[W_WHICH] * OPEN_WORDS + 1;
    const at =
      ranges +
      2 *
        (((table[ranges] - size) >>> 31) +
          ((table[ranges + 2] - size) >>> 31) +
          ((table[ranges + 4] - size) >>> 31) +
          ((table[ranges + 6] - size) >>> 31));
    let place = this.#placeIn(table[at + 1], size, true);
    if (place === 0) place = this.#gapBeyond(at, size);
    return place === 0 ? null : this.#handleAt(place & ~7, place & 1);
  }

  free(handle: Handle): boolean {
    const table = this.#table;
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    const page = slot >> 1;
    if (page >= this.#pageBound) return false;
    const buddy = slot & 1;
    const row = this.#firstRow + (page << ROW_SHIFT);
    if (table[row | SIZES | buddy] === 0 || this.#handleAt(row, buddy) !== handle) return false;
    if (this.#member !== 0) this.#intend(row, buddy);
    table[row | SIZES | buddy] = 0;
    table[row | GENERATIONS | buddy] = (table[row | GENERATIONS | buddy] + 1) & this.#generationMask;
    if (table[row | LRU_PREV] > FREE) {
      const sizeClass = table[this.#segments.of(row) + S_OWNER];
      const other = table[row | SIZES | (buddy ^ 1)];
      if (other === 0) {
        takeOffList(table, sizeClass + C_HEADS, sizeClass + C_BITMAP, row);
        takeOffLru(table, row);
        this.#segments.release(row);
      } else {
        this.#list(sizeClass, row, other);
      }
    } // else the reclaim settles the page
    if (this.#member !== 0) table[W_INTENT] = 0;
    return true;
  }

  find(handle: Handle): number {
    const slot = (handle >>> TAG_SHIFT) & this.#slotMask;
    const page = slot >> 1;
    if (page >= this.#pageBound) return 0;
    const buddy = slot & 1;
    const row = this.#firstRow + (page << ROW_SHIFT);
    const word = row | SIZES | buddy;
    return this.#table[word] !== 0 && this.#handleAt(row, buddy) === handle ? word : 0;
  }

  place(word: number, into: Place): void {
    const table = this.#table;
    const rowIndex = (word - this.#firstRow) >> ROW_SHIFT;
    const segment = this.#segments.of(word);
    const sizeClass = table[segment + S_OWNER];
    const pageSize = table[sizeClass + C_PAGE_SIZE];
    const chunkSize = table[sizeClass + C_CHUNK_SIZE];
    const buddy = table[word]; // last: another thread may free the object meanwhile
    const isLast = (word & (SIZES | 1)) === (SIZES | 1);
    into.page = rowIndex;
    into.pageByte =
      this.#segments.indexOf(segment) * this.#geometry.segmentBytes + (rowIndex & this.#rowsMask) * pageSize;
    into.offset = into.pageByte + (isLast ? pageSize - (buddy >> SIZE_BITS) * chunkSize : chunkSize);
    into.size = buddy & SIZE_MASK;
    into.size2 = 0;
  }

  /**
   * The page at the tail of the LRU; but while a size class starves, what helps that.
   */
  startReclaim(): number {
    const table = this.#table;
    let row = table[W_LRU | LRU_PREV];
    if (row === W_LRU) return 0;
    if (table[W_STARVED] !== 0) row = this.#rowFor(table[W_STARVED], row);
    if (table[row | SIZES] === 0 || table[row | SIZES | 1] === 0) {
      const sizeClass = table[this.#segments.of(row) + S_OWNER];
      takeOffList(table, sizeClass + C_HEADS, sizeClass + C_BITMAP, row);
    }
    takeOffLru(table, row);
    table[row | LRU_PREV] = -Math.max(this.#member, 1);
    return row;
  }

  positions(): number {
    return 2;
  }

  objectAt(row: number, buddy: number): Handle | null {
    return this.#table[row | SIZES | buddy] === 0 ? null : this.#handleAt(row, buddy);
  }

  pageBytesOf(row: number): number {
    return this.#table[this.#table[this.#segments.of(row) + S_OWNER] + C_PAGE_SIZE];
  }

  endReclaim(row: number): number {
    const table = this.#table;
    const first = table[row | SIZES];
    const last = table[row | SIZES | 1];
    if (first === 0 && last === 0) {
      this.#segments.release(row);
      return 1;
    }
    if (first === 0 || last === 0) this.#list(table[this.#segments.of(row) + S_OWNER], row, first | last);
    putOnLru(table, row);
    return 0;
  }

  endReclaims(): void {
    const table = this.#table;
    const mark = -Math.max(this.#member, 1);
    tables.eachRow(table, this.#geometry, (row) => {
      if (table[row | LRU_PREV] === mark) this.endReclaim(row);
    });
  }

  trim(): void {
    this.#segments.trim();
  }

  giveBack(walk: FreeWalk): void {
    this.#segments.giveBack(walk);
  }

  metadataBytes(): number {
    return this.#segments.metadataBytes();
  }

  touchedBytes(): number {
    return this.#segments.touchedBytes();
  }

  count(counter: number, by: number): void {
    this.#counters[counter] += by;
  }

  close(): void {
    this.#pageBound = 0;
    this.#table = new Int32Array(0);
  }

  repair(isGone: (member: number) => boolean): void {
    repairTable(this.#table, this.#geometry, this.#generationMask, isGone);
    this.#segments.repair();
  }

  pageBytes(): number {
    const table = this.#table;
    let bytes = 0;
    for (const sizeClass of liveClasses(table, this.#geometry)) {
      bytes += table[sizeClass + C_PAGE_COUNT] * table[sizeClass + C_PAGE_SIZE];
    }
    return bytes;
  }

  objects(visit: ObjectVisitor): void {
    const table = this.#table;
    tables.eachRow(table, this.#geometry, (row) => {
      for (let buddy = 0; buddy < 2; buddy++) {
        const word = table[row | SIZES | buddy];
        if (word !== 0) visit(this.#handleAt(row, buddy), word & SIZE_MASK);
      }
    });
  }

  stats(): PoolStats {
    return statsOf(this.#table, this.#counters, this.#geometry);
  }

  /** What its walks read. */
  inside(): { table: Table; geometry: Geometry; handleAt: (row: number, buddy: number) => Handle } {
    return {
      table: this.#table,
      geometry: this.#geometry,
      handleAt: (row, buddy) => this.#handleAt(row, buddy),
    };
  }

  /** As {@link openClasses}. */
  open(ranges: readonly PageSizeRange[]): boolean {
    return openClasses(this.#table, this.#geometry, ranges);
  }

  /** Puts an object into the tightest gap of a size class, else into a new page if it may. `row | buddy`, or 0. */
  #placeIn(sizeClass: number, size: number, mayTake: boolean): number {
    const table = this.#table;
    const heads = sizeClass + C_HEADS;
    const bitmap = sizeClass + C_BITMAP;
    // (size - 0.5) / chunkSize is never within 2^-20 of an integer, so its floor is exact in doubles.
    const chunks = (((size - 0.5) / table[sizeClass + C_CHUNK_SIZE]) | 0) + 1;
    let list: number;
    if (this.#bitmapWords <= 2) {
      const beyond = (31 - chunks) >> 31;
      const low = Math.clz32(table[bitmap] & (ALL_BITS >>> chunks) & ~beyond);
      const high = Math.clz32(table[bitmap + 1] & (ALL_BITS >>> ((chunks - 32) & beyond)));
      list = low + (high & -(low >> 5));
    } else {
      list = findList(table, bitmap, this.#bitmapWords, chunks);
    }
    let row: number;
    let buddy = 0;
    if (list < this.#chunkCount) {
      const head = heads + (list << 1);
      row = table[head | LIST_NEXT];
      const next = table[row | LIST_NEXT];
      table[head | LIST_NEXT] = next;
      table[next | LIST_PREV] = head;
      // Clears the list's bit if it is empty now, without a branch.
      table[bitmap + (list >> 5)] &= ~((TOP_BIT >>> (list & 31)) & (((next ^ head) - 1) >> 31));
      takeOffLru(table, row);
      buddy = (0 - table[row | SIZES]) >>> 31;
    } else {
      row = mayTake ? this.#segments.take(sizeClass) : FREE;
      if (row === FREE) return 0;
      putOnList(table, heads, bitmap, row, this.#chunkCount - 1 - chunks);
    }
    if (this.#member !== 0) this.#intend(row, buddy);
    table[row | SIZES | buddy] = size | (chunks << SIZE_BITS);
    putOnLru(table, row);
    if (this.#member !== 0) table[W_INTENT] = 0;
    return row | buddy;
  }

  /**
   * Where the size class of a size finds no memory, those of larger ones may have a gap; not a page: that would take from
   * them what is to become a segment of the first.
   */
  #gapBeyond(range: number, size: number): number {
    const table = this.#table;
    const open = W_OPEN + table[W_WHICH] * OPEN_WORDS;
    const end = open + 2 * table[open];
    let place = 0;
    for (let at = range + 2; at < end && place === 0; at += 2)
      place = this.#placeIn(table[at + 1], size, false);
    return place;
  }

  /** Lists a page whose one object has this word. */
  #list(sizeClass: number, row: number, word: number): void {
    putOnList(
      this.#table,
      sizeClass + C_HEADS,
      sizeClass + C_BITMAP,
      row,
      this.#chunkCount - 1 - (word >> SIZE_BITS),
    );
  }

  /**
   * Which page to reclaim while a size class starves: one of its own near the LRU's tail; but now and then, and where
   * there is none, those of one segment of another size class, until that is empty. What is at the tail can so not stay
   * there for ever. Pages of a size class that was closed go first.
   */
  #rowFor(starved: number, tail: number): number {
    const table = this.#table;
    let victim = table[W_VICTIM];
    if (victim === 0 || table[victim + S_OWNER] === 0 || table[victim + S_OWNER] === starved) {
      const isClosed = !this.#isOpen(table[this.#segments.of(tail) + S_OWNER]);
      victim = isClosed ? this.#segments.of(tail) : 0;
      let own = 0;
      let row = tail;
      for (let i = 0; i < TAIL_PAGES && row !== W_LRU && !isClosed; i++) {
        const segment = this.#segments.of(row);
        if (table[segment + S_OWNER] === starved) own = own === 0 ? row : own;
        else if (victim === 0 || table[segment + S_USED] < table[victim + S_USED]) victim = segment;
        row = table[row | LRU_PREV];
      }
      if (own !== 0 && (victim === 0 || table[W_SKIPS] < SKIPS_MAX)) {
        table[W_SKIPS] += own === tail ? 0 : 1;
        return own;
      }
      table[W_SKIPS] = 0;
      table[W_VICTIM] = victim;
    }
    const first = this.#segments.firstRowOf(victim);
    const end = first + (table[victim + S_HIGH] << ROW_SHIFT);
    let row = first;
    while (row < end && table[row | LRU_PREV] <= FREE) row += 1 << ROW_SHIFT;
    return row < end ? row : tail;
  }

  /** Whether new objects go to this size class. */
  #isOpen(sizeClass: number): boolean {
    const table = this.#table;
    const open = W_OPEN + table[W_WHICH] * OPEN_WORDS;
    const end = open + 2 * table[open];
    let at = open + 2;
    while (at <= end && table[at] !== sizeClass) at += 2;
    return at <= end;
  }

  /** Notes which place changes now, so that another thread can make it whole if this one dies meanwhile. */
  #intend(row: number, buddy: number): void {
    const table = this.#table;
    table[W_INTENT_GENERATION] = table[row | GENERATIONS | buddy];
    table[W_INTENT] = (((row - this.#firstRow) >> (ROW_SHIFT - 1)) | buddy) + 1;
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
