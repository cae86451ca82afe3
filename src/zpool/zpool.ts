/// <reference lib="esnext.disposable" preserve="true" />
import { checkNames, type Handle, inspectAsText, show, ZbudError } from "../base/index.ts";
import type { CreatePoolOptions } from "../drivers/index.ts";
import {
  type AllocRefusal,
  checkMade,
  countOpenPools,
  type DriverOptions,
  driverNamed,
  type MapMode,
  makePool,
  type Pool,
  type PoolDriver,
  type PoolStats,
  type SharedPool,
  type ShrinkResult,
} from "../pool/index.ts";

/** The handler of a zpool's evictions; see {@link CreateZpoolOptions}. */
type ZpoolEvictHandler = (handle: Handle, zpool: Zpool) => boolean;

/** Options of {@link createZpool}: the driver's own, and what to do on eviction. */
export type CreateZpoolOptions = WithoutHandler<CreatePoolOptions> & {
  onEvict?: ZpoolEvictHandler | undefined;
};
/** Of each of several types by itself. */
type WithoutHandler<T> = T extends unknown ? Omit<T, "onEvict"> : never;

/**
 * A pool under the names of zpool. Every method that takes a handle throws `ZbudError` `EBADF` if the pool has no
 * such object, every method `ECLOSED` after `close()`; then nothing changed.
 */
export class Zpool {
  /** The driver's name. */
  readonly type: string;
  /** Whether the pool has an evict handler and its driver can reclaim. */
  readonly evictable: boolean;
  /** The pool itself, for all that zpool has no name for. Closing it is {@link close}'s. */
  readonly pool: Pool;
  #closed = false;

  /** Use {@link createZpool} or {@link attachZpool}. */
  constructor(
    driver: PoolDriver,
    onEvict: ZpoolEvictHandler | null | undefined,
    open: (onEvict: ((handle: Handle) => boolean) | undefined) => Pool,
  ) {
    if (onEvict !== null && onEvict !== undefined && typeof onEvict !== "function") {
      throw new ZbudError(
        "EINVAL",
        `onEvict must be a function (handle, pool) => boolean, not ${show(onEvict)}`,
      );
    }
    this.type = driver.type;
    this.evictable = typeof onEvict === "function" && driver.canReclaim;
    this.pool = checkMade(driver, open(onEvict ? (handle) => onEvict(handle, this) : undefined));
    countOpenPools(driver.type, 1);
  }

  /** Pages of memory in use. */
  get totalPages(): number {
    return this.pool.pageCount;
  }

  /** Bytes of memory in use for pages, not of content. */
  get totalSize(): number {
    return this.pool.totalBytes;
  }

  /** Reserves room for one object; see {@link Pool.alloc}. */
  malloc(size: number): Handle | AllocRefusal {
    return this.pool.alloc(size);
  }

  /** Frees an object; its handle is void from here on. */
  free(handle: Handle): void {
    this.pool.free(handle);
  }

  /** A view of an object's bytes, until `unmap`; see {@link Pool.map}. */
  map(handle: Handle, mode: MapMode = "rw"): Uint8Array {
    return this.pool.map(handle, mode);
  }

  /** Ends what `map` began. */
  unmap(handle: Handle): void {
    this.pool.unmap(handle);
  }

  /** Copies an object out; see {@link Pool.read}. What a consumer should use by default. */
  read(handle: Handle, into: Uint8Array): number {
    return this.pool.read(handle, into);
  }

  /** Copies bytes into an object, from its start; see {@link Pool.write}. */
  write(handle: Handle, bytes: Uint8Array): void {
    this.pool.write(handle, bytes);
  }

  /** Reclaims pages one by one, with 8 retries for each, until `pages` are released; see {@link Pool.shrinkPages}. */
  shrink(pages: number): ShrinkResult {
    return this.pool.shrinkPages(pages);
  }

  /** Figures of this moment. */
  stats(): PoolStats {
    return this.pool.stats();
  }

  /** For {@link attachZpool} in another thread; see {@link Pool.share}. */
  share(): SharedPool {
    return { ...this.pool.share(), type: this.type };
  }

  /** Ends the pool and gives its memory back. A second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.pool.close();
    } finally {
      countOpenPools(this.type, -1);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What the pool holds, in a line; see {@link Pool.toString}. */
  toString(): string {
    return `Zpool over ${this.pool}`;
  }

  static {
    inspectAsText(Zpool.prototype);
  }
}

/**
 * Makes a pool of the given type.
 *
 * @param type - a registered driver; importing this module registers `"zbud"`, `"slots"` and `"zsmalloc"`.
 * @throws {ZbudError} `ENOENT` for an unknown type, naming those that exist; `EINVAL` naming a bad option;
 *   `ENOMEM` if its address space cannot be reserved.
 */
export function createZpool(type: string, options: CreateZpoolOptions): Zpool {
  const driver = driverNamed(type);
  if (typeof options !== "object" || options === null) {
    throw new ZbudError(
      "EINVAL",
      `options of a pool must be an object such as { maxPages: 1000 }, not ${show(options)}`,
    );
  }
  // Inherited options are options too.
  const given: Record<string, unknown> = {};
  for (const name in options) given[name] = options[name as keyof typeof options];
  return new Zpool(driver, options.onEvict, (onEvict) =>
    makePool(driver, { ...given, onEvict } as DriverOptions),
  );
}

/**
 * Opens a pool that another thread made.
 *
 * @param shared - what {@link Zpool.share} gave there, as it came through `postMessage` or `workerData`.
 * @param options - `onEvict`: called for what this thread shrinks.
 * @throws {ZbudError} `ENOENT` if its driver is not registered in this thread; `EINVAL` if `shared` is no
 *   such thing; `EBADMSG` if its buffers hold no pool; `EBUSY` if too many threads use it.
 */
export function attachZpool(shared: SharedPool, options: Pick<CreateZpoolOptions, "onEvict"> = {}): Zpool {
  if (typeof shared?.type !== "string") {
    throw new ZbudError("EINVAL", `attachZpool takes what share() of a zpool gave, not ${show(shared)}`);
  }
  checkNames("attachZpool", options, ["onEvict"]);
  const driver = driverNamed(shared.type);
  return new Zpool(driver, options.onEvict, (onEvict) => driver.attach(shared, { onEvict }));
}
