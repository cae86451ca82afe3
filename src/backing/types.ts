import type { ZbudError } from "../base/index.ts";
import type { BackingKey, StoredEntry } from "../record/index.ts";

export type { BackingKey, StoredEntry } from "../record/index.ts";

/**
 * How a write ended.
 *
 * | outcome | meaning | and now |
 * | --- | --- | --- |
 * | `"ok"` | reads find the record | |
 * | `"ECANCELED"` | a later write, a delete or a clear of the key came first | nothing: it has no value any more |
 * | `"ENOSPC"` | the store is at its own bound | delete something, or drop the record |
 * | `"EFBIG"` | a record of this length never fits | drop the record, or keep it elsewhere |
 * | `"EAGAIN"` | too much is under way, the write budget is spent, or the store is known to be down | later |
 * | a ZbudError | the write failed: `EIO`, `ENOSPC` (the system's), `ETIMEDOUT`, `EACCES`, `ECLOSED` | the store goes on |
 *
 * After every outcome but `"ok"` and `"ECANCELED"` the key has no record: not the older one either.
 */
export type WriteOutcome = "ok" | "ECANCELED" | "ENOSPC" | "EFBIG" | "EAGAIN" | ZbudError;

/** What a backing store has no room for. */
export type FullOf = "bytes" | "records";

/** What a read takes besides the key. */
export interface ReadOptions {
  /** Ends the wait: the read rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Figures of a backing store; one cheap call. What is named after an event (`writes`, `readsFailed`, `bytesWritten`)
 * counts since the store was opened, over all threads; the rest is what is there now.
 */
export interface BackingStats {
  /** Records that a read would find, or -1 where the store cannot tell. */
  readonly records: number;
  /** Bytes that they take, with headers and rounding, or -1 where the store cannot tell. */
  readonly bytesUsed: number;
  /** The store's bound in bytes, or Infinity. */
  readonly maxBytes: number;
  /** The most records, or Infinity: the rows of a file's index. Absent: not known. */
  readonly maxRecords?: number;
  /**
   * What a write lacked that was refused, or for which others were given up: `"bytes"` (more `maxBytes` helps),
   * `"records"` (a file's index has no row; a smaller `averageBytes` helps). Null: nothing, or something was deleted, or
   * written without a drop, since then. Absent: not known.
   */
  readonly fullOf?: FullOf | null;
  /** Memory that the store holds: its index, and the bytes under way at most. */
  readonly memoryBytes: number;
  /** Bytes under way: accepted by `write`, without an outcome yet. */
  readonly bytesInFlight: number;
  /** Records that were written, and their bytes. */
  readonly writes: number;
  readonly bytesWritten: number;
  /** Records that were read, and their bytes. */
  readonly reads: number;
  readonly bytesRead: number;
  /** Records that were deleted, one by one or by a clear. */
  readonly deletions: number;
  /** Records that were given up to make room (`whenFull: "drop"`). */
  readonly drops: number;
  /** Writes with the outcome `"ENOSPC"`, `"EFBIG"` or `"EAGAIN"`. */
  readonly writesRefused: number;
  readonly writesFailed: number;
  readonly readsFailed: number;
  /** Reads that found other bytes than those that were written. The records are gone. */
  readonly readsDamaged: number;
  /** Whether the store is taken to be out of reach. It is tried again by itself. */
  readonly isDown: boolean;
}

/**
 * Where evicted records go. All kinds keep one contract (`test/contracts/backing.ts`):
 *
 * - Calls on one key take effect in the order in which they were made, whatever is under way. Once `delete` or
 *   a later `write` of a key was called, no read gives the older record, though its write may end afterwards.
 * - A read finds a record from the moment its write has the outcome `"ok"`, and the kinds that are here find it from the
 *   call of `write` on, in the thread that called it. If that write then fails, later reads are misses. In other threads
 *   that share the store, a record is a miss until its write has ended.
 * - A read gives the bytes that were written, a miss (null), or throws; never other bytes.
 * - Faults of the disk or the server are outcomes. They leave the store usable, and it recovers when they end.
 *
 * A store that can be shared is one store in all threads: the order holds between them.
 */
export interface Backing {
  /** Its kind, such as `"file"`. */
  readonly name: string;
  /**
   * Tells this store from others: the same text in every thread that has the same store. Whoever attaches to a cache or
   * a page store with another one is refused. A store without it is believed.
   */
  readonly id?: string;
  /** Whether {@link writeSync} and {@link readSync} work; if not, they throw `ENOTSUP`. */
  readonly isSync: boolean;
  /** The most bytes of one record, prefix included. */
  readonly maxRecordBytes: number;
  /** Bytes that {@link write} takes at this moment without an `"EAGAIN"` for too much under way; absent: not known. */
  readonly writeRoom?: number;
  /** What a write gets when there is no room: an outcome, or the room of the oldest records. Absent: not known. */
  readonly whenFull?: "reject" | "drop";
  /** Whether what the last flush wrote is found after the process was killed. Absent: not known. */
  readonly findsFlushed?: boolean;

  /**
   * Notes who keeps records here, `"cache"` or `"page store"`, for as long as the records are there. What makes one calls
   * it. Absent: anybody may.
   *
   * @throws {ZbudError} `EINVAL` if the store has records of the other, or is in use by it; `ECLOSED`.
   */
  claim?(user: "cache" | "page store"): void;

  /**
   * Whether a record of so many bytes, header included, would be refused now: it is longer than any, too much is under
   * way, the store is full, or it is known to be out of reach. Costs next to nothing and asks nobody. Who writes much
   * asks first, and does not write what would be refused. A store that was full says no until something was deleted
   * and, if that was elsewhere, for a pause of 50 ms, twice as long each time, up to 5 s. A store without it is
   * asked by each write.
   */
  refuses?(bytes: number): boolean;

  /**
   * Writes records, in one go where it can.
   *
   * All of a record is copied before this returns: the caller may change it, and its bytes, at once. An engine fills one
   * record anew for each value that it evicts. The copy is what it costs the event loop: in a file some 1 µs a record and 0.4 ms a MiB, so batches of 64 to 256 KiB are best.
   *
   * @returns one outcome for each record, in their order. Never rejects.
   * @throws {ZbudError} `EINVAL` for what is not a record. `ECLOSED` is an outcome.
   */
  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]>;

  /**
   * Writes one record before it returns, for eviction at the limit. It may take as long as the disk does.
   *
   * @throws {ZbudError} `ENOTSUP` where {@link isSync} is false; `EINVAL`.
   */
  writeSync(record: StoredEntry): WriteOutcome;

  /**
   * Reads the record of a key.
   *
   * The caller must look again whether the key is still its own: others may have written or deleted meanwhile.
   *
   * @returns a record of its own, with exactly its bytes, or null: a miss.
   * @throws {ZbudError} (as a rejection, `EINVAL` too) `EBADMSG`: the bytes are damaged, and the record is gone from now on;
   *   `EIO`, `ETIMEDOUT`, `EACCES`: the record may be readable later; `ECLOSED`.
   */
  read(key: BackingKey, options?: ReadOptions): Promise<StoredEntry | null>;

  /** Like {@link read}, before it returns. Throws `ENOTSUP` where {@link isSync} is false. */
  readSync(key: BackingKey): StoredEntry | null;

  /**
   * Whether a read would find the key, what is under way included, as far as that is known without I/O. True may still turn out a miss (an
   * expired record, a collision), false is certain.
   *
   * @throws {ZbudError} `ECLOSED`, `EINVAL`.
   */
  has(key: BackingKey): boolean | "unknown";

  /**
   * Drops the record of a key, if there is one: from now on no read finds it. Waits for nothing: what must
   * still be told to a server is told later, again and again.
   *
   * @throws {ZbudError} `ECLOSED`, `EINVAL`.
   */
  delete(key: BackingKey): void;

  /** Drops all records: from now on no read finds them. */
  clear(): Promise<void>;

  /**
   * Waits until what was written before is where it would be found after the process ended, as far as the
   * kind can tell. A file writes its index.
   *
   * @throws {ZbudError} (as a rejection) `EIO`, `ENOSPC`, `ETIMEDOUT`, `ECLOSED`.
   */
  flush(): Promise<void>;

  /** Flushes and ends. Later calls are answered with `ECLOSED`; a second close does nothing. */
  close(): Promise<void>;

  stats(): BackingStats;
}

/** A backing store that several threads of a process use at once. */
export interface SharedBacking extends Backing {
  /** Plain data for `postMessage`; the class of the store has a static `attach` that takes it. */
  share(): unknown;

  /** Looks for threads that are gone, and frees what they had under way. How many were found dead. */
  recover(): number;

  /** Tells that a worker with this `threadId` has exited, and recovers. */
  threadGone(threadId: number): void;
}
