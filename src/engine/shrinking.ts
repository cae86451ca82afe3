import { ownBytes, ownWords } from "../base/index.ts";
import { canGiveRoom } from "../memory/index.ts";
import { BLOCK_BYTES } from "../record/index.ts";
import { bytesTouched, type ShardBudget, setLimit } from "./budget.ts";
import type { Shard } from "./shard.ts";
import type { ShardPool } from "./shard-pool.ts";
import {
  F_FIXED_BYTES,
  F_LIMIT,
  F_STORED_BYTES,
  KIND_ENTRY,
  KIND_FREE,
  KIND_MASK,
  LENGTH,
  POOL_MASK,
  POOL_SHIFT,
  STATE_SAME_FILLED,
  STATE_WRITING,
  W_ENTRIES,
  W_FRAGMENTS,
  W_HIGH_WATER,
  W_ROWLESS,
  W_ROWLESS_MAX,
} from "./table.ts";

/** Memory is given back in pages of the machine, and a pool's page as a whole: what lies on one of them counts together. */
const BLOCK_BYTES_MIN = 4096;
/** Evictions, and rows that are looked at, while the lock is held once. */
const STEP_ENTRIES = 256;
const STEP_BYTES = 2 ** 20;
/** Rows that are only counted, and objects that a driver moves, while the lock is held once. */
const ROWS_A_STEP = 4096;
const MOVES_A_STEP = 1024;
/** What an object takes beside its bytes, by and large: it is rounded up. */
const ROUNDING_BYTES = 24;
/** The share of pages that objects fill when they were moved together. */
const FILLED = 0.95;
/** A time at which nothing is due. */
const NEVER = 0;
/** How often more is evicted because what was freed did not go. */
const ROUNDS = 4;
/** Moving entries is worth it from this share of pages or rows on that it can free. */
const WORTH = 1 / 16;

/**
 * Lets a shard that holds more than its limit hold less: evicts in its order, moves what stays together, so that whole
 * pages and the end of the rows become free, and gives their memory back. The lock is taken for a step at a time, some
 * tenths of a millisecond; but for the list of free rows, which is put in order at once: some 17 ms for 300,000.
 *
 * @param deadline - when to stop moving, by `performance.now()`: then more is evicted instead.
 * @returns bytes that the system got back.
 */
function shrink(shard: Shard, now: number, deadline: number): number {
  const isOver = (): boolean => performance.now() >= deadline;
  const { budget, floats, words, pools } = shard;
  let given = 0;
  let limit = floats[F_LIMIT];
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = limit;
    while (evictSome(shard, now, () => bytesPacked(shard) > wanted));
    // What is free already goes first: somebody may be waiting for it.
    given += giveBack(shard);
    if (!shard.eviction.byPage) {
      for (const number of pools.list.keys()) compactPages(shard, number, isOver);
    }
    while (evictSome(shard, now, () => shard.bytesLive > wanted));
    given += compactRows(shard, isOver) + giveBack(shard);
    // Free pages that share a page of the machine with others do not go.
    const excess = bytesTouched(budget, words, floats, pools.bytesTouched) - floats[F_LIMIT];
    if (excess <= 0) break;
    limit -= excess;
  }
  return given;
}

/** Lowers or raises the limit of all shards, and has them hold no more. Bytes that the system got back. */
export function shrinkTo(
  shards: readonly Shard[],
  budget: ShardBudget,
  bytes: number,
  now: number,
  deadline: number,
): number {
  for (const shard of shards) shard.locked(() => setLimit(budget, shard.floats, bytes));
  return shards.reduce((sum, shard) => sum + shrink(shard, now, deadline), 0);
}

/** An engine. */
interface Shrinkable {
  parts(): { readonly shape: { readonly shared: boolean }; readonly shards: readonly Shard[] };
  trim(): number;
}

/**
 * Evicts entries in the engine's order, from all shards in turn, until the pools hold `bytes` less.
 *
 * @returns bytes of pool pages that were freed; fewer than asked for if the rest must stay.
 */
export function shrinkBytes(engine: Shrinkable, bytes: number, now: number): number {
  const { shape, shards } = engine.parts();
  let freed = 0;
  for (let isMoving = true; isMoving && freed < bytes; ) {
    isMoving = false;
    for (const shard of shards) {
      if (freed >= bytes) break;
      freed += shard.locked(() => {
        const before = shard.pools.bytesUsed;
        if (before > 0 && shard.makeRoom(now)) isMoving = true;
        return before - shard.pools.bytesUsed;
      });
    }
  }
  if (freed > 0) {
    if (!shape.shared) for (const shard of shards) shard.locked(() => shard.trim());
    engine.trim();
  }
  return freed;
}

/** Gives the memory of free pages back, about so many bytes. Those that went. */
export function giveBack(shard: Shard, maxBytes: number = Number.POSITIVE_INFINITY): number {
  let given = 0;
  for (let isMore = true; isMore && given < maxBytes; ) {
    const step = Math.min(STEP_BYTES, maxBytes - given);
    const bytes = shard.locked(() => shard.pools.giveBack(step));
    given += bytes;
    isMore = bytes >= step;
  }
  return given;
}

/** Evicts some entries while a shard is too large. Whether there is more to do. */
function evictSome(shard: Shard, now: number, isTooLarge: () => boolean): boolean {
  return shard.locked(() => {
    for (let i = 0; i < STEP_ENTRIES; i++) {
      if (!isTooLarge() || shard.pools.bytesUsed === 0 || !shard.makeRoom(now)) return false;
    }
    return true;
  });
}

/** What a shard would hold if its entries lay close together. */
function bytesPacked(shard: Shard): number {
  if (shard.eviction.byPage) return shard.bytesLive;
  const { budget, words, floats } = shard;
  const rows = words[W_ENTRIES] + words[W_FRAGMENTS];
  const bytes = (floats[F_STORED_BYTES] + rows * ROUNDING_BYTES) / FILLED;
  const held = Math.min(bytes, shard.pools.bytesHeld);
  return floats[F_FIXED_BYTES] + rows * budget.rowBytes + held * (1 + budget.pageCost);
}

/** Moves entries off the pages that hold least, until the others are well filled. */
function compactPages(shard: Shard, number: number, isOver: () => boolean): void {
  const { pool } = shard.pools.list[number];
  // What the driver can do itself it does better.
  for (let moved = MOVES_A_STEP; moved === MOVES_A_STEP && !isOver(); )
    ({ moved } = shard.locked(() => pool.compact(MOVES_A_STEP)));
  const sparse = sparseBlocks(shard, number, isOver);
  if (sparse !== null) moveAll(shard, isOver, (row) => isOnBlocks(shard, row, number, sparse));
}

/** A byte for each block: 1 if what lies on it should go elsewhere. Null: moving frees too few to be worth it. */
function sparseBlocks(shard: Shard, number: number, isOver: () => boolean): Uint8Array | null {
  const pool = shard.pools.list[number];
  const blockBytes = blockBytesOf(pool);
  const blocks = Math.ceil(pool.pool.memoryBytes.length / blockBytes);
  const filled = ownWords(blocks);
  let total = 0;
  // What changes between two steps makes the choice a little worse, no more.
  for (let from = 1; from < shard.words[W_HIGH_WATER]; from += ROWS_A_STEP) {
    if (isOver()) return null;
    shard.locked(() => {
      const to = Math.min(from + ROWS_A_STEP, shard.words[W_HIGH_WATER]);
      for (let row = from; row < to; row++) {
        if (!isEntryIn(shard, row, number)) continue;
        eachObject(shard, row, pool, (block, bytes) => {
          filled[block] += bytes;
          total += bytes;
        });
      }
    });
  }
  const used: number[] = [];
  for (let block = 0; block < blocks; block++) if (filled[block] > 0) used.push(block);
  const spare = used.length - Math.ceil(total / (blockBytes * FILLED));
  if (spare < used.length * WORTH) return null;
  const marks = ownBytes(blocks);
  used.sort((one, other) => filled[one] - filled[other]);
  for (const block of used.slice(0, spare)) marks[block] = 1;
  return marks;
}

function blockBytesOf({ pool }: ShardPool): number {
  return Math.max(BLOCK_BYTES_MIN, pool.pageSize);
}

function isOnBlocks(shard: Shard, row: number, number: number, blocks: Uint8Array): boolean {
  if (!isEntryIn(shard, row, number)) return false;
  let isOn = false;
  eachObject(shard, row, shard.pools.list[number], (block) => {
    isOn ||= blocks[block] === 1;
  });
  return isOn;
}

/** Calls `visit` for each object of an entry, with the block where it begins and its bytes. */
function eachObject(
  shard: Shard,
  row: number,
  pool: ShardPool,
  visit: (block: number, bytes: number) => void,
): void {
  const { fragments } = shard;
  const blockBytes = blockBytesOf(pool);
  for (let fragment = row; fragment !== 0; fragment = fragments.nextOf(fragment)) {
    const handle = fragments.handleIn(pool, fragment);
    if (handle === 0) continue;
    const block = Math.floor(pool.offsetOf(handle) / blockBytes);
    visit(block, pool.objectBytes);
  }
}

/** Moves entries from the last rows to the first free ones, and gives the memory of the last rows back. */
function compactRows(shard: Shard, isOver: () => boolean): number {
  const end = beginRows(shard);
  if (end === 0) return 0;
  moveAll(shard, isOver, (row) => hasRowFrom(shard, row, end));
  return endRows(shard);
}

/** Rows from the one that is returned on are given up from here on; 0: too few could be. */
function beginRows(shard: Shard): number {
  const { words, rows } = shard;
  return shard.locked(() => {
    const live = words[W_ENTRIES] + words[W_FRAGMENTS] + 1;
    const high = words[W_HIGH_WATER];
    if (high - live < high * WORTH) return 0;
    // One entry at a time has its rows twice.
    const end = live + Math.ceil(live * WORTH);
    rows.lowerTo(high, end);
    return end;
  });
}

/** Gives the memory of the last rows back, as far as they are free. */
function endRows(shard: Shard): number {
  const { words, rows } = shard;
  return shard.locked(() => {
    let high = words[W_HIGH_WATER];
    while (high > 1 && (rows.stateOf(high - 1) & KIND_MASK) === KIND_FREE) high--;
    words[W_ROWLESS_MAX] = words[W_ROWLESS];
    return rows.lowerTo(high);
  });
}

/** {@link compactRows} of all shards of an engine, a little at a time: what is stored has become longer, and is less. */
export class RowPacker {
  readonly #shards: readonly Shard[];
  /** The shard, where its rows are given up from, and the row that is next. */
  #at = 0;
  #end = 0;
  #from = 1;

  constructor(shards: readonly Shard[]) {
    this.#shards = shards;
  }

  /** Bytes of rows between those that are in use; 0 where none could be given back. */
  get looseBytes(): number {
    if (!canGiveRoom()) return 0;
    return this.#shards.reduce((sum, { words, budget }) => {
      return sum + budget.rowBytes * (words[W_HIGH_WATER] - 1 - words[W_ENTRIES] - words[W_FRAGMENTS]);
    }, 0);
  }

  /** Goes on until it is over. Bytes that the system got back, at least 1 while more can come of it; 0: nothing came of it. */
  step(isOver: () => boolean): number {
    if (!canGiveRoom()) return 0;
    for (; this.#at < this.#shards.length; this.#at++) {
      const shard = this.#shards[this.#at];
      if (this.#end === 0) this.#end = beginRows(shard);
      if (this.#end === 0) continue;
      const end = this.#end;
      const at = moveAll(
        shard,
        isOver,
        (row) => isShort(shard, row) && hasRowFrom(shard, row, end),
        this.#from,
      );
      this.#from = Math.abs(at);
      if (at >= 0 && at < shard.words[W_HIGH_WATER]) return 1;
      // All is full: one goes, and where it was there is room for one after the other.
      if (at < 0 && shard.locked(() => shard.makeRoom(NEVER))) return 1;
      const given = endRows(shard);
      this.#end = 0;
      this.#from = 1;
      if (given === 0) continue;
      this.#at++;
      return given;
    }
    this.#at = 0;
    return 0;
  }
}

/** One of several blocks stays: somebody may be reading it block by block, and to move it takes longer than a turn. */
function isShort({ rows, words }: Shard, row: number): boolean {
  return words[rows.at(row) + LENGTH] <= BLOCK_BYTES;
}

/** Whether an entry has a row from `first` on. */
function hasRowFrom(shard: Shard, row: number, first: number): boolean {
  const { rows, fragments } = shard;
  if ((rows.stateOf(row) & KIND_MASK) !== KIND_ENTRY) return false;
  if (row >= first) return true;
  for (let next = fragments.nextOf(row); next !== 0; next = fragments.nextOf(next)) {
    if (next >= first) return true;
  }
  return false;
}

/** Moves all entries for which `isWanted`, some rows at a time. The row where it ended; negative: there was no room. */
function moveAll(shard: Shard, isOver: () => boolean, isWanted: (row: number) => boolean, first = 1): number {
  let from = first;
  for (; from < shard.words[W_HIGH_WATER] && !isOver(); from += STEP_ENTRIES) {
    const goesOn = shard.locked(() => {
      const to = Math.min(from + STEP_ENTRIES, shard.words[W_HIGH_WATER]);
      for (let row = from; row < to; row++) {
        // What is on its way to the backing store is named by its row.
        if ((shard.rows.stateOf(row) & STATE_WRITING) !== 0 || !isWanted(row)) continue;
        if (!shard.moveEntry(row)) return false;
      }
      return true;
    });
    if (!goesOn) return -from;
  }
  return from;
}

/** Whether a row is an entry with objects in a pool: a same-filled one has none. */
function isEntryIn(shard: Shard, row: number, number: number): boolean {
  const state = shard.rows.stateOf(row);
  const isEntry = (state & (KIND_MASK | STATE_SAME_FILLED)) === KIND_ENTRY;
  return isEntry && ((state >> POOL_SHIFT) & POOL_MASK) === number;
}
