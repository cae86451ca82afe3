import { type Handle, ZbudError } from "../base/index.ts";
import type { Rows } from "./rows.ts";
import type { ShardPool } from "./shard-pool.ts";
import type { ShardPools } from "./shard-pools.ts";
import { FRAGMENT_BYTES, HANDLE, NEXT_FRAGMENT, POOL_MASK, POOL_SHIFT, STATE, W_ROWLESS } from "./table.ts";

/** A place in the bytes of the entry of a row: a fragment, and how far in it. */
export interface FragmentCursor {
  readonly row: number;
  /** Its row, or what {@link NEXT_FRAGMENT} says of one without. */
  fragment: number;
  at: number;
}

/**
 * The bytes of entries: prefix, head and stored value, one after the other, in one object or in several where
 * they are longer than a pool takes. Where pools have `headerBytes`, each object begins with the number of the entry's
 * row, so that a pool's own reclaim can tell whose it is.
 */
export class Fragments {
  readonly #rows: Rows;
  readonly #pools: readonly ShardPool[];
  readonly #headerBytes: number = 0;

  constructor(rows: Rows, pools: ShardPools) {
    this.#rows = rows;
    this.#pools = pools.list;
    this.#headerBytes = pools.headerBytes | 0;
  }

  handleOf(row: number): number {
    return this.#rows.floats[(this.#rows.at(row) + HANDLE) >> 1];
  }

  setHandle(row: number, handle: number): void {
    this.#rows.floats[(this.#rows.at(row) + HANDLE) >> 1] = handle;
  }

  /** What {@link NEXT_FRAGMENT} says behind a fragment. */
  nextOf(fragment: number): number {
    return fragment < 0 ? 0 : this.#rows.words[this.#rows.at(fragment) + NEXT_FRAGMENT];
  }

  /** The handle of a fragment's object. */
  handleIn(pool: ShardPool, fragment: number): number {
    return fragment < 0 ? pool.pool.handleOf(-1 - fragment) : this.handleOf(fragment);
  }

  /** Opens the object of a fragment. How many of the entry's bytes it has. */
  #open(pool: ShardPool, fragment: number): number {
    pool.open(this.handleIn(pool, fragment));
    if (fragment < 0) return pool.objectBytes - this.#headerBytes;
    return this.#rows.words[this.#rows.at(fragment) + FRAGMENT_BYTES];
  }

  /** The pool that the entry of this row is in. */
  poolOf(row: number): ShardPool {
    const state = this.#rows.words[this.#rows.at(row) + STATE];
    return this.#pools[(state >> POOL_SHIFT) & POOL_MASK];
  }

  /** Copies `source[start, end)` to `at` and on of the bytes of an entry whose fragments are there. */
  write(pool: ShardPool, row: number, at: number, source: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    const words = this.#rows.words;
    if (words[this.#rows.at(row) + NEXT_FRAGMENT] === 0) {
      pool.open(this.handleOf(row));
      pool.write(this.#headerBytes + at, source, start, end);
      return;
    }
    let fragment = row;
    let skip = at;
    let from = start;
    while (from < end) {
      const fragmentBytes = this.#open(pool, fragment);
      if (skip < fragmentBytes) {
        const count = Math.min(fragmentBytes - skip, end - from);
        pool.write(this.#headerBytes + skip, source, from, from + count);
        from += count;
        skip = 0;
      } else {
        skip -= fragmentBytes;
      }
      fragment = this.nextOf(fragment);
    }
  }

  /** Copies `count` bytes from `at` on of an entry's bytes. */
  read(row: number, at: number, count: number, target: Uint8Array, targetAt: number): void {
    if (count === 0) return; // of one that has no object too: a same-filled value without a prefix
    const words = this.#rows.words;
    const pool = this.poolOf(row);
    if (words[this.#rows.at(row) + NEXT_FRAGMENT] === 0) {
      pool.open(this.handleOf(row));
      pool.read(this.#headerBytes + at, count, target, targetAt);
      return;
    }
    let fragment = row;
    let skip = at;
    let done = 0;
    while (done < count) {
      const fragmentBytes = this.#open(pool, fragment);
      if (skip < fragmentBytes) {
        const part = Math.min(fragmentBytes - skip, count - done);
        pool.read(this.#headerBytes + skip, part, target, targetAt + done);
        done += part;
        skip = 0;
      } else {
        skip -= fragmentBytes;
      }
      fragment = this.nextOf(fragment);
    }
  }

  /** Copies `count` bytes from the cursor on, and moves it behind them: so a long entry is read by parts in one walk. */
  readOn(cursor: FragmentCursor, count: number, target: Uint8Array, targetAt: number): void {
    const pool = this.poolOf(cursor.row);
    let done = 0;
    while (done < count) {
      const part = this.#here(pool, cursor, count - done);
      pool.read(this.#headerBytes + cursor.at, part, target, targetAt + done);
      cursor.at += part;
      done += part;
    }
  }

  /** {@link readOn} without a copy. */
  skip(cursor: FragmentCursor, count: number): void {
    this.#skip(this.poolOf(cursor.row), cursor, count);
  }

  #skip(pool: ShardPool, cursor: FragmentCursor, count: number): void {
    for (let left = count; left > 0; ) {
      const part = this.#here(pool, cursor, left);
      cursor.at += part;
      left -= part;
    }
  }

  /** Copies all of some arrays, one after the other, to `at` and on of an entry's bytes. */
  writePieces(pool: ShardPool, row: number, at: number, pieces: readonly Uint8Array[]): void {
    const cursor: FragmentCursor = { row, fragment: row, at: 0 };
    this.#skip(pool, cursor, at);
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) {
        const part = this.#here(pool, cursor, piece.length - done);
        pool.write(this.#headerBytes + cursor.at, piece, done, done + part);
        cursor.at += part;
        done += part;
      }
    }
  }

  /**
   * Opens the fragment of a cursor, which goes on to the next if it is at the end of one. How many bytes, at most `count`,
   * it has.
   */
  #here(pool: ShardPool, cursor: FragmentCursor, count: number): number {
    let left = this.#open(pool, cursor.fragment) - cursor.at;
    while (left <= 0) {
      cursor.fragment = this.nextOf(cursor.fragment);
      cursor.at = 0;
      if (cursor.fragment === 0)
        throw new ZbudError("ECORRUPT", "an entry has fewer bytes than its row says");
      left = this.#open(pool, cursor.fragment);
    }
    return Math.min(left, count);
  }

  /** Whether an entry's bytes begin with the first `count` of `prefix`. */
  startsWith(row: number, prefix: Uint8Array, count: number): boolean {
    const pool = this.poolOf(row);
    let fragment = row;
    let done = 0;
    while (done < count) {
      const part = Math.min(this.#open(pool, fragment), count - done);
      if (!pool.equals(this.#headerBytes, prefix, done, part)) return false;
      done += part;
      fragment = this.nextOf(fragment);
    }
    return true;
  }

  /** Frees the objects of a row and of the fragments behind it, and gives back the rows: how many. Expects it unlinked. */
  free(pool: ShardPool, row: number): number {
    let count = 0;
    let fragment = row;
    while (fragment !== 0) {
      const next = this.nextOf(fragment);
      const handle = this.handleIn(pool, fragment);
      if (handle !== 0) pool.pool.free(handle as Handle);
      if (fragment > 0) {
        this.#rows.release(fragment);
        count++;
      } else {
        this.#rows.words[W_ROWLESS]--;
      }
      fragment = next;
    }
    return count;
  }
}
