import { ownWords } from "../base/index.ts";
import { type Draft, EVICTED, EXPIRED, ShardBooks, type ShardParts } from "./books.ts";
import { rowsAllowed } from "./budget.ts";
import { Drain } from "./drain.ts";
import type { Expiries } from "./expiries.ts";
import type { ShardPool } from "./object-pool.ts";
import {
  AUX,
  AUX2,
  CODEC_SHIFT,
  F_EVICTIONS_REFUSED,
  F_LIMIT_HIT,
  F_POOL_TOUCHED,
  FRAGMENT_BYTES,
  HANDLE,
  K0,
  K1,
  KIND_ENTRY,
  KIND_FRAGMENT,
  KIND_MASK,
  LENGTH,
  NAME,
  NEXT_FRAGMENT,
  POOL_SHIFT,
  STATE,
  STATE_CLEAN,
  STATE_EXPIRES,
  STATE_RAW,
  STATE_SAME_FILLED,
  STATE_SETTLED,
  STATE_VISITED,
  STATE_WRITING,
  STORED,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_FRAGMENTS,
  W_POOL,
  W_VERSION,
} from "./table.ts";
import type { EntryAttributes, FoundEntry } from "./types.ts";
import { verifyShard } from "./verify.ts";

/** Answers that an entry must stay, after which making room is given up. */
const REFUSALS_MAX = 8;
/** Entries on their way to the backing store that are passed over when room is wanted. */
const WRITING_PASSED_MAX = 512;
/** Entries that one search for work of recompression looks at. */
const UNSETTLED_LOOKS_MAX = 10_000;
/** Entries that a put moves out of a pool that was used before. */
const DRAINED_BY_PUT = 8;

/**
 * One shard: how room is made in it and taken, on the books of {@link ShardBooks}. All methods expect the lock,
 * but where they say otherwise.
 */
export class Shard extends ShardBooks {
  /** How far recompression looked, as row and version. */
  #settledRow = 0;
  #settledVersion = 0;
  /** False while room may only be taken where there is some. */
  #mayMakeRoom = true;
  /** The pool that the row of the last reservation has its objects in. */
  #reservedIn = 0;
  /** Null: the pools' memory does not shrink. */
  readonly #drain: Drain | null;
  /** The draft of an entry that is moved as it is. */
  readonly #moved: Draft = {
    bytes: new Uint8Array(0),
    start: 0,
    stored: 0,
    length: 0,
    state: 0,
    fill0: 0,
    fill1: 0,
  };

  constructor(parts: ShardParts) {
    super(parts);
    this.#drain = parts.registry === null ? new Drain(this) : null;
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
    if (this.#drain?.isIdle === false) this.#drain.step(DRAINED_BY_PUT, true);
    const row = this.#reserve(total, now);
    if (row === 0) return 0;
    const at = this.rows.at(row);
    const poolNumber = this.#reservedIn;
    if (total !== 0) {
      const pool = this.pools[poolNumber] as ShardPool;
      if (prefixLength !== 0) this.fragments.write(pool, row, 0, attributes.prefix, 0, prefixLength);
      if (headLength !== 0) this.fragments.write(pool, row, prefixLength, attributes.head, 0, headLength);
      this.fragments.write(pool, row, prefixLength + headLength, draft.bytes, start, start + stored);
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
    this.account(row, 1);
    return row;
  }

  /**
   * Gives an entry other stored bytes, those of the same value by another codec, in its place on the LRU. Evicts
   * nothing. False: there is no room, and nothing changed.
   */
  replaceStored(old: number, draft: Draft): boolean {
    return this.#replace(old, draft, this.pools.indexOf(this.fragments.poolOf(old)));
  }

  /** Moves an entry that has objects to the pool that is used. As {@link replaceStored}. */
  moveEntry(row: number): boolean {
    const draft = this.#moved;
    this.describeWhole(row, this.victim);
    const { prefixLength, headLength, storedLength, length } = this.victim;
    draft.bytes = this.victim.bytes;
    draft.start = prefixLength + headLength;
    draft.stored = storedLength;
    draft.length = length;
    draft.state = this.rows.stateOf(row) & ((0xff << CODEC_SHIFT) | STATE_RAW | STATE_SETTLED);
    return this.#replace(row, draft, this.words[W_POOL]);
  }

  /** Evicts an entry, if it may go. */
  evictRow(row: number): boolean {
    if ((this.rows.stateOf(row) & (STATE_WRITING | STATE_CLEAN)) === STATE_WRITING) return false;
    if (!this.mayEvict(row)) return false;
    this.removeRow(row, EVICTED);
    return true;
  }

  #replace(old: number, draft: Draft, poolNumber: number): boolean {
    const words = this.words;
    const pool = this.pools[poolNumber] as ShardPool;
    const from = this.rows.at(old);
    const name = words[from + NAME];
    const named = (name & 0xffff) + (name >>> 16);
    const row = this.#reserveFree(named + draft.stored, poolNumber);
    if (row === 0) return false;
    const at = this.rows.at(row);
    this.describeWhole(old, this.victim);
    this.fragments.write(pool, row, 0, this.victim.bytes, 0, named);
    this.fragments.write(pool, row, named, draft.bytes, draft.start, draft.start + draft.stored);
    const version = (words[W_VERSION] + 1) | 0;
    words[W_VERSION] = version;
    for (const word of [K0, K1, LENGTH, NAME, AUX, AUX2]) words[at + word] = words[from + word];
    words[at + STORED] = draft.stored;
    words[at + VERSION] = version;
    // It is the same value: what the backing store has of it counts on.
    const kept = words[from + STATE] & (STATE_EXPIRES | STATE_CLEAN | STATE_VISITED);
    if ((kept & STATE_EXPIRES) !== 0) (this.expiries as Expiries).setDeadline(row, this.victim.expiresAt);
    words[at + STATE] = draft.state | kept | (poolNumber << POOL_SHIFT) | KIND_ENTRY;
    this.rows.link(row, this.hashOfRow(row));
    this.rows.moveBehind(row, old);
    this.account(row, 1);
    this.dropRow(old);
    return true;
  }

  setExpiry(row: number, expiresAt: number): void {
    const expiries = this.expiries as Expiries;
    const { words } = this;
    const state = this.rows.at(row) + STATE;
    if ((words[state] & STATE_EXPIRES) !== 0) expiries.remove(row);
    if (expiresAt === 0) words[state] &= ~STATE_EXPIRES;
    else {
      // An entry that expires does so all the while: a thread that dies here leaves it with the one or the other time.
      expiries.setDeadline(row, expiresAt);
      words[state] |= STATE_EXPIRES;
      expiries.add(row);
    }
    if ((words[state] & STATE_CLEAN) === 0) return;
    words[state] &= ~STATE_CLEAN;
    words[W_CLEAN]--;
  }

  setAux(row: number, aux: number, aux2: number): void {
    const at = this.rows.at(row);
    this.words[at + AUX] = aux;
    this.words[at + AUX2] = aux2;
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
    if (this.byPage) {
      for (const pool of this.pools) if (pool !== null && pool.pool.reclaimPage() === "ok") return true;
    }
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
    for (let row = this.#firstToGo(); row !== 0; row = this.#nextToGo(row)) {
      const state = this.rows.stateOf(row);
      if ((state & (STATE_WRITING | STATE_CLEAN)) === STATE_WRITING) {
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

  #firstToGo(): number {
    return this.sieve === null ? this.rows.last() : this.sieve.first();
  }

  #nextToGo(row: number): number {
    return this.sieve === null ? this.rows.before(row) : this.sieve.next(row);
  }

  /** Asks about the least recently used entry that is on its way to the backing store. */
  #evictWriting(): boolean {
    let row = this.rows.last();
    while (row !== 0 && (this.rows.stateOf(row) & STATE_WRITING) === 0) row = this.rows.before(row);
    if (row === 0 || !this.mayEvict(row)) return false;
    this.removeRow(row, EVICTED);
    return true;
  }

  /** Asks the hook, unless the backing store has the entry already. */
  mayEvict(row: number): boolean {
    const { onEvict } = this.hooks;
    if (onEvict === null || this.isClean(row)) return true;
    this.describeWhole(row, this.victim);
    if (onEvict(this.victim)) return true;
    this.floats[F_EVICTIONS_REFUSED]++;
    return false;
  }

  /** For the pool's own reclaim: evicts the entry that an object belongs to. */
  evictObject(number: number, handle: number): boolean {
    const pool = this.pools[number] as ShardPool;
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

  /** Whether something is due. Without the lock it is a guess. */
  hasDue(now: number): boolean {
    const first = this.expiries === null ? 0 : this.expiries.first();
    return first !== 0 && (this.expiries as Expiries).deadlineOf(first) <= now;
  }

  /**
   * The least recently used entries that recompression has not looked at: row and version of each. Goes on where
   * the last call ended, and begins anew once it was through.
   */
  unsettled(codec: number, max: number): Int32Array {
    const list = ownWords(2 * max);
    let count = 0;
    let looked = 0;
    let row = this.isCurrent(this.#settledRow, this.#settledVersion) ? this.#settledRow : this.rows.last();
    this.#settledRow = 0;
    for (; row !== 0 && count < 2 * max; row = this.rows.before(row)) {
      const at = this.rows.at(row);
      if (++looked > UNSETTLED_LOOKS_MAX) {
        this.#settledRow = row;
        this.#settledVersion = this.words[at + VERSION];
        break;
      }
      const state = this.words[at + STATE];
      if ((state & (STATE_SETTLED | STATE_SAME_FILLED | STATE_WRITING)) !== 0) continue;
      if (((state >> CODEC_SHIFT) & 0xff) === codec) continue;
      list[count++] = row;
      list[count++] = this.words[at + VERSION];
    }
    return list.subarray(0, count);
  }

  /** See {@link Engine.startWriteback}. */
  startWriteback(max: number, take: (entry: FoundEntry) => void, done: () => void): number {
    let taken = 0;
    let evicted = 0;
    let passed = 0;
    for (let row = this.rows.last(); row !== 0 && taken + evicted < max; ) {
      const before = this.rows.before(row);
      const state = this.rows.stateOf(row);
      if (this.isClean(row)) {
        this.removeRow(row, EVICTED);
        evicted++;
      } else if ((state & STATE_WRITING) === 0) {
        this.#startWriting(row, take);
        taken++;
      } else if (++passed > WRITING_PASSED_MAX) {
        break;
      }
      row = before;
    }
    if (taken > 0) done();
    return taken + evicted;
  }

  /** See {@link Engine.startWritebackOf}. */
  startWritebackOf(list: Int32Array, take: (entry: FoundEntry) => void, done: () => void): number {
    let taken = 0;
    for (let at = 0; at < list.length; at += 2) {
      if (!this.isCurrent(list[at], list[at + 1])) continue;
      if ((this.rows.stateOf(list[at]) & (STATE_CLEAN | STATE_WRITING)) !== 0) continue;
      this.#startWriting(list[at], take);
      taken++;
    }
    if (taken > 0) done();
    return taken;
  }

  #startWriting(row: number, take: (entry: FoundEntry) => void): void {
    this.words[this.rows.at(row) + STATE] |= STATE_WRITING;
    this.describeWhole(row, this.victim);
    take(this.victim);
  }

  /** New objects go to this pool. */
  usePool(number: number): void {
    this.enter();
    this.words[W_POOL] = number;
    this.#drain?.start();
    this.leave();
  }

  /** Goes on moving entries to the pool that is used, as far as there is room. */
  resumeDrain(): void {
    if (this.pools.length === 1) return;
    this.#drain?.start();
    this.#drain?.step(DRAINED_BY_PUT, false);
  }

  /**
   * Without the lock: for a thread that is gone and may have had entries on their way to the backing store. Those
   * of living threads are forgotten as well, and may be written twice. Repairs first if it was in the lock.
   */
  forgetWriting(): void {
    this.enter();
    const { rows, words } = this;
    for (let row = rows.last(); row !== 0; row = rows.before(row))
      words[rows.at(row) + STATE] &= ~STATE_WRITING;
    this.leave();
  }

  /** Throws `ECORRUPT` naming the first invariant that does not hold. */
  verify(): void {
    verifyShard(this);
  }

  /** A row with objects for `total` bytes, not yet an entry, or 0. Makes room where there is none. */
  #reserve(total: number, now: number): number {
    while (this.words[W_ENTRIES] >= this.budget.maxEntries) {
      this.floats[F_LIMIT_HIT]++;
      if (!this.evictDueOrOne(now)) return 0;
    }
    return this.#reserveChain(total, this.poolFor(total), now);
  }

  /** As {@link #reserve}, but evicts nothing. */
  #reserveFree(total: number, poolNumber: number): number {
    this.#mayMakeRoom = false;
    try {
      return this.#reserveChain(total, poolNumber, 0);
    } finally {
      this.#mayMakeRoom = true;
    }
  }

  #reserveChain(total: number, poolNumber: number, now: number): number {
    const words = this.words;
    const head = this.#takeRow(now);
    if (head === 0) return 0;
    let pool = this.pools[poolNumber] as ShardPool;
    const maxFragment = pool.maxObjectBytes - this.fragments.headerBytes;
    this.#reservedIn = poolNumber;
    let row = head;
    let left = total;
    let fragments = 0;
    while (left > 0) {
      const bytes = Math.min(left, maxFragment);
      const anywhere = bytes === total && this.#mayMakeRoom;
      const handle = this.#allocate(poolNumber, bytes + this.fragments.headerBytes, now, anywhere);
      if (handle === 0) break;
      pool = this.pools[this.#reservedIn] as ShardPool;
      const at = this.rows.at(row);
      this.fragments.setHandle(row, handle);
      words[at + FRAGMENT_BYTES] = bytes;
      if (this.fragments.headerBytes !== 0) {
        pool.open(handle);
        pool.writeWord(0, head);
      }
      left -= bytes;
      if (left === 0) break;
      const next = this.#takeRow(now);
      if (next === 0) break;
      words[this.rows.at(next) + STATE] = KIND_FRAGMENT | (poolNumber << POOL_SHIFT);
      words[at + NEXT_FRAGMENT] = next;
      fragments++;
      row = next;
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
      const allowed = rowsAllowed(this.budget, this.layout, this.poolBytesTouched);
      const row = this.rows.take(allowed);
      if (row !== 0) {
        this.fragments.setHandle(row, 0);
        this.words[this.rows.at(row) + NEXT_FRAGMENT] = 0;
        return row;
      }
      if (!this.#mayMakeRoom) return 0;
      this.floats[F_LIMIT_HIT]++;
      if (!this.evictDueOrOne(now)) return 0;
    }
  }

  /** An object, or 0. Makes room where there is none; sets {@link #reservedIn} to where it is. */
  #allocate(number: number, bytes: number, now: number, anywhere: boolean): number {
    let isCounted = false;
    for (;;) {
      this.#reservedIn = number;
      let handle = this.allocateIn(number, bytes);
      for (let other = 0; handle === 0 && anywhere && other < this.pools.length; other++) {
        if (other === number || this.floats[F_POOL_TOUCHED + other] === 0) continue;
        handle = this.allocateIn(other, bytes);
        this.#reservedIn = other;
      }
      if (handle !== 0) return handle;
      if (!this.#mayMakeRoom) return 0;
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
