import { canGrow, sharedBuffer, show, ZbudError } from "../base/index.ts";
import { libcIfAny } from "./libc.ts";
import { type SegmentArea, segmentAreaOf } from "./segment-area.ts";
import { systemOf } from "./system-calls.ts";

/** The first step in which memory is committed, and the smallest: 1 MiB. */
const COMMIT_STEP_BYTES_MIN = 2 ** 20;
/** The largest step: what a growing pool may have committed and not yet used. */
const COMMIT_STEP_BYTES_MAX = 2 ** 26;

/**
 * Where a pool's page bytes come from, and where they go back to: one buffer, addressed by page, of which
 * pages [0, committed) may be touched. The pool decides which page is used for what; this decides only how
 * far the buffer reaches, and asks the system.
 */
export interface PageMemory {
  /** The page bytes: page `p` lies at `[p, p + 1) * pageSize`. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /**
   * Makes sure that pages [0, `pageCount`) can be touched.
   *
   * @returns how many pages can be touched now, at least `pageCount`; or 0 if the system gave no memory,
   *   and then nothing changed.
   */
  commit(pageCount: number): number;
  /**
   * Gives back what lies behind the first `pageCount` pages, which the caller no longer uses.
   *
   * @returns how many pages can still be touched, at least `pageCount`.
   */
  trim(pageCount: number): number;
  /**
   * Bytes of the parts that {@link giveBack} takes; 0 where nothing can be given back. Asks for the system's calls at
   * the first time.
   */
  unitBytes(): number;
  /** Gives a range of bytes back, in whole parts. What was there is lost, and it must not be touched before {@link takeBack}. */
  giveBack(from: number, to: number): boolean;
  /** Takes a range of bytes that was given back. False: the system has no memory now, and nothing changed. */
  takeBack(from: number, to: number): boolean;
  /** Gives everything back. The memory is of no use afterwards. */
  close(): void;
}

/** Where buffers come from that several threads are to have. */
export interface SharedMemory {
  /**
   * @param touched - ranges of bytes that are touched without more ado, from and to; the rest is a {@link Reach}'s.
   *   Default: all.
   * @throws {ZbudError} `ENOTSUP`, `ENOMEM`; a `RangeError` of the engine if it has no such range of addresses.
   */
  buffer(bytes: number, touched?: readonly (readonly [number, number])[]): SharedArrayBuffer;
  /** One whose locks are fast, which may be longer. As `buffer`. */
  lockable(bytes: number, touched?: readonly (readonly [number, number])[]): SharedArrayBuffer;
  /** One whose parts can be given back, and which takes no memory before it is touched. Throws as `buffer`. */
  pages(bytes: number): SharedArrayBuffer;
}

/**
 * Reserves address space for `maxPages` pages. Resident memory grows only with the pages that are touched.
 *
 * @param shared - where the buffer comes from if other threads are to reach it: it has its full length from the
 *   start, and cannot be trimmed. Null: a resizable `ArrayBuffer`, whose end goes back to the system.
 * @throws {ZbudError} `ENOMEM` if the system has no such range of addresses; `ENOTSUP` for shared memory where
 *   there is none (a browser's page that is not cross-origin isolated).
 */
export function createPageMemory(
  pageSize: number,
  maxPages: number,
  shared: SharedMemory | null,
): PageMemory {
  const maxBytes = pageSize * maxPages;
  try {
    return shared !== null
      ? attachPageMemory(pageSize, shared.pages(maxBytes))
      : new TrimmablePageMemory(pageSize, new ArrayBuffer(0, { maxByteLength: maxBytes }));
  } catch (cause) {
    if (cause instanceof ZbudError) throw cause;
    throw new ZbudError(
      "ENOMEM",
      `cannot reserve ${show(maxBytes)} bytes for ${maxPages} pages of ${pageSize} bytes; lower maxPages or pageSize`,
      { cause },
    );
  }
}

/** The page memory of a pool that another thread made. */
export function attachPageMemory(pageSize: number, buffer: SharedArrayBuffer): PageMemory {
  const area = segmentAreaOf(buffer);
  return area === undefined
    ? new SharedPageMemory(pageSize, buffer)
    : new SegmentPageMemory(pageSize, buffer, area);
}

/** A shared buffer that begins at a page of the machine, where the platform has such: whole pages can be given back. */
export function sharedPages(bytes: number): SharedArrayBuffer {
  // The plain kind begins 16 bytes behind one.
  return canGrow() ? new SharedArrayBuffer(bytes, { maxByteLength: bytes }) : sharedBuffer(bytes);
}

/** Grows and shrinks in place. Views of it have fixed lengths, which keeps them fast. */
class TrimmablePageMemory implements PageMemory {
  readonly buffer: ArrayBuffer;
  readonly #pageSize: number;

  constructor(pageSize: number, buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.#pageSize = pageSize;
  }

  commit(pageCount: number): number {
    const needed = pageCount * this.#pageSize;
    const committed = this.buffer.byteLength;
    if (needed > committed) {
      const wanted = Math.min(nextCommit(committed, needed), this.buffer.maxByteLength);
      if (wanted < needed) return 0;
      if (!this.#resize(wanted) && !this.#resize(needed)) return 0;
    }
    return Math.floor(this.buffer.byteLength / this.#pageSize);
  }

  trim(pageCount: number): number {
    // The engine zeroes what it cuts off, which makes it resident for a moment: so in steps, not all at once.
    const kept = pageCount * this.#pageSize;
    while (this.buffer.byteLength > kept) {
      if (!this.#resize(Math.max(kept, this.buffer.byteLength - COMMIT_STEP_BYTES_MAX))) break;
    }
    return Math.floor(this.buffer.byteLength / this.#pageSize);
  }

  unitBytes(): number {
    return systemPageBytes();
  }

  giveBack(from: number, to: number): boolean {
    return systemOf().discard(this.buffer, from, to - from);
  }

  takeBack(): boolean {
    return true;
  }

  close(): void {
    // Detaching frees at once; shrinking to nothing would zero every byte first.
    if (!this.buffer.detached) this.buffer.transferToFixedLength(0);
  }

  /** The engine's only sign that the system has no memory is an exception. */
  #resize(bytes: number): boolean {
    try {
      this.buffer.resize(bytes);
      return true;
    } catch {
      return false;
    }
  }
}

/** All there from the start, and touched by nobody until it is needed. */
class SharedPageMemory implements PageMemory {
  buffer: SharedArrayBuffer;
  readonly #maxPages: number;

  constructor(pageSize: number, buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#maxPages = Math.floor(buffer.byteLength / pageSize);
  }

  commit(): number {
    return this.#maxPages;
  }

  trim(): number {
    return this.#maxPages;
  }

  unitBytes(): number {
    return this.buffer.growable ? systemPageBytes() : 0;
  }

  giveBack(from: number, to: number): boolean {
    return systemOf().discard(this.buffer, from, to - from);
  }

  takeBack(): boolean {
    return true;
  }

  /** The buffer goes at the collection after the last thread dropped it. */
  close(): void {
    this.buffer = new SharedArrayBuffer(0);
  }
}

/**
 * A part of a file that processes share. Its file system is asked for room before a page is touched: a page that is
 * touched and has none ends the process (SIGBUS).
 */
class SegmentPageMemory implements PageMemory {
  buffer: SharedArrayBuffer;
  readonly #pageSize: number;
  readonly #area: SegmentArea;

  constructor(pageSize: number, buffer: SharedArrayBuffer, area: SegmentArea) {
    this.buffer = buffer;
    this.#pageSize = pageSize;
    this.#area = area;
  }

  /** Says no more than was asked for, since another process may give back what lies behind. */
  commit(pageCount: number): number {
    const area = this.#area;
    const needed = pageCount * this.#pageSize;
    const committed = area.committed;
    if (needed > committed) {
      const wanted = Math.min(nextCommit(committed, needed), this.buffer.byteLength);
      if (wanted < needed) return 0;
      if (!area.commit(wanted) && !area.commit(needed)) return 0;
    }
    return pageCount;
  }

  trim(): number {
    return 0;
  }

  unitBytes(): number {
    return systemPageBytes();
  }

  giveBack(from: number, to: number): boolean {
    return this.#area.giveBack(from, to);
  }

  takeBack(from: number, to: number): boolean {
    return this.#area.allocate(from, to);
  }

  close(): void {
    this.buffer = new SharedArrayBuffer(0);
  }
}

/** An eighth more than there is, so that the calls stay few, though never more than a fixed step. */
function nextCommit(committed: number, needed: number): number {
  const step = Math.min(Math.max(Math.floor(committed / 8), COMMIT_STEP_BYTES_MIN), COMMIT_STEP_BYTES_MAX);
  return Math.max(needed, committed + step);
}

function systemPageBytes(): number {
  return libcIfAny() === undefined ? 0 : systemOf().pageBytes;
}
