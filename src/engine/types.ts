import type { LockMemory } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import type { SharedMemory } from "../memory/index.ts";
import type { PoolDriver } from "../pool/index.ts";
import type { StoredEntry } from "../record/index.ts";
import type { Eviction } from "./eviction/index.ts";
import type { GrowingIndex } from "./table.ts";

/** Why an entry left the engine. */
export type RemovalReason = "evicted" | "expired" | "replaced" | "deleted" | "cleared";

/**
 * What became of a put.
 *
 * | result | meaning |
 * | --- | --- |
 * | `"stored"` | the engine holds the value; there was none before |
 * | `"replaced"` | the engine holds the value, and the older one is gone |
 * | `"poor"` | it does not compress enough, and the engine was told to refuse such values |
 * | `"large"` | with all that belongs to it, it is larger than {@link Engine.maxEntrySize} |
 * | `"full"` | no room could be made: what is there must stay, or the system gives no memory |
 * | `"stale"` | only for `putStored` with an epoch: somebody changed the entry meanwhile |
 *
 * After any result but `"stale"` the older value is gone: a refusal never leaves it to be read later.
 */
export type PutResult = "stored" | "replaced" | "poor" | "large" | "full" | "stale";

/**
 * What belongs to an entry beside its name and its value. Make one and use it again for each call: the engine
 * reads it during the call and keeps nothing of it.
 */
export interface EntryAttributes {
  /** The first `prefixLength` bytes are part of the name: compared exactly, stored as they are. */
  prefix: Uint8Array;
  /** 0 to 65,535. */
  prefixLength: number;
  /** The first `headLength` bytes are kept uncompressed beside the value, for the layer above. */
  head: Uint8Array;
  /** 0 to 65,535. */
  headLength: number;
  /** When it expires, in the milliseconds of the clock of the calls; 0: never. Needs `expiry: true`. */
  expiresAt: number;
  /** Two words for the layer above. */
  aux: number;
  aux2: number;
}

/**
 * What the last successful {@link Engine.lookup}, `contains` or `readRow` found: an entry as it is stored, and where it
 * lies. One record for each engine, filled anew by each call, but for its `stamp`, which is the layer above's.
 *
 * Its `bytes` are filled by `readRow` and for the hooks, as each says. `codec` is the number of a codec of this engine; `fill0` and `fill1`
 * mean something only if it is same-filled.
 */
export interface FoundEntry extends StoredEntry {
  /** Where it lies. `(shard, row, version)` names exactly this value until it is replaced or removed. */
  shard: number;
  row: number;
  version: number;
  /** A copy of the value is known to be in the backing store. */
  clean: boolean;
}

/** What a lookup counts. */
export const Look = {
  /** Nothing. */
  uncounted: 0,
  /** A hit if it was found, else a miss. */
  counted: 1,
  /** As `counted`, but what was found `aux2` milliseconds before its end or later is a miss. */
  fresh: 2,
  /**
   * As `counted`, but an entry that has expired is found and left as it is: a miss, and not a use. Whether it has
   * expired is the caller's to see, by `expiresAt`.
   */
  withExpired: 3,
  /** Added to one of the others: the value is not made ready to be decoded. */
  unread: 4,
  /** Added to one of the others: a value of several blocks is not made ready, any other is. */
  unreadLong: 8,
} as const;

/** Whether a lookup that found this, and does not merely count what it found, is a hit. */
export function isHitOf({ expiresAt, aux2 }: FoundEntry, now: number, look: number): boolean {
  return expiresAt === 0 || now < (look === Look.fresh ? expiresAt - aux2 : expiresAt);
}

/**
 * Asked under the lock of a shard whether a change may be made that others may have made pointless. It must not
 * call the engine, and not throw.
 */
export type Guard = () => boolean;

/**
 * Called for each entry that leaves, under the lock of its shard, with its prefix and head in `entry.bytes`. It must
 * not call the engine, and should be short: note what you want and act on it later.
 */
export type OnRemoved = (reason: RemovalReason, entry: FoundEntry) => void;

/**
 * Called when an entry of this name is about to be put or removed on somebody's order, whether there is one or
 * not, under the lock of its shard: what the backing store has of it is out of date from here on. It must not
 * call the engine.
 */
export type OnChange = (k0: number, k1: number, prefix: Uint8Array, prefixLength: number) => void;

/**
 * Called before an entry is evicted, under the lock of its shard; must not call the engine.
 *
 * @returns true: it may go (its bytes were saved, or nobody needs them). False: it stays, and another one is
 *   tried; the put that wanted the room gives up after 8 such answers.
 */
export type OnEvict = (entry: FoundEntry) => boolean;

/**
 * Words of each shard that a layer above uses for lists of its own, such as tags. They lie in the shard's
 * table, are zero at first, and all calls come with the shard's lock held, in whatever thread changes the
 * entry. After a thread died, `reset` and one `inserted` for each entry rebuild them.
 */
export interface SecondaryIndex extends GrowingIndex {
  /** How many words a shard of rows 0 to `rows - 1` needs. Asked for several numbers, to learn what a row costs. */
  words(rows: number): number;
  /**
   * @param at - index in `table` of the first word of the secondary index.
   * @param rows - what `words` was asked for this shard; the same in all shards and threads.
   */
  inserted(table: Int32Array, at: number, rows: number, row: number, entry: FoundEntry): void;
  removed(table: Int32Array, at: number, rows: number, row: number): void;
  /** @param used - rows from here on were never used. */
  reset(table: Int32Array, at: number, rows: number, used: number): void;
  /** The words of a shard that do not grow with the rows in use: from the first on. */
  fixedWords(rows: number): number;
  /** Bytes that were touched, about, by so many puts of entries that had rows below `used`. */
  touchedBytes(table: Int32Array, at: number, rows: number, used: number, puts: number): number;
}

/** Options of {@link Engine}. */
export interface EngineOptions {
  /** All that the engine takes, its index included. */
  maxBytes: number;
  /** Codec of new values: a name, or one of your own. Default `"lz4"`. */
  codec?: string | Codec;
  /** The allocator of new values. */
  driver: PoolDriver;
  /** Others that the engine may change to later. {@link Engine.attach}: those that it has, unless they are registered. */
  drivers?: readonly PoolDriver[];
  /** Bytes of a page, of all pools. Default: what each driver wants for itself, or `fixedPageSize`. */
  poolPageSize?: number;
  /** Bytes of a page of drivers that do not say what they want. Default 4096. */
  fixedPageSize?: number;
  /**
   * What an entry takes on average, compressed, with all that belongs to it: how many hash buckets there are
   * follows from it. Default 1024.
   */
  averageBytes?: number;
  /** The most entries; exact when `shards` is 1, else divided among them. Default: as many as memory takes. */
  maxEntries?: number;
  /** The longest value that `put` takes. Default 1 MiB, which is also the most: longer ones are packed in blocks first. */
  maxValueBytes?: number;
  /** The most that one entry may take; see {@link Engine.maxEntrySize}. Default, and the most: what that allows. */
  maxEntrySize?: number;
  /** A power of two, 1 to 256. Default 1, or when shared up to 16, of at least 4 MiB each. */
  shards?: number;
  /** Usable from several threads. Default false. */
  shared?: boolean;
  /** Where the buffers of a shared one come from. Default: memory for the threads of this process. */
  memory?: SharedMemory;
  /** Whether free memory goes back to the system by itself. Default: in memory that processes share. */
  giveBack?: boolean | undefined;
  /** Which entries go when memory is wanted. Default `"lru"`. */
  evict?: Eviction;
  /** What is done with values that do not compress. Default `"raw"`: they are kept as they are. */
  incompressible?: "raw" | "reject";
  /** Whether values filled with one word of 8 bytes take no object. Default true. */
  sameFilled?: boolean;
  /** Whether entries can expire: 16 bytes an entry. Default false. */
  expiry?: boolean;
  secondaryIndex?: SecondaryIndex | undefined;
  /** What to do before an entry is evicted. Absent: all may go. */
  onEvict?: OnEvict | undefined;
  /**
   * Asked under the lock before a clean entry goes, which `onEvict` is not asked about: whether its copy is still
   * there. If not, the entry is dirty again. Of its `bytes` only the prefix is filled. Without it, copies stay.
   */
  hasCopy?: ((entry: FoundEntry) => boolean) | undefined;
  /**
   * Whether an entry that is on its way to the backing store may go, without a question, when its turn comes: whoever
   * writes it hears from `endWriteback` that it went. Default false: it stays until its write has ended.
   */
  evictsWriting?: boolean | undefined;
  /** Told under the lock of each entry that is evicted, by its words alone: cheaper than `onRemoved`. */
  onEvicted?: ((k0: number, k1: number) => void) | undefined;
  onRemoved?: OnRemoved | undefined;
  onChange?: OnChange | undefined;
  /** Told under the lock of a clean entry that gets another time to live: the copy of the layer above has the old one. */
  onOutdated?: OnChange | undefined;
  /** The codec with a number that this thread does not know yet, or null. */
  resolveCodec?: ((number: number) => Codec | null) | undefined;
}

/** An engine as plain data, for `postMessage` or `workerData`. */
export interface SharedEngine {
  /** Version of the layout. */
  readonly engine: number;
  readonly header: SharedArrayBuffer;
  /** Where locks are fast: the memory whose buffer `header` is. */
  readonly memory?: LockMemory;
  /** One for each shard. */
  readonly tables: readonly SharedArrayBuffer[];
  /** What the pools of each shard gave, in the order of the drivers. */
  readonly pools: readonly (readonly unknown[])[];
  readonly shape: unknown;
}

/** What each thread has for itself. */
export type EngineHooks = Pick<
  EngineOptions,
  | "codec"
  | "drivers"
  | "giveBack"
  | "secondaryIndex"
  | "onEvict"
  | "hasCopy"
  | "evictsWriting"
  | "onEvicted"
  | "onRemoved"
  | "onChange"
  | "onOutdated"
  | "resolveCodec"
>;

/** Figures of all shards and threads together. Sums of counters that each shard keeps under its lock. */
export interface EngineStats {
  entries: number;
  /** Of them, without an object. */
  sameFilled: number;
  /** Of them, kept as they are because they do not compress. */
  incompressible: number;
  /** Of them, with a copy in the backing store. */
  clean: number;
  /** Sum of the lengths of all values. */
  originalBytes: number;
  /** Sum of what they take compressed, prefix and head included. */
  storedBytes: number;
  /** Bytes of pool pages in use. */
  poolBytes: number;
  /** Bytes of pool pages that are touched, of all drivers together. */
  maxPoolBytes: number;
  /** What is resident, but for pages that are free again. */
  bytesLive: number;
  /** What is resident, about: pages, rows, buckets and metadata of pools that were touched and are not given back. */
  bytesUsed: number;
  bytesReserved: number;
  hits: number;
  misses: number;
  puts: number;
  evicted: number;
  expired: number;
  replaced: number;
  deleted: number;
  cleared: number;
  /** Puts that found the engine full and had to make room. */
  limitHit: number;
  rejectPoor: number;
  rejectLarge: number;
  rejectFull: number;
  /** Entries whose hook said that they must stay. */
  evictionsRefused: number;
  recompressed: number;
  recompressedBytesSaved: number;
}
