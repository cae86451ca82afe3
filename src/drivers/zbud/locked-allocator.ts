import { type Handle, PLACES, Seats, ThreadLock, ZbudError } from "../../base/index.ts";
import type { PageMemory } from "../../memory/index.ts";
import { type Allocator, ZbudAllocator } from "./allocator.ts";
import type { Geometry } from "./geometry.ts";
import type { HandleLayout } from "./handle.ts";
import { type PageTable, seatsOf, W_INTENT, W_LOCK } from "./page-table.ts";
import { repairTable } from "./repair.ts";

/** Between two looks for dead threads that nobody asked for. */
const LOOK_MS = 100;

/**
 * The algorithm for a pool that threads share: each call is one critical section under the pool's lock. A
 * thread that dies inside one leaves a note of the place it was changing; who takes the lock from it repairs
 * the table before going on.
 *
 * A pool that is not shared uses {@link ZbudAllocator} itself and has none of this.
 */
export class LockedAllocator implements Allocator {
  readonly #table: PageTable;
  readonly #geometry: Geometry;
  readonly #generationMask: number;
  readonly #seats: Seats;
  readonly #seat: number;
  readonly #lock: ThreadLock;
  readonly #inner: ZbudAllocator;
  #lookedAt: number = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** @throws {ZbudError} `EBUSY` if as many threads as a pool takes are at it. */
  constructor(table: PageTable, geometry: Geometry, layout: HandleLayout, memory: PageMemory) {
    this.#table = table;
    this.#geometry = geometry;
    this.#generationMask = layout.generationMask;
    this.#seats = new Seats(table, seatsOf(geometry));
    this.#seat = this.#seats.enter();
    if (this.#seat === 0) {
      throw new ZbudError(
        "EBUSY",
        `${PLACES - 1} threads use this pool already; close it in one, or recover() if some are gone`,
      );
    }
    this.#inner = new ZbudAllocator(table, geometry, layout, memory, this.#seat);
    this.#lock = new ThreadLock(table, W_LOCK, this.#seat, this.#seats, () => this.#repair());
  }

  alloc(size: number): Handle | null {
    let handle: Handle | null;
    try {
      this.#lock.acquire();
      handle = this.#inner.alloc(size);
      this.#table[W_INTENT] = 0;
      this.#lock.release();
    } catch (error) {
      this.#lock.abandon();
      throw error;
    }
    if (handle !== null || !this.#lookForDead()) return handle;
    return this.alloc(size); // with the pages that a dead thread had under reclaim
  }

  free(handle: Handle): boolean {
    if (this.#closed) return false;
    let freed: boolean;
    try {
      this.#lock.acquire();
      freed = this.#inner.free(handle);
      this.#table[W_INTENT] = 0;
      this.#lock.release();
    } catch (error) {
      this.#lock.abandon();
      throw error;
    }
    return freed;
  }

  /** Without the lock: the place of an object that nobody frees meanwhile does not change. */
  find(handle: Handle): number {
    return this.#inner.find(handle);
  }

  startReclaim(): number {
    const row = this.locked(() => this.#inner.startReclaim());
    if (row !== 0 || !this.#lookForDead()) return row;
    return this.startReclaim();
  }

  objectAt(row: number, buddy: number): Handle {
    return this.locked(() => this.#inner.objectAt(row, buddy));
  }

  peek(row: number, buddy: number): Handle {
    return this.#inner.peek(row, buddy);
  }

  endReclaims(): void {
    this.locked(() => this.#inner.endReclaims());
  }

  endReclaim(row: number): boolean {
    return this.locked(() => this.#inner.endReclaim(row));
  }

  trim(): void {
    // The memory of a shared pool cannot be shortened.
  }

  count(counter: number): void {
    this.locked(() => this.#inner.count(counter));
  }

  /**
   * Does work under the lock. What it throws comes through, and unless it only reports what it found, the
   * table is repaired before anybody goes on: a stack that overflows can cut off any work at any call.
   */
  locked<T>(work: () => T): T {
    try {
      this.#lock.acquire();
      const result = work();
      this.#lock.release();
      return result;
    } catch (error) {
      if (error instanceof ZbudError && error.code === "ECORRUPT") this.#lock.release();
      else this.#lock.abandon();
      throw error;
    }
  }

  /**
   * Looks for threads that are gone, and puts back what they had under reclaim.
   *
   * @returns how many it found.
   */
  recover(): number {
    const found = this.#seats
      .taken()
      .filter((seat) => seat !== this.#seat && this.#seats.isGone(seat)).length;
    if (found > 0) this.locked(() => this.#repair());
    return found;
  }

  /** Notes that a thread is gone, for systems that do not tell, and recovers. */
  threadGone(threadId: number): number {
    this.#seats.tellGone(threadId);
    return this.recover();
  }

  /** Ends this thread's use of the pool. What it has under reclaim goes back to where it was. */
  close(): void {
    this.locked(() => {
      this.#repairFor((seat) => seat === this.#seat);
    });
    this.#closed = true;
    this.#inner.close();
    this.#seats.leave(this.#seat);
  }

  /** Expects the lock. Places are given back last, when no mark names their seats any more. */
  #repair(): void {
    const gone = this.#seats.taken().filter((seat) => seat !== this.#seat && this.#seats.isGone(seat));
    this.#repairFor((seat) => seat !== this.#seat && this.#seats.isGone(seat));
    for (const seat of gone) this.#seats.leave(seat);
  }

  #repairFor(isGone: (seat: number) => boolean): void {
    repairTable(this.#table, this.#geometry, this.#generationMask, isGone);
  }

  /** When no page is to be had: perhaps dead threads hold some. Asks the system only now and then. */
  #lookForDead(): boolean {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = now;
    return this.recover() > 0;
  }
}
