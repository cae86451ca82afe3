import { checkNames, type Handle, integerOption, ZbudError } from "../../base/index.ts";
import { attachPageMemory, createPageMemory, type PageMemory } from "../../memory/index.ts";
import {
  type AllocRefusal,
  checkEvictHandler,
  type EvictHandler,
  handleLayoutOf,
  lockingOf,
  nextPoolNumber,
  type PageSizeRange,
  Pool,
  type PoolShape,
  type SharedPool,
  type Table,
  W_PAGE_SIZE,
  W_POOL_NUMBER,
} from "../../pool/index.ts";
import { fitPageSizes } from "./fit-ladder.ts";
import { LadderAllocator } from "./ladder-allocator.ts";
import { openLadder } from "./ladder-attach.ts";
import { checkLadderOptions, rangesOf, withTop, type ZbudLadderOptions } from "./ladder-options.ts";
import {
  createLadderTable,
  HISTOGRAM_STEPS,
  heldBytesOf,
  histogramStepOf,
  type LadderGeometry,
  openRungsOf,
  R_PAGE_SIZE,
  W_HISTOGRAM,
  W_WARM_UP,
} from "./ladder-table.ts";
import { openRungs } from "./rungs.ts";

/**
 * zbud with pages of one to four sizes, each for a range of object sizes, in one pool: one limit in bytes, one kind
 * of handle, one LRU. All that a {@link ZbudPool} promises holds; in each page are at most two objects. Memory
 * goes from one page size to another in segments.
 *
 * @example
 * const ladder = new ZbudLadder({ maxBytes: 64 * 2 ** 20, pageSizes: fitPageSizes(sizes).pageSizes });
 */
export class ZbudLadder extends Pool {
  readonly #table: Table;
  readonly #geometry: LadderGeometry;
  readonly #allocator: LadderAllocator;

  /**
   * @param options - see {@link ZbudLadderOptions}.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for `maxBytes` cannot be
   *   reserved.
   */
  constructor(options: ZbudLadderOptions, parts: LadderParts = {}) {
    const checked = parts.attached ?? makeLadder(options, parts.memory);
    const { table, geometry, memory, onEvict } = checked;
    const layout = handleLayoutOf(2 * (geometry.segments << geometry.rowsShift), table[W_POOL_NUMBER]);
    const made: LadderAllocator[] = [];
    super({
      type: "zbud",
      table,
      memory,
      layout,
      shape: shapeOf(table, geometry),
      allocatorOf: (member) => {
        made.push(new LadderAllocator(table, geometry, layout, memory, member));
        return made[0];
      },
      onEvict,
    });
    this.#table = table;
    this.#geometry = geometry;
    this.#allocator = made[0];
  }

  /**
   * Opens a pool that another thread made, as `ZbudPool.attach`.
   *
   * @throws {ZbudError} `EINVAL`, `EBADMSG`, `EBUSY` as there.
   */
  static attach(shared: SharedPool, options: Pick<ZbudLadderOptions, "onEvict"> = {}): ZbudLadder {
    const { table, geometry } = openLadder(shared);
    const memory = attachPageMemory(geometry.segmentBytes, shared.pages);
    checkNames("attach", options, ["onEvict"]);
    const onEvict = checkEvictHandler(options.onEvict);
    // What the options would say is in the table.
    return new ZbudLadder({ maxBytes: 0, pageSizes: [] }, { attached: { table, geometry, memory, onEvict } });
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
  override refit(pageSizes?: readonly (number | PageSizeRange)[]): PageSizeRange[] | "EAGAIN" {
    const { chunkOrder, chunkCount, segmentBytes, rowsShift, maxObjectBytes } = this.#geometry;
    const pageSizeMin = segmentBytes >> rowsShift;
    const chosen = pageSizes === undefined ? this.#fitted(pageSizeMin) : rangesOf(pageSizes, chunkOrder);
    for (const { pageSize } of chosen) integerOption("pageSize", pageSize, pageSizeMin, segmentBytes);
    const ranges = withTop(chosen, maxObjectBytes, chunkCount);
    return this.underLock(() => {
      if (!this.#allocator.open(ranges)) return "EAGAIN";
      const histogram = this.#histogram();
      for (const [i, count] of histogram.entries()) histogram[i] = count >>> 1;
      return openRanges(this.#table);
    });
  }

  #fitted(pageSizeMin: number): PageSizeRange[] {
    const { chunkOrder, segmentBytes, maxObjectBytes: maxSize } = this.#geometry;
    const counts = this.underLock(() => Array.from(this.#histogram(), (count) => count >>> 0));
    if (counts.every((count) => count === 0)) {
      throw new ZbudError(
        "EINVAL",
        "nothing was stored yet that page sizes could be fitted to; give pageSizes",
      );
    }
    const histogram = { step: histogramStepOf(maxSize), counts, maxSize };
    return fitPageSizes(histogram, { chunkOrder, pageSizeMin, maxPageSize: segmentBytes }).pageSizes;
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

/** What a ladder can be given instead of its own. */
interface LadderParts {
  memory?: PageMemory;
  attached?: OpenLadder;
}

interface OpenLadder {
  table: Table;
  geometry: LadderGeometry;
  memory: PageMemory;
  onEvict: EvictHandler | null;
}

function makeLadder(options: ZbudLadderOptions, memory: PageMemory | undefined): OpenLadder {
  const { geometry, ranges, warmUp, shared, lock, onEvict } = checkLadderOptions(options);
  const { segmentBytes, segments } = geometry;
  const largest = Math.max(...ranges.map(({ pageSize }) => pageSize));
  const table = createLadderTable(geometry, largest, lockingOf({ shared, lock }));
  openRungs(table, geometry, ranges);
  table[W_WARM_UP] = warmUp === 0 ? 0 : warmUp + 1;
  const pages = memory ?? createPageMemory(segmentBytes, segments, shared);
  table[W_POOL_NUMBER] = nextPoolNumber();
  return { table, geometry, memory: pages, onEvict };
}

function openRanges(table: Table): PageSizeRange[] {
  return openRungsOf(table).map(({ rung, maxSize }) => ({ pageSize: table[rung + R_PAGE_SIZE], maxSize }));
}

function shapeOf(table: Table, { chunkOrder, segmentBytes, segments, rowsShift }: LadderGeometry): PoolShape {
  return {
    pageSize: table[W_PAGE_SIZE],
    maxPages: segments << rowsShift,
    chunkOrder,
    maxBytes: segments * segmentBytes,
    pageSizes: openRanges(table),
  };
}
