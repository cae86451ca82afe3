import { type Handle, ThreadLock, type Seats } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import { poolBytesAllowed, rowsAllowed, type ShardBudget } from "./budget.ts";
import { Expiries } from "./expiries.ts";
import type { ShardPool } from "./object-pool.ts";
import { Pieces } from "./pieces.ts";
import { repairShard } from "./repair.ts";
import { Rows } from "./rows.ts";
import {
  AUX,
  AUX2,
  CODEC_SHIFT,
  EPOCHS,
  EPOCHS_AT,
  F_EVICTIONS_REFUSED,
  F_HITS,
  F_LIMIT_HIT,
  F_MISSES,
  F_ORIGINAL_BYTES,
  F_POOL_BYTES_MAX,
  F_REMOVED,
  F_STORED_BYTES,
  HANDLE,
  hashOf,
  K0,
  K1,
  KIND_ENTRY,
  KIND_FREE,
  KIND_MASK,
  KIND_PIECE,
  LENGTH,
  NAME,
  NEXT_PIECE,
  PIECE_BYTES,
  POOL_SHIFT,
  STATE,
  STATE_CLEAN,
  STATE_EXPIRES,
  STATE_RAW,
  STATE_SAME_FILLED,
  STATE_WRITING,
  STORED,
  type ShardLayout,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_HIGH_WATER,
  W_LOCK,
  W_PIECES,
  W_POOL,
  W_RAW,
  W_SAME_FILLED,
  W_VERSION,
} from "./table.ts";
import type { Companion, EntryAttributes, FoundEntry, OnChange, OnEvict, OnRemoved } from "./types.ts";

/** Removal reasons, as offsets of {@link F_REMOVED}. */
export const EVICTED = 0;
export const EXPIRED = 1;
export const REPLACED = 2;
export const DELETED = 3;
export const CLEARED = 4;
export const REASONS = ["evicted", "expired", "replaced", "deleted", "cleared"] as const;

/** Answers that an entry must stay, after which making room is given up. */
const REFUSALS_MAX = 8;
/** Entries on their way to the backing store that are passed over when room is wanted. */
const WRITING_PASSED_MAX = 512;

/** Hooks of this thread; one object for all shards, so that they can be replaced. */
export interface Hooks {
  onEvict: OnEvict | null;
  onRemoved: OnRemoved | null;
  onChange: OnChange | null;
  companion: Companion | null;
}

/** What a shard is made of. */
export interface ShardParts {
  readonly number: number;
  readonly words: Int32Array;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly pools: (ShardPool | null)[];
  readonly byPage: boolean;
  readonly hooks: Hooks;
  /** Filled for hooks. */
  readonly victim: FoundEntry;
  /** Null: only one thread uses it. */
  readonly seats: Seats | null;
  readonly seat: number;
}

/**
 * One shard: its rows, its pools, and what is done with them under its lock. All methods but {@link locked}
 * ones expect the lock.
 */
export class Shard {
  readonly number: number;
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly rows: Rows;
  readonly pieces: Pieces;
  readonly expiries: Expiries | null;
  readonly budget: ShardBudget;
  readonly pools: (ShardPool | null)[];
  readonly #layout: ShardLayout;
  readonly #hooks: Hooks;
  readonly #victim: FoundEntry;
  readonly #byPage: boolean;
  readonly #lock: ThreadLock | null;
  #broken = false;

  constructor(parts: ShardParts) {
    const { words, layout, seats } = parts;
    this.number = parts.number;
    this.words = words;
    this.rows = new Rows(words, layout);
    this.floats = this.rows.floats;
    this.pools = parts.pools;
    this.pieces = new Pieces(this.rows, parts.pools, parts.byPage ? 4 : 0);
    this.expiries = layout.deadlinesAt === 0 ? null : new Expiries(this.rows);
    this.budget = parts.budget;
    this.#layout = layout;
    this.#hooks = parts.hooks;
    this.#victim = parts.victim;
    this.#byPage = parts.byPage;
    this.#lock =
      seats === null ? null : new ThreadLock(words, W_LOCK, parts.seat, seats, () => this.repair());
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
    repairShard(this, this.#hooks.companion);
    this.#broken = false;
  }

  get companionAt(): number {
    return this.#layout.companionAt;
  }

  /** The row of an entry, or 0. */
  find(k0: number, k1: number, hash: number, prefix: Uint8Array, prefixLength: number): number {
    let row = this.rows.find(k0, k1, hash, prefixLength, 0);
    while (row !== 0 && prefixLength !== 0 && !this.pieces.startsWith(row, prefix, prefixLength)) {
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
    if (into.bytes.length < count) into.bytes = new Uint8Array(2 ** Math.ceil(Math.log2(count)));
    if (count !== 0) this.pieces.read(row, 0, count, into.bytes, 0);
  }

  /** Copies the stored bytes of an entry to the stage of its codec. */
  stageStored(row: number, codec: StagedCodec): void {
    const at = this.rows.at(row);
    const stored = this.words[at + STORED];
    const name = this.words[at + NAME];
    this.pieces.read(row, (name & 0xffff) + (name >>> 16), stored, codec.stage, codec.stageAt);
  }

  /** Notes that an entry of this name was put or removed. */
  bumpEpoch(hash: number): void {
    const at = EPOCHS_AT + ((hash >>> 8) & (EPOCHS - 1));
    this.words[at] = (this.words[at] + 1) & 0x7fffffff;
  }

  /**
   * Makes an entry of bytes that are there already: prefix and head of `attributes`, then
   * `stored[start, start + storedLength)`.
   *
   * @param state - flags and codec of the new entry; its kind and pool are set here.
   * @returns its row, or 0 if no room could be made.
   */
  insert(
    k0: number,
    k1: number,
    hash: number,
    attributes: EntryAttributes,
    stored: Uint8Array,
    start: number,
    storedLength: number,
    length: number,
    state: number,
    now: number,
  ): number {
    const words = this.words;
    const { prefixLength, headLength } = attributes;
    const poolNumber = words[W_POOL];
    const total = prefixLength + headLength + storedLength;
    const row = this.#reserve(total, poolNumber, now);
    if (row === 0) return 0;
    const at = this.rows.at(row);
    if (total !== 0) {
      const pool = this.pools[poolNumber] as ShardPool;
      if (prefixLength !== 0) this.pieces.write(pool, row, 0, attributes.prefix, 0, prefixLength);
      if (headLength !== 0) this.pieces.write(pool, row, prefixLength, attributes.head, 0, headLength);
      this.pieces.write(pool, row, prefixLength + headLength, stored, start, start + storedLength);
    }
    const version = (words[W_VERSION] + 1) | 0;
    words[W_VERSION] = version;
    words[at + K0] = k0;
    words[at + K1] = k1;
    words[at + STORED] = storedLength;
    words[at + LENGTH] = length;
    words[at + NAME] = prefixLength | (headLength << 16);
    words[at + VERSION] = version;
    words[at + AUX] = attributes.aux;
    words[at + AUX2] = attributes.aux2;
    const expires = attributes.expiresAt !== 0 ? STATE_EXPIRES : 0;
    if (expires !== 0) (this.expiries as Expiries).setDeadline(row, attributes.expiresAt);
    words[at + STATE] = state | expires | (poolNumber << POOL_SHIFT) | KIND_ENTRY;
    this.rows.link(row, hash);
    this.account(row, 1);
    return row;
  }

  /** Adds an entry to the sums, the expiries and the companion's lists, or takes it out (`sign` -1). */
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
    const { companion } = this.#hooks;
    if (companion === null) return;
    if (sign === 1) {
      this.describeWhole(row, this.#victim);
      companion.inserted(words, this.#layout.companionAt, row, this.#victim);
    } else {
      companion.removed(words, this.#layout.companionAt, row);
    }
  }

  /** Removes an entry, after its hook has seen it. */
  removeRow(row: number, reason: number): void {
    const { onRemoved } = this.#hooks;
    if (onRemoved !== null) {
      this.describeWhole(row, this.#victim);
      onRemoved(REASONS[reason], this.#victim);
    }
    this.floats[F_REMOVED + reason]++;
    this.dropRow(row);
  }

  /** Removes an entry that nobody is told of. */
  dropRow(row: number): void {
    const words = this.words;
    const at = this.rows.at(row);
    const pool = this.pieces.poolOf(row);
    const state = words[at + STATE];
    // What `account` needs of the state is passed on; what a repair goes by is free from here on.
    words[at + STATE] = (state & ~KIND_MASK) | KIND_FREE;
    this.rows.unlink(row);
    this.account(row, -1);
    if ((state & STATE_SAME_FILLED) !== 0) this.rows.release(row);
    else words[W_PIECES] -= this.pieces.free(pool, row) - 1;
  }

  /**
   * Evicts one entry, or a page of them: what is due first, then from the end of the LRU (or the pool's own).
   *
   * @returns false: nothing may go.
   */
  makeRoom(now: number): boolean {
    const due = this.expiries === null ? 0 : this.expiries.first();
    if (due !== 0 && (this.expiries as Expiries).deadlineOf(due) <= now) {
      this.removeRow(due, EXPIRED);
      return true;
    }
    if (this.#byPage) {
      for (const pool of this.pools) if (pool !== null && pool.pool.reclaimPage() === "ok") return true;
    }
    return this.evictOne();
  }

  /** Evicts the least recently used entry that may go. */
  evictOne(): boolean {
    let refusals = 0;
    let passed = 0;
    for (let row = this.rows.last(); row !== 0; ) {
      const before = this.rows.before(row);
      const isWriting = (this.rows.stateOf(row) & (STATE_WRITING | STATE_CLEAN)) === STATE_WRITING;
      if (isWriting) {
        if (++passed > WRITING_PASSED_MAX) return false;
      } else if (this.mayEvict(row)) {
        this.removeRow(row, EVICTED);
        return true;
      } else if (++refusals >= REFUSALS_MAX) {
        return false;
      }
      row = before;
    }
    return false;
  }

  /** Asks the hook, unless the backing store has the entry already. */
  mayEvict(row: number): boolean {
    const { onEvict } = this.#hooks;
    if (onEvict === null || (this.rows.stateOf(row) & STATE_CLEAN) !== 0) return true;
    this.describeWhole(row, this.#victim);
    if (onEvict(this.#victim)) return true;
    this.floats[F_EVICTIONS_REFUSED]++;
    return false;
  }

  /** For the pool's own reclaim: evicts the entry that an object belongs to. */
  evictObject(pool: ShardPool, handle: number): boolean {
    pool.open(handle);
    const row = pool.readWord(0);
    if ((this.rows.stateOf(row) & KIND_MASK) !== KIND_ENTRY) return false; // being made at this moment
    if ((this.rows.stateOf(row) & (STATE_WRITING | STATE_CLEAN)) === STATE_WRITING) return false;
    if (!this.mayEvict(row)) return false;
    this.removeRow(row, EVICTED);
    return true;
  }

  /** Removes entries that are due, at most `max`. */
  expire(now: number, max: number): number {
    const { expiries } = this;
    if (expiries === null) return 0;
    let count = 0;
    for (let row = expiries.first(); row !== 0 && count < max; row = expiries.first()) {
      if (expiries.deadlineOf(row) > now) break;
      this.removeRow(row, EXPIRED);
      count++;
    }
    return count;
  }

  get poolBytes(): number {
    let bytes = 0;
    for (const pool of this.pools) if (pool !== null) bytes += pool.bytesUsed;
    return bytes;
  }

  lookedUp(found: boolean): void {
    this.floats[found ? F_HITS : F_MISSES]++;
  }

  epochOf(hash: number): number {
    return Atomics.load(this.words, EPOCHS_AT + ((hash >>> 8) & (EPOCHS - 1)));
  }

  /** A row with objects for `total` bytes, not yet an entry, or 0. Makes room where there is none. */
  #reserve(total: number, poolNumber: number, now: number): number {
    const words = this.words;
    while (words[W_ENTRIES] >= this.budget.entriesMax) if (!this.makeRoomCounted(now)) return 0;
    const head = this.#takeRow(now);
    if (head === 0) return 0;
    const pool = this.pools[poolNumber] as ShardPool;
    const pieceMax = pool.objectBytesMax - this.pieces.headerBytes;
    let row = head;
    let left = total;
    let pieces = 0;
    while (left > 0) {
      const bytes = Math.min(left, pieceMax);
      const handle = this.#allocate(pool, bytes + this.pieces.headerBytes, now);
      if (handle === 0) break;
      const at = this.rows.at(row);
      this.pieces.setHandle(row, handle);
      words[at + PIECE_BYTES] = bytes;
      if (this.pieces.headerBytes !== 0) {
        pool.open(handle);
        pool.writeWord(0, head);
      }
      left -= bytes;
      if (left === 0) break;
      const next = this.#takeRow(now);
      if (next === 0) break;
      words[this.rows.at(next) + STATE] = KIND_PIECE | (poolNumber << POOL_SHIFT);
      words[at + NEXT_PIECE] = next;
      pieces++;
      row = next;
    }
    if (left > 0) {
      this.pieces.free(pool, head);
      return 0;
    }
    words[W_PIECES] += pieces;
    return head;
  }

  #takeRow(now: number): number {
    for (;;) {
      const allowed = rowsAllowed(this.budget, this.#layout, this.floats[F_POOL_BYTES_MAX]);
      const row = this.rows.take(allowed);
      if (row !== 0) {
        this.pieces.setHandle(row, 0);
        this.words[this.rows.at(row) + NEXT_PIECE] = 0;
        return row;
      }
      this.floats[F_LIMIT_HIT]++;
      if (!this.evictDueOrOne(now)) return 0;
    }
  }

  #allocate(pool: ShardPool, bytes: number, now: number): number {
    let isCounted = false;
    for (;;) {
      const handle = pool.pool.alloc(bytes);
      if (typeof handle === "number") {
        const used = this.poolBytes;
        if (used <= this.floats[F_POOL_BYTES_MAX]) return handle;
        if (used <= poolBytesAllowed(this.budget, this.words[W_HIGH_WATER])) {
          this.floats[F_POOL_BYTES_MAX] = used;
          return handle;
        }
        pool.pool.free(handle as Handle);
      }
      if (!isCounted) this.floats[F_LIMIT_HIT]++;
      isCounted = true;
      if (!this.makeRoom(now)) return 0;
    }
  }

  makeRoomCounted(now: number): boolean {
    this.floats[F_LIMIT_HIT]++;
    return this.evictDueOrOne(now);
  }

  /** A row is wanted, not memory: the pool's order does not matter. */
  evictDueOrOne(now: number): boolean {
    return this.expire(now, 1) > 0 || this.evictOne();
  }

  /** The hash of the name in a row. */
  hashOfRow(row: number): number {
    const at = this.rows.at(row);
    return hashOf(this.words[at + K0], this.words[at + K1]);
  }
}
