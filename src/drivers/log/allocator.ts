import { type Handle, ZbudError } from "../../base/index.ts";
import { type PageMemory, Reach } from "../../memory/index.ts";
import {
  type Allocator,
  COUNTERS_END,
  type FreeWalk,
  findList,
  GivenBack,
  type HandleLayout,
  type ObjectVisitor,
  type Place,
  type PoolStats,
  putOnList,
  putOnLru,
  TAG_BITS,
  type Table,
  takeOffList,
  takeOffLru,
  W_GIVEN_BACK,
  W_INTENT,
  W_PAGE_COUNT,
} from "../../pool/index.ts";
import type { LogGeometry } from "./geometry.ts";
import { repairTable } from "./repair.ts";
import { statsOf } from "./stats.ts";
import * as tables from "./table.ts";

// The engine folds a module's own constants into the code, but loads an imported one at each use.
const F_BYTES_MOVED = tables.F_BYTES_MOVED;
const F_OBJECTS_MOVED = tables.F_OBJECTS_MOVED;
const DEAD_MIN = tables.DEAD_MIN;
const DEAD_SHIFT = tables.DEAD_SHIFT;
const FIRST = tables.FIRST;
const FIRST_PAGE = tables.FIRST_PAGE;
const FREE = tables.FREE;
const GENERATION = tables.GENERATION;
const LAST = tables.LAST;
const LISTS = tables.LISTS;
const LIST_NEXT = tables.LIST_NEXT;
const LIVE = tables.LIVE;
const LRU_PREV = tables.LRU_PREV;
const NEXT = tables.NEXT;
const PAGE_SHIFT = tables.PAGE_SHIFT;
const PLACE = tables.PLACE;
const EMPTIED_MAX = tables.EMPTIED_MAX;
const ROW_SHIFT = tables.ROW_SHIFT;
const SIZE = tables.SIZE;
const TOP = tables.TOP;
const W_BITMAP = tables.W_BITMAP;
const W_DEAD = tables.W_DEAD;
const W_FREE_HEAD = tables.W_FREE_HEAD;
const W_FREE_ROW = tables.W_FREE_ROW;
const W_HEADS = tables.W_HEADS;
const W_HIGH_WATER = tables.W_HIGH_WATER;
const W_INTENT_GENERATION = tables.W_INTENT_GENERATION;
const W_LIVE = tables.W_LIVE;
const W_LRU = tables.W_LRU;
const W_OPEN = tables.W_OPEN;
const W_PAGES_ALLOWED = tables.W_PAGES_ALLOWED;
const W_ROWS_TAKEN = tables.W_ROWS_TAKEN;
const W_FULL_SLACK = tables.W_FULL_SLACK;
const W_SLACK = tables.W_SLACK;
const W_SWEEP_AT = tables.W_SWEEP_AT;
const INTENT = W_INTENT;
const PAGE_COUNT = W_PAGE_COUNT;
const GIVEN_BACK = W_GIVEN_BACK;
const TAG_SHIFT = TAG_BITS;
/** Pages of a list that are looked at for one that is full enough. */
const LOOKED_AT = 32;

/**
 * The algorithm: an object goes behind the last one of the open page. A page that objects were freed from is cleaned
 * when a new open page is wanted: what lives in the emptiest page is copied to the front of a free one, which becomes
 * the open page, and the other is free. So no gap is ever searched for, and none is ever too small.
 *
 * - If so much is free in all pages together as was asked for (`slack`), the emptiest page is cleaned: of 100 bytes that
 *   are looked at, at least `slack` are gained on average.
 * - Else a free page is taken, as long as there may be more in use.
 *
 * Objects that are freed in the order in which they came empty whole pages, and nothing is ever moved.
 *
 * A move is a copy to a page that nobody looks at, and then one store of the object's place: whoever dies in between
 * leaves the object whole in one of the two (repair.ts).
 */
export class LogAllocator implements Allocator {
  readonly moves = true;
  readonly maxObjectBytes: number;
  #table: Table;
  readonly #geometry: LogGeometry;
  readonly #layout: HandleLayout;
  readonly #counters: Float64Array;
  readonly #memory: PageMemory;
  readonly #givenBack: GivenBack;
  readonly #pageRows: Reach;
  readonly #objectRows: Reach;
  // Initial values and `| 0`, so that the engine knows that these are small integers.
  readonly #maxPages: number = 0;
  readonly #pages: number = 0;
  readonly #granules: number = 0;
  readonly #granuleShift: number = 0;
  readonly #granuleMask: number = 0;
  readonly #placeBits: number = 0;
  readonly #placeMask: number = 0;
  readonly #listScale: number = 0.5;
  readonly #firstRow: number = 0;
  #rowBound = 0;
  readonly #tag: number = 0;
  readonly #slotMask: number = 0;
  readonly #generationStep: number = 0.5;
  readonly #generationShift: number = 0;
  readonly #maxGenerationSmall: number = 0;
  readonly #generationMask: number = 0;
  #pagesCommitted = 0;
  readonly #member: number = 0;
  // Where objectAt was last, so that a walk over a page's positions does not begin anew at each.
  #walkPage = 0;
  #walkPosition = 0;
  #walkRow = 0;

  /** @param member - of this thread in a shared pool, whose lock the caller holds at each call; else 0. */
  constructor(table: Table, geometry: LogGeometry, layout: HandleLayout, memory: PageMemory, member: number) {
    this.#table = table;
    this.#geometry = geometry;
    this.#layout = layout;
    this.#counters = new Float64Array(table.buffer, 0, COUNTERS_END);
    this.#memory = memory;
    this.#givenBack = new GivenBack(table, memory, geometry.pageSize * geometry.pages);
    this.#pageRows = new Reach(table.buffer, [[4 * FIRST_PAGE, tables.PAGE_ROW_BYTES]]);
    this.#firstRow = tables.firstRowOf(geometry) | 0;
    this.#objectRows = new Reach(table.buffer, [[4 * this.#firstRow, tables.ROW_BYTES]]);
    this.maxObjectBytes = geometry.pageSize | 0;
    this.#maxPages = geometry.maxPages | 0;
    this.#pages = geometry.pages | 0;
    this.#granules = geometry.granules | 0;
    this.#granuleShift = geometry.granuleShift | 0;
    this.#granuleMask = (2 ** geometry.granuleShift - 1) | 0;
    this.#placeBits = geometry.placeBits | 0;
    this.#placeMask = (2 ** geometry.placeBits - 1) | 0;
    this.#listScale = (LISTS - 1) / geometry.granules;
    this.#rowBound = geometry.maxObjects | 0;
    this.#tag = layout.tag | 0;
    this.#slotMask = layout.slotMask | 0;
    this.#generationStep = layout.generationStep;
    this.#generationShift = Math.log2(layout.generationStep) | 0;
    this.#maxGenerationSmall = Math.floor(2 ** 31 / layout.generationStep - 1) | 0;
    this.#generationMask = layout.generationMask | 0;
    this.#member = member | 0;
  }

  alloc(size: number): Handle | null {
    const table = this.#table;
    const wanted = (size + this.#granuleMask) >> this.#granuleShift;
    if (table[W_FREE_ROW] === 0 && !this.#addRow()) return null;
    let page = table[W_OPEN];
    if (page === 0 || table[page | TOP] + wanted > this.#granules) {
      page = this.#openFor(wanted);
      if (page === 0) return null;
    }
    const row = table[W_FREE_ROW];
    table[W_FREE_ROW] = table[row | NEXT];
    const top = table[page | TOP];
    if (this.#member !== 0) this.#intend(row);
    table[row | NEXT] = 0;
    table[row | PLACE] = (((page - FIRST_PAGE) >> PAGE_SHIFT) << this.#placeBits) | top;
    table[row | SIZE] = size;
    this.#append(page, row);
    table[page | TOP] = top + wanted;
    table[page | LIVE] += wanted;
    table[W_LIVE] += wanted;
    const handle = this.#handleAt(row);
    if (this.#member !== 0) table[INTENT] = 0;
    return handle;
  }

  free(handle: Handle): boolean {
    const table = this.#table;
    const row = this.find(handle);
    if (row === 0) return false;
    const page = FIRST_PAGE + ((table[row | PLACE] >> this.#placeBits) << PAGE_SHIFT);
    const gone = (table[row | SIZE] + this.#granuleMask) >> this.#granuleShift;
    if (this.#member !== 0) this.#intend(row);
    table[row | SIZE] = 0;
    table[row | GENERATION] = (table[row | GENERATION] + 1) & this.#generationMask;
    table[W_DEAD]++;
    table[W_LIVE] -= gone;
    // Where all rows were taken, the next alloc needs this one: it should not have to look for it.
    if (table[W_ROWS_TAKEN] >= this.#rowBound) table[W_SWEEP_AT] = table[row | PLACE] >> this.#placeBits;
    const before = table[page | LIVE];
    const live = before - gone;
    table[page | LIVE] = live;
    // Else a reclaim settles the page.
    if (table[page | LRU_PREV] > FREE) {
      if (live === 0) {
        this.#takeOff(page, before);
        takeOffLru(table, page);
        this.#release(page);
      } else if (page !== table[W_OPEN]) {
        const list = this.#listFor(live);
        const listed = this.#listFor(before);
        if (list !== listed) {
          if (listed !== 0) takeOffList(table, W_HEADS, W_BITMAP, page);
          if (list !== 0) putOnList(table, W_HEADS, W_BITMAP, page, list);
        }
      }
    }
    if (this.#member !== 0) table[INTENT] = 0;
    return true;
  }

  /** The row of a live object. */
  find(handle: Handle): number {
    const slot = this.slotOf(handle);
    if (slot >= this.#rowBound) return 0;
    const row = this.#firstRow + (slot << ROW_SHIFT);
    return this.#handleAt(row) === handle && this.#table[row | SIZE] > 0 ? row : 0;
  }

  place(row: number, into: Place): void {
    const place = this.#table[row | PLACE];
    const page = place >> this.#placeBits;
    into.page = page;
    into.pageByte = page * this.maxObjectBytes;
    into.offset = into.pageByte + ((place & this.#placeMask) << this.#granuleShift);
    into.size = this.#table[row | SIZE];
    into.offset2 = 0;
    into.size2 = 0;
  }

  slotOf(handle: Handle): number {
    return (handle >>> TAG_SHIFT) & this.#slotMask;
  }

  handleOf(slot: number): Handle {
    return this.#handleAt(this.#firstRow + (slot << ROW_SHIFT));
  }

  /** Bytes that the next object can have and still go into the open page. */
  roomInOpenPage(): number {
    const table = this.#table;
    const page = table[W_OPEN];
    return page === 0 ? 0 : (this.#granules - table[page | TOP]) << this.#granuleShift;
  }

  /**
   * Says how many pages may be in use from now on, if fewer than the pool has: those that are in use stay.
   *
   * @returns whether that are more than before.
   */
  allowPages(pages: number): boolean {
    const table = this.#table;
    const before = table[W_PAGES_ALLOWED];
    table[W_PAGES_ALLOWED] = Math.min(Math.max(1, pages), this.#maxPages);
    return before !== 0 && table[W_PAGES_ALLOWED] > before;
  }

  /**
   * Cleans a page that has so many bytes free, if there is one: they are what the open page has left then.
   *
   * @param tight - the fullest of them rather than the emptiest: more is moved, and larger gaps stay whole.
   */
  openGap(bytes: number, tight: boolean): boolean {
    const wanted = (bytes + this.#granuleMask) >> this.#granuleShift;
    const found = tight ? this.#tightest(wanted) : 0;
    const page = found === 0 ? this.#emptiest() : found;
    return page !== 0 && this.#granules - this.#table[page | LIVE] >= wanted && this.#clean(page);
  }

  startReclaim(): number {
    const table = this.#table;
    const page = table[W_LRU | LRU_PREV];
    if (page === W_LRU) return 0;
    this.#takeOff(page, table[page | LIVE]);
    takeOffLru(table, page);
    table[page | LRU_PREV] = -Math.max(this.#member, 1);
    return page;
  }

  positions(page: number): number {
    const table = this.#table;
    let count = 0;
    for (let row = table[page | FIRST]; row !== 0; row = table[row | NEXT]) count++;
    return count;
  }

  objectAt(page: number, position: number): Handle | null {
    const table = this.#table;
    let at = this.#walkPosition;
    let row = this.#walkRow;
    const pageIndex = (page - FIRST_PAGE) >> PAGE_SHIFT;
    // A repair in between may have given the page other rows.
    if (this.#walkPage !== page || at > position || table[row | PLACE] >> this.#placeBits !== pageIndex) {
      at = 0;
      row = table[page | FIRST];
    }
    for (; at < position && row !== 0; at++) row = table[row | NEXT];
    this.#walkPage = row === 0 ? 0 : page;
    this.#walkPosition = position;
    this.#walkRow = row;
    return row !== 0 && table[row | SIZE] > 0 ? this.#handleAt(row) : null;
  }

  pageBytesOf(): number {
    return this.maxObjectBytes;
  }

  endReclaim(page: number): number {
    const table = this.#table;
    this.#walkPage = 0;
    if (table[page | LIVE] === 0) {
      this.#release(page);
      return 1;
    }
    this.#list(page);
    putOnLru(table, page);
    return 0;
  }

  endReclaims(): void {
    const table = this.#table;
    const mark = -Math.max(this.#member, 1);
    for (let i = 0; i < table[W_HIGH_WATER]; i++) {
      const page = FIRST_PAGE + (i << PAGE_SHIFT);
      if (table[page | LRU_PREV] === mark) this.endReclaim(page);
    }
  }

  /**
   * Moves what lives in the emptiest pages together, until one page more is free than before.
   *
   * @returns how many objects were moved, and pages released; nothing is moved where no release comes of it.
   */
  compact(): { moved: number; pages: number } {
    const table = this.#table;
    const pages = table[PAGE_COUNT];
    const moved = this.#counters[F_OBJECTS_MOVED];
    const open = table[W_OPEN];
    // What was freed in the open page is gained only where that is emptied like the others.
    const isClosed =
      open !== 0 && table[open | TOP] > table[open | LIVE] && this.#listFor(table[open | LIVE]) !== 0;
    if (isClosed) {
      table[W_OPEN] = 0;
      this.#list(open);
    }
    const plan = this.#planOfRelease();
    if (isClosed && plan.length === 0) {
      takeOffList(table, W_HEADS, W_BITMAP, open);
      table[W_OPEN] = open;
    }
    for (const page of plan) if (!this.#emptyInto(page)) break;
    return { moved: this.#counters[F_OBJECTS_MOVED] - moved, pages: pages - table[PAGE_COUNT] };
  }

  /** Bytes of whole pages that cleaning all would release, if no page lost anything at its end. Needs no lock. */
  looseBytes(): number {
    const table = this.#table;
    const needed = Math.ceil((table[W_LIVE] / this.#granules) * (1 + 1 / EMPTIED_MAX));
    return Math.max(0, table[PAGE_COUNT] - needed) * this.maxObjectBytes;
  }

  /** What is free below the last page in use is taken from the front from now on. */
  trim(): void {
    const table = this.#table;
    let end = table[W_HIGH_WATER];
    while (end > 0 && table[(FIRST_PAGE + ((end - 1) << PAGE_SHIFT)) | LRU_PREV] === FREE) end--;
    table[W_HIGH_WATER] = end;
    table[W_FREE_HEAD] = FREE;
    for (let i = end - 1; i >= 0; i--) {
      const page = FIRST_PAGE + (i << PAGE_SHIFT);
      if (table[page | LRU_PREV] === FREE) this.#addFree(page);
    }
    this.#pagesCommitted = this.#memory.trim(end);
    this.#givenBack.forget(end * this.maxObjectBytes);
  }

  giveBack(walk: FreeWalk): void {
    const table = this.#table;
    const isFree = (i: number): boolean => table[(FIRST_PAGE + (i << PAGE_SHIFT)) | LRU_PREV] === FREE;
    this.#givenBack.step(walk, table[W_HIGH_WATER], this.maxObjectBytes, isFree);
  }

  touchedBytes(): number {
    return this.#table[W_HIGH_WATER] * this.maxObjectBytes - this.#givenBack.bytes;
  }

  metadataBytes(): number {
    const table = this.#table;
    const pages = table[W_HIGH_WATER] * tables.PAGE_ROW_BYTES;
    return 4 * FIRST_PAGE + pages + table[W_ROWS_TAKEN] * tables.ROW_BYTES;
  }

  count(counter: number, by: number): void {
    this.#counters[counter] += by;
  }

  close(): void {
    this.#rowBound = 0;
    this.#table = new Int32Array(0);
  }

  repair(isGone: (member: number) => boolean): void {
    repairTable(this.#table, this.#geometry, this.#layout, isGone);
    this.#givenBack.repair();
  }

  pageBytes(): number {
    return this.#table[PAGE_COUNT] * this.maxObjectBytes;
  }

  objects(visit: ObjectVisitor): void {
    const end = this.#firstRow + (this.#table[W_ROWS_TAKEN] << ROW_SHIFT);
    for (let row = this.#firstRow; row < end; row += 1 << ROW_SHIFT) {
      const size = this.#table[row | SIZE];
      if (size > 0) visit(this.#handleAt(row), size);
    }
  }

  stats(): PoolStats {
    return statsOf(this.#table, this.#counters, this.#geometry);
  }

  /** What its walks read. */
  inside(): { table: Table; geometry: LogGeometry; handleAt: (row: number) => Handle } {
    return { table: this.#table, geometry: this.#geometry, handleAt: (row) => this.#handleAt(row) };
  }

  /** A page with room for so many granules, open; or 0. */
  #openFor(wanted: number): number {
    const table = this.#table;
    const granules = this.#granules;
    const emptiest = this.#emptiest();
    const canGain = emptiest !== 0 && granules - table[emptiest | LIVE] >= wanted;
    const count = table[PAGE_COUNT];
    const percent = 100 - (100 * table[W_LIVE]) / (count * granules);
    const allowed = table[W_PAGES_ALLOWED];
    if (count < (allowed === 0 ? this.#maxPages : allowed)) {
      // What was stored last may be freed soon: in a queue that is shorter than a page all of it is.
      const isOlder = emptiest !== table[W_OPEN];
      if (canGain && isOlder && percent >= table[W_SLACK] && this.#clean(emptiest)) return table[W_OPEN];
      const page = this.#takePage();
      if (page !== FREE) {
        this.#open(page);
        return page;
      }
    }
    return canGain && percent >= table[W_FULL_SLACK] && this.#clean(emptiest) ? table[W_OPEN] : 0;
  }

  /** The page with the fewest live granules, about; 0: all are too full. In the open one objects may have been freed too. */
  #emptiest(): number {
    const table = this.#table;
    const list = findList(table, W_BITMAP, 2, 1);
    const listed = list < LISTS ? table[(W_HEADS + (list << 1)) | LIST_NEXT] : 0;
    const open = table[W_OPEN];
    if (open === 0 || this.#listFor(table[open | LIVE]) === 0) return listed;
    return listed === 0 || table[open | LIVE] < table[listed | LIVE] ? open : listed;
  }

  /** The fullest listed page with so many granules free, about, or 0. */
  #tightest(wanted: number): number {
    const table = this.#table;
    const most = this.#granules - wanted;
    for (let list = this.#listFor(most) || LISTS - 2; list > 0; list--) {
      const head = W_HEADS + (list << 1);
      let page = table[head | LIST_NEXT];
      for (let i = 0; i < LOOKED_AT && page !== head; i++, page = table[page | LIST_NEXT])
        if (table[page | LIVE] <= most) return page;
    }
    return 0;
  }

  /** Lists what was open, and makes this the page that objects are put into. */
  #open(page: number): void {
    const table = this.#table;
    const before = table[W_OPEN];
    table[W_OPEN] = page;
    if (before !== 0) this.#list(before);
    putOnLru(table, page);
  }

  /** Copies what lives in a page to a free one, which is open from then on, and releases the page. */
  #clean(page: number): boolean {
    const into = this.#takePage();
    if (into === FREE) return false;
    this.#open(into);
    this.#moveAll(page, into);
    return true;
  }

  /** The pages to empty, in this order, so that one more is released than is taken; none: it would take too many. */
  #planOfRelease(): number[] {
    const table = this.#table;
    const plan: number[] = [];
    const open = table[W_OPEN];
    let top = open === 0 ? this.#granules : table[open | TOP];
    let taken = 0;
    for (
      let list = findList(table, W_BITMAP, 2, 1);
      list < LISTS;
      list = findList(table, W_BITMAP, 2, list + 1)
    ) {
      const head = W_HEADS + (list << 1);
      for (let page = table[head | LIST_NEXT]; page !== head; page = table[page | LIST_NEXT]) {
        plan.push(page);
        for (let row = table[page | FIRST]; row !== 0; row = table[row | NEXT]) {
          const granules = (table[row | SIZE] + this.#granuleMask) >> this.#granuleShift;
          if (top + granules > this.#granules) {
            taken++;
            top = 0;
          }
          top += granules;
        }
        if (plan.length > taken) return plan;
        if (plan.length === EMPTIED_MAX) return [];
      }
    }
    return [];
  }

  /** Moves the objects of a page to the open one as far as they fit, and the rest to a new open page. */
  #emptyInto(page: number): boolean {
    const table = this.#table;
    const open = table[W_OPEN];
    if (open !== 0) this.#moveAll(page, open);
    return table[page | LRU_PREV] === FREE || this.#clean(page);
  }

  /** Moves the objects of a page that is on a list to the end of an open one, as far as they fit. */
  #moveAll(page: number, into: number): void {
    const table = this.#table;
    const bytes = this.#openBytes();
    const target = ((into - FIRST_PAGE) >> PAGE_SHIFT) << this.#placeBits;
    let row = table[page | FIRST];
    while (row !== 0) {
      const size = table[row | SIZE];
      const next = table[row | NEXT];
      if (size > 0) {
        const granules = (size + this.#granuleMask) >> this.#granuleShift;
        const top = table[into | TOP];
        if (top + granules > this.#granules) break;
        this.#copy(bytes, table[row | PLACE], target | top, size);
        table[row | PLACE] = target | top;
        table[page | FIRST] = next;
        table[row | NEXT] = 0;
        this.#append(into, row);
        table[into | TOP] = top + granules;
        table[into | LIVE] += granules;
        table[page | LIVE] -= granules;
        this.#counters[F_OBJECTS_MOVED]++;
      } else {
        table[page | FIRST] = next;
        this.#freeRow(row);
        table[W_DEAD]--;
      }
      row = next;
    }
    if (row === 0) table[page | LAST] = 0;
    takeOffList(table, W_HEADS, W_BITMAP, page);
    if (table[page | LIVE] === 0) {
      takeOffLru(table, page);
      this.#release(page);
    } else {
      this.#list(page);
    }
  }

  #copy(bytes: Uint8Array, from: number, to: number, size: number): void {
    const start = this.#byteOf(from);
    bytes.copyWithin(this.#byteOf(to), start, start + size);
    this.#counters[F_BYTES_MOVED] += size;
  }

  #byteOf(place: number): number {
    const page = place >> this.#placeBits;
    return page * this.maxObjectBytes + ((place & this.#placeMask) << this.#granuleShift);
  }

  /** A view of the pages, of the length that they have now. */
  #openBytes(): Uint8Array {
    try {
      const { buffer } = this.#memory;
      return new Uint8Array(buffer, 0, buffer.byteLength);
    } catch (cause) {
      throw new ZbudError("EINVAL", "the pool's buffer was transferred through a view's .buffer", { cause });
    }
  }

  /** Puts a row behind the last one of a page. */
  #append(page: number, row: number): void {
    const table = this.#table;
    const last = table[page | LAST];
    if (last === 0) table[page | FIRST] = row;
    else table[last | NEXT] = row;
    table[page | LAST] = row;
  }

  /** Takes a page off its list, or from being open. */
  #takeOff(page: number, live: number): void {
    const table = this.#table;
    if (page === table[W_OPEN]) table[W_OPEN] = 0;
    else if (this.#listFor(live) !== 0) takeOffList(table, W_HEADS, W_BITMAP, page);
  }

  /** Puts a page that is on no list on the one that it belongs on. */
  #list(page: number): void {
    const list = this.#listFor(this.#table[page | LIVE]);
    if (list !== 0) putOnList(this.#table, W_HEADS, W_BITMAP, page, list);
  }

  /** As listOf. */
  #listFor(live: number): number {
    const list = 1 + ((live * this.#listScale) | 0);
    return list < LISTS - 1 ? list : 0;
  }

  /** A page that was free, counted as in use, empty; or FREE if there is none. */
  #takePage(): number {
    const table = this.#table;
    let page = table[W_FREE_HEAD];
    if (page !== FREE) {
      if (table[GIVEN_BACK] !== 0 && !this.#takeBack(page)) return FREE;
      table[W_FREE_HEAD] = table[page | LIST_NEXT];
    } else {
      const index = table[W_HIGH_WATER];
      if (index >= this.#pages) return FREE;
      if (index >= this.#pagesCommitted) {
        const committed = this.#memory.commit(index + 1);
        if (!(committed > index)) return FREE;
        this.#pagesCommitted = committed;
      }
      if (index >= this.#pageRows.end && !this.#pageRows.extend(index)) return FREE;
      page = FIRST_PAGE + (index << PAGE_SHIFT);
      if (table[GIVEN_BACK] !== 0 && !this.#takeBack(page)) return FREE;
      table[W_HIGH_WATER] = index + 1;
    }
    table[page | TOP] = 0;
    table[page | LIVE] = 0;
    table[PAGE_COUNT]++;
    return page;
  }

  #takeBack(page: number): boolean {
    const from = ((page - FIRST_PAGE) >> PAGE_SHIFT) * this.maxObjectBytes;
    return this.#givenBack.take(from, from + this.maxObjectBytes);
  }

  /** A page without a live object, on no list, is free; the rows in its chain are too. */
  #release(page: number): void {
    const table = this.#table;
    for (let row = table[page | FIRST]; row !== 0; ) {
      const next = table[row | NEXT];
      this.#freeRow(row);
      table[W_DEAD]--;
      row = next;
    }
    table[page | FIRST] = 0;
    table[page | LAST] = 0;
    table[PAGE_COUNT]--;
    this.#addFree(page);
  }

  #addFree(page: number): void {
    const table = this.#table;
    table[page | LRU_PREV] = FREE;
    table[page | LIST_NEXT] = table[W_FREE_HEAD];
    table[W_FREE_HEAD] = page;
  }

  #freeRow(row: number): void {
    const table = this.#table;
    table[row | NEXT] = table[W_FREE_ROW];
    table[W_FREE_ROW] = row;
  }

  /** Makes a free row: of a freed object if there are many, else one that never was used. False: there is none. */
  #addRow(): boolean {
    const table = this.#table;
    const taken = table[W_ROWS_TAKEN];
    const dead = table[W_DEAD];
    const isFull = taken >= this.#rowBound;
    if ((isFull || dead > DEAD_MIN + (taken >> DEAD_SHIFT)) && this.#sweep()) return true;
    if (isFull || (taken >= this.#objectRows.end && !this.#objectRows.extend(taken))) return false;
    const row = this.#firstRow + (taken << ROW_SHIFT);
    if (table[row | GENERATION] === 0) table[row | GENERATION] = this.#layout.firstGeneration;
    this.#freeRow(row);
    table[W_ROWS_TAKEN] = taken + 1;
    return true;
  }

  /** Takes the rows of freed objects out of the chain of the next page that has some. False: none has. */
  #sweep(): boolean {
    const table = this.#table;
    const pages = table[W_HIGH_WATER];
    for (let i = 0; i < pages && table[W_DEAD] > 0; i++) {
      const at = table[W_SWEEP_AT] < pages ? table[W_SWEEP_AT] : 0;
      table[W_SWEEP_AT] = at + 1;
      const page = FIRST_PAGE + (at << PAGE_SHIFT);
      // One under reclaim is walked over by positions.
      if (table[page | LRU_PREV] <= FREE) continue;
      let before = 0;
      for (let row = table[page | FIRST]; row !== 0; ) {
        const next = table[row | NEXT];
        if (table[row | SIZE] > 0) {
          before = row;
        } else {
          if (before === 0) table[page | FIRST] = next;
          else table[before | NEXT] = next;
          if (next === 0) table[page | LAST] = before;
          this.#freeRow(row);
          table[W_DEAD]--;
        }
        row = next;
      }
      if (table[W_FREE_ROW] !== 0) return true;
    }
    return false;
  }

  /** Notes which object changes now, so that another thread can make it whole if this one dies meanwhile. */
  #intend(row: number): void {
    const table = this.#table;
    table[W_INTENT_GENERATION] = table[row | GENERATION];
    table[INTENT] = ((row - this.#firstRow) >> ROW_SHIFT) + 1;
  }

  /** The handle of the object that is, or will be, in this row. */
  #handleAt(row: number): Handle {
    const generation = this.#table[row | GENERATION];
    const low = ((row - this.#firstRow) << (TAG_SHIFT - ROW_SHIFT)) | this.#tag;
    return (
      generation <= this.#maxGenerationSmall
        ? (generation << this.#generationShift) | low
        : generation * this.#generationStep + low
    ) as Handle;
  }
}
