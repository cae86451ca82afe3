import { type Handle, integerOption, type Size, ZbudError } from "../../base/index.ts";
import { createPageMemory, type PageMemory, type SharedMemory, threadsMemory } from "../../memory/index.ts";
import {
  type AllocRefusal,
  beginTable,
  type EvictHandler,
  handleLayoutOf,
  lockingOf,
  type PageSizeRange,
  Pool,
  type PoolShape,
  type Table,
  W_PAGE_SIZE,
  W_POOL_NUMBER,
} from "../../pool/index.ts";
import { SizeClassAllocator } from "./allocator.ts";
import { fitPageSizes } from "./fit.ts";
import type { Geometry } from "./geometry.ts";
import { openClasses } from "./open-classes.ts";
import { checkOptions, rangesOf, type SizeClassPoolOptions, withTop } from "./options.ts";
import {
  C_PAGE_SIZE,
  createPageTable,
  HISTOGRAM_STEPS,
  heldBytesOf,
  histogramStepOf,
  openClassesOf,
  W_HISTOGRAM,
  W_WARM_UP,
} from "./table.ts";

/**
 * zbud with pages of one to four sizes, each for a range of object sizes, in one pool: one limit in bytes, one kind
 * of handle, one LRU. All that a {@link ZbudPool} promises holds; in each page are at most two objects. Memory
 * goes from one page size to another in segments.
 *
 * @example
 * const pool = new SizeClassPool({ maxBytes: 64 * 2 ** 20, pageSizes: fitPageSizes(sizes).pageSizes });
 */
export class SizeClassPool extends Pool {
  readonly #table: Table;
  readonly #geometry: Geometry;
  readonly #allocator: SizeClassAllocator;

  /**
   * @param options - see {@link SizeClassPoolOptions}.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for `maxBytes` cannot be
   *   reserved.
   */
  constructor(options: SizeClassPoolOptions, parts: Parts = {}) {
    const checked = parts.attached ?? openNew(options, parts);
    const { table, geometry, memory, onEvict } = checked;
    const layout = handleLayoutOf(2 * (geometry.segments << geometry.rowsShift), table[W_POOL_NUMBER]);
    const made: SizeClassAllocator[] = [];
    super({
      type: "size-classes",
      table,
      memory,
      layout,
      shape: shapeOf(table, geometry),
      allocatorOf: (member) => {
        made.push(new SizeClassAllocator(table, geometry, layout, memory, member));
        return made[0];
      },
      onEvict,
    });
    this.#table = table;
    this.#geometry = geometry;
    this.#allocator = made[0];
  }

  /** The page sizes of new objects, and which objects go to each. Throws `ECLOSED` after `close()`. */
  get pageSizes(): PageSizeRange[] {
    return this.underLock(() => openRanges(this.#table));
  }

  /** Bytes of the segments that have pages in use. */
  override get heldBytes(): number {
    return heldBytesOf(this.#table, this.#geometry);
  }

  /** As of a {@link ZbudPool}; the object that ends the warm-up takes some tenths of a second longer. */
  override alloc(size: number): Handle | AllocRefusal {
    const result = super.alloc(size);
    if (this.#table[W_WARM_UP] === 1) this.#endWarmUp();
    return result;
  }

  /**
   * Chooses the page sizes for new objects anew: what is stored drifts. Objects stay where they are, and their
   * handles valid; pages of sizes that are given up come back as they are reclaimed or freed. The pool's limit
   * in bytes holds all the while.
   *
   * @param pageSizes - as the option; default: what fits the sizes that were stored lately, the older ones
   *   counting half at each refit.
   * @returns the page sizes from here on; or `"EAGAIN"` if too many earlier ones still hold objects, and then
   *   nothing changed.
   * @throws {ZbudError} `EINVAL` for impossible sizes, or if none are given and nothing was stored yet; `ECLOSED`.
   * @remarks Without sizes given, some tenths of a second, in which other threads go on.
   */
  override refit(pageSizes?: readonly (Size | PageSizeRange)[]): PageSizeRange[] | "EAGAIN" {
    const { chunkOrder, chunkCount, segmentBytes, rowsShift, maxObjectBytes } = this.#geometry;
    const minPageSize = segmentBytes >> rowsShift;
    const chosen = pageSizes === undefined ? this.#fitted(minPageSize) : rangesOf(pageSizes, chunkOrder);
    for (const { pageSize } of chosen) integerOption("pageSize", pageSize, minPageSize, segmentBytes);
    const ranges = withTop(chosen, maxObjectBytes, chunkCount);
    return this.underLock(() => {
      if (!this.#allocator.open(ranges)) return "EAGAIN";
      const histogram = this.#histogram();
      for (const [i, count] of histogram.entries()) histogram[i] = count >>> 1;
      return openRanges(this.#table);
    });
  }

  #fitted(minPageSize: number): PageSizeRange[] {
    const { chunkOrder, segmentBytes, maxObjectBytes: maxSize } = this.#geometry;
    const counts = this.underLock(() => Array.from(this.#histogram(), (count) => count >>> 0));
    if (counts.every((count) => count === 0)) {
      throw new ZbudError("EINVAL", "nothing is stored yet, so page sizes cannot be fitted; give pageSizes");
    }
    const histogram = { step: histogramStepOf(maxSize), counts, maxSize };
    return fitPageSizes(histogram, { chunkOrder, minPageSize, maxPageSize: segmentBytes }).pageSizes;
  }

  #histogram(): Int32Array {
    return this.#table.subarray(W_HISTOGRAM, W_HISTOGRAM + HISTOGRAM_STEPS);
  }

  /** Of threads that see the warm-up's end, one fits. */
  #endWarmUp(): void {
    const isFirst = this.underLock(() => {
      const isDue = this.#table[W_WARM_UP] === 1;
      this.#table[W_WARM_UP] = 0;
      return isDue;
    });
    if (isFirst) this.refit();
  }
}

/** What a pool of size classes can be given instead of its own. */
interface Parts {
  memory?: PageMemory;
  shared?: SharedMemory;
  attached?: Opened;
}

interface Opened {
  table: Table;
  geometry: Geometry;
  memory: PageMemory;
  onEvict: EvictHandler | null;
}

function openNew(options: SizeClassPoolOptions, parts: Parts): Opened {
  const { geometry, ranges, warmUp, shared, lock, giveBack, onEvict } = checkOptions(options);
  const { segmentBytes, segments } = geometry;
  const largest = Math.max(...ranges.map(({ pageSize }) => pageSize));
  const source = shared ? (parts.shared ?? threadsMemory) : null;
  const table = createPageTable(geometry, largest, lockingOf({ shared, lock }), source);
  openClasses(table, geometry, ranges);
  table[W_WARM_UP] = warmUp === 0 ? 0 : warmUp + 1;
  const pages = parts.memory ?? createPageMemory(segmentBytes, segments, source);
  beginTable(table, giveBack);
  return { table, geometry, memory: pages, onEvict };
}

function openRanges(table: Table): PageSizeRange[] {
  return openClassesOf(table).map(({ sizeClass, maxSize }) => ({
    pageSize: table[sizeClass + C_PAGE_SIZE],
    maxSize,
  }));
}

function shapeOf(table: Table, { chunkOrder, segmentBytes, segments, rowsShift }: Geometry): PoolShape {
  return {
    pageSize: table[W_PAGE_SIZE],
    maxPages: segments << rowsShift,
    chunkOrder,
    maxBytes: segments * segmentBytes,
    pageSizes: openRanges(table),
  };
}
