import { type Handle, PLACES, REGISTRY_WORDS, ThreadLock, ThreadRegistry, ZbudError } from "../base/index.ts";
import type { Allocator, FreeWalk, ObjectVisitor, Place } from "./allocator.ts";
import { type Table, W_LOCK } from "./table-header.ts";
import type { PoolStats } from "./types.ts";

/** Between two looks for dead threads that nobody asked for. */
const LOOK_MS = 100;

/** What only reports: thrown under the lock, it leaves the table as it was. */
const REPORTS: readonly string[] = ["ECORRUPT", "EBADF", "EINVAL", "ECLOSED"];

/**
 * An allocator for a pool that threads share: each call is one critical section under the pool's lock. A
 * thread that dies inside one leaves a note of what it was changing; who takes the lock from it repairs the
 * table before going on.
 *
 * A pool that is not shared uses its allocator itself and has none of this.
 */
export class LockedAllocator implements Allocator {
  readonly maxObjectBytes: number;
  readonly moves: boolean;
  readonly #registry: ThreadRegistry;
  readonly #member: number;
  readonly #lock: ThreadLock;
  readonly #inner: Allocator;
  #lookedAt: number = Number.NEGATIVE_INFINITY;
  #closed = false;

  /**
   * @param innerOf - makes the allocator for this thread, given its member.
   * @throws {ZbudError} `EBUSY` if as many threads as a pool takes are at it.
   */
  constructor(table: Table, innerOf: (member: number) => Allocator) {
    this.#registry = new ThreadRegistry(table, table.length - REGISTRY_WORDS);
    this.#member = this.#registry.enter();
    if (this.#member === 0) {
      throw new ZbudError(
        "EBUSY",
        `${PLACES - 1} threads use this pool already; close it in one of them, or call threadGone(threadId) for each that has ended`,
      );
    }
    this.#inner = innerOf(this.#member);
    this.maxObjectBytes = this.#inner.maxObjectBytes;
    this.moves = this.#inner.moves;
    this.#lock = new ThreadLock(table, W_LOCK, this.#member, this.#registry, () => this.#repairHeld());
    if (this.#registry.inherits) this.locked(() => this.#repairHeld());
  }

  alloc(size: number): Handle | null {
    let handle: Handle | null;
    try {
      this.#lock.acquire();
      handle = this.#inner.alloc(size);
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
      this.#lock.release();
    } catch (error) {
      this.#lock.abandon();
      throw error;
    }
    return freed;
  }

  /** Without the lock: an object that nobody frees meanwhile stays found. */
  find(handle: Handle): number {
    return this.#inner.find(handle);
  }

  /** Without the lock: where nothing moves, the place of an object does not change. */
  place(locator: number, into: Place): void {
    this.#inner.place(locator, into);
  }

  startReclaim(): number {
    const token = this.locked(() => this.#inner.startReclaim());
    if (token !== 0 || !this.#lookForDead()) return token;
    return this.startReclaim();
  }

  positions(token: number): number {
    return this.locked(() => this.#inner.positions(token));
  }

  objectAt(token: number, position: number): Handle | null {
    return this.locked(() => this.#inner.objectAt(token, position));
  }

  pageBytesOf(token: number): number {
    return this.locked(() => this.#inner.pageBytesOf(token));
  }

  endReclaim(token: number): number {
    return this.locked(() => this.#inner.endReclaim(token));
  }

  endReclaims(): void {
    this.locked(() => this.#inner.endReclaims());
  }

  trim(): void {
    // The memory of a shared pool cannot be shortened.
  }

  giveBack(walk: FreeWalk): void {
    this.locked(() => this.#inner.giveBack(walk));
  }

  /** Whether this thread only looks. */
  get looks(): boolean {
    return this.#registry.looks;
  }

  /** Whether somebody keeps the lock, who may be stopped, for as long as it takes to look some times. */
  isBusy(): boolean {
    return this.#lock.isBusy();
  }

  touchedBytes(): number {
    return this.#inner.touchedBytes();
  }

  metadataBytes(): number {
    return this.#inner.metadataBytes();
  }

  count(counter: number, by: number): void {
    this.locked(() => this.#inner.count(counter, by));
  }

  pageBytes(): number {
    return this.#inner.pageBytes();
  }

  /** Visits without the lock, so that the visitor may free. */
  objects(visit: ObjectVisitor): void {
    const handles: Handle[] = [];
    const sizes: number[] = [];
    this.locked(() => {
      handles.length = 0;
      sizes.length = 0;
      this.#inner.objects((handle, size) => {
        handles.push(handle);
        sizes.push(size);
      });
    });
    for (const [i, handle] of handles.entries()) visit(handle, sizes[i]);
  }

  stats(): PoolStats {
    return this.locked(() => this.#inner.stats());
  }

  /** Calls `work` with the allocator itself, under the lock. */
  look<T>(work: (inner: Allocator) => T): T {
    return this.locked(() => work(this.#inner));
  }

  repair(isGone: (member: number) => boolean): void {
    this.locked(() => this.#inner.repair(isGone));
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
      if (error instanceof ZbudError && REPORTS.includes(error.code)) this.#lock.release();
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
    const found = this.#registry
      .taken()
      .filter((member) => member !== this.#member && this.#registry.isGone(member)).length;
    if (found > 0) this.locked(() => this.#repairHeld());
    return found;
  }

  /** Notes that a thread is gone, for systems that do not tell, and recovers. */
  threadGone(threadId: number): number {
    this.#registry.tellGone(threadId);
    return this.recover();
  }

  /** Ends this thread's use of the pool. What it has under reclaim goes back to where it was. */
  close(): void {
    this.locked(() => {
      this.#inner.repair((member) => member === this.#member);
    });
    this.#closed = true;
    this.#inner.close();
    this.#registry.leave(this.#member);
  }

  /** Expects the lock. Places are given back last, when no mark names their members any more. */
  #repairHeld(): void {
    const gone = this.#registry
      .taken()
      .filter((member) => member !== this.#member && this.#registry.isGone(member));
    this.#inner.repair((member) => member !== this.#member && this.#registry.isGone(member));
    for (const member of gone) this.#registry.leave(member);
  }

  /** When no page is to be had: perhaps dead threads hold some. Asks the system only now and then. */
  #lookForDead(): boolean {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = now;
    return this.recover() > 0;
  }
}
