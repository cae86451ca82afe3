import type { Handle } from "../base/index.ts";
import { bytesTouched, poolBytesAllowed, type ShardBudget } from "./budget.ts";
import type { ShardPool } from "./shard-pool.ts";
import {
  F_LIMIT,
  F_ORIGINAL_BYTES,
  F_POOL_TOUCHED,
  F_STORED_BYTES,
  NEXT_FRAGMENT,
  W_ENTRIES,
  W_HIGH_WATER,
  W_POOL,
  W_ROWLESS,
  W_ROWLESS_MAX,
} from "./table.ts";

/** Entries take at most so many times their bytes, where moving objects together can reach it. */
const WORSE_THAN_RAW = 1.03;
/** From so many times on objects are moved: what is cut for that takes the rest, as rows of its objects. */
const NEARLY_RAW = 1.025;
/** Bytes beside, of 64 KiB: what the tables, and a page that objects are copied to, leave about. */
const BESIDE_RAW = 2 ** 15;
/** Of a row, for its bucket. */
const BUCKET_BYTES = 4;
/** An entry of several objects goes to a pool that may have so many times its bytes. */
const ROOM_FOR = 8;
/** What is given back at a time where room is short, and what more must be free to try again after it gained none. */
const GAIN_BYTES = 2 ** 16;
/** From this share of a pool's pages on, what is free in them is moved together where rows are short. */
const LOOSE_SHARE = 1 / 2;
const LOOSE_MIN = 2 ** 18;
/** Objects that are moved then. */
const CONDENSED_AT_ONCE = 256;

/**
 * The pools of one shard, one for each driver, within the limit that they share with its rows: a page that was
 * touched counts until its memory is given back, whichever pool has it.
 */
export class ShardPools {
  /** By their numbers, those of the engine's drivers. Filled when the shard is there. */
  readonly list: ShardPool[] = [];
  /** Bytes that each object begins with before those of its entry: the number of the entry's row, or nothing. */
  readonly headerBytes: number = 0;
  /** Whether memory goes back without being asked for: whoever did not want that gets no call of the system. */
  givesBack = false;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #budget: ShardBudget;
  /** Bytes that were free when none of them could be given back: then it takes more to try again. */
  #stuck = -GAIN_BYTES;
  /** The same of {@link condense}. */
  #stuckLoose = -GAIN_BYTES;

  constructor(words: Int32Array, floats: Float64Array, budget: ShardBudget, headerBytes: number) {
    this.#words = words;
    this.#floats = floats;
    this.#budget = budget;
    this.headerBytes = headerBytes | 0;
  }

  /** An object of a pool, if the limit has room for it beside what all pools have touched; or 0. */
  allocate(number: number, bytes: number): number {
    const { pool, maxObjectBytes } = this.list[number];
    if (bytes > maxObjectBytes) return 0;
    let handle = pool.alloc(bytes);
    if (typeof handle !== "number") {
      if (this.list.length > 1) this.gains(pool.pageSize, number);
      if (!pool.allowBytes(this.#allowedTo(number))) return 0;
      handle = pool.alloc(bytes);
      if (typeof handle !== "number") return 0;
    }
    const at = F_POOL_TOUCHED + number;
    const more = pool.heldBytes - this.#floats[at];
    if (more <= 0) return handle;
    if (this.#hasRoom(more) || (this.list.length > 1 && this.gains(more, number) && this.#hasRoom(more))) {
      this.#floats[at] += more;
      return handle;
    }
    // With the pages that it has, and what moving objects together makes of them.
    pool.free(handle as Handle);
    pool.allowBytes(this.#allowedTo(number));
    handle = pool.alloc(bytes);
    if (typeof handle !== "number") return 0;
    if (pool.heldBytes <= this.#floats[at]) return handle;
    pool.free(handle as Handle);
    return 0;
  }

  /**
   * Notes the object of an entry's last fragment in the row at `at` of the one before, so that it needs no row of its own.
   * False: the limit has no room for that, or the pool finds no object by its slot.
   */
  nameWithoutRow({ pool }: ShardPool, handle: number, at: number): boolean {
    const words = this.#words;
    const slot = pool.slotOf(handle as Handle);
    if (slot < 0) return false;
    if (words[W_ROWLESS] >= words[W_ROWLESS_MAX]) {
      const touched = bytesTouched(this.#budget, words, this.#floats, this.bytesTouched);
      if (touched + this.#budget.objectBytes > this.#floats[F_LIMIT]) return false;
      words[W_ROWLESS_MAX] = words[W_ROWLESS] + 1;
    }
    words[at + NEXT_FRAGMENT] = -1 - slot;
    words[W_ROWLESS]++;
    return true;
  }

  /**
   * Bytes that the next object of a pool can have without another page. Where a page more would make the entries take more
   * than they are, by a share, objects are moved together: for `bytes` if that can be, else for at least `least`.
   *
   * @param isRest - of an entry that was cut: it takes the smallest gap, so that others have the large ones.
   */
  roomIn(number: number, bytes: number, least: number, isRest: boolean): number {
    const { pool } = this.list[number];
    const room = pool.roomLeft;
    if (room >= bytes || !this.#isWorseThanRaw(number)) return room;
    if (pool.openGap(bytes, isRest) || (room < least && pool.openGap(least, false))) return pool.roomLeft;
    return room;
  }

  #isWorseThanRaw(number: number): boolean {
    const words = this.#words;
    const { pool } = this.list[number];
    const { pageCost, rowBytes, objectBytes } = this.#budget;
    const more = pool.heldBytes + pool.pageSize - this.#floats[F_POOL_TOUCHED + number];
    if (more <= 0) return false;
    const raw = this.#floats[F_ORIGINAL_BYTES];
    // Short entries take more than they are whatever is done, by their rows.
    const least = this.#floats[F_STORED_BYTES] + words[W_ENTRIES] * rowBytes;
    if (least > WORSE_THAN_RAW * raw + BESIDE_RAW) return false;
    const pages = (this.bytesTouched + more) * (1 + pageCost);
    const rows = (words[W_HIGH_WATER] - 1) * (rowBytes + BUCKET_BYTES) + words[W_ROWLESS_MAX] * objectBytes;
    return pages + rows > NEARLY_RAW * raw + BESIDE_RAW;
  }

  /** The longest entry for which room can be made in a pool, about: all pages may be had but a twentieth of them. */
  mostFor(number: number): number {
    return 0.95 * this.#allowedTo(number) - 2 * this.list[number].pool.pageSize;
  }

  /** Bytes that a pool may have beside what the others have touched. */
  #allowedTo(number: number): number {
    const others = this.bytesTouched - this.#floats[F_POOL_TOUCHED + number];
    const allowed = poolBytesAllowed(this.#budget, this.#words, this.#floats) - others;
    return Math.max(allowed, this.#floats[F_POOL_TOUCHED + number]);
  }

  #hasRoom(more: number): boolean {
    return this.bytesTouched + more <= poolBytesAllowed(this.#budget, this.#words, this.#floats);
  }

  /**
   * Gives back free pages of one of the pools, which count against the limit as long as they are touched. False: none has
   * so many bytes free, or they cannot be given back.
   *
   * @param except - the pool that needs the room, and would touch them again; -1: none.
   */
  gains(bytes: number, except = -1): boolean {
    if (!this.givesBack) return false;
    let most = -1;
    let free = 0;
    for (let number = 0; number < this.list.length; number++) {
      const bytesFree = this.#floats[F_POOL_TOUCHED + number] - this.list[number].pool.heldBytes;
      if (number === except || bytesFree <= free) continue;
      most = number;
      free = bytesFree;
    }
    this.#stuck = Math.min(this.#stuck, free);
    if (free < bytes || free < this.#stuck + GAIN_BYTES) return false;
    const before = this.#floats[F_POOL_TOUCHED + most];
    this.#giveBackOf(most, Math.max(bytes, GAIN_BYTES));
    const isGained = this.#floats[F_POOL_TOUCHED + most] < before;
    this.#stuck = isGained ? -GAIN_BYTES : free;
    return isGained;
  }

  /**
   * Moves the objects of a pool together and gives back the pages that become free, where many are half empty: what is
   * stored has become much shorter, so that there are too few rows for what the pages hold. False: nothing came of it.
   */
  condense(): boolean {
    const { list } = this;
    const number = this.#words[W_POOL];
    const { pool } = list[number];
    const touched = this.#floats[F_POOL_TOUCHED + number];
    const free = pool.freeTouchedBytes;
    if (free < Math.max(LOOSE_MIN, touched * LOOSE_SHARE) || free < this.#stuckLoose + GAIN_BYTES)
      return false;
    pool.compact(CONDENSED_AT_ONCE);
    this.#giveBackOf(number, GAIN_BYTES);
    const isGained = this.#floats[F_POOL_TOUCHED + number] < touched;
    this.#stuckLoose = isGained ? -GAIN_BYTES : free;
    return isGained;
  }

  #giveBackOf(number: number, maxBytes: number): number {
    const { pool } = this.list[number];
    const given = pool.trim(maxBytes);
    const at = F_POOL_TOUCHED + number;
    this.#floats[at] = Math.max(pool.heldBytes, Math.min(this.#floats[at], pool.touchedBytes));
    return given;
  }

  /** Whether a pool has, or had, any memory. */
  isTouched(number: number): boolean {
    return this.#floats[F_POOL_TOUCHED + number] !== 0;
  }

  /**
   * The pool for an entry of so many bytes: the one in use. While another one's memory counts, and leaves too
   * little for an entry of several objects, the one that may have most.
   */
  numberFor(total: number): number {
    const { list } = this;
    const used = this.#words[W_POOL];
    if (list.length === 1 || total <= list[used].maxObjectBytes - this.headerBytes) return used;
    const left = poolBytesAllowed(this.#budget, this.#words, this.#floats) - this.bytesTouched;
    if (this.#floats[F_POOL_TOUCHED + used] + left >= ROOM_FOR * total) return used;
    let most = used;
    for (let other = 0; other < list.length; other++) {
      if (this.#floats[F_POOL_TOUCHED + other] > this.#floats[F_POOL_TOUCHED + most]) most = other;
    }
    return most;
  }

  /** Frees a page of one of them, with the objects on it. False: none may go. */
  reclaimPage(): boolean {
    for (const { pool } of this.list) if (pool.reclaimPage() === "ok") return true;
    return false;
  }

  /** Cuts off what lies behind the last page in use. Pages before it that are free stay touched, and count. */
  trim(): void {
    for (const [number, pool] of this.list.entries()) {
      const at = F_POOL_TOUCHED + number;
      if (this.#floats[at] > 0) this.#floats[at] = Math.min(this.#floats[at], pool.cutEnd());
    }
  }

  /** Gives the memory of free pages back, about so many bytes. How many it were. */
  giveBack(maxBytes: number): number {
    let given = 0;
    for (let number = 0; number < this.list.length && given < maxBytes; number++) {
      given += this.#giveBackOf(number, maxBytes - given);
    }
    return given;
  }

  /** Repairs them after a thread died. It may have taken a page beyond the limit, which nobody counts: its object goes. */
  recover(): void {
    for (const { pool } of this.list) pool.recover();
  }

  /**
   * After {@link recover} and the return of what no entry names: a thread that died while it moved objects together had
   * taken a page for that, which nobody counts. The moves are ended; what cannot go counts from now on.
   */
  settle(): void {
    for (const [number, { pool }] of this.list.entries()) {
      const at = F_POOL_TOUCHED + number;
      if (pool.heldBytes > this.#floats[at]) pool.compact(CONDENSED_AT_ONCE);
      this.#floats[at] = Math.max(this.#floats[at], pool.heldBytes);
    }
  }

  /** Bytes of pages that are touched. A pool that gets no new objects counts until its memory is given back. */
  get bytesTouched(): number {
    let bytes = 0;
    for (let number = 0; number < this.list.length; number++) bytes += this.#floats[F_POOL_TOUCHED + number];
    return bytes;
  }

  /** Bytes of pages that are resident. */
  get bytesResident(): number {
    let bytes = 0;
    for (let number = 0; number < this.list.length; number++) {
      const { pool } = this.list[number];
      // A page that was taken and refused for want of room was never touched.
      bytes += Math.min(pool.touchedBytes, this.#floats[F_POOL_TOUCHED + number] + pool.spareBytes);
    }
    return bytes;
  }

  /** Bytes of memory that the pages in use keep from others. */
  get bytesHeld(): number {
    let bytes = 0;
    for (const pool of this.list) bytes += pool.bytesHeld;
    return bytes;
  }

  /** Bytes of pages in use. */
  get bytesUsed(): number {
    let bytes = 0;
    for (const pool of this.list) bytes += pool.bytesUsed;
    return bytes;
  }
}
