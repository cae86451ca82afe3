import { type Handle, ownBytes, powerOfTwoAtLeast, ThreadLock, ZbudError } from "../base/index.ts";
import { bytesLive, rowsAllowed, type ShardBudget } from "./budget.ts";
import { EntryQueue, type EvictionPolicy, evictionPolicy } from "./eviction/index.ts";
import { Expiries } from "./expiries.ts";
import { Fragments } from "./fragments.ts";
import type { Migration, MigrationOf } from "./migration.ts";
import {
  type Draft,
  EVICTED,
  EXPIRED,
  emptyDraft,
  type Hooks,
  REASONS,
  type ShardParts,
  type ShardSetup,
} from "./parts.ts";
import { repairShard } from "./repair.ts";
import { Rows } from "./rows.ts";
import { ShardPools } from "./shard-pools.ts";
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
  F_REMOVED,
  F_STORED_BYTES,
  FRAGMENT_BYTES,
  HANDLE,
  hashOf,
  K0,
  K1,
  KIND_ENTRY,
  KIND_FRAGMENT,
  KIND_FREE,
  KIND_MASK,
  LENGTH,
  LOCK_WORDS,
  LOCKS_AT,
  NAME,
  NEXT_FRAGMENT,
  POOL_SHIFT,
  type ShardLayout,
  STATE,
  STATE_CLEAN,
  STATE_EVICTION,
  STATE_EXPIRES,
  STATE_RAW,
  STATE_RESTED,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_UNYIELDING,
  STATE_WRITING,
  STORED,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_FRAGMENTS,
  W_HIGH_WATER,
  W_MARKED,
  W_POOL,
  W_RAW,
  W_SAME_FILLED,
  W_VERSION,
} from "./table.ts";
import type { EntryAttributes, FoundEntry } from "./types.ts";

/** A shard's lock is held for some 0.3 µs: several looks in that time. See {@link ThreadLock}. */
const FIRST_PAUSES = 4;
/** In place of the time: room is taken only where there is some. */
const KEEPS_ALL = -1;
/** Answers that an entry must stay, after which making room is given up. */
const REFUSALS_MAX = 8;
/** Entries on their way to the backing store that are passed over when room is wanted. */
const WRITING_PASSED_MAX = 512;
/** What is shorter needs no look at what the limit leaves for pages. */
const ALWAYS_FITS = 2 ** 16;
/** An entry is cut for a room of so many bytes, or of all that is left of it, if that is a 128th of a page. */
const SPLIT_MIN = 256;
const SPLIT_SHARE = 128;
/** Room for an entry's bytes up to this length stays for the next ones: an entry of one block fits. */
const KEPT_BYTES_MAX = 2 ** 21;
/** Entries that a put moves out of a pool that was used before. */
const MIGRATED_BY_PUT = 8;
/** Bytes of the number of a row. */
const ROW_NUMBER_BYTES = 4;

/**
 * One shard: its rows, its pools, its lock; how room is made in it and taken, and what comes of an entry when it is
 * found, counted or dropped. All methods expect the lock, but where they say otherwise.
 */
export class Shard implements ShardParts {
  readonly number: number;
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly layout: ShardLayout;
  readonly budget: ShardBudget;
  readonly rows: Rows;
  readonly queue: EntryQueue;
  readonly eviction: EvictionPolicy;
  readonly pools: ShardPools;
  readonly fragments: Fragments;
  readonly expiries: Expiries | null;
  readonly hooks: Hooks;
  /** Filled for hooks. */
  readonly #victim: FoundEntry;
  readonly #lock: ThreadLock | null;
  #broken = false;
  /** The pool that the row of the last reservation has its objects in. */
  #reservedIn = 0;
  /** Null: the pools' memory does not shrink. */
  /** Null: the pool that is used never changed here, or threads share it. */
  #migration: Migration | null = null;
  /** The draft of an entry that is moved as it is. */
  readonly #moved: Draft = emptyDraft();

  constructor(options: ShardSetup) {
    const { words, layout, budget, registry } = options;
    this.number = options.number;
    this.words = words;
    this.layout = layout;
    this.budget = budget;
    this.rows = new Rows(words, layout, options.hooks.secondaryIndex);
    this.floats = this.rows.floats;
    this.queue = new EntryQueue(this.rows);
    this.eviction = evictionPolicy(options.evict, this.queue);
    this.pools = new ShardPools(words, this.floats, budget, this.eviction.byPage ? ROW_NUMBER_BYTES : 0);
    this.fragments = new Fragments(this.rows, this.pools);
    this.expiries = layout.deadlinesAt === 0 ? null : new Expiries(this.rows);
    this.hooks = options.hooks;
    this.#victim = options.victim;
    this.#lock =
      registry === null
        ? null
        : new ThreadLock(
            options.header,
            LOCKS_AT + LOCK_WORDS * options.number,
            options.member,
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

  isBusy(): boolean {
    return this.#lock?.isBusy() ?? false;
  }

  /** After an exception: whoever comes next repairs first. */
  abandon(): void {
    if (this.#lock !== null) this.#lock.abandon();
    else this.#broken = true;
  }

  /** Does work under the lock, and gives what it gives. For calls that are not hot: it makes a closure. */
  locked<T>(work: () => T): T {
    try {
      this.enter();
      const result = work();
      this.leave();
      return result;
    } catch (error) {
      if (error instanceof ZbudError && error.code === "ECORRUPT") this.leave();
      else this.abandon();
      throw error;
    }
  }

  /** Makes everything whole from what the rows' states say. */
  repair(): void {
    repairShard(this);
    this.#broken = false;
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
    this.#readBytes(row, into, into.sameFilled ? 0 : into.prefixLength + into.headLength + into.storedLength);
  }

  /** {@link describe}, and prefix and head. */
  describeNamed(row: number, into: FoundEntry): void {
    this.describe(row, into);
    this.#readBytes(row, into, into.prefixLength + into.headLength);
  }

  #readBytes(row: number, into: FoundEntry, count: number): void {
    const { length } = into.bytes;
    // What one long value took is not kept for others.
    if (length < count || (length > KEPT_BYTES_MAX && count <= KEPT_BYTES_MAX))
      into.bytes = ownBytes(count > KEPT_BYTES_MAX ? count : powerOfTwoAtLeast(count));
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
    this.describeNamed(row, this.#victim);
    const { bytes, prefixLength } = this.#victim;
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
    const { secondaryIndexAt, maxRows } = this.layout;
    if (sign === 1) {
      this.describeNamed(row, this.#victim);
      secondaryIndex.inserted(words, secondaryIndexAt, maxRows + 1, row, this.#victim);
    } else {
      secondaryIndex.removed(words, secondaryIndexAt, maxRows + 1, row);
    }
  }

  /** Whether the backing store has an entry. One that says so and has lost its copy is dirty from here on. */
  isClean(row: number): boolean {
    const state = this.rows.at(row) + STATE;
    if ((this.words[state] & STATE_CLEAN) === 0) return false;
    const { hasCopy } = this.hooks;
    if (hasCopy === null) return true;
    const victim = this.#victim;
    this.describe(row, victim);
    const { prefixLength } = victim;
    if (victim.bytes.length < prefixLength) victim.bytes = ownBytes(powerOfTwoAtLeast(prefixLength));
    if (prefixLength !== 0) this.fragments.read(row, 0, prefixLength, victim.bytes, 0);
    if (hasCopy(victim)) return true;
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
      this.describeNamed(row, this.#victim);
      onRemoved(REASONS[reason], this.#victim);
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
    this.eviction.removed(row);
    this.account(row, -1);
    if ((state & STATE_SAME_FILLED) !== 0) this.rows.release(row);
    else words[W_FRAGMENTS] -= this.fragments.free(pool, row) - 1;
  }

  /** What the entries take now, of the budget's bytes. */
  get bytesLive(): number {
    return bytesLive(this.budget, this.words, this.floats, this.pools.bytesHeld);
  }

  /** An entry was used. */
  used(row: number): void {
    this.eviction.touched(row);
    const state = this.rows.at(row) + STATE;
    if ((this.words[state] & STATE_RESTED) !== 0) this.words[state] &= ~STATE_RESTED;
  }

  lookedUp(found: boolean): void {
    this.floats[found ? F_HITS : F_MISSES]++;
  }

  /** The hash of the name in a row. */
  hashOfRow(row: number): number {
    const at = this.rows.at(row);
    return hashOf(this.words[at + K0], this.words[at + K1]);
  }

  /**
   * Makes an entry: prefix and head of `attributes`, then the bytes of the draft.
   *
   * @returns its row, or 0 if no room could be made.
   */
  insert(
    k0: number,
    k1: number,
    hash: number,
    attributes: EntryAttributes,
    draft: Draft,
    now: number,
  ): number {
    const words = this.words;
    const { prefixLength, headLength } = attributes;
    const { stored, start } = draft;
    const total = prefixLength + headLength + stored;
    if (this.#migration?.isIdle === false) this.#migration.step(MIGRATED_BY_PUT, true);
    const row = this.#reserve(total, now);
    if (row === 0) return 0;
    const at = this.rows.at(row);
    const poolNumber = this.#reservedIn;
    if (total !== 0) {
      const pool = this.pools.list[poolNumber];
      if (prefixLength !== 0) this.fragments.write(pool, row, 0, attributes.prefix, 0, prefixLength);
      if (headLength !== 0) this.fragments.write(pool, row, prefixLength, attributes.head, 0, headLength);
      if (draft.pieces !== null)
        this.fragments.writePieces(pool, row, prefixLength + headLength, draft.pieces);
      else this.fragments.write(pool, row, prefixLength + headLength, draft.bytes, start, start + stored);
    } else {
      words[at + HANDLE] = draft.fill0;
      words[at + HANDLE + 1] = draft.fill1;
    }
    const version = (words[W_VERSION] + 1) | 0;
    words[W_VERSION] = version;
    words[at + K0] = k0;
    words[at + K1] = k1;
    words[at + STORED] = stored;
    words[at + LENGTH] = draft.length;
    words[at + NAME] = prefixLength | (headLength << 16);
    words[at + VERSION] = version;
    words[at + AUX] = attributes.aux;
    words[at + AUX2] = attributes.aux2;
    const expires = attributes.expiresAt !== 0 ? STATE_EXPIRES : 0;
    if (expires !== 0) (this.expiries as Expiries).setDeadline(row, attributes.expiresAt);
    words[at + STATE] = draft.state | expires | (poolNumber << POOL_SHIFT) | KIND_ENTRY;
    this.rows.link(row, hash);
    this.eviction.inserted(row);
    this.account(row, 1);
    return row;
  }

  /**
   * Gives an entry other stored bytes, those of the same value by another codec, in its place on the LRU. Evicts
   * nothing. False: there is no room, and nothing changed.
   */
  replaceStored(old: number, draft: Draft): boolean {
    return this.#replace(old, draft, this.pools.list.indexOf(this.fragments.poolOf(old)));
  }

  /** Moves an entry to other rows, and its objects to the pool that is used. As {@link replaceStored}. */
  moveEntry(row: number): boolean {
    const draft = this.#moved;
    this.describeWhole(row, this.#victim);
    const { prefixLength, headLength, storedLength, length } = this.#victim;
    draft.bytes = this.#victim.bytes;
    draft.start = prefixLength + headLength;
    draft.stored = storedLength;
    draft.length = length;
    draft.state =
      this.rows.stateOf(row) &
      ((0xff << CODEC_SHIFT) |
        STATE_RAW |
        STATE_SAME_FILLED |
        STATE_SETTLED |
        STATE_RESTED |
        STATE_UNYIELDING);
    return this.#replace(row, draft, this.words[W_POOL]);
  }

  /** Evicts an entry, if it may go. */
  evictRow(row: number): boolean {
    if (this.#isKept(this.rows.stateOf(row))) return false;
    if (!this.mayEvict(row)) return false;
    this.removeRow(row, EVICTED);
    return true;
  }

  #replace(old: number, draft: Draft, poolNumber: number): boolean {
    const words = this.words;
    const pool = this.pools.list[poolNumber];
    const from = this.rows.at(old);
    const name = words[from + NAME];
    const named = (name & 0xffff) + (name >>> 16);
    const row = this.#reserveFree(named + draft.stored, poolNumber);
    if (row === 0) return false;
    const at = this.rows.at(row);
    this.describeWhole(old, this.#victim);
    if (named + draft.stored === 0) {
      words[at + HANDLE] = words[from + HANDLE];
      words[at + HANDLE + 1] = words[from + HANDLE + 1];
    } else {
      this.fragments.write(pool, row, 0, this.#victim.bytes, 0, named);
      this.fragments.write(pool, row, named, draft.bytes, draft.start, draft.start + draft.stored);
    }
    let version = words[from + VERSION];
    // Moving an entry makes it no more trusted (trust.ts).
    if (((version - words[W_MARKED]) | 0) > 0) {
      version = (words[W_VERSION] + 1) | 0;
      words[W_VERSION] = version;
    }
    for (const word of [K0, K1, LENGTH, NAME, AUX, AUX2]) words[at + word] = words[from + word];
    words[at + STORED] = draft.stored;
    words[at + VERSION] = version;
    // It is the same value: what the backing store has of it counts on.
    const kept = words[from + STATE] & (STATE_EXPIRES | STATE_CLEAN | STATE_EVICTION);
    if ((kept & STATE_EXPIRES) !== 0) (this.expiries as Expiries).setDeadline(row, this.#victim.expiresAt);
    words[at + STATE] = draft.state | kept | (poolNumber << POOL_SHIFT) | KIND_ENTRY;
    this.rows.link(row, this.hashOfRow(row));
    this.eviction.replaced(old, row);
    this.account(row, 1);
    this.dropRow(old);
    return true;
  }

  setExpiry(row: number, expiresAt: number, prefix: Uint8Array, prefixLength: number): void {
    const expiries = this.expiries as Expiries;
    const { words } = this;
    const at = this.rows.at(row);
    const state = at + STATE;
    if ((words[state] & (STATE_CLEAN | STATE_WRITING)) !== 0) {
      const { onOutdated } = this.hooks;
      // First: whoever dies in between leaves an entry whose copy is gone, which is a loss, and not one that comes back.
      if (onOutdated !== null) onOutdated(words[at + K0], words[at + K1], prefix, prefixLength);
      if ((words[state] & STATE_CLEAN) !== 0) words[W_CLEAN]--;
      // A copy that is on its way has the old time as well: when it ends, it makes nothing clean, nor another of this row.
      if ((words[state] & STATE_WRITING) !== 0) this.renewVersion(row);
      words[state] &= ~(STATE_CLEAN | STATE_WRITING);
    }
    if ((words[state] & STATE_EXPIRES) !== 0) expiries.remove(row);
    if (expiresAt === 0) words[state] &= ~STATE_EXPIRES;
    else {
      // An entry that expires does so all the while: a thread that dies here leaves it with the one or the other time.
      expiries.setDeadline(row, expiresAt);
      words[state] |= STATE_EXPIRES;
      expiries.add(row);
    }
  }

  /** Gives an entry the next version: whoever knows it by the one before does not know it any more. */
  renewVersion(row: number): void {
    const { words } = this;
    // The secondary index knows entries by their versions.
    this.account(row, -1);
    words[W_VERSION] = (words[W_VERSION] + 1) | 0;
    words[this.rows.at(row) + VERSION] = words[W_VERSION];
    this.account(row, 1);
  }

  setAux(row: number, aux: number, aux2: number): void {
    const at = this.rows.at(row);
    this.words[at + AUX] = aux;
    this.words[at + AUX2] = aux2;
  }

  /**
   * Evicts one entry, or a page of them: what is due first, then what the policy says.
   *
   * @returns false: nothing may go.
   */
  makeRoom(now: number): boolean {
    const due = this.expiries === null ? 0 : this.expiries.first();
    if (due !== 0 && (this.expiries as Expiries).deadlineOf(due) <= now) {
      this.removeRow(due, EXPIRED);
      return true;
    }
    if (this.eviction.byPage && this.pools.reclaimPage()) return true;
    return this.evictOne();
  }

  /**
   * Evicts the first entry, by the policy, that may go. After some refusals only those are looked for that the
   * backing store has already. One that is on its way there is asked about only if no other was refused: a hook
   * that writes at once calls off the write that is under way, though it may fail itself.
   */
  evictOne(): boolean {
    let refusals = 0;
    let passed = 0;
    const { eviction } = this;
    for (let row = eviction.first(); row !== 0; row = eviction.next(row)) {
      const state = this.rows.stateOf(row);
      if (this.#isKept(state)) {
        passed++;
      } else if ((state & STATE_CLEAN) !== 0 || refusals < REFUSALS_MAX) {
        if (this.mayEvict(row)) {
          this.removeRow(row, EVICTED);
          return true;
        }
        refusals++;
      }
      const isLong = refusals >= REFUSALS_MAX || passed > WRITING_PASSED_MAX;
      if (isLong && this.words[W_CLEAN] === 0) break;
    }
    return refusals === 0 && passed > 0 && this.#evictWriting();
  }

  /** Asks about the least recently used entry that is on its way to the backing store. */
  #evictWriting(): boolean {
    let row = this.queue.last();
    while (row !== 0 && (this.rows.stateOf(row) & STATE_WRITING) === 0) row = this.queue.before(row);
    if (row === 0 || !this.mayEvict(row)) return false;
    this.removeRow(row, EVICTED);
    return true;
  }

  /** Whether an entry stays until its write has ended. */
  #isKept(state: number): boolean {
    return (state & (STATE_WRITING | STATE_CLEAN)) === STATE_WRITING && !this.hooks.evictsWriting;
  }

  /** Asks the hook, unless the backing store has the entry already, or is being given it and that is enough. */
  mayEvict(row: number): boolean {
    const { onEvict, evictsWriting } = this.hooks;
    if (onEvict === null || this.isClean(row)) return true;
    if (evictsWriting && (this.rows.stateOf(row) & STATE_WRITING) !== 0) return true;
    this.describeWhole(row, this.#victim);
    if (onEvict(this.#victim)) return true;
    this.floats[F_EVICTIONS_REFUSED]++;
    return false;
  }

  /** For the pool's own reclaim: evicts the entry that an object belongs to. */
  evictObject(number: number, handle: number): boolean {
    const pool = this.pools.list[number];
    pool.open(handle);
    const row = pool.readWord(0);
    if ((this.rows.stateOf(row) & KIND_MASK) !== KIND_ENTRY) return false; // being made at this moment
    if (this.#isKept(this.rows.stateOf(row))) return false;
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

  /** Whether something is due. Without the lock it is a guess. */
  hasDue(now: number): boolean {
    const first = this.expiries === null ? 0 : this.expiries.first();
    return first !== 0 && (this.expiries as Expiries).deadlineOf(first) <= now;
  }

  /** Marks an entry as on its way to the backing store, and gives it away with its bytes, in a record that it fills. */
  startWriting(row: number, take: (entry: FoundEntry) => void, into: FoundEntry = this.#victim): void {
    this.words[this.rows.at(row) + STATE] |= STATE_WRITING;
    this.describeWhole(row, into);
    take(into);
  }

  /** New objects go to this pool. */
  usePool(number: number, migrationOf: MigrationOf): void {
    this.enter();
    this.words[W_POOL] = number;
    if (this.#lock === null) this.#migration ??= migrationOf(this);
    this.#migration?.start();
    this.leave();
  }

  /** Gives back what memory it can, and goes on moving entries to the pool that is used, as far as there is room. */
  trim(): void {
    this.pools.trim();
    if (this.pools.list.length === 1) return;
    this.#migration?.start();
    this.#migration?.step(MIGRATED_BY_PUT, false);
  }

  /** A row with objects for `total` bytes, not yet an entry, or 0. Makes room where there is none. */
  #reserve(total: number, now: number): number {
    const number = this.pools.numberFor(total);
    // Else all would be evicted before it turns out that there is no room for so much.
    if (total > ALWAYS_FITS && total > this.pools.mostFor(number)) return 0;
    while (this.words[W_ENTRIES] >= this.budget.maxEntries) {
      this.floats[F_LIMIT_HIT]++;
      if (!this.evictDueOrOne(now)) return 0;
    }
    return this.#reserveChain(total, number, now);
  }

  /** As {@link #reserve}, but evicts nothing. */
  #reserveFree(total: number, poolNumber: number): number {
    return this.#reserveChain(total, poolNumber, KEEPS_ALL);
  }

  #reserveChain(total: number, poolNumber: number, now: number): number {
    const words = this.words;
    const head = this.#takeRow(now);
    if (head === 0) return 0;
    const { headerBytes } = this.pools;
    let pool = this.pools.list[poolNumber];
    const maxFragment = pool.maxObjectBytes - headerBytes;
    this.#reservedIn = poolNumber;
    let last = 0;
    let left = total;
    let fragments = 0;
    while (left > 0) {
      let bytes = Math.min(left, maxFragment);
      // What is long beside a page fills the rest of the page that is being filled.
      const least = bytes * SPLIT_SHARE > maxFragment ? Math.min(SPLIT_MIN, bytes) : bytes;
      const room =
        this.pools.roomIn(poolNumber, bytes + headerBytes, least + headerBytes, last !== 0) - headerBytes;
      if (room < bytes && room >= least) bytes = room;
      const anywhere = bytes === total && now !== KEEPS_ALL;
      const handle = this.#allocate(poolNumber, bytes + headerBytes, now, anywhere);
      if (handle === 0) break;
      pool = this.pools.list[this.#reservedIn];
      if (headerBytes !== 0) {
        pool.open(handle);
        pool.writeWord(0, head);
      }
      left -= bytes;
      if (left === 0 && last !== 0 && this.pools.nameWithoutRow(pool, handle, this.rows.at(last))) break;
      const row = last === 0 ? head : this.#takeRow(now);
      if (row === 0) {
        pool.pool.free(handle as Handle);
        left += bytes;
        break;
      }
      const at = this.rows.at(row);
      this.fragments.setHandle(row, handle);
      words[at + FRAGMENT_BYTES] = bytes;
      if (last !== 0) {
        words[at + STATE] = KIND_FRAGMENT | (poolNumber << POOL_SHIFT);
        words[this.rows.at(last) + NEXT_FRAGMENT] = row;
        fragments++;
      }
      last = row;
    }
    if (left > 0) {
      this.fragments.free(pool, head);
      return 0;
    }
    words[W_FRAGMENTS] += fragments;
    return head;
  }

  #takeRow(now: number): number {
    for (;;) {
      const allowed = rowsAllowed(this.budget, this.layout, this.words, this.floats, this.pools.bytesTouched);
      const row = this.rows.take(allowed);
      if (row !== 0) {
        this.fragments.setHandle(row, 0);
        this.words[this.rows.at(row) + NEXT_FRAGMENT] = 0;
        return row;
      }
      if (this.pools.gains(this.budget.rowBytes) || this.pools.condense()) continue;
      if (now === KEEPS_ALL) return 0;
      this.floats[F_LIMIT_HIT]++;
      if (!this.evictDueOrOne(now)) return 0;
    }
  }

  /** An object, or 0. Makes room where there is none; sets {@link #reservedIn} to where it is. */
  #allocate(number: number, bytes: number, now: number, anywhere: boolean): number {
    const { pools } = this;
    let isCounted = false;
    for (;;) {
      this.#reservedIn = number;
      let handle = pools.allocate(number, bytes);
      for (let other = 0; handle === 0 && anywhere && other < pools.list.length; other++) {
        if (other === number || !pools.isTouched(other)) continue;
        handle = pools.allocate(other, bytes);
        this.#reservedIn = other;
      }
      if (handle !== 0) return handle;
      if (now === KEEPS_ALL) return 0;
      if (!isCounted) this.floats[F_LIMIT_HIT]++;
      isCounted = true;
      if (!this.makeRoom(now)) return 0;
    }
  }

  /** A row is wanted, not memory: the pool's order does not matter. */
  evictDueOrOne(now: number): boolean {
    return this.expire(now, 1) > 0 || this.evictOne();
  }
}

function epochAt(hash: number): number {
  return EPOCHS_AT + ((hash >>> 8) & (EPOCHS - 1));
}
