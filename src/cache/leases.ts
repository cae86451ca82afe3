import { isLockBusy, PLACES } from "../base/index.ts";
import { type LeaseLayout, leaseLayout, WAYS } from "./lease-layout.ts";
import type { CacheThreads, SharedState } from "./shared-state.ts";

/** Leave to store what is being read of a key, until somebody changes the key. */
export interface Lease {
  readonly k0: number;
  readonly k1: number;
  /** HELD or LOADING: what its slot says as long as nobody revokes it. */
  readonly state: number;
  /** Where it is noted; NOWHERE, or BROAD: by stamps. */
  slot: number;
  /** Of the slot, while this lease has it. */
  turn: number;
  /** The last stamp when it was given. */
  stamp: number;
  /** When that was, by `performance.now()`. */
  at: number;
  /** Of a broad one: this thread changed the key. */
  isLost: boolean;
}

/** A load of another thread, of this process or another one, as those who wait for it know it. */
export interface OtherLoad {
  readonly slot: number;
  readonly turn: number;
  readonly member: number;
}

const NOWHERE = -1;
const BROAD = -2;

/*
 * The word of a slot: its turn, which grows with each lease that has it, and in the low bits what became of the lease.
 * It stays until the slot is taken anew.
 */
const STATE_MASK = 7;
const ONE_TURN = 8;
/** Nobody waits for it: what is read is no load, or others had enough of waiting. */
const HELD = 1;
/** Others wait for what is being loaded. */
const LOADING = 2;
/** The key was changed, or the lease given up: what is read is not stored. */
const REVOKED = 3;
/** What was read is stored, or nobody will ever store it. */
const ENDED = 4;

const HAS_BROAD = 1;
const HAS_FILES = 2;

/** Bits of the filter for each key. */
const FILTER_BITS = 4;
/** The dead are looked for at the first lease that finds no slot, and then at every so many-th. */
const SWEEP_EVERY = 64;

/**
 * Leases, as of memcached: who reads a value from elsewhere to put it into the cache takes one first, and whoever sets,
 * deletes or loads that key meanwhile, in whatever thread, revokes it. So "was it changed since?" needs no entry to
 * be asked of, which may have come and gone.
 *
 * `changed` is called under the lock of the key's shard before the change, and whether a lease still holds is asked
 * under the same lock before its result is put. So the one that comes second sees the other.
 *
 * A lease is noted in a slot of the group that its hash says, with all 64 bits of it: while nothing of that group is
 * being loaded, a change costs the look at one word. If a group is full, its further leases are *broad*: their thread
 * knows what it changes itself, and changes by other threads raise stamps by hash, so that a broad lease may seem
 * revoked that is not. For a file of keys that nobody knows
 * beforehand, changes are noted in a filter of bits.
 *
 * A lease to load is one that other threads wait for, instead of loading the same. {@link takeToLoad} takes it, or finds
 * the one that there is, in one step under the lock. Whoever waits for one looks at its slot's word: see
 * `other-loads.ts`.
 *
 * Slots and lists are changed under one lock ({@link CacheThreads.exclusively}) and read without. A thread may die at
 * any instruction: what it leaves are slots and list entries of a member that is gone, or a group that says 1 and is
 * empty. They cost changes some nanoseconds, and `sweep` finds them.
 */
export class Leases {
  /** True while this thread adds entries of a file: they are changes to leases, and none to other files. */
  isReadingFile = false;
  readonly #sharedState: SharedState;
  readonly #threads: CacheThreads;
  readonly #words: Int32Array;
  readonly #layout: LeaseLayout;
  readonly #at: number = 0;
  readonly #groupsAt: number = 0;
  readonly #groupMask: number = 0;
  readonly #filterMask: number = 0;
  /** Where the columns of the slots begin: member, k0, k1, word. */
  readonly #columns: readonly [number, number, number, number];
  /** This thread's broad leases, by the first word of their keys. */
  readonly #broad: Map<number, Lease[]> = new Map();
  #files = 0;
  #overflows = 0;
  /** Where a short sweep goes on. */
  #next = 0;
  #closed = false;

  constructor(sharedState: SharedState, threads: CacheThreads) {
    const { leases: at, shape } = sharedState;
    this.#sharedState = sharedState;
    this.#threads = threads;
    this.#words = sharedState.words;
    this.#layout = leaseLayout(shape);
    this.#at = at | 0;
    this.#groupsAt = (at + this.#layout.groups) | 0;
    this.#groupMask = (shape.leaseGroups - 1) | 0;
    this.#filterMask = (shape.filterBytes * 8 - 1) | 0;
    const { members, k0, k1, states } = this.#layout;
    this.#columns = [at + members, at + k0, at + k1, at + states];
  }

  /** A lease of the key with this hash; it begins when this returns. */
  take(k0: number, k1: number): Lease {
    return this.#take(
      { k0, k1, state: HELD, slot: NOWHERE, turn: 0, stamp: 0, at: 0, isLost: false },
      false,
    ) as Lease;
  }

  /**
   * A lease to load the key with this hash.
   *
   * @param yields - whether a load of this hash by another thread is given instead, if there is one.
   */
  takeToLoad(k0: number, k1: number, yields: boolean): Lease | OtherLoad {
    return this.#take(
      { k0, k1, state: LOADING, slot: NOWHERE, turn: 0, stamp: 0, at: 0, isLost: false },
      yields,
    );
  }

  /** Whether a load of another thread goes on, has ended, or was given up: then somebody else is to load. */
  fateOf({ slot, turn }: OtherLoad): "loading" | "ended" | "given up" {
    const word = Atomics.load(this.#words, this.#columns[3] + slot);
    if (word === (turn | LOADING)) return "loading";
    // Of a slot that somebody has anew nothing is known, so it counts as the one that keeps nobody waiting.
    return word === (turn | ENDED) || (word & ~STATE_MASK) !== turn ? "ended" : "given up";
  }

  /** Lets nobody wait for a load any more. Its result is stored all the same, unless the key is changed before. */
  overtake({ slot, turn }: OtherLoad): void {
    const at = this.#columns[3] + slot;
    Atomics.compareExchange(this.#words, at, turn | LOADING, turn | HELD);
  }

  /** Frees what a thread has, if it is gone. Asks the system, as {@link CacheThreads.isGone}. */
  freeIfGone(member: number): boolean {
    if (!this.#threads.isGone(member)) return false;
    this.#threads.exclusively(() => this.#freeMembers(new Set([member])));
    return true;
  }

  /** Lets a lease begin anew: what was changed before does not count. */
  renew(lease: Lease): void {
    const { slot, turn, state } = lease;
    if (slot >= 0) {
      // Under the lock: between the look and the change a thread that is wrongly said to be gone would lose its slot.
      this.#threads.exclusively(() => {
        if (!this.#isOwn(slot, turn)) return;
        Atomics.compareExchange(this.#words, this.#columns[3] + slot, turn | REVOKED, turn | state);
      });
    }
    lease.at = performance.now();
    lease.stamp = this.#sharedState.stamp();
    lease.isLost = false;
  }

  /** Whether nobody changed the key, or cleared the cache, since the lease began. */
  holds(lease: Lease): boolean {
    const { slot, stamp, k0 } = lease;
    if (this.#sharedState.clearedSince(stamp)) return false;
    if (slot === BROAD) return !lease.isLost && !this.#sharedState.keyChangedSince(stamp, k0);
    if (slot < 0) return false;
    const word = Atomics.load(this.#words, this.#columns[3] + slot);
    return isHeld(word) && (word & ~STATE_MASK) === lease.turn;
  }

  /**
   * Gives a lease back; a second time does nothing.
   *
   * @param isGivenUp - it came to nothing, and those who wait for it are to load instead, one for all.
   */
  end(lease: Lease, isGivenUp = false): void {
    const { slot, turn } = lease;
    lease.slot = NOWHERE;
    if (this.#closed || slot === NOWHERE) return;
    const state = isGivenUp ? REVOKED : ENDED;
    try {
      this.#threads.exclusively(() => {
        if (slot !== BROAD) this.#free(slot, turn, state);
        else this.#endBroad(lease);
      });
    } catch (error) {
      if (!isLockBusy(error)) throw error;
      // Nobody waits for it, and its slot is free when this thread has closed.
      if (slot >= 0 && this.#isOwn(slot, turn))
        Atomics.store(this.#words, this.#columns[3] + slot, turn | state);
    }
  }

  /**
   * A key is being set, deleted or loaded from a file. The lock of its shard is held, and its taking orders these
   * looks, which are plain ones: they are on the way of every set.
   */
  changed(k0: number, k1: number): void {
    const words = this.#words;
    if (words[this.#groupsAt + (k1 & this.#groupMask)] !== 0) this.#revoke(k0, k1);
    if (words[this.#at] !== 0) this.#note(words[this.#at], k0, k1);
  }

  /** From when this returns until {@link endFile}, changes are noted for files. The stamp of this moment. */
  beginFile(): number {
    this.sweep();
    this.#threads.exclusively(() => {
      const { files, filter, end } = this.#layout;
      const words = this.#words;
      if (!this.#isListed(files)) words.fill(0, this.#at + filter, this.#at + end);
      this.#files++;
      this.#list(files, HAS_FILES);
    });
    return this.#sharedState.stamp();
  }

  endFile(): void {
    if (this.#closed) return;
    this.#threads.exclusively(() => {
      if (--this.#files === 0) this.#unlist(this.#layout.files, HAS_FILES);
    });
  }

  /** Whether a key was not changed, nor the cache cleared, since a file was begun. It may say so wrongly. */
  fileHolds(since: number, k0: number, k1: number): boolean {
    if (this.#sharedState.clearedSince(since)) return false;
    const at = this.#at + this.#layout.filter;
    for (let i = 0; i < FILTER_BITS; i++) {
      const bit = bitOf(k0, k1, i) & this.#filterMask;
      if ((Atomics.load(this.#words, at + (bit >>> 5)) & (1 << (bit & 31))) === 0) return true;
    }
    return false;
  }

  /**
   * Frees what threads left that are gone.
   *
   * @param max - threads to ask the system about, at some 40 µs each.
   */
  sweep(max: number = PLACES): void {
    if (!this.#isAnything()) return;
    const members = this.#others();
    const gone = new Set<number>();
    for (let i = 0; i < Math.min(max, members.length); i++) {
      const member = members[this.#next++ % members.length];
      if (this.#threads.isGone(member)) gone.add(member);
    }
    this.#threads.exclusively(() => this.#freeMembers(gone));
  }

  /** Gives back all that this thread has. */
  close(): void {
    const { member } = this.#threads;
    this.#closed = true;
    this.#threads.exclusively(() => this.#freeMembers(new Set([member])));
  }

  /** Whether this thread has a slot still: one that was wrongly said to be gone has lost its slots. */
  #isOwn(slot: number, turn: number): boolean {
    const [membersAt, , , statesAt] = this.#columns;
    const word = Atomics.load(this.#words, statesAt + slot);
    return (word & ~STATE_MASK) === turn && this.#words[membersAt + slot] === this.#threads.member;
  }

  #take(lease: Lease, yields: boolean): Lease | OtherLoad {
    let other = this.#enter(lease, yields);
    if (lease.slot === BROAD && this.#overflows++ % SWEEP_EVERY === 0) {
      this.sweep();
      this.end(lease);
      other = this.#enter(lease, yields);
    }
    lease.at = performance.now();
    lease.stamp = this.#sharedState.stamp();
    return other ?? lease;
  }

  /** Notes a lease, unless it yields to the load that is returned. */
  #enter(lease: Lease, yields: boolean): OtherLoad | null {
    let other: OtherLoad | null = null;
    this.#threads.exclusively(() => {
      other = this.#fill(lease, yields);
    });
    return other;
  }

  #fill(lease: Lease, yields: boolean): OtherLoad | null {
    const { k0, k1, state } = lease;
    const { member: own } = this.#threads;
    const words = this.#words;
    const group = k1 & this.#groupMask;
    const [membersAt, k0At, k1At, statesAt] = this.#columns;
    let free = -1;
    let last = -1;
    for (let slot = group * WAYS; slot < (group + 1) * WAYS; slot++) {
      const member = words[membersAt + slot];
      const isSame = words[k0At + slot] === k0 && words[k1At + slot] === k1;
      if (member === 0) {
        if (isSame) last = slot;
        else if (free < 0) free = slot;
      } else if (yields && isSame && member !== own) {
        const word = Atomics.load(words, statesAt + slot);
        if ((word & STATE_MASK) === LOADING) return { slot, turn: word & ~STATE_MASK, member };
      }
    }
    // What became of the last lease of a key is to be seen for as long as can be.
    const slot = free < 0 ? last : free;
    if (slot < 0) {
      this.#enterBroad(lease);
      return null;
    }
    words[k0At + slot] = k0;
    words[k1At + slot] = k1;
    lease.turn = ((words[statesAt + slot] & ~STATE_MASK) + ONE_TURN) | 0;
    Atomics.store(words, statesAt + slot, lease.turn | state);
    words[membersAt + slot] = own;
    Atomics.store(words, this.#groupsAt + group, 1);
    lease.slot = slot;
    return null;
  }

  #enterBroad(lease: Lease): void {
    lease.slot = BROAD;
    this.#broad.set(lease.k0, [...(this.#broad.get(lease.k0) ?? []), lease]);
    this.#list(this.#layout.broad, HAS_BROAD);
  }

  /** Marks all leases of a key. */
  #revoke(k0: number, k1: number): void {
    const words = this.#words;
    const [, k0At, k1At, statesAt] = this.#columns;
    const first = (k1 & this.#groupMask) * WAYS;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (words[k0At + slot] !== k0 || words[k1At + slot] !== k1) continue;
      let word = Atomics.load(words, statesAt + slot);
      while (isHeld(word)) {
        const turn = word & ~STATE_MASK;
        const found = Atomics.compareExchange(words, statesAt + slot, word, turn | REVOKED);
        // Who takes the slot at this moment reads what it reads after the change.
        if (found === word || (found & ~STATE_MASK) !== turn) break;
        word = found;
      }
    }
  }

  #note(lists: number, k0: number, k1: number): void {
    if ((lists & HAS_BROAD) !== 0) {
      for (const lease of this.#broad.get(k0) ?? []) if (lease.k1 === k1) lease.isLost = true;
      if (this.#hasOthers()) this.#sharedState.invalidateKey(k0);
    }
    if ((lists & HAS_FILES) === 0 || this.isReadingFile) return;
    const at = this.#at + this.#layout.filter;
    for (let i = 0; i < FILTER_BITS; i++) {
      const bit = bitOf(k0, k1, i) & this.#filterMask;
      Atomics.or(this.#words, at + (bit >>> 5), 1 << (bit & 31));
    }
  }

  /** Whether another thread has broad leases. */
  #hasOthers(): boolean {
    const { member } = this.#threads;
    const first = this.#at + this.#layout.broad;
    for (let i = first; i < first + PLACES; i++)
      if (this.#words[i] !== 0 && this.#words[i] !== member) return true;
    return false;
  }

  #endBroad(lease: Lease): void {
    const rest = (this.#broad.get(lease.k0) ?? []).filter((one) => one !== lease);
    if (rest.length > 0) this.#broad.set(lease.k0, rest);
    else this.#broad.delete(lease.k0);
    if (this.#broad.size === 0) this.#unlist(this.#layout.broad, HAS_BROAD);
  }

  #free(slot: number, turn: number, state: number): void {
    if (!this.#isOwn(slot, turn)) return;
    const words = this.#words;
    const [membersAt, , , statesAt] = this.#columns;
    // Before the slot is free, and whatever it says: the put of what was loaded revokes its own lease too.
    Atomics.store(words, statesAt + slot, turn | state);
    words[membersAt + slot] = 0;
    const group = Math.floor(slot / WAYS);
    if (this.#isEmpty(group)) Atomics.store(words, this.#groupsAt + group, 0);
  }

  #isEmpty(group: number): boolean {
    const first = this.#columns[0] + group * WAYS;
    for (let i = first; i < first + WAYS; i++) if (this.#words[i] !== 0) return false;
    return true;
  }

  /** Puts this thread on one of the lists of members. */
  #list(list: number, bit: number): void {
    const { member } = this.#threads;
    this.#words[this.#at + list + (member % PLACES)] = member;
    Atomics.or(this.#words, this.#at, bit);
  }

  #unlist(list: number, bit: number): void {
    this.#words[this.#at + list + (this.#threads.member % PLACES)] = 0;
    if (!this.#isListed(list)) Atomics.and(this.#words, this.#at, ~bit);
  }

  #isListed(list: number): boolean {
    const first = this.#at + list;
    return this.#words.subarray(first, first + PLACES).some((member) => member !== 0);
  }

  /** Members that something is noted for. */
  #others(): number[] {
    const { broad, groups, members, k0 } = this.#layout;
    const seen = new Set<number>();
    for (let i = this.#at + broad; i < this.#at + groups; i++) seen.add(this.#words[i]);
    for (let i = this.#at + members; i < this.#at + k0; i++) seen.add(this.#words[i]);
    seen.delete(0);
    seen.delete(this.#threads.member);
    return [...seen];
  }

  /** Whether a change costs any of the threads more than two looks. */
  #isAnything(): boolean {
    const { groups } = this.#layout;
    const first = this.#at + groups;
    return (
      this.#words[this.#at] !== 0 || this.#words.subarray(first, first + this.#groupMask + 1).includes(1)
    );
  }

  /** Also puts right what says that something is there and is not so. */
  #freeMembers(gone: ReadonlySet<number>): void {
    const { broad, files, groups, members, k0, states } = this.#layout;
    const words = this.#words;
    for (let i = this.#at + broad; i < this.#at + groups; i++) if (gone.has(words[i])) words[i] = 0;
    for (let i = this.#at + members; i < this.#at + k0; i++) {
      if (!gone.has(words[i])) continue;
      const state = i - members + states;
      Atomics.store(words, state, (words[state] & ~STATE_MASK) | REVOKED);
      words[i] = 0;
    }
    for (let group = 0; group <= this.#groupMask; group++) {
      Atomics.store(words, this.#groupsAt + group, this.#isEmpty(group) ? 0 : 1);
    }
    if (!this.#isListed(broad)) Atomics.and(words, this.#at, ~HAS_BROAD);
    if (!this.#isListed(files)) Atomics.and(words, this.#at, ~HAS_FILES);
  }
}

function isHeld(word: number): boolean {
  return (word & STATE_MASK) === HELD || (word & STATE_MASK) === LOADING;
}

/** The `i`-th bit of a key in the filter, before the mask. */
function bitOf(k0: number, k1: number, i: number): number {
  const step = Math.imul(k1 | 1, 0x9e37_79b1);
  const bit = (k0 + Math.imul(i, step)) | 0;
  return bit ^ (bit >>> 15);
}
