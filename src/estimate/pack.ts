import { type Handle, ZbudError } from "../base/index.ts";
import { createZpool, type Zpool } from "../zpool/index.ts";
import type { CompressedUnits } from "./compress.ts";
import type { Pace } from "./pace.ts";

/** What one pool took of one part. */
export interface Packed {
  objects: number;
  pages: number;
  pageBytes: number;
  metadataBytes: number;
  /** The part of it that an empty pool has too. */
  fixedBytes: number;
  refused: number;
}

/** Pools that are kept from part to part may hold so much in all. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;
const SLICE_UNITS = 4096;

/**
 * The pools of one estimate. With several parts a pool is emptied and used again, since memory that is there
 * already need not be fetched from the system; only if too much would lie around, each part gets a new one.
 */
export class Pools {
  readonly #partBytes: number;
  readonly #kept = new Map<string, Zpool>();
  #keptBytes = 0;

  /** @param partBytes - input in one part; 0 if there is only one part. */
  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  /** An empty pool with a page for each of `unitsMax` units, to be filled with those. */
  take(driver: string, pageSize: number, unitsMax: number, units: CompressedUnits, codec: string): PoolFill {
    const key = `${driver} ${pageSize} ${units.unit} ${codec}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return new PoolFill(kept, units, true);
    const pool = createZpool(driver, { maxPages: Math.max(1, unitsMax), pageSize });
    const keep = this.#partBytes > 0 && this.#keptBytes + this.#partBytes <= KEPT_BYTES_MAX;
    if (keep) {
      this.#kept.set(key, pool);
      this.#keptBytes += this.#partBytes;
    }
    return new PoolFill(pool, units, keep);
  }

  close(): void {
    for (const pool of this.#kept.values()) pool.close();
  }
}

/** One filling of a pool with compressed units. */
export class PoolFill {
  readonly #pool: Zpool;
  readonly #units: CompressedUnits;
  readonly #keep: boolean;
  readonly #handles: Float64Array;
  readonly #fixedBytes: number;
  #refused = 0;

  /** @param keep - empty the pool afterwards; else it is closed. */
  constructor(pool: Zpool, units: CompressedUnits, keep: boolean) {
    this.#pool = pool;
    this.#units = units;
    this.#keep = keep;
    this.#fixedBytes = pool.stats().metadataBytes;
    this.#handles = new Float64Array(units.unitsMax);
  }

  /** Stores units `first` to `last - 1`. A unit that the pool refuses as too big for its pages is counted. */
  store(first: number, last: number): void {
    const pool = this.#pool;
    for (let i = first; i < last; i++) {
      const bytes = this.#units.units[i];
      if (bytes === null) continue;
      const handle = pool.malloc(bytes.length);
      if (typeof handle === "number") {
        pool.write(handle, bytes);
        this.#handles[i] = handle;
      } else if (handle === "ENOSPC") {
        this.#refused += 1;
      } else {
        throw new ZbudError("ECORRUPT", `the ${pool.type} pool is full with a page left for every object`);
      }
    }
  }

  /** Stores all units. */
  async storeAll(pace: Pace): Promise<void> {
    const count = this.#units.units.length;
    for (let first = 0; first < count; first += SLICE_UNITS) {
      this.store(first, Math.min(first + SLICE_UNITS, count));
      if (pace.due) await pace.rest(first / count / 2);
    }
  }

  /**
   * Reads everything back, compares it with what went in, and ends the filling.
   *
   * @throws {ZbudError} `ECORRUPT` for the first object that differs.
   */
  async finish(pace: Pace): Promise<Packed> {
    const count = this.#units.units.length;
    for (let first = 0; first < count; first += SLICE_UNITS) {
      this.#readBack(first, Math.min(first + SLICE_UNITS, count));
      if (pace.due) await pace.rest(0.5 + first / count / 2);
    }
    const { objects, pages, pageBytes, metadataBytes } = this.#pool.stats();
    if (this.#keep) {
      for (const handle of this.#handles) if (handle !== 0) this.#pool.free(handle as Handle);
    }
    return { objects, pages, pageBytes, metadataBytes, fixedBytes: this.#fixedBytes, refused: this.#refused };
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

  /** A pool that is not kept for the next part gives its memory back. */
  close(): void {
    if (!this.#keep) this.#pool.close();
  }
}
