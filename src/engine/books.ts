import { type Handle, ownBytes, ThreadLock, type ThreadRegistry } from "../base/index.ts";
import { bytesLive, poolBytesAllowed, type ShardBudget } from "./budget.ts";
import { Expiries } from "./expiries.ts";
import { Fragments } from "./fragments.ts";
import type { ShardPool } from "./object-pool.ts";
import { repairShard } from "./repair.ts";
import { Rows } from "./rows.ts";
import { Sieve } from "./sieve.ts";
import {
  AUX,
  AUX2,
  CODEC_SHIFT,
  EPOCHS,
  EPOCHS_AT,
  F_HITS,
  F_MISSES,
  F_ORIGINAL_BYTES,
  F_POOL_TOUCHED,
  F_REMOVED,
  F_STORED_BYTES,
  HANDLE,
  hashOf,
  K0,
  K1,
  KIND_ENTRY,
  KIND_FREE,
  KIND_MASK,
  LENGTH,
  LOCK_WORDS,
  LOCKS_AT,
  NAME,
  type ShardLayout,
  STATE,
  STATE_CLEAN,
  STATE_EXPIRES,
  STATE_RAW,
  STATE_SAME_FILLED,
  STORED,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_FRAGMENTS,
  W_HIGH_WATER,
  W_POOL,
  W_RAW,
  W_SAME_FILLED,
} from "./table.ts";
import type { FoundEntry, OnChange, OnEvict, OnRemoved, SecondaryIndex } from "./types.ts";

/** Removal reasons, as offsets of {@link F_REMOVED}. */
export const EVICTED = 0;
export const EXPIRED = 1;
export const REPLACED = 2;
export const DELETED = 3;
export const CLEARED = 4;
export const REASONS = ["evicted", "expired", "replaced", "deleted", "cleared"] as const;

/** Hooks of this thread; one object for all shards, so that they can be replaced. */
export interface Hooks {
  onEvict: OnEvict | null;
  hasCopy: ((entry: FoundEntry) => boolean) | null;
  onEvicted: ((k0: number, k1: number) => void) | null;
  onRemoved: OnRemoved | null;
  onChange: OnChange | null;
  secondaryIndex: SecondaryIndex | null;
}

/**
 * A value on its way into a shard, already compressed: `bytes[start, start + stored)`. One record for each
 * engine, filled anew by each put.
 */
export interface Draft {
  bytes: Uint8Array;
  start: number;
  stored: number;
  length: number;
  /** Flags and codec of the entry; its kind and pool are set by the shard. */
  state: number;
  /** The word that fills a same-filled value. */
  fill0: number;
  fill1: number;
}

/** An entry of several objects goes to a pool that may have so many times its bytes. */
const ROOM_FOR = 8;
/** A shard's lock is held for some 0.3 µs: several looks in that time. See {@link ThreadLock}. */
const FIRST_PAUSES = 4;

/** What a shard is made of. */
export interface ShardParts {
  readonly number: number;
  readonly words: Int32Array;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly pools: (ShardPool | null)[];
  readonly byPage: boolean;
  /** Whether entries go by SIEVE, not by LRU. */
  readonly bySieve: boolean;
  readonly hooks: Hooks;
  /** Filled for hooks. */
  readonly victim: FoundEntry;
  /** Null: only one thread uses it. */
  readonly registry: ThreadRegistry | null;
  readonly member: number;
  /** The engine's header, which has the locks. */
  readonly header: Int32Array;
}

/**
 * The books of one shard: its rows, its pools, its lock, and what comes of an entry when it is found, counted or
 * dropped. All methods but `enter` and `repair` expect the lock.
 */
export class ShardBooks {
  readonly number: number;
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly rows: Rows;
  readonly fragments: Fragments;
  readonly expiries: Expiries | null;
  readonly budget: ShardBudget;
  readonly pools: (ShardPool | null)[];
  protected readonly layout: ShardLayout;
  protected readonly hooks: Hooks;
  protected readonly victim: FoundEntry;
  protected readonly byPage: boolean;
  /** Null: the least recently used entry goes first. */
  protected readonly sieve: Sieve | null;
  readonly #lock: ThreadLock | null;
  #broken = false;

  constructor(parts: ShardParts) {
    const { words, layout, registry } = parts;
    this.number = parts.number;
    this.words = words;
    this.rows = new Rows(words, layout);
    this.floats = this.rows.floats;
    this.pools = parts.pools;
    this.fragments = new Fragments(this.rows, parts.pools, parts.byPage ? 4 : 0);
    this.expiries = layout.deadlinesAt === 0 ? null : new Expiries(this.rows);
    this.budget = parts.budget;
    this.layout = layout;
    this.hooks = parts.hooks;
    this.victim = parts.victim;
    this.byPage = parts.byPage;
    this.sieve = parts.bySieve ? new Sieve(this.rows) : null;
    this.#lock =
      registry === null
        ? null
        : new ThreadLock(
            parts.header,
            LOCKS_AT + LOCK_WORDS * parts.number,
            parts.member,
            registry,
            () => this.repair(),
            FIRST_PAUSES,
          );
  }

  /** Takes the lock. Every call is followed by `leave`, or by `abandon` after an exception. */
  enter(): void {
    if (this.#lock !== null) this.#lock.acquire();
    else if (this.#broken) this.repair();
  }

  leave(): void {
    if (this.#lock !== null) this.#lock.release();
  }

  /** After an exception: whoever comes next repairs first. */
  abandon(): void {
    if (this.#lock !== null) this.#lock.abandon();
    else this.#broken = true;
  }

  /** Makes everything whole from what the rows' states say. */
  repair(): void {
    repairShard(this, this.hooks.secondaryIndex);
    this.#broken = false;
  }

  get secondaryIndexAt(): number {
    return this.layout.secondaryIndexAt;
  }

  /** What the secondary index was asked for: rows are numbered from 1, so it is one more than there are. */
  get secondaryIndexRows(): number {
    return this.layout.maxRows + 1;
  }

  /** The row of an entry, or 0. */
  find(k0: number, k1: number, hash: number, prefix: Uint8Array, prefixLength: number): number {
    let row = this.rows.find(k0, k1, hash, prefixLength, 0);
    while (row !== 0 && prefixLength !== 0 && !this.fragments.startsWith(row, prefix, prefixLength)) {
      row = this.rows.find(k0, k1, hash, prefixLength, row);
    }
    return row;
  }

  /** As {@link find}; an entry whose time is over goes, and is not found. */
  findFresh(
    k0: number,
    k1: number,
    hash: number,
    prefix: Uint8Array,
    prefixLength: number,
    now: number,
  ): number {
    const row = this.find(k0, k1, hash, prefix, prefixLength);
    if (row === 0 || (this.rows.stateOf(row) & STATE_EXPIRES) === 0) return row;
    if ((this.expiries as Expiries).deadlineOf(row) > now) return row;
    this.removeRow(row, EXPIRED);
    return 0;
  }

  /** Notes that an entry was used. */
  touch(row: number): void {
    if (this.sieve === null) this.rows.touch(row);
    else this.rows.visit(row);
  }

  /** Whether `(row, version)` is an entry now. */
  isCurrent(row: number, version: number): boolean {
    if (row <= 0 || row >= this.words[W_HIGH_WATER]) return false;
    const at = this.rows.at(row);
    return (this.words[at + STATE] & KIND_MASK) === KIND_ENTRY && this.words[at + VERSION] === version;
  }

  /** Fills a record with what the row says, but for the bytes. */
  describe(row: number, into: FoundEntry): void {
    const words = this.words;
    const at = this.rows.at(row);
    const state = words[at + STATE];
    const name = words[at + NAME];
    into.length = words[at + LENGTH];
    into.storedLength = words[at + STORED];
    into.prefixLength = name & 0xffff;
    into.headLength = name >>> 16;
    into.codec = (state >> CODEC_SHIFT) & 0xff;
    into.sameFilled = (state & STATE_SAME_FILLED) !== 0;
    into.fill0 = words[at + HANDLE];
    into.fill1 = words[at + HANDLE + 1];
    into.expiresAt = (state & STATE_EXPIRES) !== 0 ? (this.expiries as Expiries).deadlineOf(row) : 0;
    into.aux = words[at + AUX];
    into.aux2 = words[at + AUX2];
    into.k0 = words[at + K0];
    into.k1 = words[at + K1];
    into.shard = this.number;
    into.row = row;
    into.version = words[at + VERSION];
    into.clean = (state & STATE_CLEAN) !== 0;
  }

  /** {@link describe}, and the entry's bytes: prefix, head, stored. */
  describeWhole(row: number, into: FoundEntry): void {
    this.describe(row, into);
    const count = into.sameFilled ? 0 : into.prefixLength + into.headLength + into.storedLength;
    if (into.bytes.length < count) into.bytes = ownBytes(2 ** Math.ceil(Math.log2(count)));
    if (count !== 0) this.fragments.read(row, 0, count, into.bytes, 0);
  }

  /** Copies the stored bytes of an entry to the stage of a codec. */
  stageStored(row: number, stage: Uint8Array, stageAt: number): void {
    const at = this.rows.at(row);
    const stored = this.words[at + STORED];
    const name = this.words[at + NAME];
    this.fragments.read(row, (name & 0xffff) + (name >>> 16), stored, stage, stageAt);
  }

  /** Somebody orders a change of this name: what others have of it is out of date. */
  change(k0: number, k1: number, hash: number, prefix: Uint8Array, prefixLength: number): void {
    const { onChange } = this.hooks;
    if (onChange !== null) onChange(k0, k1, prefix, prefixLength);
    const at = epochAt(hash);
    this.words[at] = (this.words[at] + 1) & 0x7fffffff;
  }

  /** {@link change}, of an entry that is there. */
  changeRow(row: number): void {
    const at = this.rows.at(row);
    this.describeWhole(row, this.victim);
    const { bytes, prefixLength } = this.victim;
    this.change(this.words[at + K0], this.words[at + K1], this.hashOfRow(row), bytes, prefixLength);
  }

  /** All names change. */
  changeAll(): void {
    for (let i = 0; i < EPOCHS; i++) {
      this.words[EPOCHS_AT + i] = (this.words[EPOCHS_AT + i] + 1) & 0x7fffffff;
    }
  }

  epochOf(hash: number): number {
    return Atomics.load(this.words, epochAt(hash));
  }

  /** Adds an entry to the sums, the expiries and the secondary index's lists, or takes it out (`sign` -1). */
  account(row: number, sign: 1 | -1): void {
    const words = this.words;
    const at = this.rows.at(row);
    const state = words[at + STATE];
    const name = words[at + NAME];
    const isSame = (state & STATE_SAME_FILLED) !== 0;
    words[W_ENTRIES] += sign;
    if (isSame) words[W_SAME_FILLED] += sign;
    if ((state & STATE_RAW) !== 0) words[W_RAW] += sign;
    if ((state & STATE_CLEAN) !== 0) words[W_CLEAN] += sign;
    this.floats[F_ORIGINAL_BYTES] += sign * words[at + LENGTH];
    this.floats[F_STORED_BYTES] += sign * (words[at + STORED] + (name & 0xffff) + (name >>> 16));
    if ((state & STATE_EXPIRES) !== 0) {
      if (sign === 1) (this.expiries as Expiries).add(row);
      else (this.expiries as Expiries).remove(row);
    }
    const { secondaryIndex } = this.hooks;
    if (secondaryIndex === null) return;
    if (sign === 1) {
      this.describeWhole(row, this.victim);
      secondaryIndex.inserted(words, this.layout.secondaryIndexAt, this.secondaryIndexRows, row, this.victim);
    } else {
      secondaryIndex.removed(words, this.layout.secondaryIndexAt, this.secondaryIndexRows, row);
    }
  }

  /** Whether the backing store has an entry. One that says so and has lost its copy is dirty from here on. */
  isClean(row: number): boolean {
    const state = this.rows.at(row) + STATE;
    if ((this.words[state] & STATE_CLEAN) === 0) return false;
    const { hasCopy } = this.hooks;
    if (hasCopy === null) return true;
    this.describe(row, this.victim);
    if (hasCopy(this.victim)) return true;
    this.words[state] &= ~STATE_CLEAN;
    this.words[W_CLEAN]--;
    return false;
  }

  /** Removes an entry, after its hook has seen it. */
  removeRow(row: number, reason: number): void {
    const { onEvicted, onRemoved } = this.hooks;
    if (onEvicted !== null && reason === EVICTED) {
      const at = this.rows.at(row);
      onEvicted(this.words[at + K0], this.words[at + K1]);
    }
    if (onRemoved !== null) {
      this.describeWhole(row, this.victim);
      onRemoved(REASONS[reason], this.victim);
    }
    this.dropRow(row);
    // After it went, as puts are counted before they come: puts >= entries + removed, wherever a thread dies.
    this.floats[F_REMOVED + reason]++;
  }

  /** Removes an entry that nobody is told of. */
  dropRow(row: number): void {
    const words = this.words;
    const at = this.rows.at(row);
    const pool = this.fragments.poolOf(row);
    const state = words[at + STATE];
    // What `account` needs of the state is passed on; what a repair goes by is free from here on.
    words[at + STATE] = (state & ~KIND_MASK) | KIND_FREE;
    this.rows.unlink(row);
    this.account(row, -1);
    if ((state & STATE_SAME_FILLED) !== 0) this.rows.release(row);
    else words[W_FRAGMENTS] -= this.fragments.free(pool, row) - 1;
  }

  /** An object of a pool, if the limit has room for it beside what all pools have touched; or 0. */
  allocateIn(number: number, bytes: number): number {
    const { pool, maxObjectBytes } = this.pools[number] as ShardPool;
    if (bytes > maxObjectBytes) return 0;
    const handle = pool.alloc(bytes);
    if (typeof handle !== "number") return 0;
    const at = F_POOL_TOUCHED + number;
    const more = pool.totalBytes - this.floats[at];
    if (more <= 0) return handle;
    if (this.poolBytesTouched + more <= poolBytesAllowed(this.budget, this.words[W_HIGH_WATER])) {
      this.floats[at] += more;
      return handle;
    }
    pool.free(handle as Handle);
    return 0;
  }

  /**
   * The pool for an entry of so many bytes: the one in use. While another one's memory counts, and leaves too
   * little for an entry of several objects, the one that may have most.
   */
  poolFor(total: number): number {
    const { words, pools } = this;
    const used = words[W_POOL];
    if (
      pools.length === 1 ||
      total <= (pools[used] as ShardPool).maxObjectBytes - this.fragments.headerBytes
    ) {
      return used;
    }
    const left = poolBytesAllowed(this.budget, words[W_HIGH_WATER]) - this.poolBytesTouched;
    if (this.floats[F_POOL_TOUCHED + used] + left >= ROOM_FOR * total) return used;
    let most = used;
    for (let other = 0; other < pools.length; other++) {
      if (this.floats[F_POOL_TOUCHED + other] > this.floats[F_POOL_TOUCHED + most]) most = other;
    }
    return most;
  }

  /** Gives back what lies behind the last page in use. Pages before it that are free stay touched, and count. */
  trim(): void {
    for (const [number, pool] of this.pools.entries()) {
      const at = F_POOL_TOUCHED + number;
      if (pool !== null && this.floats[at] > 0) this.floats[at] = Math.min(this.floats[at], pool.trim());
    }
  }

  /** Bytes of pool pages that are touched. A pool that gets no new objects counts until its memory is given back. */
  get poolBytesTouched(): number {
    let bytes = 0;
    for (let number = 0; number < this.pools.length; number++) bytes += this.floats[F_POOL_TOUCHED + number];
    return bytes;
  }

  get poolBytes(): number {
    let bytes = 0;
    for (const pool of this.pools) if (pool !== null) bytes += pool.bytesUsed;
    return bytes;
  }

  /** What the entries take now, of the budget's bytes. */
  get bytesLive(): number {
    return bytesLive(this.budget, this.words, this.poolBytes);
  }

  lookedUp(found: boolean): void {
    this.floats[found ? F_HITS : F_MISSES]++;
  }

  /** The hash of the name in a row. */
  hashOfRow(row: number): number {
    const at = this.rows.at(row);
    return hashOf(this.words[at + K0], this.words[at + K1]);
  }
}

function epochAt(hash: number): number {
  return EPOCHS_AT + ((hash >>> 8) & (EPOCHS - 1));
}
