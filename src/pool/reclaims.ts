import { type Handle, ZbudError } from "../base/index.ts";
import type { Allocator } from "./allocator.ts";
import { F_EVICTIONS_REFUSED, F_OBJECTS_EVICTED, F_PAGES_RECLAIMED } from "./table-header.ts";
import type { PoolObserver, ReclaimResult } from "./types.ts";

/** What any call after `close()` throws. */
export function closedError(): ZbudError {
  return new ZbudError("ECLOSED", "this pool was closed; make a new one");
}

/**
 * The reclaims that one thread does in one pool: takes what is to be reclaimed, offers its objects to the evict
 * handler, and puts it back or releases it, whatever the handler does. Handlers may reclaim, throw, and close
 * the pool.
 */
export class Reclaims {
  observer: PoolObserver | null = null;
  readonly #allocator: Allocator;
  readonly #evict: ((handle: Handle) => boolean) | null;
  /** What is under reclaim by this thread, and calls of #reclaim on its stack. */
  #underWay = 0;
  #depth = 0;
  #pages = 0;
  #bytes = 0;
  #closed = false;

  /** @param evict - the handler, which is given its pool; null if there is none. */
  constructor(allocator: Allocator, evict: ((handle: Handle) => boolean) | null) {
    this.#allocator = allocator;
    this.#evict = evict;
  }

  /** Whether there is a handler. */
  get evictable(): boolean {
    return this.#evict !== null;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Pages that the last reclaim released. */
  get pages(): number {
    return this.#pages;
  }

  /** Bytes of those. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whatever is under way ends at the handler's return. */
  close(): void {
    this.#closed = true;
    this.observer = null;
  }

  /** As `reclaimPage` of a pool, with `retries` checked. */
  reclaim(retries: number): ReclaimResult {
    if (this.observer !== null) this.observer.onReclaimStart?.(retries);
    let result: ReclaimResult | "throw" = "throw";
    try {
      result = this.#reclaim(retries);
    } finally {
      if (this.observer !== null) this.observer.onReclaimEnd?.(result);
    }
    return result;
  }

  #reclaim(retries: number): ReclaimResult {
    this.#pages = 0;
    this.#bytes = 0;
    if (this.#evict === null || retries === 0) return "EINVAL";
    // Handlers that reclaim in handlers can overflow the stack, and then the deepest calls have not even the
    // room to put their pages back. The outermost one does it for all, or the next if that was cut off too.
    if (this.#depth === 0) this.#endLost();
    this.#depth++;
    try {
      for (let tried = 0; tried < retries; tried++) {
        const token = this.#allocator.startReclaim();
        if (token === 0) return tried === 0 ? "EINVAL" : "EAGAIN";
        this.#underWay++;
        let pages = 0;
        let pageBytes = 0;
        let goesOn = true; // until the handler refuses an object: that spares the rest
        try {
          const positions = this.#allocator.positions(token);
          for (let position = 0; position < positions && goesOn; position++) {
            goesOn = this.#offer(token, position);
          }
        } finally {
          if (!this.#closed) {
            pageBytes = this.#allocator.pageBytesOf(token);
            pages = this.#allocator.endReclaim(token);
            this.#underWay--;
            if (pages > 0) this.#allocator.count(F_PAGES_RECLAIMED, pages);
          }
        }
        if (this.#closed) throw closedError();
        if (pages > 0) {
          this.#pages = pages;
          this.#bytes = pages * pageBytes;
          return "ok";
        }
      }
      // A handler may have reclaimed itself.
      this.#pages = 0;
      this.#bytes = 0;
      return "EAGAIN";
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#endLost();
    }
  }

  #endLost(): void {
    if (this.#underWay === 0 || this.#closed) return;
    this.#allocator.endReclaims();
    this.#underWay = 0;
  }

  /** Offers one object, if there is one at this position. False: it was refused. */
  #offer(token: number, position: number): boolean {
    if (this.#closed) return false;
    const handle = this.#allocator.objectAt(token, position);
    if (handle === null) return true;
    if (this.observer !== null) this.observer.onEvictStart?.(handle);
    let returned: boolean | "throw" = "throw";
    try {
      returned = (this.#evict as (handle: Handle) => boolean)(handle) === true;
    } finally {
      if (!this.#closed) {
        const stays = this.#allocator.objectAt(token, position) !== null;
        if (stays) this.#allocator.count(F_EVICTIONS_REFUSED, 1);
        else if (returned === true) this.#allocator.count(F_OBJECTS_EVICTED, 1);
      }
      if (this.observer !== null) this.observer.onEvictEnd?.(handle, returned);
    }
    return returned;
  }
}
