import { corrupt } from "./links.ts";
import { FREE, LIST_NEXT, LRU_NEXT, LRU_PREV, W_LRU } from "./page-lists.ts";
import type { SnapshotColumns } from "./snapshot.ts";
import type { Table } from "./table-header.ts";

/**
 * Fills the columns of a snapshot. They are made as long as they can become: of a large one the system gives memory
 * for what is written only, and the rest is cut off in the end.
 */
export class ColumnsBuilder {
  readonly #pages: Int32Array;
  readonly #bytes: Int32Array;
  readonly #underReclaim: Uint8Array;
  readonly #starts: Int32Array;
  readonly #lists: string[] = [];
  readonly #listStarts: number[] = [0];
  readonly #listPages: Int32Array;
  readonly #lru: Int32Array;
  readonly #free: Int32Array;
  #handles: Float64Array;
  #offsets: Int32Array;
  #sizes: Int32Array;
  #pageCount = 0;
  #objectCount = 0;
  #listed = 0;
  #ordered = 0;
  #freed = 0;

  /**
   * @param pagesMax - the most pages, those in use and those that are free.
   * @param objects - how many objects to make room for; with more the columns grow.
   */
  constructor(pagesMax: number, objects: number) {
    this.#pages = new Int32Array(pagesMax);
    this.#bytes = new Int32Array(pagesMax);
    this.#underReclaim = new Uint8Array(pagesMax);
    this.#starts = new Int32Array(pagesMax + 1);
    this.#listPages = new Int32Array(pagesMax);
    this.#lru = new Int32Array(pagesMax);
    this.#free = new Int32Array(pagesMax);
    this.#handles = new Float64Array(objects);
    this.#offsets = new Int32Array(objects);
    this.#sizes = new Int32Array(objects);
  }

  /** A page in use; the objects that come next are its own. */
  page(page: number, bytes: number, underReclaim: boolean): void {
    const row = this.#pageCount++;
    this.#pages[row] = page;
    this.#bytes[row] = bytes;
    this.#underReclaim[row] = underReclaim ? 1 : 0;
    this.#starts[row] = this.#objectCount;
  }

  object(handle: number, offset: number, size: number): void {
    const at = this.#objectCount++;
    if (at === this.#handles.length) this.#grow();
    this.put(at, handle, offset, size);
  }

  /** Makes room for the objects of the last page, to be {@link put} from where this says on. */
  room(objects: number): number {
    const at = this.#objectCount;
    this.#objectCount += objects;
    while (this.#objectCount > this.#handles.length) this.#grow();
    return at;
  }

  put(at: number, handle: number, offset: number, size: number): void {
    this.#handles[at] = handle;
    this.#offsets[at] = offset;
    this.#sizes[at] = size;
  }

  /** The next page of a list. @throws {ZbudError} `ECORRUPT` if lists have more pages than there are. */
  listed(page: number): void {
    this.#listed = put(this.#listPages, this.#listed, page);
  }

  /** Names the list of the pages that were listed since the last; without any there is none. */
  endList(name: () => string): void {
    if (this.#listStarts.at(-1) === this.#listed) return;
    this.#lists.push(name());
    this.#listStarts.push(this.#listed);
  }

  /** The next page of the LRU. Throws as {@link listed}. */
  ordered(page: number): void {
    this.#ordered = put(this.#lru, this.#ordered, page);
  }

  /** The next free page. Throws as {@link listed}. */
  freed(page: number): void {
    this.#freed = put(this.#free, this.#freed, page);
  }

  done(about: Pick<SnapshotColumns, "type" | "pageSize" | "maxPages">): SnapshotColumns {
    const [pages, objects] = [this.#pageCount, this.#objectCount];
    this.#starts[pages] = objects;
    return {
      ...about,
      handles: this.#handles.subarray(0, objects),
      offsets: this.#offsets.subarray(0, objects),
      sizes: this.#sizes.subarray(0, objects),
      pages: this.#pages.subarray(0, pages),
      bytes: this.#bytes.subarray(0, pages),
      underReclaim: this.#underReclaim.subarray(0, pages),
      starts: this.#starts.subarray(0, pages + 1),
      lists: this.#lists,
      listStarts: Int32Array.from(this.#listStarts),
      listPages: this.#listPages.subarray(0, this.#listed),
      lru: this.#lru.subarray(0, this.#ordered),
      free: this.#free.subarray(0, this.#freed),
    };
  }

  #grow(): void {
    const length = Math.max(16, 2 * this.#handles.length);
    const [handles, offsets, sizes] = [this.#handles, this.#offsets, this.#sizes];
    this.#handles = new Float64Array(length);
    this.#offsets = new Int32Array(length);
    this.#sizes = new Int32Array(length);
    this.#handles.set(handles);
    this.#offsets.set(offsets);
    this.#sizes.set(sizes);
  }
}

/**
 * Columns of pages on the lists of page-lists.ts. Links are noted while the rows are walked one behind the other, and
 * followed among the notes, which a processor's cache holds; rows of 100,000 pages it does not.
 */
export class PageListColumns extends ColumnsBuilder {
  readonly #table: Table;
  readonly #firstRow: number;
  readonly #rowShift: number;
  readonly #listNext: Int32Array;
  readonly #lruNext: Int32Array;

  /** @param firstRow - the row of page 0; of each further page it is `2^rowShift` words behind. */
  constructor(table: Table, firstRow: number, rowShift: number, pagesMax: number, objects: number) {
    super(pagesMax, objects);
    this.#table = table;
    this.#firstRow = firstRow;
    this.#rowShift = rowShift;
    this.#listNext = new Int32Array(pagesMax);
    this.#lruNext = new Int32Array(pagesMax);
  }

  /**
   * The row of a page, in use or free. If it is in use, the objects that come next are its own.
   *
   * @returns whether it is in use.
   */
  row(row: number, bytes: number): boolean {
    const table = this.#table;
    const page = (row - this.#firstRow) >> this.#rowShift;
    this.#listNext[page] = table[row + LIST_NEXT];
    this.#lruNext[page] = table[row + LRU_NEXT];
    const state = table[row + LRU_PREV];
    if (state !== FREE) this.page(page, bytes, state < FREE);
    return state !== FREE;
  }

  /** The list with a head. The rows of its pages were walked. */
  list(name: () => string, head: number): void {
    for (let row = this.#table[head + LIST_NEXT]; row !== head; ) {
      const page = (row - this.#firstRow) >> this.#rowShift;
      this.listed(page);
      row = this.#listNext[page];
    }
    this.endList(name);
  }

  /** The LRU. */
  lru(): void {
    for (let row = this.#table[W_LRU + LRU_NEXT]; row !== W_LRU; ) {
      const page = (row - this.#firstRow) >> this.#rowShift;
      this.ordered(page);
      row = this.#lruNext[page];
    }
  }

  /** Free pages, from a row on. */
  free(first: number): void {
    for (let row = first; row !== FREE; ) {
      const page = (row - this.#firstRow) >> this.#rowShift;
      this.freed(page);
      row = this.#listNext[page];
    }
  }
}

/** Puts a page where a column ends. Gives where it ends then. */
function put(column: Int32Array, end: number, page: number): number {
  if (end === column.length) throw corrupt("a list has no end, or holds a page twice; pages", end);
  column[end] = page;
  return end + 1;
}
