/// <reference lib="esnext.disposable" preserve="true" />
import { checkBytes, type Handle, show, ZbudError } from "../../base/index.ts";
import { attachPageMemory, createPageMemory, type PageMemory } from "../../memory/index.ts";
import {
  type AllocRefusal,
  checkObserver,
  type DriverPool,
  type MapMode,
  type PoolObserver,
  type PoolShape,
  type PoolStats,
  type ReclaimResult,
} from "../../zpool/index.ts";
import { ZbudAllocator } from "./allocator.ts";
import { openTable, type SharedZbudPool } from "./attach.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { badHandle, type HandleLayout, handleLayoutOf, nextPoolNumber } from "./handle.ts";
import { LockedAllocator } from "./locked-allocator.ts";
import { checkOptions, type ZbudPoolOptions } from "./options.ts";
import {
  COUNTERS_END,
  createPageTable,
  F_EVICTIONS_REFUSED,
  F_OBJECTS_EVICTED,
  F_PAGES_RECLAIMED,
  F_REFUSED_ENOMEM,
  F_REFUSED_ENOSPC,
  LAYOUT_VERSION,
  type PageTable,
  SIZES,
  W_PAGE_COUNT,
  W_POOL_NUMBER,
} from "./page-table.ts";
import { placeOf, viewOf, type ZbudObjectPlace } from "./places.ts";
import { type PoolSnapshot, snapshotOf } from "./snapshot.ts";
import { statsOf } from "./stats.ts";
import { verifyTable } from "./verify.ts";

const RETRIES_DEFAULT = 8;

/**
 * Stores objects of varying size in pages of one size, at most two to a page: the *first buddy* at the
 * front, the *last buddy* at the back. Nothing moves, a pool never holds more pages than objects, and
 * evicting the at most two objects of the least recently used page frees exactly that page.
 *
 * alloc and free take a fixed number of steps whatever the pool's size, allocate no JavaScript object and
 * touch no page bytes. What is where in memory is told in page-table.ts.
 *
 * @example
 * const pool = new ZbudPool({ maxPages: 1000 });
 * const handle = pool.alloc(bytes.length);
 * if (typeof handle === "number") pool.write(handle, bytes);
 */
export class ZbudPool implements DriverPool {
  readonly #geometry: Geometry;
  readonly #layout: HandleLayout;
  readonly #memory: PageMemory;
  #table: PageTable;
  #counters: Float64Array;
  readonly #onEvict: ((handle: Handle, pool: ZbudPool) => boolean) | null;
  #observer: PoolObserver | null = null;

  readonly #allocator: ZbudAllocator | LockedAllocator;
  /** The same as `#allocator` in a shared pool. */
  readonly #locked: LockedAllocator | null;
  /** The largest object that alloc takes: after close() none, so that no other test is needed. */
  #objectBytesMax = 0;
  #closed = false;
  /** Pages under reclaim by this thread, and calls of #reclaim on its stack. */
  #reclaims = 0;
  #depth = 0;

  /**
   * @param options - see {@link ZbudPoolOptions}. Only `maxPages` must be given.
   * @param parts - for the library itself and its tests.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOMEM` if the address space for `maxPages` cannot
   *   be reserved.
   * @remarks Reserves addresses only: a pool costs the memory of the pages that are in use.
   */
  constructor(options: ZbudPoolOptions, parts: PoolParts = {}) {
    const { pageSize, chunkOrder, maxPages, shared, onEvict } = checkOptions(options);
    const geometry = geometryOf(pageSize, chunkOrder, maxPages);
    this.#geometry = geometry;
    this.#onEvict = onEvict;
    this.#objectBytesMax = geometry.objectBytesMax | 0;
    this.#table = parts.table ?? createPageTable(geometry, shared);
    this.#counters = new Float64Array(this.#table.buffer, 0, COUNTERS_END);
    this.#memory = parts.memory ?? createPageMemory(pageSize, maxPages, shared);
    if (parts.table === undefined) this.#table[W_POOL_NUMBER] = nextPoolNumber();
    const layout = handleLayoutOf(geometry, this.#table[W_POOL_NUMBER]);
    this.#layout = layout;
    this.#locked = shared ? new LockedAllocator(this.#table, geometry, layout, this.#memory) : null;
    this.#allocator = this.#locked ?? new ZbudAllocator(this.#table, geometry, layout, this.#memory, 0);
  }

  /**
   * Opens a pool that another thread made.
   *
   * @param shared - what {@link share} gave there, as it came through `postMessage` or `workerData`.
   * @param options - `onEvict`: called for what this thread reclaims.
   * @throws {ZbudError} `EINVAL` if `shared` is no such thing; `EBADMSG` if its buffers hold no pool of this
   *   layout; `EBUSY` if 127 threads use the pool already.
   */
  static attach(shared: SharedZbudPool, options: Pick<ZbudPoolOptions, "onEvict"> = {}): ZbudPool {
    const attached = openTable(shared);
    const { pageSize, chunkOrder, maxPages } = attached.geometry;
    const memory = attachPageMemory(pageSize, shared.pages);
    if (typeof options !== "object" || options === null) {
      throw new ZbudError("EINVAL", `options must be an object such as { onEvict }, not ${show(options)}`);
    }
    const { onEvict } = options;
    const { table } = attached;
    return new ZbudPool({ pageSize, chunkOrder, maxPages, shared: true, onEvict }, { memory, table });
  }

  /**
   * What another thread needs to open this pool: plain data for `postMessage` or `workerData`. Nothing is
   * copied.
   *
   * @throws {ZbudError} `EINVAL` if the pool was made without `shared: true`; `ECLOSED` after `close()`.
   */
  share(): SharedZbudPool {
    if (this.#closed) throw this.#closedError();
    const table = this.#table.buffer;
    const pages = this.#memory.buffer;
    if (this.#locked === null || table instanceof ArrayBuffer || pages instanceof ArrayBuffer) {
      throw new ZbudError("EINVAL", "this pool is for one thread; make it with shared: true to share it");
    }
    return { zbud: LAYOUT_VERSION, table, pages };
  }

  /**
   * Looks for threads that were attached and are gone, and puts back the pages they had under reclaim. Other
   * calls do so themselves when they meet a lock held by such a thread, or find no page to use.
   *
   * @returns how many threads were found gone.
   * @throws {ZbudError} `ECLOSED` after `close()`.
   */
  recover(): number {
    if (this.#closed) throw this.#closedError();
    return this.#locked?.recover() ?? 0;
  }

  /**
   * Tells that a worker thread has exited, and recovers what it left: for its `exit` event. Only Linux lets
   * the threads of a pool find that out themselves.
   *
   * @param threadId - the worker's `threadId`, noted while it ran: it is -1 afterwards.
   * @throws {ZbudError} `ECLOSED` after `close()`.
   */
  threadGone(threadId: number): void {
    if (this.#closed) throw this.#closedError();
    this.#locked?.threadGone(threadId);
  }

  /** The options that make another pool of the same shape. */
  get shape(): PoolShape {
    const { pageSize, chunkOrder, maxPages } = this.#geometry;
    return { pageSize, chunkOrder, maxPages };
  }

  /** Whether the pool has an evict handler. */
  get evictable(): boolean {
    return this.#onEvict !== null;
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.#geometry.pageSize;
  }

  /** Pages in use, those under reclaim included. The pool's size in bytes is `pageCount * pageSize`. */
  get pageCount(): number {
    if (this.#closed) throw this.#closedError();
    return this.#table[W_PAGE_COUNT];
  }

  /** The largest object that a page takes, in bytes: `pageSize - 2 * chunkSize`. */
  get objectBytesMax(): number {
    return this.#geometry.objectBytesMax;
  }

  /**
   * Reserves room for one object, without moving or evicting another: in the tightest gap that takes it,
   * else in a new page.
   *
   * @param size - bytes, a positive integer; rounded up to whole chunks inside the page.
   * @returns a {@link Handle}, or why there is none: `"ENOSPC"` (never fits a page of this pool: keep it
   *   uncompressed) or `"ENOMEM"` (no page to be had: reclaim, then try again). Then nothing changed.
   * @throws {ZbudError} `EINVAL` if `size` is not a positive integer; `ECLOSED` after `close()`.
   * @remarks The bytes are not zeroed. A fixed number of steps; allocates no JavaScript object.
   */
  alloc(size: number): Handle | AllocRefusal {
    if (typeof size !== "number" || (size | 0) !== size || size <= 0 || size > this.#objectBytesMax) {
      return this.#refuseSize(size);
    }
    const handle = this.#allocator.alloc(size);
    if (handle === null) return this.#refuseFull(size);
    if (this.#observer !== null) this.#observer.onAlloc?.(size, handle);
    return handle;
  }

  /**
   * Frees an object. Its handle is void from here on, and is recognised as such when it comes again. A page
   * that holds nothing any more is released, unless it is under reclaim: then the reclaim releases it.
   *
   * @throws {ZbudError} `EBADF` if this pool has no such object, and then nothing changed; `ECLOSED` after
   *   `close()`.
   * @remarks A fixed number of steps; allocates no JavaScript object.
   */
  free(handle: Handle): void {
    if (typeof handle !== "number" || !this.#allocator.free(handle)) throw this.#handleError(handle);
    if (this.#observer !== null) this.#observer.onFree?.(handle);
  }

  /**
   * A view of exactly the object's bytes. It stays valid until the object is freed: nothing moves. A view
   * that outlives its object shows what is stored there next, or has no bytes any more after {@link trim} or
   * {@link close}; so drop it when you free.
   *
   * @param mode - `"ro"` is the caller's promise not to write; here it changes nothing.
   * @throws {ZbudError} `EINVAL` for another mode, or if the pool's buffer was transferred away.
   * @throws {ZbudError} `EBADF`, `ECLOSED` as {@link free}.
   * @remarks Makes one Uint8Array. Does not touch the LRU. {@link read} and {@link write} copy instead.
   */
  map(handle: Handle, mode: MapMode = "rw"): Uint8Array {
    const { page, offset, size } = this.inspect(handle);
    if (mode !== "rw" && mode !== "ro") {
      throw new ZbudError("EINVAL", `an object is mapped "rw" or "ro", not ${show(mode)}`);
    }
    return viewOf(this.#memory, page * this.#geometry.pageSize + offset, size);
  }

  /**
   * Does nothing but check the handle: objects of this pool lie in one piece. It exists for drivers that
   * need it.
   */
  unmap(handle: Handle): void {
    this.#wordOf(handle);
  }

  /**
   * Copies an object out.
   *
   * @param into - at least as long as the object; what lies behind the object's length is left alone.
   * @returns the object's size in bytes.
   * @throws {ZbudError} `EINVAL` if `into` is too short, or no Uint8Array; `EBADF`, `ECLOSED` as {@link free}.
   */
  read(handle: Handle, into: Uint8Array): number {
    const view = this.map(handle);
    checkBytes(into);
    if (into.length < view.length) {
      throw new ZbudError(
        "EINVAL",
        `the object has ${view.length} bytes and the buffer to read into ${into.length}; give one of at least its size`,
      );
    }
    into.set(view);
    return view.length;
  }

  /**
   * Copies bytes into an object, from its start.
   *
   * @param bytes - at most as long as the object; what lies behind them in it is left alone.
   * @throws {ZbudError} `EINVAL` if there are too many, or `bytes` is no Uint8Array; `EBADF`, `ECLOSED` as {@link free}.
   */
  write(handle: Handle, bytes: Uint8Array): void {
    const view = this.map(handle);
    checkBytes(bytes);
    if (bytes.length > view.length) {
      throw new ZbudError(
        "EINVAL",
        `${bytes.length} bytes do not fit an object of ${view.length}; allocate one of the size that you write`,
      );
    }
    view.set(bytes);
  }

  /** The object's size in bytes, as asked for. Throws `EBADF`, `ECLOSED` as {@link free}. */
  sizeOf(handle: Handle): number {
    return this.inspect(handle).size;
  }

  /**
   * Frees one page: takes the page at the tail of the LRU and has the evict handler evict its at most two
   * objects. If one stays, the page goes to the head of the LRU, and the next try takes the new tail.
   *
   * @param retries - the most pages to try.
   * @returns `"ok"`: one page was released. `"EAGAIN"`: all tries were used. `"EINVAL"`: the pool has no
   *   evict handler or no page, or `retries` is 0; nothing moved.
   * @throws {ZbudError} `EINVAL` if `retries` is not a whole number; `ECLOSED` after `close()`. What the
   *   handler throws comes through, after the page was put back.
   * @remarks At most two calls of the handler for each try. May be called from inside the handler: the page
   *   under reclaim is not found again.
   */
  reclaimPage(retries: number = RETRIES_DEFAULT): ReclaimResult {
    if (this.#closed) throw this.#closedError();
    if (!Number.isInteger(retries) || retries < 0) {
      throw new ZbudError("EINVAL", `retries must be a whole number of pages to try, not ${show(retries)}`);
    }
    if (this.#observer !== null) this.#observer.onReclaimStart?.(retries);
    let result: ReclaimResult | "throw" = "throw";
    try {
      result = this.#reclaim(retries);
    } finally {
      if (this.#observer !== null) this.#observer.onReclaimEnd?.(result);
    }
    return result;
  }

  /**
   * Gives memory behind the last page in use back to the system, as far as the pool's buffer allows: the end
   * of a pool that is not shared; nothing of a shared one.
   *
   * @returns bytes given back.
   * @throws {ZbudError} `ECLOSED` after `close()`.
   * @remarks Walks the page table, about 10 ns a page, and puts free pages in order: those at the front of the
   *   pool are taken next. The engine zeroes what it gives back, about a second for each GiB.
   */
  trim(): number {
    if (this.#closed) throw this.#closedError();
    const committed = this.#memory.buffer.byteLength;
    this.#allocator.trim();
    return committed - this.#memory.buffer.byteLength;
  }

  /** Where an object lies. Throws `EBADF`, `ECLOSED` as {@link free}. */
  inspect(handle: Handle): ZbudObjectPlace {
    const place = placeOf(this.#table, this.#geometry, this.#wordOf(handle));
    if (place.size === 0) throw this.#handleError(handle); // freed by another thread just now
    return place;
  }

  /**
   * Figures of this moment. Throws `ECLOSED` after `close()`.
   *
   * @remarks Walks the page table, about 10 ns a page, so that alloc and free need not count.
   */
  stats(): PoolStats {
    if (this.#closed) throw this.#closedError();
    return this.#reading(() => statsOf(this.#table, this.#counters, this.#geometry));
  }

  /**
   * What lies where, as plain data: every page with its objects, the lists and the LRU in their order, never
   * the stored bytes. Throws `ECLOSED` after `close()`.
   *
   * @remarks Walks the page table and copies it; for tests and viewers.
   */
  snapshot(): PoolSnapshot {
    if (this.#closed) throw this.#closedError();
    const peek = (row: number, buddy: number): Handle => this.#allocator.peek(row, buddy);
    return this.#reading(() => snapshotOf(this.#table, this.#geometry, peek));
  }

  /**
   * Checks every invariant of the page table.
   *
   * @throws {ZbudError} `ECORRUPT` naming the first that does not hold; `ECLOSED` after `close()`.
   * @remarks Walks everything; for tests and for the hunt after a bug.
   */
  verify(): void {
    if (this.#closed) throw this.#closedError();
    // Reclaims of other threads are not known here.
    const reclaims = this.#locked === null ? this.#reclaims : null;
    this.#reading(() => verifyTable(this.#table, this.#geometry, reclaims));
  }

  /**
   * Tells a listener what happens from here on, or nobody (`null`).
   *
   * @throws {ZbudError} `EBUSY` if another listener is there: it would miss what comes; `EINVAL` if this is
   *   none; `ECLOSED`.
   */
  observe(observer: PoolObserver | null): void {
    if (this.#closed) throw this.#closedError();
    checkObserver(observer);
    if (observer !== null && this.#observer !== null) {
      throw new ZbudError("EBUSY", "this pool has an observer already; end that one first: observe(null)");
    }
    this.#observer = observer;
  }

  /** Ends the pool and gives its memory back. Any later call throws `ECLOSED`; a second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#objectBytesMax = -1;
    this.#allocator.close();
    this.#observer = null;
    this.#table = new Int32Array(0);
    this.#counters = new Float64Array(0);
    this.#memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Does work that walks the table, while no other thread changes it. */
  #reading<T>(work: () => T): T {
    return this.#locked === null ? work() : this.#locked.locked(work);
  }

  #reclaim(retries: number): ReclaimResult {
    if (this.#onEvict === null || retries === 0) return "EINVAL";
    // Handlers that reclaim in handlers can overflow the stack, and then the deepest calls have not even the
    // room to put their pages back. The outermost one does it for all, or the next if that was cut off too.
    if (this.#depth === 0) this.#endLostReclaims();
    this.#depth++;
    try {
      for (let tried = 0; tried < retries; tried++) {
        const row = this.#allocator.startReclaim();
        if (row === 0) return tried === 0 ? "EINVAL" : "EAGAIN";
        this.#reclaims++;
        let released = false;
        try {
          if (this.#evict(row, 0)) this.#evict(row, 1);
        } finally {
          if (!this.#closed) {
            released = this.#allocator.endReclaim(row);
            this.#reclaims--;
            if (released) this.#allocator.count(F_PAGES_RECLAIMED);
          }
        }
        if (this.#closed) throw this.#closedError();
        if (released) return "ok";
      }
      return "EAGAIN";
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#endLostReclaims();
    }
  }

  #endLostReclaims(): void {
    if (this.#reclaims === 0 || this.#closed) return;
    this.#allocator.endReclaims();
    this.#reclaims = 0;
  }

  /** Offers one object of the page under reclaim to the handler. False: it refused, so its neighbour is spared. */
  #evict(row: number, buddy: number): boolean {
    if (this.#closed) return false;
    const handle = this.#allocator.objectAt(row, buddy);
    if (handle === 0) return true;
    if (this.#observer !== null) this.#observer.onEvictStart?.(handle);
    let returned: boolean | "throw" = "throw";
    try {
      returned = (this.#onEvict as (handle: Handle, pool: ZbudPool) => boolean)(handle, this) === true;
    } finally {
      if (!this.#closed) {
        if (this.#table[row | SIZES | buddy] !== 0) this.#allocator.count(F_EVICTIONS_REFUSED);
        else if (returned === true) this.#allocator.count(F_OBJECTS_EVICTED);
      }
      if (this.#observer !== null) this.#observer.onEvictEnd?.(handle, returned);
    }
    return returned;
  }

  /** The word of the table that holds a live object's size. */
  #wordOf(handle: Handle): number {
    const word = typeof handle === "number" ? this.#allocator.find(handle) : 0;
    if (word === 0) throw this.#handleError(handle);
    return word;
  }

  #refuseSize(size: number): AllocRefusal {
    if (this.#closed) throw this.#closedError();
    if (typeof size !== "number" || !Number.isInteger(size) || size <= 0) {
      if (this.#observer !== null) this.#observer.onAlloc?.(size, "EINVAL");
      throw new ZbudError("EINVAL", `size must be a positive whole number of bytes, not ${show(size)}`);
    }
    this.#allocator.count(F_REFUSED_ENOSPC);
    if (this.#observer !== null) this.#observer.onAlloc?.(size, "ENOSPC");
    return "ENOSPC";
  }

  #refuseFull(size: number): AllocRefusal {
    this.#allocator.count(F_REFUSED_ENOMEM);
    if (this.#observer !== null) this.#observer.onAlloc?.(size, "ENOMEM");
    return "ENOMEM";
  }

  #handleError(handle: unknown): ZbudError {
    return this.#closed ? this.#closedError() : badHandle(this.#layout, handle);
  }

  #closedError(): ZbudError {
    return new ZbudError("ECLOSED", "this pool was closed; make a new one");
  }
}

/** What a pool can be given instead of its own. */
interface PoolParts {
  memory?: PageMemory;
  table?: PageTable;
}
