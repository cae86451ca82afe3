import { type Handle, Prng, ZbudError } from "../base/index.ts";
import { createPool } from "../drivers/index.ts";
import type { PageSizeRange, Pool } from "../pool/index.ts";
import type { CompressedUnits } from "./compress.ts";
import type { Progress } from "./progress.ts";

/** Which pool: of a driver, with pages of one size or of several. */
export interface PoolKind {
  driver: string;
  pageSize: number;
  pageSizes: PageSizeRange[] | null;
}

/** What one pool took of one batch. */
export interface Packed {
  objects: number;
  pages: number;
  pageBytes: number;
  metadataBytes: number;
  /** The part of it that an empty pool has too. */
  fixedBytes: number;
  refused: number;
  /** Nanoseconds to store an object, of each slice in turn. */
  storeNs: number[];
  /** The same pool after a random half of its objects was freed, and what a reclaim then evicted and released. */
  half: Half | null;
}

interface Half {
  /** Objects before, and after. */
  filled: number;
  objects: number;
  pages: number;
  poolBytes: number;
  evicted: number;
  reclaimed: number;
}

/** Pools that are kept from batch to batch may hold so much in all. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;
const SLICE_UNITS = 4096;
/** A pool with several page sizes may leave some segments of up to 1 MiB half used; untouched, they cost nothing. */
const CLASSES_SPARE = 8 * 1024 * 1024;
/**
 * A pool that takes several pages for the first object of a size may need so many more than there are objects;
 * untouched, they cost nothing.
 */
const GROUPS_SPARE_EACH = 3;
const GROUPS_SPARE_MAX = 1024;
/** The driver that copies what lives together when it wants room. */
const CLEANS_ITSELF = "log";
/** Pages that reclaim is asked for, to see what it has to evict. */
const RECLAIM_PAGES = 256;

/**
 * The pools of one estimate. With several batches a pool is emptied and used again, since memory that is there
 * already need not be fetched from the system; only if too much would lie around, each batch gets a new one.
 */
export class Pools {
  readonly #batchBytes: number;
  readonly #clock: () => number;
  readonly #seed: number;
  readonly #kept = new Map<string, Pool>();
  #keptBytes = 0;

  /**
   * @param batchBytes - input in one batch; 0 if there is only one batch.
   * @param seed - chooses the half that is freed.
   */
  constructor(batchBytes: number, clock: () => number, seed: number) {
    this.#batchBytes = batchBytes;
    this.#clock = clock;
    this.#seed = seed;
  }

  /**
   * An empty pool with a page for each of `maxUnits` units, to be filled with those.
   *
   * @param isFirst - whether they are of the first batch: the pool then gets their bytes and has to give them back. Of
   *   later ones it makes room only, which packs them as well.
   */
  take(kind: PoolKind, maxUnits: number, units: CompressedUnits, codec: string, isFirst: boolean): PoolFill {
    const key = `${kind.driver} ${kind.pageSize} ${kind.pageSizes?.length ?? 1} ${units.unit} ${codec}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return this.#fill(kept, units, true, isFirst);
    const pool = openPool(kind, Math.max(1, maxUnits));
    const keep = this.#batchBytes > 0 && this.#keptBytes + this.#batchBytes <= KEPT_BYTES_MAX;
    if (keep) {
      this.#kept.set(key, pool);
      this.#keptBytes += this.#batchBytes;
    }
    return this.#fill(pool, units, keep, isFirst);
  }

  #fill(pool: Pool, units: CompressedUnits, keep: boolean, withBytes: boolean): PoolFill {
    return new PoolFill(pool, units, { keep, withBytes }, this.#clock, new Prng(this.#seed));
  }

  close(): void {
    for (const pool of this.#kept.values()) pool.close();
  }
}

/** A pool that frees what it evicts. */
function openPool({ driver, pageSize, pageSizes }: PoolKind, maxPages: number): Pool {
  const onEvict = (handle: Handle, pool: Pool): boolean => {
    pool.free(handle);
    return true;
  };
  const spare = Math.min(GROUPS_SPARE_EACH * maxPages, GROUPS_SPARE_MAX);
  if (driver !== "size-classes") return createPool(driver, { maxPages: maxPages + spare, pageSize, onEvict });
  const sizes = pageSizes === null ? { pageSize } : { pageSizes };
  return createPool(driver, { ...sizes, maxBytes: maxPages * pageSize + CLASSES_SPARE, onEvict });
}

/** One filling of a pool with compressed units. */
export class PoolFill {
  readonly #pool: Pool;
  readonly #units: CompressedUnits;
  readonly #keep: boolean;
  readonly #withBytes: boolean;
  readonly #handles: Float64Array;
  readonly #fixedBytes: number;
  readonly #clock: () => number;
  readonly #prng: Prng;
  readonly #storeNs: number[] = [];
  #refused = 0;

  /** @param how - keep: empty the pool afterwards, else it is closed; withBytes: store, and not only make room. */
  constructor(
    pool: Pool,
    units: CompressedUnits,
    how: { keep: boolean; withBytes: boolean },
    clock: () => number,
    prng: Prng,
  ) {
    this.#clock = clock;
    this.#prng = prng;
    this.#pool = pool;
    this.#units = units;
    this.#keep = how.keep;
    this.#withBytes = how.withBytes;
    this.#fixedBytes = pool.stats().metadataBytes;
    this.#handles = new Float64Array(units.maxUnits);
  }

  /** Stores units `first` to `last - 1`. A unit that the pool refuses as too big for its pages is counted. */
  store(first: number, last: number): void {
    const pool = this.#pool;
    const withBytes = this.#withBytes;
    const begun = this.#clock();
    let stored = 0;
    for (let i = first; i < last; i++) {
      const bytes = this.#units.units[i];
      if (bytes === null) continue;
      const handle = pool.alloc(bytes.length);
      if (typeof handle === "number") {
        if (withBytes) pool.write(handle, bytes);
        this.#handles[i] = handle;
        stored += 1;
      } else if (handle === "ENOSPC") {
        this.#refused += 1;
      } else {
        throw new ZbudError(
          "ECORRUPT",
          `the ${pool.type} pool is full, though it has a page for every object: please report this`,
        );
      }
    }
    if (stored > 0 && withBytes) this.#storeNs.push(((this.#clock() - begun) * 1e6) / stored);
  }

  /** Stores all units. */
  async storeAll(progress: Progress): Promise<void> {
    const count = this.#units.units.length;
    for (let first = 0; first < count; first += SLICE_UNITS) {
      this.store(first, Math.min(first + SLICE_UNITS, count));
      if (progress.shouldYield) await progress.yieldThread(first / count / 2);
    }
  }

  /**
   * Reads everything back, compares it with what went in, and ends the filling.
   *
   * @param wantsHalf - whether to look at the pool half freed as well.
   * @throws {ZbudError} `ECORRUPT` for the first object that differs.
   */
  async finish(progress: Progress, wantsHalf: boolean): Promise<Packed> {
    const count = this.#units.units.length;
    for (let first = 0; this.#withBytes && first < count; first += SLICE_UNITS) {
      this.#readBack(first, Math.min(first + SLICE_UNITS, count));
      if (progress.shouldYield) await progress.yieldThread(0.5 + first / count / 2);
    }
    const { objects, pages, pageBytes, metadataBytes } = this.#pool.stats();
    const half = wantsHalf && objects > 0 ? this.#freeHalf(objects) : null;
    if (this.#keep) this.#pool.objects((handle) => this.#pool.free(handle));
    return {
      objects,
      pages,
      pageBytes,
      metadataBytes,
      fixedBytes: this.#fixedBytes,
      refused: this.#refused,
      storeNs: this.#storeNs,
      half,
    };
  }

  /** Frees a random half, and then lets the pool reclaim some pages. */
  #freeHalf(filled: number): Half {
    const pool = this.#pool;
    const prng = this.#prng;
    for (const handle of this.#handles) if (handle !== 0 && prng.below(2) === 0) pool.free(handle as Handle);
    // Before it takes another page, this driver does so by itself; others wait to be told, or cannot.
    if (pool.type === CLEANS_ITSELF) pool.compact();
    const { objects, pages, pageBytes, metadataBytes, objectsEvicted } = pool.stats();
    const { reclaimed } = pool.shrinkPages(Math.min(pages, RECLAIM_PAGES));
    const evicted = pool.stats().objectsEvicted - objectsEvicted;
    return { filled, objects, pages, poolBytes: pageBytes + metadataBytes, evicted, reclaimed };
  }

  #readBack(first: number, last: number): void {
    const pool = this.#pool;
    for (let i = first; i < last; i++) {
      if (this.#handles[i] === 0) continue;
      const stored = this.#units.units[i] as Uint8Array;
      const handle = this.#handles[i] as Handle;
      const same = Buffer.compare(pool.map(handle, "ro"), stored) === 0;
      pool.unmap(handle);
      if (!same) {
        throw new ZbudError(
          "ECORRUPT",
          `an object of ${stored.length} bytes came back different from the ${pool.type} pool: please report this`,
        );
      }
    }
  }

  /** A pool that is not kept for the next batch gives its memory back. */
  close(): void {
    if (!this.#keep) this.#pool.close();
  }
}
