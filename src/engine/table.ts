import { PLACES, REGISTRY_WORDS } from "../base/index.ts";
import type { ElementArray } from "../memory/index.ts";

/**
 * The table of one shard: all that the engine knows of its entries, in one buffer apart from the pools' pages.
 *
 *   word   0        16         32          96       352       352 + buckets
 *          ┌────────┬──────────┬───────────┬────────┬─────────┬───────┬───────┬───┬──────────┬───────────┐
 *          │ shape  │ heads,   │ counters  │ epochs │ buckets │ row 0 │ row 1 │ … │ expiries │ secondary │
 *          │        │ counts   │ (doubles) │        │         │ (LRU) │       │   │          │ index     │
 *          └────────┴──────────┴───────────┴────────┴─────────┴───────┴───────┴───┴──────────┴───────────┘
 *
 * Rows are named by their number; 0 is none, and row 0 is the head of the LRU: the queue of entries, which is in the
 * order of use, or with the policy SIEVE in that of arrival. A row is an entry, a further
 * fragment of an entry that takes several objects, or free:
 *
 *   word  0     1     2     3      4   5   6  7     8       9       10      11       12     13    14    15
 *         ┌─────┬─────┬─────┬──────┬───┬───┬────────┬───────┬───────┬───────┬────────┬──────┬─────┬─────┬──────┐
 *         │hash │LRU  │LRU  │state │k0 │k1 │ handle │stored │length │prefix │version │next  │ aux │aux2 │first │
 *         │next │next │prev │      │   │   │(double)│ bytes │       │ head  │        │fragment │     │     │bytes │
 *         └─────┴─────┴─────┴──────┴───┴───┴────────┴───────┴───────┴───────┴────────┴──────┴─────┴─────┴──────┘
 *
 * *state* alone says what a row is. It is written last when an entry comes and first when one goes, so what a
 * thread left half done is a free row, and its objects are those that no row names.
 *
 *   E1  a row is on exactly one of: the hash chain of its name and the LRU (entries), the fragments of one entry
 *       (fragments), the list of free rows; while the last rows are given up, no list has the free ones of these
 *   E2  prefix + head + stored bytes of an entry = the sum of the bytes of its fragments
 *   E3  every live object of the pools is named by exactly one row, in use, by its handle or its slot; a same-filled or empty entry has none
 *   E4  the counts of the header are those of the rows
 *   E5  the expiries hold the entries with a deadline, as a binary heap by deadline
 *   E6  what the eviction policy keeps names entries only (of SIEVE: the hand is 0 or an entry)
 */
export const MAGIC = 0x65676e65;
export const LAYOUT_VERSION = 5;

export const W_MAGIC = 0;
export const W_LAYOUT_VERSION = 1;
export const W_ROWS_MAX = 2;
export const W_BUCKETS = 3;
/** The last version when versions were last asked for: an entry of it or before, moved, stays below a floor that comes of that. */
export const W_MARKED = 4;

/** Buckets in use: as many as there were entries at a time, so that what is not needed is never touched. */
export const W_BUCKETS_USED = 16;
export const BUCKETS_MIN = 16;
/** Number of the pool that new objects go to. */
export const W_POOL = 17;
/** First of the free rows below the high-water mark. */
export const W_FREE = 18;
/** Rows from here on were never used. Row 0 always is. */
export const W_HIGH_WATER = 19;
export const W_ENTRIES = 20;
export const W_FRAGMENTS = 21;
export const W_SAME_FILLED = 22;
export const W_RAW = 23;
export const W_CLEAN = 24;
export const W_VERSION = 25;
/** Entries in the heap of expiries. */
export const W_EXPIRIES = 26;
/** The eviction policy's own: of SIEVE the entry to look at next. */
export const W_EVICTION = 27;
/** The most entries that ever were in that heap. */
export const W_EXPIRIES_MAX = 29;
/** Rows from here on need room in the file system before they are touched. */
export const W_ROOM = 28;
/** Entries of this version and before are not known to be what others have: see trust.ts. */
export const W_FLOOR = 31;
/** Objects without a row: see {@link NEXT_FRAGMENT}. And the most that ever were. */
export const W_ROWLESS = 91;
export const W_ROWLESS_MAX = 92;
/** Entries of this version and before were not known to be that before {@link W_FLOOR} was raised for a grace either. */
export const W_GRACE_FLOOR = 90;

/** Rows from here on are being given up: where they are free, they are on no list. */
export const W_ROWS_END = 30;
/** Then none is given up. */
export const NO_END: number = 2 ** 31 - 1;

/** Counters: indices of doubles. The first are sums over the rows, the others only grow. */
export const F_ORIGINAL_BYTES = 16;
export const F_STORED_BYTES = 17;
export const F_HITS = 19;
export const F_MISSES = 20;
export const F_PUTS = 21;
/** One for each {@link RemovalReason}, in the order of REASONS. */
export const F_REMOVED = 22;
export const F_LIMIT_HIT = 27;
export const F_REJECT_POOR = 28;
export const F_REJECT_LARGE = 29;
export const F_REJECT_FULL = 30;
export const F_EVICTIONS_REFUSED = 31;
export const F_RECOMPRESSED = 32;
export const F_RECOMPRESSED_SAVED = 33;
/** For each pool, by its number: the most bytes of its pages that were in use, and so are touched. */
export const F_POOL_TOUCHED = 34;
/** The limit of the shard now, and with it the rows kept free of pages and what is fixed: see budget.ts. */
export const F_LIMIT = 42;
export const F_ROWS_RESERVED = 43;
export const F_FIXED_BYTES = 44;
/** Rows of one shard. */
export const ROWS_MAX: number = 2 ** 26;
/** Drivers of one engine. */
export const POOLS_MAX = 8;

export const EPOCHS_AT = 96;
export const EPOCHS = 256;
export const BUCKETS_AT: number = EPOCHS_AT + EPOCHS;

export const ROW_SHIFT = 4;
export const ROW_BYTES = 64;
export const HASH_NEXT = 0;
export const LRU_NEXT = 1;
export const LRU_PREV = 2;
export const STATE = 3;
export const K0 = 4;
export const K1 = 5;
/** As index of a word; the double has half of it. Of a same-filled entry the two words that fill it. */
export const HANDLE = 6;
export const STORED = 8;
export const LENGTH = 9;
/** `prefixLength | headLength << 16`. */
export const NAME = 10;
export const VERSION = 11;
/**
 * The row of the next fragment; 0: there is none; below 0: the last one has no row, and its object has the slot
 * `-1 - next`. So an entry that is cut once takes no more than the row of an object for it.
 */
export const NEXT_FRAGMENT = 12;
export const AUX = 13;
export const AUX2 = 14;
/** Bytes of the first fragment, or of this fragment. */
export const FRAGMENT_BYTES = 15;

export const KIND_MASK = 3;
export const KIND_FREE = 0;
export const KIND_ENTRY = 1;
export const KIND_FRAGMENT = 2;
export const STATE_SAME_FILLED = 4;
/** Kept as it is, since it does not compress. */
export const STATE_RAW = 8;
/** The backing store has a copy. */
export const STATE_CLEAN = 16;
/** Its bytes are on their way to the backing store. */
export const STATE_WRITING = 32;
export const STATE_EXPIRES = 64;
export const CODEC_SHIFT = 8;
/** Bits of the eviction policy: of SIEVE the first, whether an entry was used since its turn last came. */
export const STATE_EVICTION: number = 3 << 16;
export const POOL_SHIFT = 18;
export const POOL_MASK = 7;
/** Looked at by recompression since it was put. */
export const STATE_SETTLED: number = 1 << 21;
/** Not used since a walk of {@link ColdPass} came by. */
export const STATE_RESTED: number = 1 << 22;
/** The codec for cold entries was tried, and did not make it smaller. */
export const STATE_UNYIELDING: number = 1 << 23;

/** Words of an expiry: deadline (a double), then its row in the heap's order, then its place in the heap. */
export const EXPIRY_WORDS = 4;
/**
 * The engine's header, of one that threads share: 16 words of its own, then the lock of each shard in 16 words, a
 * cache line; behind them the table of threads.
 */
export const LOCKS_AT = 16;
export const LOCK_WORDS = 16;
export const SHARDS_MAX = 256;
/** Where the table of threads begins. */
export function registryAt(shards: number): number {
  return LOCKS_AT + LOCK_WORDS * shards;
}

/** An engine of one thread has no header. */
export function headerWords(shards: number, shared: boolean): number {
  return shared ? registryAt(shards) + REGISTRY_WORDS : 0;
}

/** More threads than that cannot attach. */
export const THREADS_MAX: number = PLACES - 1;

/** Where the parts of a shard's table begin, in words. */
export interface ShardLayout {
  readonly maxRows: number;
  readonly bucketCount: number;
  readonly rowsAt: number;
  /** Deadlines, as doubles: index of the word, even. 0: entries do not expire. */
  readonly deadlinesAt: number;
  readonly heapAt: number;
  readonly heapPlacesAt: number;
  readonly secondaryIndexAt: number;
  readonly words: number;
}

/** @param maxRows - the most entries and fragments; row 0 comes on top. */
export function layoutOf(
  maxRows: number,
  bucketCount: number,
  expiry: boolean,
  secondaryIndexWords: number,
): ShardLayout {
  const rowsAt = Math.ceil((BUCKETS_AT + bucketCount) / 16) * 16;
  let end = rowsAt + ((maxRows + 1) << ROW_SHIFT);
  const deadlinesAt = expiry ? end : 0;
  if (expiry) end += 2 * (maxRows + 1);
  const heapAt = end;
  if (expiry) end += maxRows + 1;
  const heapPlacesAt = end;
  if (expiry) end += maxRows + 1;
  const secondaryIndexAt = end;
  const words = Math.ceil((end + secondaryIndexWords) / 2) * 2;
  return { maxRows, bucketCount, rowsAt, deadlinesAt, heapAt, heapPlacesAt, secondaryIndexAt, words };
}

/** Of a secondary index, what grows with the rows. */
export interface GrowingIndex {
  /** The word where an array with an element for each row begins, from the first word on, and the words of an element. */
  rowArray(rows: number): readonly [at: number, words: number];
}

/** What grows with the rows: bytes where each array begins, and of its elements. */
export function rowArraysOf(
  { rowsAt, deadlinesAt, heapAt, heapPlacesAt, secondaryIndexAt, maxRows }: ShardLayout,
  secondaryIndex: GrowingIndex | null,
): ElementArray[] {
  const arrays: ElementArray[] = [[4 * rowsAt, ROW_BYTES]];
  if (deadlinesAt !== 0) arrays.push([4 * deadlinesAt, 8], [4 * heapAt, 4], [4 * heapPlacesAt, 4]);
  if (secondaryIndex !== null) {
    const [at, words] = secondaryIndex.rowArray(maxRows + 1);
    arrays.push([4 * (secondaryIndexAt + at), 4 * words]);
  }
  return arrays;
}

/**
 * The bucket of a hash, by linear hashing: with `used` buckets, `2^n <= used < 2^(n + 1)`, that of its lowest n + 1 bits
 * if there is such a bucket, else that of the lowest n.
 */
export function bucketOf(hash: number, used: number): number {
  const mask = 0xffff_ffff >>> Math.clz32(used);
  const bucket = hash & mask;
  return bucket < used ? bucket : bucket & (mask >>> 1);
}

/** What the hash table and the choice of a shard go by: all 32 bits depend on both words. */
export function hashOf(k0: number, k1: number): number {
  let h = Math.imul(k0 ^ (k0 >>> 15), 0x2c1b3c6d) ^ Math.imul(k1 ^ 0x5bd1e995, 0x297a2d39);
  h = Math.imul(h ^ (h >>> 12), 0x7feb352d);
  return h ^ (h >>> 15);
}
