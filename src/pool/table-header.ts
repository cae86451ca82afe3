import { assert, REGISTRY_WORDS, ZbudError } from "../base/index.ts";
import type { SharedMemory } from "../memory/index.ts";

/**
 * What the tables of all allocators begin with: 80 words (Int32), of which an allocator has some for its own.
 *
 *   word   0          16        18             20       21            24            64         80
 *          ┌──────────┬─────────┬──────────────┬────────┬─────────────┬─────────────┬──────────┬─────────────
 *          │ identity │ lock,   │ allocator's  │ pages  │ allocator's │ allocator's │ counters │ allocator's
 *          │          │ intent  │ (LRU head)   │ in use │             │             │ (doubles)│
 *          └──────────┴─────────┴──────────────┴────────┴─────────────┴─────────────┴──────────┴─────────────
 *
 * What every operation needs lies in words 16 to 27, which are in one cache line wherever the buffer begins at
 * a multiple of 16 bytes: two threads at one pool then pass one line to and fro, and not five.
 *
 * Behind the allocator's words there is a bit for each 4 KiB of page memory, which says whether that was given back to
 * the system (given-back.ts). Behind everything, a pool that takes care of its own lock has its table of threads: the
 * last REGISTRY_WORDS words.
 */
export type Table = Int32Array;

export const LAYOUT_MAGIC = 0x6475_627a;
export const LAYOUT_VERSION = 2;

// Identity.
export const W_MAGIC = 0;
export const W_VERSION = 1;
/** Bytes of a page; of a pool with several sizes, of the largest. */
export const W_PAGE_SIZE = 2;
/** Word 3 is the allocator's. */
export const W_MAX_PAGES = 4;
/** Number of the pool in the thread that made it: the tag and the first generation of its handles follow. */
export const W_POOL_NUMBER = 5;
/** Which allocator's table this is: `DRIVER_…`. */
export const W_DRIVER = 6;
/** Who takes care of the lock: `LOCK_…`. Words 8 to 12 are the allocator's. */
export const W_LOCKING = 7;
/** 1: the pool gives the memory of free pages back by itself. */
export const W_GIVES_BACK = 13;
/** Bytes of a part that is given back as a whole; 0 before the first. */
export const W_PART_BYTES = 14;
/** How many parts of the page memory are given back to the system now. */
export const W_GIVEN_BACK = 15;

/** The lock of a pool that takes care of its own. */
export const W_LOCK = 16;
/** What is about to change, in the allocator's own terms, or 0. Words 18 and 19 are the allocator's. */
export const W_INTENT = 17;
/** Pages in use, those under reclaim included. Words 21 to 63 are the allocator's. */
export const W_PAGE_COUNT = 20;

/** Counters are doubles: index into the Float64Array over the same buffer. */
export const F_PAGES_RECLAIMED = 32;
export const F_OBJECTS_EVICTED = 33;
export const F_EVICTIONS_REFUSED = 34;
export const F_REFUSED_ENOSPC = 35;
export const F_REFUSED_ENOMEM = 36;
/** Counters, as a length of that Float64Array; those behind F_REFUSED_ENOMEM are the allocator's. */
export const COUNTERS_END = 40;

/** Words of the header. */
export const HEADER_WORDS = 80;

export const DRIVER_ZBUD = 1;
export const DRIVER_SLOTS = 2;
export const DRIVER_ZSMALLOC = 3;
export const DRIVER_SIZE_CLASSES = 4;
export const DRIVER_LOG = 5;

/** Values of {@link W_LOCKING}: for one thread; threads share it, with a lock of its own; with their caller's. */
export const LOCK_NONE = 0;
export const LOCK_OWN = 1;
export const LOCK_CALLER = 2;

assert(2 * COUNTERS_END <= HEADER_WORDS, "no two fields share a word");

/** The least page memory that one bit of what is given back stands for: a page of the machine, where that is larger. */
export const PART_BYTES = 4096;

/** Words of those bits for so many bytes of page memory; a multiple of 2, so that what follows stays aligned. */
export function givenBackWordsOf(bytes: number): number {
  return 2 * Math.ceil(bytes / PART_BYTES / 64);
}

/** Words that a table has behind the allocator's own, for so many bytes of pages. */
export function tailWordsOf(locking: number, pageMemoryBytes: number): number {
  return givenBackWordsOf(pageMemoryBytes) + (locking === LOCK_OWN ? REGISTRY_WORDS : 0);
}

/** What a table is made for. */
export interface TableParts {
  /** Which allocator's: `DRIVER_…`. */
  readonly driver: number;
  readonly pageSize: number;
  readonly maxPages: number;
  /** Of all pages together. */
  readonly memoryBytes: number;
  readonly locking: number;
  /** Where it comes from if threads are to share it. */
  readonly memory: SharedMemory | null;
}

/**
 * Makes a table of zeros with its common header. The system gives memory for what is touched.
 *
 * @param words - that the allocator wants, the header included; a multiple of 2.
 * @param fixedWords - of them, those that are touched without a {@link Reach}: from the start.
 * @throws {ZbudError} `ENOMEM` if there is no such range of addresses; `ENOTSUP` for a shared one where there is no
 *   shared memory.
 */
export function createTable(
  { driver, pageSize, maxPages, memoryBytes, locking, memory }: TableParts,
  words: number,
  fixedWords: number,
): Table {
  const bytes = (words + tailWordsOf(locking, memoryBytes)) * 4;
  let table: Table;
  try {
    // A lock that the caller has needs no fast one here.
    const touched = [
      [0, fixedWords * 4],
      [words * 4, bytes],
    ] as const;
    const shared = locking === LOCK_OWN ? memory?.lockable(bytes, touched) : memory?.buffer(bytes, touched);
    table = new Int32Array(shared ?? new ArrayBuffer(bytes), 0, bytes / 4);
  } catch (cause) {
    if (cause instanceof ZbudError) throw cause;
    throw new ZbudError("ENOMEM", `cannot reserve ${bytes} bytes for the page table; lower maxPages`, {
      cause,
    });
  }
  table[W_MAGIC] = LAYOUT_MAGIC;
  table[W_VERSION] = LAYOUT_VERSION;
  table[W_PAGE_SIZE] = pageSize;
  table[W_MAX_PAGES] = maxPages;
  table[W_DRIVER] = driver;
  table[W_LOCKING] = locking;
  return table;
}
