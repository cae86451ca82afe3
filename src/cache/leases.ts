import { PLACES } from "../base/index.ts";
import { type LeaseLayout, leaseLayout, WAYS } from "./lease-layout.ts";
import type { SharedState } from "./shared-state.ts";

/** The part of the engine that leases need. */
export interface LeaseEngine {
  readonly member: number;
  isGone(member: number): boolean;
  exclusively(work: () => void): void;
}

/** Leave to store what is being read of a key, until somebody changes the key. */
export interface Lease {
  readonly k0: number;
  readonly k1: number;
  /** Where it is noted; NOWHERE, or BROAD: by stamps. */
  slot: number;
  /** The last stamp when it was given. */
  stamp: number;
  /** Of a broad one: this thread changed the key. */
  isLost: boolean;
}

const NOWHERE = -1;
const BROAD = -2;

const HELD = 1;
const REVOKED = 2;

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
 * Slots and lists are changed under one lock ({@link LeaseEngine.exclusively}) and read without. A thread may die at
 * any instruction: what it leaves are slots and list entries of a member that is gone, or a group that says 1 and is
 * empty. They cost changes some nanoseconds, and `sweep` finds them.
 */
export class Leases {
  /** True while this thread adds entries of a file: they are changes to leases, and none to other files. */
  isReadingFile = false;
  readonly #sharedState: SharedState;
  readonly #engine: LeaseEngine;
  readonly #words: Int32Array;
  readonly #layout: LeaseLayout;
  readonly #at: number = 0;
  readonly #groupsAt: number = 0;
  readonly #groupMask: number = 0;
  readonly #filterMask: number = 0;
  /** This thread's broad leases, by the first word of their keys. */
  readonly #broad: Map<number, Lease[]> = new Map();
  #files = 0;
  #overflows = 0;
  /** Where a short sweep goes on. */
  #next = 0;
  #closed = false;

  constructor(sharedState: SharedState, engine: LeaseEngine) {
    const { leases: at, shape } = sharedState;
    this.#sharedState = sharedState;
    this.#engine = engine;
    this.#words = sharedState.words;
    this.#layout = leaseLayout(shape);
    this.#at = at | 0;
    this.#groupsAt = (at + this.#layout.groups) | 0;
    this.#groupMask = (shape.leaseGroups - 1) | 0;
    this.#filterMask = (shape.filterBytes * 8 - 1) | 0;
  }

  /** A lease of the key with this hash; it begins when this returns. */
  take(k0: number, k1: number): Lease {
    const lease: Lease = { k0, k1, slot: NOWHERE, stamp: 0, isLost: false };
    this.#enter(lease);
    if (lease.slot === BROAD && this.#overflows++ % SWEEP_EVERY === 0) {
      this.sweep();
      this.end(lease);
      this.#enter(lease);
    }
    lease.stamp = this.#sharedState.stamp();
    return lease;
  }

  /** Lets a lease begin anew: what was changed before does not count. */
  renew(lease: Lease): void {
    if (lease.slot >= 0 && this.#isOwn(lease.slot)) {
      Atomics.store(this.#words, this.#at + this.#layout.states + lease.slot, HELD);
    }
    lease.stamp = this.#sharedState.stamp();
    lease.isLost = false;
  }

  /** Whether nobody changed the key, or cleared the cache, since the lease began. */
  holds(lease: Lease): boolean {
    const { slot, stamp, k0 } = lease;
    if (this.#sharedState.clearedSince(stamp)) return false;
    if (slot === BROAD) return !lease.isLost && !this.#sharedState.keyChangedSince(stamp, k0);
    if (slot < 0) return false;
    return Atomics.load(this.#words, this.#at + this.#layout.states + slot) === HELD && this.#isOwn(slot);
  }

  /** Gives a lease back; a second time does nothing. */
  end(lease: Lease): void {
    const { slot } = lease;
    lease.slot = NOWHERE;
    if (this.#closed || slot === NOWHERE) return;
    this.#engine.exclusively(() => {
      if (slot !== BROAD) this.#free(slot);
      else this.#endBroad(lease);
    });
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
    this.#engine.exclusively(() => {
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
    this.#engine.exclusively(() => {
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
      if (this.#engine.isGone(member)) gone.add(member);
    }
    this.#engine.exclusively(() => this.#freeMembers(gone));
  }

  /** Gives back all that this thread has. */
  close(): void {
    const { member } = this.#engine;
    this.#closed = true;
    this.#engine.exclusively(() => this.#freeMembers(new Set([member])));
  }

  /** Whether this thread has a slot: one that was wrongly said to be gone has lost its slots. */
  #isOwn(slot: number): boolean {
    return this.#words[this.#at + this.#layout.members + slot] === this.#engine.member;
  }

  #enter(lease: Lease): void {
    const { k0, k1 } = lease;
    this.#engine.exclusively(() => {
      const { members, k0: k0s, k1: k1s, states, broad } = this.#layout;
      const words = this.#words;
      const group = k1 & this.#groupMask;
      const first = this.#at + members + group * WAYS;
      const free = words.subarray(first, first + WAYS).indexOf(0);
      if (free < 0) {
        lease.slot = BROAD;
        this.#broad.set(k0, [...(this.#broad.get(k0) ?? []), lease]);
        this.#list(broad, HAS_BROAD);
        return;
      }
      const slot = group * WAYS + free;
      words[this.#at + k0s + slot] = k0;
      words[this.#at + k1s + slot] = k1;
      words[this.#at + states + slot] = HELD;
      words[this.#at + members + slot] = this.#engine.member;
      Atomics.store(words, this.#groupsAt + group, 1);
      lease.slot = slot;
    });
  }

  /** Marks all leases of a key. */
  #revoke(k0: number, k1: number): void {
    const { k0: k0s, k1: k1s, states } = this.#layout;
    const words = this.#words;
    const first = (k1 & this.#groupMask) * WAYS;
    // A slot that is free may be marked as well: who takes it writes its state anew.
    for (let slot = first; slot < first + WAYS; slot++) {
      if (words[this.#at + k0s + slot] !== k0 || words[this.#at + k1s + slot] !== k1) continue;
      Atomics.store(words, this.#at + states + slot, REVOKED);
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
    const { member } = this.#engine;
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

  #free(slot: number): void {
    if (!this.#isOwn(slot)) return;
    const words = this.#words;
    const at = this.#at + this.#layout.members;
    words[at + slot] = 0;
    const group = Math.floor(slot / WAYS);
    const first = at + group * WAYS;
    if (words.subarray(first, first + WAYS).every((member) => member === 0)) {
      Atomics.store(words, this.#groupsAt + group, 0);
    }
  }

  /** Puts this thread on one of the lists of members. */
  #list(list: number, bit: number): void {
    const { member } = this.#engine;
    this.#words[this.#at + list + (member % PLACES)] = member;
    Atomics.or(this.#words, this.#at, bit);
  }

  #unlist(list: number, bit: number): void {
    this.#words[this.#at + list + (this.#engine.member % PLACES)] = 0;
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
    seen.delete(this.#engine.member);
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
    const { broad, files, groups, members, k0 } = this.#layout;
    const words = this.#words;
    for (let i = this.#at + broad; i < this.#at + groups; i++) if (gone.has(words[i])) words[i] = 0;
    for (let i = this.#at + members; i < this.#at + k0; i++) if (gone.has(words[i])) words[i] = 0;
    for (let group = 0; group <= this.#groupMask; group++) {
      const first = this.#at + members + group * WAYS;
      const isEmpty = words.subarray(first, first + WAYS).every((member) => member === 0);
      Atomics.store(words, this.#groupsAt + group, isEmpty ? 0 : 1);
    }
    if (!this.#isListed(broad)) Atomics.and(words, this.#at, ~HAS_BROAD);
    if (!this.#isListed(files)) Atomics.and(words, this.#at, ~HAS_FILES);
  }
}

/** The `i`-th bit of a key in the filter, before the mask. */
function bitOf(k0: number, k1: number, i: number): number {
  const step = Math.imul(k1 | 1, 0x9e37_79b1);
  const bit = (k0 + Math.imul(i, step)) | 0;
  return bit ^ (bit >>> 15);
}
