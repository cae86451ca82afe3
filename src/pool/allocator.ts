import type { Handle } from "../base/index.ts";
import type { SnapshotColumns } from "./snapshot.ts";
import type { PoolSnapshot, PoolStats } from "./types.ts";

/** Where the bytes of an object are: one piece, or two where objects may cross a page's end. */
export interface Place {
  /** Index of the page that the object begins in. */
  page: number;
  /** Where that page begins: bytes from the start of the page memory. */
  pageByte: number;
  /** Where the object's first piece begins: bytes from the start of the page memory. */
  offset: number;
  /** Bytes of the first piece; 0: the object was freed by another thread just now. */
  size: number;
  /** As `offset`, of the second piece. */
  offset2: number;
  /** Bytes of the second piece; 0: there is none. */
  size2: number;
}

/** An object walk: may free the object that it is called for, and nothing else. */
export type ObjectVisitor = (handle: Handle, size: number) => void;

/** A walk over free pages whose memory is given back, step by step. */
export interface FreeWalk {
  /** Byte of the page memory where it goes on; infinite: it is at the end. */
  at: number;
  /** About how many bytes may still go. */
  left: number;
  /** How many went. */
  given: number;
}

/**
 * An allocator's algorithm on a table of words: which object lies where, which page is next. It knows sizes and
 * places, no bytes, no handler and no errors; it expects sizes that fit and tells of handles that name nothing.
 *
 * If its pool is shared, the caller holds the pool's lock at every call; only {@link find} is called without it
 * too, and {@link place} is where nothing {@link moves}. A change of an object notes before what it changes, and
 * withdraws the note before it returns, so that {@link repair} can make the table whole after a thread died at
 * any instruction.
 */
export interface Allocator {
  /** The largest object, in bytes. Does not change. */
  readonly maxObjectBytes: number;
  /** Whether objects may move while others allocate: then bytes are read and written under the lock. */
  readonly moves: boolean;
  /**
   * @param size - bytes, an integer in [1, maxObjectBytes].
   * @returns a handle, or null if there is no memory for it now, and then nothing changed. Not 0: a caller that
   *   compares with a number unboxes a large handle, and boxes it again.
   */
  alloc(size: number): Handle | null;
  /** False: the handle names nothing, and nothing changed. */
  free(handle: Handle): boolean;
  /** A number > 0 that {@link place} takes, or 0 if the handle names no object. */
  find(handle: Handle): number;
  /** Fills in where the object is that {@link find} found. */
  place(locator: number, into: Place): void;
  /**
   * Takes the page that is to be reclaimed next out of everybody's sight, or the group of pages.
   *
   * @returns a number > 0 that names it, or 0 if there is none.
   */
  startReclaim(): number;
  /** How many positions for objects it has. */
  positions(token: number): number;
  /** The handle of the object at a position of it, in the order of their eviction, or null if there is none now. */
  objectAt(token: number, position: number): Handle | null;
  /** Bytes of each of its pages. */
  pageBytesOf(token: number): number;
  /** Releases it if it is empty, else lists it again. How many pages were released. */
  endReclaim(token: number): number;
  /** Ends all reclaims of this thread: what an overflow of the stack kept their own frames from doing. */
  endReclaims(): void;
  /** Gives memory behind the last page in use back, as far as the page memory can. Not of a shared pool. */
  trim(): void;
  /** One step of giving the memory of free pages back, in whole pages of the machine; so short that others may wait. */
  giveBack(walk: FreeWalk): void;
  /** Bytes of page memory that were touched and are not given back. */
  touchedBytes(): number;
  /** Bytes of the table that were touched, about. */
  metadataBytes(): number;
  /** Adds to a counter of the table, `F_…` of table-header.ts. */
  count(counter: number, by: number): void;
  /** Drops the table. From here on no handle is found. */
  close(): void;
  /**
   * Makes the table whole after a thread died at any instruction, from what is never half written. May be cut
   * off anywhere itself, and run again from the start.
   *
   * @param isGone - whether the thread of a member is gone: what it had under reclaim is listed again.
   */
  repair(isGone: (member: number) => boolean): void;

  /** Bytes of the pages in use. */
  pageBytes(): number;
  /** Calls `visit` for every live object. */
  objects(visit: ObjectVisitor): void;
  stats(): PoolStats;

  // Of an allocator of one's own, what diagnostics need. The built-in ones have both as functions apart, so that
  // a bundler leaves them out where no diagnostics are: see drivers/built-in-walks.ts.

  /** What lies where. */
  columns?(): SnapshotColumns;
  /**
   * Checks every invariant, each from what is not derived.
   *
   * @param reclaims - how many reclaims are under way, each with one token; null if that is not known.
   * @throws {ZbudError} `ECORRUPT` naming the first that is broken.
   */
  verify?(reclaims: number | null): void;
}

/** How diagnostics walk over the state of one allocator; they are called while nobody changes it. */
export interface Walks {
  columns(allocator: Allocator): SnapshotColumns;
  verify(allocator: Allocator, reclaims: number | null): void;
  /** Adds what pools of this driver alone have. */
  snapshot?(allocator: Allocator, snapshot: PoolSnapshot): PoolSnapshot;
}

/** What diagnostics get of a pool. */
export interface PoolInside {
  readonly kind: "pool";
  /** The driver's name. */
  readonly type: string;
  /**
   * Calls `work` with the allocator, under the pool's lock.
   *
   * @param work - its second argument: how many reclaims are under way; null if that is not known.
   */
  look<T>(work: (allocator: Allocator, reclaims: number | null) => T): T;
}
