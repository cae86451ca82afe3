import { sharedBuffer, show, ZbudError } from "../base/index.ts";

/** The first step in which memory is committed, and the smallest: 1 MiB. */
const COMMIT_STEP_BYTES_MIN = 2 ** 20;
/** The largest step: what a growing pool may have committed and not yet used. */
const COMMIT_STEP_BYTES_MAX = 2 ** 26;

/**
 * Where a pool's page bytes come from, and where they go back to: one buffer, addressed by page, of which
 * pages [0, committed) may be touched. The pool decides which page is used for what; this decides only how
 * far the buffer reaches.
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
  /** Gives everything back. The memory is of no use afterwards. */
  close(): void;
}

/**
 * Reserves address space for `maxPages` pages. Resident memory grows only with the pages that are touched.
 *
 * @param shared - whether other threads are to reach it. A shared buffer has its full length from the
 *   start and cannot be trimmed: a `SharedArrayBuffer` never shrinks. One that is not shared is a resizable
 *   `ArrayBuffer`, whose end goes back to the system.
 * @throws {ZbudError} `ENOMEM` if the system has no such range of addresses; `ENOTSUP` for shared memory where
 *   there is none (a browser's page that is not cross-origin isolated).
 */
export function createPageMemory(pageSize: number, maxPages: number, shared: boolean): PageMemory {
  const maxBytes = pageSize * maxPages;
  try {
    return shared
      ? new SharedPageMemory(pageSize, sharedBuffer(maxBytes))
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
  return new SharedPageMemory(pageSize, buffer);
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
      // An eighth more than there is, so that the calls stay few, though never more than a fixed step.
      const step = Math.min(
        Math.max(Math.floor(committed / 8), COMMIT_STEP_BYTES_MIN),
        COMMIT_STEP_BYTES_MAX,
      );
      const wanted = Math.min(Math.max(needed, committed + step), this.buffer.maxByteLength);
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

  /** The buffer goes at the collection after the last thread dropped it. */
  close(): void {
    this.buffer = new SharedArrayBuffer(0);
  }
}
