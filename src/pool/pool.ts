/// <reference lib="esnext.disposable" preserve="true" />
import {
  bytesText,
  checkBytes,
  countText,
  type Handle,
  inspectAsText,
  integerOption,
  isSharedBuffer,
  memoryBehind,
  noteFallback,
  type Size,
  show,
  ZbudError,
} from "../base/index.ts";
import { type PageMemory, type Segment, segmentOf } from "../memory/index.ts";
import type { Allocator, Place, PoolInside } from "./allocator.ts";
import type { SharedPool } from "./attach.ts";
import { badHandle, type HandleLayout } from "./handle.ts";
import { giveBackWhenIdle, type IdleMemory, stopGivingBack } from "./idle-give-back.ts";
import { LockedAllocator } from "./locked-allocator.ts";
import { Observers } from "./observers.ts";
import { closedError, Reclaims } from "./reclaims.ts";
import {
  F_REFUSED_ENOMEM,
  F_REFUSED_ENOSPC,
  LAYOUT_VERSION,
  LOCK_CALLER,
  LOCK_NONE,
  LOCK_OWN,
  type Table,
  W_GIVES_BACK,
  W_LOCKING,
  W_PAGE_COUNT,
} from "./table-header.ts";
import type {
  AllocRefusal,
  CompactResult,
  MapMode,
  ObjectPlace,
  ObjectSpan,
  PageSizeRange,
  PoolObserver,
  PoolShape,
  PoolStats,
  ReclaimResult,
  ShrinkBytesResult,
  ShrinkResult,
} from "./types.ts";
import { copyIn, copyOut, viewOf } from "./views.ts";

/** Pages that a reclaim tries, if nobody says; and for each page of a shrink. */
const RETRIES_DEFAULT = 8;
/** Bytes that a trim gives back under the lock: some 0.2 ms. */
const TRIM_STEP_BYTES = 2 ** 20;
/** Moves of objects between two looks whether enough is free. */
const COMPACT_STEP = 256;
/** A trim that is bounded makes one move for so many bytes at most. */
const BYTES_A_MOVE = 256;

/** What a pool calls to evict an object. */
export type EvictHandler = (handle: Handle, pool: Pool) => boolean;

/** What a pool is made of. */
export interface OpenPool {
  /** The driver's name. */
  type: string;
  table: Table;
  memory: PageMemory;
  layout: HandleLayout;
  shape: PoolShape;
  /**
   * Makes the allocator on the table for this thread.
   *
   * @param member - what marks of this thread carry: 0 in a pool for one thread, where nothing need be noted.
   */
  allocatorOf: (member: number) => Allocator;
  onEvict: EvictHandler | null;
}

/**
 * A pool of compressed objects over any {@link Allocator}: checks, bytes, the evict handler, events, threads.
 * `createPool` makes one by the name of its driver, or the driver's own class does.
 *
 * Misuse throws, an expected refusal is returned, and then nothing changed.
 */
export class Pool {
  /** The driver's name. */
  readonly type: string;
  readonly #memory: PageMemory;
  readonly #layout: HandleLayout;
  readonly #shape: PoolShape;
  #table: Table;
  #observer: PoolObserver | null = null;
  readonly #observers: Observers = new Observers((heard) => {
    this.#observer = heard;
    this.#reclaims.observer = heard;
  });
  #bytes: Uint8Array = new Uint8Array(0);

  readonly #allocator: Allocator;
  /** The same as `#allocator` in a pool that keeps its threads apart itself. */
  readonly #locked: LockedAllocator | null;
  /** The largest object that alloc takes: after close() none, so that no other test is needed. */
  #maxObjectBytes = 0;
  #closed = false;
  readonly #reclaims: Reclaims;
  /** Byte of the page memory where giving back goes on. */
  #trimmedTo = 0;
  /** What gives back by itself holds this weakly: so with the pool it goes. */
  readonly #idle: IdleMemory | null;
  /** Filled anew at each use, so that reading and writing need no object of their own. */
  readonly #place: Place = { page: 0, pageByte: 0, offset: 0, size: 0, offset2: 0, size2: 0 };
  /** Copies that `map` gave out for writing, where objects move. */
  readonly #copies: Map<Handle, Uint8Array> | null;

  /** @throws {ZbudError} `EBUSY` if as many threads as a shared pool takes are at it. */
  constructor({ type, table, memory, layout, shape, allocatorOf, onEvict }: OpenPool) {
    this.type = type;
    this.#table = table;
    this.#memory = memory;
    this.#layout = layout;
    this.#shape = shape;
    this.#locked = table[W_LOCKING] === LOCK_OWN ? new LockedAllocator(table, allocatorOf) : null;
    this.#allocator = this.#locked ?? allocatorOf(table[W_LOCKING] === LOCK_CALLER ? 1 : 0);
    this.#maxObjectBytes = this.#allocator.maxObjectBytes | 0;
    this.#copies = this.#allocator.moves ? new Map() : null;
    this.#reclaims = new Reclaims(
      this.#allocator,
      onEvict === null ? null : (handle) => onEvict(handle, this),
    );
    const givesBack = table[W_GIVES_BACK] === 1 && this.#locked?.looks !== true;
    this.#idle = givesBack ? this.#beginToGiveBack() : null;
  }

  /**
   * What another thread needs to open this pool: plain data for `postMessage` or `workerData`. Nothing is
   * copied.
   *
   * @throws {ZbudError} `EINVAL` if the pool was made without `shared: true`; `ECLOSED` after `close()`.
   */
  share(): SharedPool {
    if (this.#closed) throw closedError();
    const segment = this.#ownSegment();
    if (segment === undefined) return this.buffers();
    const { zbud, type } = this.buffers();
    return { zbud, type, segment: segment.send() } as unknown as SharedPool;
  }

  /**
   * What {@link share} gives, of memory that processes share as well: its buffers, for whoever sends the segment.
   *
   * @internal
   */
  buffers(): SharedPool {
    const table = this.#table.buffer;
    const pages = this.#memory.buffer;
    if (table instanceof ArrayBuffer || pages instanceof ArrayBuffer) {
      throw new ZbudError("EINVAL", "this pool is for one thread; make it with shared: true to share it");
    }
    const memory = memoryBehind(table);
    const shared = { zbud: LAYOUT_VERSION, type: this.type, table, pages };
    return memory === undefined ? shared : { ...shared, fast: { memory, words: this.#table.length } };
  }

  /**
   * Looks for threads that were attached and are gone, and puts back the pages they had under reclaim. Other
   * calls do so themselves when they meet a lock held by such a thread, or find no page to use.
   *
   * With `lock: "caller"` the pool knows of no threads: the caller, who holds the lock and took it from a dead
   * thread, has the pool repaired by this, whatever state it is in. Not from inside an evict handler.
   *
   * @returns how many threads were found gone.
   * @throws {ZbudError} `ECLOSED` after `close()`.
   */
  recover(): number {
    if (this.#closed) throw closedError();
    if (this.#locked !== null) return this.#locked.recover();
    if (this.#table[W_LOCKING] === LOCK_CALLER) this.#allocator.repair(() => true);
    return 0;
  }

  /**
   * Tells that a worker thread has exited, and recovers what it left: for its `exit` event. Only Linux lets
   * the threads of a pool find that out themselves.
   *
   * @param threadId - the worker's `threadId`, noted while it ran: it is -1 afterwards.
   * @throws {ZbudError} `EINVAL` for what is no thread's number, -1 too; `ECLOSED` after `close()`.
   */
  threadGone(threadId: number): void {
    if (this.#closed) throw closedError();
    this.#locked?.threadGone(threadId);
  }

  /** The options that make another pool of the same shape. */
  get shape(): PoolShape {
    return this.#shape;
  }

  /** Whether the pool has an evict handler. */
  get evictable(): boolean {
    return this.#reclaims.evictable;
  }

  /** Bytes of a page; of a pool with several sizes, of the largest. */
  get pageSize(): number {
    return this.#shape.pageSize;
  }

  /** Pages in use, those under reclaim included. */
  get pageCount(): number {
    if (this.#closed) throw closedError();
    return this.#table[W_PAGE_COUNT];
  }

  /** Bytes of the pages in use. */
  get totalBytes(): number {
    if (this.#closed) throw closedError();
    return this.#allocator.pageBytes();
  }

  /**
   * Bytes of memory that nobody else can have as long as its pages are in use: those of the pages, and where they get
   * their memory in larger parts, of these. The most that it ever was is what the pool has touched since it was trimmed.
   */
  get heldBytes(): number {
    return this.totalBytes;
  }

  /** Pages that the last reclaim by this thread released. */
  get releasedPages(): number {
    return this.#reclaims.pages;
  }

  /** The largest object that a page takes, in bytes. */
  get maxObjectBytes(): number {
    return this.#allocator.maxObjectBytes;
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
    if (typeof size !== "number" || (size | 0) !== size || size <= 0 || size > this.#maxObjectBytes) {
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
    if (this.#copies !== null) this.#copies.delete(handle);
    if (this.#observer !== null) this.#observer.onFree?.(handle);
  }

  /**
   * A view of exactly the object's bytes. Where nothing moves it stays valid until the object is freed. A view
   * that outlives its object shows what is stored there next, or has no bytes any more after {@link trim} or
   * {@link close}; so drop it when you free. Where objects move it is a copy, which {@link unmap} writes back.
   *
   * @param mode - `"ro"` is the caller's promise not to write, or that what is written may be lost.
   * @throws {ZbudError} `EINVAL` for another mode, or if the pool's buffer was transferred away.
   * @throws {ZbudError} `EBADF`, `ECLOSED` as {@link free}.
   * @remarks Makes one Uint8Array. Does not touch the LRU. {@link read} and {@link write} copy instead.
   */
  map(handle: Handle, mode: MapMode = "rw"): Uint8Array {
    const { offset, size, size2 } = this.#placeOf(handle);
    if (mode !== "rw" && mode !== "ro") {
      throw new ZbudError("EINVAL", `an object is mapped "rw" or "ro", not ${show(mode)}`);
    }
    if (this.#copies === null) return viewOf(this.#memory, offset, size);
    // Mapped already: what was written to that copy is not to be lost.
    const open = this.#copies.get(handle);
    if (open !== undefined) return open;
    const copy = new Uint8Array(size + size2);
    this.read(handle, copy);
    if (mode === "rw") this.#copies.set(handle, copy);
    return copy;
  }

  /** Ends what {@link map} began: where that gave a copy for writing, writes it back. */
  unmap(handle: Handle): void {
    const copy = this.#copies?.get(handle);
    // First: if another thread has freed the object, nobody asks for the copy again.
    if (copy !== undefined) this.#copies?.delete(handle);
    this.#placeOf(handle);
    if (copy !== undefined) this.write(handle, copy);
  }

  /**
   * Copies an object out.
   *
   * @param into - at least as long as the object; what lies behind the object's length is left alone.
   * @returns the object's size in bytes.
   * @throws {ZbudError} `EINVAL` if `into` is too short, or no Uint8Array; `EBADF`, `ECLOSED` as {@link free}.
   */
  read(handle: Handle, into: Uint8Array): number {
    if (this.#allocator.moves && this.#locked !== null) {
      return this.#locked.locked(() => this.#read(handle, into));
    }
    return this.#read(handle, into);
  }

  /**
   * Copies bytes into an object, from its start.
   *
   * @param bytes - at most as long as the object; what lies behind them in it is left alone.
   * @throws {ZbudError} `EINVAL` if there are too many, or `bytes` is no Uint8Array; `EBADF`, `ECLOSED` as {@link free}.
   */
  write(handle: Handle, bytes: Uint8Array): void {
    if (this.#allocator.moves && this.#locked !== null) {
      this.#locked.locked(() => this.#write(handle, bytes));
    } else {
      this.#write(handle, bytes);
    }
  }

  /** The object's size in bytes, as asked for. Throws `EBADF`, `ECLOSED` as {@link free}. */
  sizeOf(handle: Handle): number {
    const { size, size2 } = this.#placeOf(handle);
    return size + size2;
  }

  /**
   * Frees one page, or one group of pages, for the fewest evictions that the allocator can: takes the one that
   * is to go next, at the tail of the LRU where there is one, and has the evict handler evict its objects. If
   * one stays, the rest are spared, the page is listed again, at the head of the LRU, and the next one is tried.
   *
   * @param retries - the most pages to try.
   * @returns `"ok"`: one page was released. `"EAGAIN"`: all tries were used. `"EINVAL"`: the pool has no
   *   evict handler or no page, or `retries` is 0; nothing moved.
   * @throws {ZbudError} `EINVAL` if `retries` is not a whole number; `ECLOSED` after `close()`. What the
   *   handler throws comes through, after the page was put back.
   * @remarks May be called from inside the handler: the page
   *   under reclaim is not found again.
   */
  reclaimPage(retries: number = RETRIES_DEFAULT): ReclaimResult {
    if (this.#closed) throw closedError();
    if (!Number.isInteger(retries) || retries < 0) {
      throw new ZbudError("EINVAL", `retries must be a whole number of pages to try, not ${show(retries)}`);
    }
    return this.#reclaims.reclaim(retries);
  }

  /**
   * Reclaims pages one by one, or in groups where the driver has them, with 8 retries for each, until `pages`
   * are released or a reclaim fails. A pool with `giveBack` gives as much memory back to the system.
   *
   * @returns how many were released, and the last reclaim's result: `"EINVAL"` at once for a pool that is
   *   not {@link evictable}, and for `shrinkPages(0)`.
   * @throws {ZbudError} `EINVAL` if `pages` is not a whole number; `ECLOSED`. What the evict handler throws
   *   comes through; the pages released until then stay released.
   */
  shrinkPages(pages: number): ShrinkResult {
    if (this.#closed) throw closedError();
    if (!Number.isInteger(pages) || pages < 0) {
      throw new ZbudError("EINVAL", `pages must be a whole number of pages to release, not ${show(pages)}`);
    }
    this.#observer?.onShrinkStart?.(pages);
    let reclaimed = 0;
    let bytes = 0;
    let result: ReclaimResult = "EINVAL";
    let returned = false;
    try {
      while (reclaimed < pages) {
        result = this.reclaimPage(RETRIES_DEFAULT);
        if (result !== "ok") break;
        reclaimed += this.#reclaims.pages;
        bytes += this.#reclaims.bytes;
      }
      returned = true;
    } finally {
      this.#observer?.onShrinkEnd?.(reclaimed, returned ? result : "throw");
    }
    if (this.#idle !== null && bytes > 0) this.#giveBack(bytes);
    return { reclaimed, result };
  }

  /**
   * Reclaims pages one by one, as {@link shrinkPages}, until pages of `bytes` bytes are released or a reclaim fails.
   *
   * @returns how many bytes were released, at least `bytes` unless a reclaim failed; and the last reclaim's
   *   result.
   * @throws {ZbudError} `EINVAL` if `bytes` is not a whole number; else as {@link shrinkPages}.
   */
  shrinkBytes(bytes: number): ShrinkBytesResult {
    if (this.#closed) throw closedError();
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new ZbudError("EINVAL", `bytes must be a whole number of bytes to release, not ${show(bytes)}`);
    }
    let reclaimedBytes = 0;
    let result: ReclaimResult = "EINVAL";
    while (reclaimedBytes < bytes) {
      result = this.reclaimPage(RETRIES_DEFAULT);
      if (result !== "ok") break;
      reclaimedBytes += this.#reclaims.bytes;
    }
    if (this.#idle !== null && reclaimedBytes > 0) this.#giveBack(reclaimedBytes);
    return { reclaimedBytes, result };
  }

  /**
   * Gives the memory of free pages back to the system: whole pages of the machine (4 KiB), shared or not, wherever they
   * lie. It is taken again when it is needed. Where objects move, they are moved together first. That takes calls of
   * the system, by `node:ffi` or the package koffi; without them only the end of a pool that is not shared goes back,
   * and `"give-back"` is among the fallbacks.
   *
   * @param maxBytes - about as many, so that the call ends soon: the next one goes on there. Default: all.
   * @returns bytes given back.
   * @throws {ZbudError} `EINVAL` if `maxBytes` is no positive integer; `ECLOSED` after `close()`.
   * @remarks Walks the page table, about 10 ns a page; each page given back takes some 0.5 µs. In a pool that is not
   *   shared the engine zeroes the end that it gives back, about a second for each GiB.
   */
  trim(maxBytes?: number): number {
    if (this.#closed) throw closedError();
    if (maxBytes !== undefined) integerOption("maxBytes", maxBytes, 1, Number.MAX_SAFE_INTEGER);
    const most = maxBytes ?? Number.POSITIVE_INFINITY;
    const before = this.#allocator.touchedBytes();
    this.#makeFree(most);
    // To move objects together, pages may have been taken that were with the system.
    const taken = Math.max(0, this.#allocator.touchedBytes() - before);
    const cut = maxBytes === undefined ? this.cutEnd() : 0;
    return Math.max(0, cut + this.#giveBack(most + taken) - taken);
  }

  /**
   * Cuts the end of the memory off, behind the last page in use, of a pool that is not shared. Bytes that went.
   *
   * @internal
   */
  cutEnd(): number {
    if (this.#table[W_LOCKING] !== LOCK_NONE) return 0;
    const before = this.#allocator.touchedBytes();
    this.#allocator.trim();
    return before - this.#allocator.touchedBytes();
  }

  /** Bytes of page memory that were touched and are not given back: what the pool has resident, its metadata apart. */
  get touchedBytes(): number {
    if (this.#closed) throw closedError();
    return this.#allocator.touchedBytes();
  }

  /** Bytes of bookkeeping that were touched, about. Unlike {@link stats} it walks over nothing. */
  get metadataBytes(): number {
    if (this.#closed) throw closedError();
    return this.#allocator.metadataBytes();
  }

  /** Of {@link touchedBytes}, about those that {@link trim} can give back. Where objects move, an estimate. */
  get freeTouchedBytes(): number {
    if (this.#closed) throw closedError();
    return this.#freeBytes() + this.looseBytes();
  }

  /**
   * For a caller whose limit is lower than the pool's: with how many bytes of pages alloc has to do from now on, by
   * moving objects together rather than taking pages. Pages that are in use stay. Of no effect where the driver moves
   * nothing in an alloc.
   * @returns whether that are more than before.
   */
  allowBytes(_bytes: number): boolean {
    return false;
  }

  /**
   * Moves objects together, so that {@link roomLeft} is at least so many bytes, in the pages that are in use. False: no page
   * has so much free, or the driver moves nothing in this way.
   *
   * @param tight - in the fullest page that has so much free, rather than in the emptiest.
   */
  openGap(_bytes: number, _tight: boolean): boolean {
    return false;
  }

  /** The slot of an object, by which {@link handleOf} finds it as long as it lives; -1: this driver does not. */
  slotOf(_handle: Handle): number {
    return -1;
  }

  /** The handle of the object in a slot. */
  handleOf(_slot: number): Handle {
    return 0 as Handle;
  }

  /** Bytes of pages beside those of {@link heldBytes} that the driver needs to work with: from the first move on. */
  get spareBytes(): number {
    return 0;
  }

  /** Bytes that are left behind the last object of the page that is being filled; 0 where the driver has no such page. */
  get roomLeft(): number {
    return 0;
  }

  /**
   * Moves objects together where the driver can (`zsmalloc`, `log`), so that pages are released without an eviction. May
   * be called from an evict handler: what is under reclaim is left alone.
   *
   * @param maxMoves - the most objects to move, so that the call ends soon; the next goes on there. Default: as
   *   many as it takes. With `log` it may be those of a few pages more, which one release takes.
   * @returns how many were moved and what came of it: nothing, where nothing moves.
   * @throws {ZbudError} `EINVAL` if `maxMoves` is not a positive integer; `ECLOSED` after `close()`.
   */
  compact(maxMoves?: number): CompactResult {
    if (this.#closed) throw closedError();
    if (maxMoves !== undefined) integerOption("maxMoves", maxMoves, 1, Number.MAX_SAFE_INTEGER);
    const result = this.compactObjects(maxMoves ?? Number.POSITIVE_INFINITY);
    this.#observer?.onCompact?.(maxMoves, result);
    return result;
  }

  /**
   * Chooses the page sizes for new objects anew, where the driver has pages of several sizes: what is stored
   * drifts. Objects stay where they are, and their handles valid; pages of sizes that are given up come back as
   * they are reclaimed or freed. The pool's limit in bytes holds all the while.
   *
   * @param _pageSizes - the new ones, as the option; default: what fits the sizes stored lately.
   * @returns the page sizes from here on; or `"EAGAIN"` if too many earlier ones still hold objects, and then
   *   nothing changed.
   * @throws {ZbudError} `ENOTSUP` if this pool's pages are all of one size; `EINVAL` for impossible sizes, or
   *   if none are given and nothing was stored yet; `ECLOSED`.
   */
  refit(_pageSizes?: readonly (Size | PageSizeRange)[]): PageSizeRange[] | "EAGAIN" {
    if (this.#closed) throw closedError();
    throw new ZbudError(
      "ENOTSUP",
      `this pool of type ${show(this.type)} has pages of one size; make one of type "size-classes"`,
    );
  }

  /** Where an object lies. Throws `EBADF`, `ECLOSED` as {@link free}. */
  inspect(handle: Handle): ObjectPlace {
    const { page, pageByte, offset, size, size2 } = this.#placeOf(handle);
    return { page, offset: offset - pageByte, size: size + size2 };
  }

  /**
   * Fills in where the object's bytes are in {@link memoryBytes}: for those who copy by ranges, without a view
   * for each object. Makes no object. Throws `EBADF`, `ECLOSED` as {@link free}.
   */
  locate(handle: Handle, into: ObjectSpan): void {
    const place = this.#placeOf(handle);
    into.offset = place.offset;
    into.size = place.size;
    into.offset2 = place.offset2;
    into.size2 = place.size2;
  }

  /** The whole page memory, the same array each time, as long as the memory is at the moment. */
  get memoryBytes(): Uint8Array {
    const { buffer } = this.#memory;
    if (this.#bytes.buffer !== buffer) {
      // A view that does not say how long it is follows a resizable buffer, and is slow.
      this.#bytes = isSharedBuffer(buffer)
        ? new Uint8Array(buffer, 0, buffer.byteLength)
        : new Uint8Array(buffer);
    }
    return this.#bytes;
  }

  /**
   * Calls `visit` for every live object, in no order. It may free the object that it is called for, and nothing
   * else. Throws `ECLOSED` after `close()`; what `visit` throws comes through.
   *
   * @remarks Walks the page table, about 10 ns a page.
   */
  objects(visit: (handle: Handle, size: number) => void): void {
    if (this.#closed) throw closedError();
    this.#allocator.objects(visit);
  }

  /**
   * Figures of this moment. Throws `ECLOSED` after `close()`.
   *
   * @remarks Walks the page table, about 10 ns a page, so that alloc and free need not count.
   */
  stats(): PoolStats {
    if (this.#closed) throw closedError();
    return this.#allocator.stats();
  }

  /**
   * For diagnostics, which are functions apart so that a bundler leaves them out where nobody calls them.
   *
   * @internal
   */
  inside(): PoolInside {
    if (this.#closed) throw closedError();
    return {
      kind: "pool",
      type: this.type,
      look: (work) => {
        if (this.#locked !== null) return this.#locked.look((allocator) => work(allocator, null));
        // Reclaims of other threads are not known here.
        return work(this.#allocator, this.#table[W_LOCKING] === LOCK_NONE ? this.#reclaims.underWay : null);
      },
    };
  }

  /**
   * Tells a listener what happens from here on; there may be several. Gives what ends it.
   *
   * @throws {ZbudError} `EINVAL` if this is none; `ECLOSED`.
   */
  observe(observer: PoolObserver): () => void {
    if (this.#closed) throw closedError();
    return this.#observers.add(observer);
  }

  /** Ends the pool and gives its memory back. Any later call throws `ECLOSED`; a second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#maxObjectBytes = -1;
    if (this.#idle !== null) stopGivingBack(this.#idle);
    this.#allocator.close();
    this.#observers.clear();
    this.#reclaims.close();
    const segment = this.#ownSegment();
    this.#table = new Int32Array(0);
    this.#copies?.clear();
    this.#memory.close();
    segment?.close();
  }

  /** The segment that this pool has for itself; of an engine's pool it is the engine's. */
  #ownSegment(): Segment | undefined {
    return this.#table[W_LOCKING] === LOCK_OWN ? segmentOf(this.#memory.buffer) : undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What the pool holds, in a line. */
  toString(): string {
    if (this.#closed) return `${this.type} pool (closed)`;
    const { objects, objectBytes, pages } = this.stats();
    const { pageSize, maxPages, maxBytes = maxPages * pageSize } = this.#shape;
    const inPages = `${countText(pages)} ${pages === 1 ? "page" : "pages"}`;
    return `${this.type} pool: ${countText(objects)} ${objects === 1 ? "object" : "objects"} of ${bytesText(objectBytes)} in ${inPages}, ${bytesText(this.totalBytes)} of at most ${bytesText(maxBytes)}`;
  }

  static {
    inspectAsText(Pool.prototype);
  }

  /** For drivers whose objects move: does what {@link compact} says. */
  protected compactObjects(_maxMoves: number): CompactResult {
    return { moved: 0, pagesReleased: 0 };
  }

  /** For drivers whose objects move: about how many bytes of pages {@link compactObjects} would release. */
  protected looseBytes(): number {
    return 0;
  }

  /** Does work while no other thread changes the table: for drivers with operations of their own. */
  protected underLock<T>(work: () => T): T {
    if (this.#closed) throw closedError();
    return this.#locked === null ? work() : this.#locked.locked(work);
  }

  /** Bytes of the pages that are free and touched. */
  #freeBytes(): number {
    return Math.max(0, this.#allocator.touchedBytes() - this.#allocator.pageBytes());
  }

  /** Moves objects together, where they move, until about so many bytes are free or nothing more comes of it. */
  #makeFree(bytes: number): void {
    const isOfUse = this.#table[W_LOCKING] === LOCK_NONE || this.#memory.unitBytes() > 0;
    if (!this.#allocator.moves || !isOfUse) return;
    const most = bytes / BYTES_A_MOVE;
    for (let moves = 0; moves < most && this.#freeBytes() < bytes; moves += COMPACT_STEP) {
      const result = this.compactObjects(COMPACT_STEP);
      if (result.moved > 0) this.#observer?.onCompact?.(COMPACT_STEP, result);
      if (result.moved < COMPACT_STEP) return;
    }
  }

  /** Gives free pages back, about so many bytes, from where the last call ended on. Bytes that went. */
  #giveBack(maxBytes: number): number {
    // The first time it loads the system's calls: not under the lock.
    if (this.#memory.unitBytes() === 0) return 0;
    const walk = { at: maxBytes === Number.POSITIVE_INFINITY ? 0 : this.#trimmedTo, left: 0, given: 0 };
    for (let rounds = walk.at > 0 ? 2 : 1; rounds > 0 && walk.given < maxBytes; ) {
      // Other threads get the lock between two steps.
      walk.left = Math.min(TRIM_STEP_BYTES, maxBytes - walk.given);
      this.#allocator.giveBack(walk);
      if (walk.at !== Number.POSITIVE_INFINITY) continue;
      walk.at = 0;
      rounds--;
    }
    this.#trimmedTo = walk.at;
    return walk.given;
  }

  #beginToGiveBack(): IdleMemory {
    const memory: IdleMemory = {
      touchedBytes: () => this.touchedBytes,
      freeTouchedBytes: () => this.freeTouchedBytes,
      // Never waits for a lock: this thread may not need the pool at all.
      giveBack: (maxBytes) => (this.#locked?.isBusy() ? 0 : this.trim(maxBytes)),
    };
    if (this.#memory.unitBytes() > 0) giveBackWhenIdle(memory);
    else noteFallback("give-back");
    return memory;
  }

  #read(handle: Handle, into: Uint8Array): number {
    const place = this.#placeOf(handle);
    const size = place.size + place.size2;
    checkBytes(into);
    if (into.length < size) {
      throw new ZbudError(
        "EINVAL",
        `the object has ${size} bytes and the buffer to read into ${into.length}; give one of at least its size`,
      );
    }
    copyOut(this.#memory, place, into);
    return size;
  }

  #write(handle: Handle, bytes: Uint8Array): void {
    const place = this.#placeOf(handle);
    const size = place.size + place.size2;
    checkBytes(bytes);
    if (bytes.length > size) {
      throw new ZbudError(
        "EINVAL",
        `${bytes.length} bytes do not fit an object of ${size}; allocate one of the size that you write`,
      );
    }
    copyIn(this.#memory, place, bytes);
  }

  /** Where a live object is: a record that the next call fills anew. */
  #placeOf(handle: Handle): Place {
    const locator = typeof handle === "number" ? this.#allocator.find(handle) : 0;
    if (locator === 0) throw this.#handleError(handle);
    const place = this.#place;
    this.#allocator.place(locator, place);
    if (place.size === 0) throw this.#handleError(handle); // freed by another thread just now
    return place;
  }

  #refuseSize(size: number): AllocRefusal {
    if (this.#closed) throw closedError();
    if (typeof size !== "number" || !Number.isInteger(size) || size <= 0) {
      if (this.#observer !== null) this.#observer.onAlloc?.(size, "EINVAL");
      throw new ZbudError("EINVAL", `size must be a positive whole number of bytes, not ${show(size)}`);
    }
    this.#allocator.count(F_REFUSED_ENOSPC, 1);
    if (this.#observer !== null) this.#observer.onAlloc?.(size, "ENOSPC");
    return "ENOSPC";
  }

  #refuseFull(size: number): AllocRefusal {
    this.#allocator.count(F_REFUSED_ENOMEM, 1);
    if (this.#observer !== null) this.#observer.onAlloc?.(size, "ENOMEM");
    return "ENOMEM";
  }

  #handleError(handle: unknown): ZbudError {
    return this.#closed ? closedError() : badHandle(this.#layout, handle);
  }
}
