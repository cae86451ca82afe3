import { type Handle, show, ZbudError } from "../base/index.ts";
import { ZbudPool } from "../drivers/index.ts";
import { type ObjectPlace, type PoolObserver, Zpool } from "../zpool/index.ts";

/** What a trace can be recorded from and replayed on. */
export type TracedPool = ZbudPool | Zpool;

/** The common face of the two interfaces, as far as a trace needs it. */
export interface Subject {
  readonly interface: "zbud" | "zpool";
  readonly driver: string;
  readonly pageSize: number;
  readonly pages: number;
  alloc(size: number): Handle | "ENOSPC" | "ENOMEM";
  free(handle: Handle): void;
  map(handle: Handle): Uint8Array;
  unmap(handle: Handle): void;
  inspect(handle: Handle): ObjectPlace;
  observe(observer: PoolObserver): () => void;
}

/** @throws {ZbudError} `EINVAL` if it is no pool. */
export function subjectOf(pool: TracedPool): Subject {
  if (!(pool instanceof ZbudPool) && !(pool instanceof Zpool)) {
    throw new ZbudError("EINVAL", `a ZbudPool or a Zpool is recorded, not ${show(pool)}`);
  }
  const isZbud = pool instanceof ZbudPool;
  return {
    interface: isZbud ? "zbud" : "zpool",
    driver: isZbud ? "zbud" : pool.type,
    pageSize: pool.pageSize,
    get pages(): number {
      return isZbud ? pool.pageCount : pool.totalPages;
    },
    alloc: (size) => (isZbud ? pool.alloc(size) : pool.malloc(size)),
    free: (handle) => pool.free(handle),
    map: (handle) => pool.map(handle),
    unmap: (handle) => pool.unmap(handle),
    inspect: (handle) => pool.inspect(handle),
    observe: (observer) => pool.observe(observer),
  };
}

/**
 * Gives pages their serial numbers: counts them as they are taken. A page is a new one when the pool's page
 * count grew with the alloc; where pages are taken in groups, also when it was not met before.
 */
export class PageSerials {
  readonly #serialOf = new Map<number, number>();
  #next = 0;
  #pages = 0;

  /** The serial of the page that an alloc chose. */
  afterAlloc(page: number, pages: number): number {
    if (pages > this.#pages || !this.#serialOf.has(page)) this.#serialOf.set(page, this.#next++);
    this.#pages = pages;
    return this.#serialOf.get(page) as number;
  }

  /** To be told after whatever else may have released pages. */
  afterRelease(pages: number): void {
    this.#pages = pages;
  }
}
