/// <reference lib="esnext.disposable" preserve="true" />
import { copyBytes, fillWith, ownBytes, ownWords, show, ZbudError } from "../base/index.ts";
import type { StagedCodec } from "../codecs/index.ts";
import type { SnapshotColumns } from "../pool/index.ts";
import { DELETED, type Draft, EVICTED, EXPIRED } from "./books.ts";
import { CodecTable } from "./codec-table.ts";
import type { OpenEngine } from "./open.ts";
import { onePool } from "./pages.ts";
import type { Shard } from "./shard.ts";
import { statsOf } from "./stats.ts";
import {
  CODEC_SHIFT,
  F_RECOMPRESSED,
  F_RECOMPRESSED_SAVED,
  KIND_ENTRY,
  KIND_MASK,
  LRU_NEXT,
  STATE,
  STATE_CLEAN,
  STATE_SETTLED,
  STATE_WRITING,
  VERSION,
  W_CLEAN,
  W_ENTRIES,
  W_HIGH_WATER,
} from "./table.ts";
import type { EngineHooks, EngineStats, FoundEntry, StoredValue } from "./types.ts";

export const EMPTY: Uint8Array = new Uint8Array(0);

/** What an {@link Engine} does with the entries that it has, not by their names: walks, writeback, upkeep. */
export class EngineUpkeep {
  /** The record that lookups fill. */
  readonly found: FoundEntry;
  protected readonly opened: OpenEngine;
  protected readonly codecs: CodecTable;
  protected readonly draft: Draft = {
    bytes: EMPTY,
    start: 0,
    stored: 0,
    length: 0,
    state: 0,
    fill0: 0,
    fill1: 0,
  };
  readonly #shards: readonly Shard[];
  /** Stored bytes of a raw value, and those that this thread has no codec for. */
  #plain: Uint8Array = EMPTY;
  #scratch: Uint8Array = EMPTY;
  /** Where the next call of `recompress` goes on. */
  #recompressShard = 0;
  #closed = false;

  constructor(opened: OpenEngine, hooks: EngineHooks) {
    this.opened = opened;
    this.#shards = opened.shards;
    this.found = opened.found;
    try {
      this.codecs = new CodecTable(hooks.codec ?? "lz4", hooks.resolveCodec ?? null);
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /**
   * Where the entries of a shard lie at this moment: row and version of each, most recently used first (by
   * SIEVE: put). Makes one array. Read each with {@link readRow}; those that changed meanwhile are passed over there.
   */
  rowsOf(shard: number): Int32Array {
    const from = this.#numbered(shard);
    return this.locked(from, () => {
      const { rows, words } = from;
      const list = ownWords(2 * words[W_ENTRIES]);
      let count = 0;
      for (let row = words[rows.at(0) + LRU_NEXT]; row !== 0; row = words[rows.at(row) + LRU_NEXT]) {
        list[count++] = row;
        list[count++] = words[rows.at(row) + VERSION];
      }
      return list;
    });
  }

  /** How many entries of a shard the backing store has not. */
  dirtyCount(shard: number): number {
    const of = this.#numbered(shard);
    // Under the lock, since both counts change with one entry, and a thread that died in it left them anyhow.
    return this.locked(of, () => of.words[W_ENTRIES] - of.words[W_CLEAN]);
  }

  /**
   * Looks for entries that the backing store has not, in the order of their rows: one step of a walk that meets each
   * entry that is there all the while, and keeps others from the shard no longer than a step.
   *
   * @param from - the row to begin with: 1, then what the last step gave.
   * @param looks - rows to look at, at most.
   * @param max - entries to find, at most.
   * @returns row and version of each, as {@link rowsOf}, and the row to go on with: 0 at the end.
   */
  dirtyRows(shard: number, from: number, looks: number, max: number): { rows: Int32Array; next: number } {
    const of = this.#numbered(shard);
    return this.locked(of, () => {
      const { rows, words } = of;
      const list = ownWords(2 * max);
      const end = Math.min(words[W_HIGH_WATER], from + looks);
      let count = 0;
      let row = from;
      for (; row < end && count < list.length; row++) {
        const at = rows.at(row);
        if ((words[at + STATE] & (KIND_MASK | STATE_CLEAN)) !== KIND_ENTRY) continue;
        list[count++] = row;
        list[count++] = words[at + VERSION];
      }
      return { rows: list.subarray(0, count), next: row < words[W_HIGH_WATER] ? row : 0 };
    });
  }

  /**
   * Finds the value that `(shard, row, version)` names, if it is still there; fills `found` with its
   * `bytes`, and sets it ready for {@link decode}. Neither touches nor counts.
   */
  readRow(shard: number, row: number, version: number): boolean {
    const from = this.#numbered(shard);
    return this.locked(from, () => {
      if (!from.isCurrent(row, version)) return false;
      from.describeWhole(row, this.found);
      this.stage(from, row);
      return true;
    });
  }

  /** As {@link readRow} for the least recently used entry of a shard (by SIEVE: the one put first), if it has any. */
  readLast(shard: number): boolean {
    const from = this.#numbered(shard);
    return this.locked(from, () => {
      const row = from.rows.last();
      if (row === 0) return false;
      from.describeWhole(row, this.found);
      this.stage(from, row);
      return true;
    });
  }

  /** Removes the value that `(shard, row, version)` names, if it is still there. */
  removeRow(
    shard: number,
    row: number,
    version: number,
    reason: "deleted" | "expired" | "evicted" = "deleted",
  ): boolean {
    const from = this.#numbered(shard);
    return this.locked(from, () => {
      if (!from.isCurrent(row, version)) return false;
      if (reason === "deleted") from.changeRow(row);
      from.removeRow(row, reason === "deleted" ? DELETED : reason === "expired" ? EXPIRED : EVICTED);
      return true;
    });
  }

  /** The number of this thread among those that use the engine; it never comes back. See `base/thread-registry.ts`. */
  get member(): number {
    return this.opened.member;
  }

  /** Whether the thread of a member is certainly gone. Asks the system, some 40 µs. */
  isGone(member: number): boolean {
    return this.opened.isGone(member);
  }

  /**
   * Does work of the layer above while no other thread does. It is the first shard's lock, so a thread that dies
   * in here keeps nobody out; `work` must not call the engine.
   */
  exclusively(work: () => void): void {
    this.check();
    this.locked(this.#shards[0], work);
  }

  /** Lets the layer above read the words of its secondary index under the lock; `visit` must not call the engine. */
  visitSecondaryIndex(shard: number, visit: (table: Int32Array, at: number, rows: number) => void): void {
    const from = this.#numbered(shard);
    this.locked(from, () => {
      visit(from.words, from.secondaryIndexAt, from.secondaryIndexRows);
    });
  }

  /**
   * Takes up to `max` of the least recently used entries of a shard that are not on their way already. Those
   * that are clean are evicted; the others are marked as being written and given to `take` with their bytes,
   * and at the end `done` is called, if there was any. All under the lock.
   *
   * @returns how many were evicted or taken.
   */
  startWriteback(shard: number, max: number, take: (entry: FoundEntry) => void, done: () => void): number {
    const from = this.#numbered(shard);
    return this.locked(from, () => from.startWriteback(max, take, done));
  }

  /**
   * As {@link startWriteback} for the values that a list names, as `rowsOf` and `dirtyRows` give it: those that are still
   * there, not clean and not on their way are marked and given to `take`. Nothing is evicted.
   *
   * @returns how many were taken.
   */
  startWritebackOf(
    shard: number,
    rows: Int32Array,
    take: (entry: FoundEntry) => void,
    done: () => void,
  ): number {
    const from = this.#numbered(shard);
    return this.locked(from, () => from.startWritebackOf(rows, take, done));
  }

  /** Share of its limit that the fullest shard has in use, 0 to 1. A few instructions for each shard. */
  fullness(): number {
    let most = 0;
    for (const { bytesLive, budget } of this.#shards) most = Math.max(most, bytesLive / budget.bytes);
    return most;
  }

  /** The shard with the largest share of its limit in use. */
  fullestShard(): number {
    let fullest = 0;
    for (const [i, { bytesLive }] of this.#shards.entries()) {
      if (bytesLive > this.#shards[fullest].bytesLive) fullest = i;
    }
    return fullest;
  }

  /**
   * Tells how the writing of a value ended, which may have been replaced or removed meanwhile.
   *
   * @param outcome - `"clean"`: a copy is there; the entry stays. `"evict"`: a copy is there; the entry
   *   goes. `"failed"`: nothing is there.
   * @returns whether `(shard, row, version)` was still the value that was written.
   */
  endWriteback(shard: number, row: number, version: number, outcome: "clean" | "evict" | "failed"): boolean {
    const from = this.#numbered(shard);
    return this.locked(from, () => {
      if (!from.isCurrent(row, version)) return false;
      const at = from.rows.at(row);
      from.words[at + STATE] &= ~STATE_WRITING;
      if (outcome === "failed") return true;
      if ((from.words[at + STATE] & STATE_CLEAN) === 0) from.words[W_CLEAN]++;
      from.words[at + STATE] |= STATE_CLEAN;
      if (outcome === "evict") from.removeRow(row, EVICTED);
      return true;
    });
  }

  /**
   * Evicts entries in the engine's order, from all shards in turn, until the pools hold `bytes` less.
   *
   * @returns bytes of pool pages that were freed; fewer than asked for if the rest must stay.
   */
  shrink(bytes: number, now: number): number {
    this.check();
    let freed = 0;
    for (let isMoving = true; isMoving && freed < bytes; ) {
      isMoving = false;
      for (const shard of this.#shards) {
        if (freed >= bytes) break;
        freed += this.locked(shard, () => {
          const before = shard.poolBytes;
          if (before > 0 && shard.makeRoom(now)) isMoving = true;
          return before - shard.poolBytes;
        });
      }
    }
    if (freed > 0 && !this.opened.shape.shared)
      for (const shard of this.#shards)
        this.locked(shard, () => {
          shard.trim();
          shard.resumeDrain();
        });

    return freed;
  }

  /**
   * Compresses cold values again with another codec, and keeps the result where it takes less of a page: idle
   * work. Each value is looked at once.
   *
   * @param codec - slot of the codec.
   * @param max - entries to look at.
   * @returns how many were looked at, and how many of them became smaller.
   */
  recompress(codec: number, max: number): { looked: number; smaller: number } {
    this.check();
    const stronger = this.codecs.of(codec);
    let smaller = 0;
    let looked = 0;
    for (let i = 0; i < this.#shards.length && looked < max; i++) {
      const shard = this.#shards[this.#recompressShard];
      this.#recompressShard = (this.#recompressShard + 1) % this.#shards.length;
      const rows = this.locked(shard, () => shard.unsettled(codec, max - looked));
      for (let at = 0; at < rows.length; at += 2) {
        looked++;
        if (this.#recompressRow(shard, rows[at], rows[at + 1], codec, stronger)) smaller++;
      }
    }
    return { looked, smaller };
  }

  /** One cheap call. Makes one object. */
  stats(): EngineStats {
    this.check();
    return statsOf(this.#shards, this.opened.shape.maxBytes, this.opened.header.byteLength);
  }

  /**
   * The pages of all pools as of one, for a viewer: no stored bytes. `lru` is empty where entries go in an order of
   * their own. Walks everything, and holds up the other threads shard by shard meanwhile.
   */
  snapshotColumns(): SnapshotColumns {
    this.check();
    const pools = this.#shards.flatMap((shard) =>
      this.locked(shard, () => shard.pools.flatMap((pool) => pool?.pool.snapshotColumns() ?? [])),
    );
    return onePool(pools, this.opened.shape.order === "page");
  }

  /** Checks every invariant; throws `ECORRUPT` naming the first that does not hold. Walks everything. */
  verify(): void {
    this.check();
    for (const shard of this.#shards) this.locked(shard, () => shard.verify());
  }

  /** Looks for threads that are gone and repairs what they left half done. How many were found. */
  recover(): number {
    this.check();
    return this.opened.recover();
  }

  /** Tells that a worker with this `threadId` has exited, and recovers. */
  threadGone(threadId: number): void {
    this.check();
    this.opened.threadGone(threadId);
  }

  /** Ends this thread's use. A second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.opened.close();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Decompresses what the last call of `lookup` or `readRow` found, outside of locks.
   *
   * @param target - at least `found.length` bytes; what lies behind is undefined afterwards.
   * @returns bytes written.
   * @throws {ZbudError} `EINVAL` if it is too short, `EBADMSG` if the codec refuses the bytes, `ENOENT` if
   *   this thread does not know the codec.
   */
  decode(target: Uint8Array): number {
    const { length, storedLength, sameFilled, codec } = this.found;
    if (target.length < length) {
      throw new ZbudError("EINVAL", `the value has ${length} bytes and the buffer ${target.length}`);
    }
    if (sameFilled) {
      fillWith(target, length, this.found.fill0, this.found.fill1);
    } else if (codec === 0) {
      if (storedLength !== length) {
        throw new ZbudError("EBADMSG", `a value of ${length} bytes is kept in ${storedLength} bytes`);
      }
      copyBytes(this.#plain, 0, storedLength, target, 0);
    } else {
      const written = this.codecs.of(codec).decode(storedLength, target);
      if (written !== length) {
        throw new ZbudError("EBADMSG", `a value of ${length} bytes decompressed to ${written}`);
      }
    }
    return length;
  }

  /**
   * Decompresses what is stored somewhere else: a record of the backing store.
   *
   * @throws {ZbudError} as {@link decode}.
   */
  decodeStored(value: StoredValue, target: Uint8Array): number {
    const { found } = this;
    found.length = value.length;
    found.storedLength = value.bytesLength;
    found.codec = value.codec;
    found.sameFilled = value.sameFilled;
    found.fill0 = value.fill0;
    found.fill1 = value.fill1;
    if (!value.sameFilled) {
      const staged = value.codec === 0 ? null : this.codecs.of(value.codec);
      if (staged !== null && !staged.reserve(value.bytesLength)) {
        throw new ZbudError(
          "EBADMSG",
          `${value.bytesLength} bytes are more than this codec makes of a value`,
        );
      }
      if (staged === null) this.#growPlain(value.bytesLength);
      const stage = staged === null ? this.#plain : staged.stage;
      copyBytes(value.bytes, 0, value.bytesLength, stage, staged === null ? 0 : staged.stageAt);
    }
    return this.decode(target);
  }

  #growPlain(bytes: number): void {
    if (this.#plain.length < bytes) this.#plain = ownBytes(2 ** Math.ceil(Math.log2(bytes)));
  }

  /** Copies the stored bytes of what was found to where `decode` takes them from. */
  protected stage(shard: Shard, row: number): void {
    const { codec, sameFilled, storedLength } = this.found;
    if (sameFilled) return;
    const staged = codec === 0 ? null : this.codecs.known(codec);
    if (staged?.reserve(storedLength) === true) {
      shard.stageStored(row, staged.stage, staged.stageAt);
      return;
    }
    this.#growPlain(storedLength);
    shard.stageStored(row, this.#plain, 0);
  }

  #recompressRow(shard: Shard, row: number, version: number, slot: number, codec: StagedCodec): boolean {
    const isThere = this.locked(shard, () => {
      if (!shard.isCurrent(row, version)) return false;
      shard.words[shard.rows.at(row) + STATE] |= STATE_SETTLED;
      shard.describe(row, this.found);
      this.stage(shard, row);
      return true;
    });
    if (!isThere) return false;
    const { length, storedLength } = this.found;
    if (this.#scratch.length < length) this.#scratch = ownBytes(2 ** Math.ceil(Math.log2(length)));
    try {
      this.decode(this.#scratch);
    } catch {
      // Damaged, or of a codec that only other threads have: whoever loads it is told.
      return false;
    }
    const chunk = this.opened.shape.poolPageSize >> 6;
    const room = storedLength - 1;
    const bytes = room > 0 ? codec.encode(this.#scratch, length, room) : 0;
    if (bytes === 0 || Math.ceil(bytes / chunk) >= Math.ceil(storedLength / chunk)) return false;
    return this.locked(shard, () => {
      if (!shard.isCurrent(row, version)) return false;
      this.draft.bytes = codec.stage;
      this.draft.start = codec.stageAt;
      this.draft.stored = bytes;
      this.draft.length = length;
      this.draft.state = (slot << CODEC_SHIFT) | STATE_SETTLED;
      if (!shard.replaceStored(row, this.draft)) return false;
      shard.floats[F_RECOMPRESSED]++;
      shard.floats[F_RECOMPRESSED_SAVED] += storedLength - bytes;
      return true;
    });
  }

  #numbered(shard: number): Shard {
    this.check();
    const found = this.#shards[shard];
    if (found === undefined) throw new ZbudError("EINVAL", `there is no shard ${show(shard)}`);
    return found;
  }

  protected locked<T>(shard: Shard, work: () => T): T {
    try {
      shard.enter();
      const result = work();
      shard.leave();
      return result;
    } catch (error) {
      if (error instanceof ZbudError && error.code === "ECORRUPT") shard.leave();
      else shard.abandon();
      throw error;
    }
  }

  protected check(): void {
    if (this.#closed) throw new ZbudError("ECLOSED", "this engine was closed; make a new one");
  }
}
