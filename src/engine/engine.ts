/// <reference lib="esnext.disposable" preserve="true" />
import { isFilled, ownWords, show, ThreadRegistry, wordAt, ZbudError } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import { segmentOf } from "../memory/index.ts";
import { giveBackWhenIdle, stopGivingBack } from "../pool/index.ts";
import { BLOCK_BYTES, type StoredEntry, VALUE_BYTES_MAX } from "../record/index.ts";
import { checkPut } from "./check-put.ts";
import { CodecTable } from "./codec-table.ts";
import { IdleEngine } from "./idle-memory.ts";
import type { MigrationOf } from "./migration.ts";
import { type OpenEngine, openEngine, sharedOf } from "./open.ts";
import type { EngineShape } from "./options.ts";
import {
  CLEARED,
  DELETED,
  type Draft,
  EMPTY,
  type EngineInside,
  EVICTED,
  EXPIRED,
  emptyDraft,
  entryAttributes,
  type PackedValue,
  REPLACED,
} from "./parts.ts";
import type { Shard } from "./shard.ts";
import { giveBack, RowPacker, shrinkTo } from "./shrinking.ts";
import { statsOf } from "./stats.ts";
import {
  CODEC_SHIFT,
  F_LIMIT,
  F_PUTS,
  F_REJECT_FULL,
  F_REJECT_LARGE,
  F_REJECT_POOR,
  hashOf,
  registryAt,
  STATE_CLEAN,
  STATE_RAW,
  STATE_SAME_FILLED,
  VERSION,
  W_ENTRIES,
} from "./table.ts";
import {
  type EngineHooks,
  type EngineOptions,
  type EngineStats,
  type EntryAttributes,
  type FoundEntry,
  type Guard,
  isHitOf,
  Look,
  type PutResult,
  type SharedEngine,
} from "./types.ts";
import { ValueReader } from "./value-reader.ts";

/** For an epoch: put in any case. */
const ALWAYS = -1;
/** For an epoch: put unless there is one. */
const IF_ABSENT = -2;

/** What a recompressor works with. */
export interface EngineParts extends Pick<OpenEngine, "shape" | "shards"> {
  readonly codecs: CodecTable;
  readonly reader: ValueReader;
}

/**
 * Compressed values within a hard limit of bytes, for one thread or for many. It knows neither pages nor
 * keys: an entry is named by two words, and by bytes that are compared exactly where there are any.
 *
 * Calls are synchronous and, but for those that say so, make no JavaScript object. What they find is in
 * {@link found}. A value is compressed and decompressed outside of locks.
 *
 * Every method throws {@link ZbudError} `ECLOSED` after `close()`.
 */
export class Engine {
  /** The record that lookups fill. */
  readonly found: FoundEntry;
  readonly #opened: OpenEngine;
  readonly #shape: EngineShape;
  readonly #shards: readonly Shard[];
  readonly #shardShift: number = 0;
  readonly #codecs: CodecTable;
  readonly #reader: ValueReader;
  readonly #draft: Draft = emptyDraft();
  /** Of what is put as it is stored. */
  readonly #restored: EntryAttributes = entryAttributes();
  #closed = false;
  /** What gives free memory back by itself, if it is to; kept here, since nobody else does. */
  readonly #idle: IdleEngine | null;

  /**
   * @param opened - for the library itself: the buffers of an engine that is there.
   * @throws {ZbudError} `EINVAL` naming a bad option, `ENOENT` for an unknown codec, `ENOMEM`.
   */
  constructor(options: EngineOptions);
  constructor(hooks: EngineHooks, opened: OpenEngine);
  constructor(options: EngineHooks, opened: OpenEngine = openEngine(options)) {
    const { shape, shards } = opened;
    this.#opened = opened;
    this.#shape = shape;
    this.#shards = shards;
    this.#shardShift = (32 - Math.log2(shards.length)) | 0;
    try {
      this.#codecs = new CodecTable(options.codec ?? "lz4", options.resolveCodec ?? null);
    } catch (error) {
      opened.close();
      throw error;
    }
    this.found = opened.found;
    this.#reader = new ValueReader(this.#codecs, opened.found);
    const givesBack = !opened.looks && (options.giveBack ?? segmentOf(opened.header.buffer) !== undefined);
    for (const { pools } of shards) pools.givesBack = givesBack;
    this.#idle = givesBack ? new IdleEngine(this, new RowPacker(shards)) : null;
    if (this.#idle !== null) giveBackWhenIdle(this.#idle);
  }

  /**
   * Opens an engine that another thread made. Hooks, secondary index and codecs are each thread's own; the secondary index
   * must be of the same kind in all.
   *
   * @throws {ZbudError} `EINVAL` if `shared` is no such thing, `ENOENT` naming a driver that is neither among
   *   `hooks.drivers` nor registered, `EBADMSG` if its buffers hold no engine of this layout, `EBUSY` if 127 threads use it already.
   */
  static attach(shared: SharedEngine, hooks: EngineHooks = {}): Engine {
    return new Engine(hooks, openEngine(hooks, shared));
  }

  /** What {@link attach} takes in another thread. `EINVAL` unless it was made with `shared: true`. */
  share(): SharedEngine {
    this.#check();
    return sharedOf(this.#opened);
  }

  /** Where the table of threads begins, for whoever looks who uses a shared engine. */
  get threads(): readonly [Int32Array, number] {
    return [this.#opened.header, registryAt(this.#shape.shards)];
  }

  /** What the engine takes at most at its highest limit. */
  get maxBytes(): number {
    return this.#shape.maxBytes;
  }

  /** What the engine takes at most, now. */
  get bytesReserved(): number {
    const { shards, budget, maxBytes } = this.#shape;
    const bytes = this.#shards.reduce((sum, { floats }) => sum + floats[F_LIMIT], 0);
    return bytes === shards * budget.bytes ? maxBytes : bytes + this.#opened.header.byteLength;
  }

  /** Whether other threads can have it. */
  get isShared(): boolean {
    return this.#shape.shared;
  }

  /** The most that one entry may take, compressed, with prefix and head: a quarter of a shard's pages, or less. */
  get maxEntrySize(): number {
    return this.#shape.maxEntrySize;
  }

  /** Shards are numbered from 0. */
  get shardCount(): number {
    return this.#shards.length;
  }

  /** How many entries there are. */
  get size(): number {
    let size = 0;
    for (const shard of this.#shards) size += shard.words[W_ENTRIES];
    return size;
  }

  /**
   * Stores a value under a name. An older one goes first, in any case.
   *
   * @param value - its first `length` bytes are stored; 0 to `maxValueBytes`.
   * @param now - entries that expire by then go before others when room is wanted.
   * @param guard - asked under the lock, before anything is changed.
   * @returns `"stale"`: the guard said no.
   * @throws {ZbudError} `EINVAL` for a value that is no Uint8Array, or a length out of range.
   */
  put(
    k0: number,
    k1: number,
    value: Uint8Array,
    length: number,
    attributes: EntryAttributes,
    now: number,
    guard: Guard | null = null,
  ): PutResult {
    this.#check();
    checkPut(this.#shape, value, length, attributes);
    const draft = this.#draft;
    draft.length = length;
    const isNamed = attributes.prefixLength + attributes.headLength !== 0;
    if (!isNamed && (length === 0 || (length >= 8 && this.#shape.sameFilled && isFilled(value, length)))) {
      draft.bytes = EMPTY;
      draft.stored = 0;
      draft.fill0 = length === 0 ? 0 : wordAt(value, 0);
      draft.fill1 = length === 0 ? 0 : wordAt(value, 4);
      draft.state = STATE_SAME_FILLED;
      return this.#insert(k0, k1, attributes, now, ALWAYS, guard);
    }
    const codec = this.#codecs.current;
    const room = length - (length >> 4) - 1;
    const stored = room > 0 ? codec.encode(value, length, room) : 0;
    if (stored !== 0) {
      draft.bytes = codec.stage;
      draft.start = codec.stageAt;
      draft.stored = stored;
      draft.state = this.#codecs.currentNumber << CODEC_SHIFT;
      return this.#insert(k0, k1, attributes, now, ALWAYS, guard);
    }
    if (this.#shape.incompressible === "reject")
      return this.#refuse(k0, k1, attributes, F_REJECT_POOR, "poor", guard);
    draft.bytes = value;
    draft.start = 0;
    draft.stored = length;
    draft.state = STATE_RAW;
    return this.#insert(k0, k1, attributes, now, ALWAYS, guard);
  }

  /** As {@link put}, of a value that was packed block by block: of one that is longer than {@link put} takes. */
  putPacked(
    k0: number,
    k1: number,
    packer: PackedValue,
    attributes: EntryAttributes,
    now: number,
    guard: Guard | null = null,
  ): PutResult {
    if (packer.length === 0) return this.put(k0, k1, EMPTY, 0, attributes, now, guard);
    this.#check();
    checkPut(this.#shape, EMPTY, 0, attributes);
    if (!packer.isPacked && this.#shape.incompressible === "reject")
      return this.#refuse(k0, k1, attributes, F_REJECT_POOR, "poor", guard);
    const draft = this.#draft;
    draft.length = packer.length;
    draft.stored = packer.stored;
    draft.state = packer.isPacked ? packer.codecNumber << CODEC_SHIFT : STATE_RAW;
    draft.pieces = packer.pieces();
    try {
      return this.#insert(k0, k1, attributes, now, ALWAYS, guard);
    } finally {
      draft.pieces = null;
    }
  }

  /**
   * Stores what is compressed already: from a file, a backing store, another engine. Its bytes are copied once. Its
   * codec is the number of one of this engine.
   *
   * @param clean - whether the backing store has it.
   * @param epoch - what {@link epoch} gave before the bytes were fetched: if the entry was put or removed
   *   since, or is there, nothing changes and the result is `"stale"`. -1: in any case; -2: unless it is there.
   * @param guard - as of {@link put}.
   * @throws {ZbudError} `EINVAL` as {@link put}.
   */
  putStored(
    entry: StoredEntry,
    clean: boolean,
    now: number,
    epoch: number,
    guard: Guard | null = null,
  ): PutResult {
    this.#check();
    const { k0, k1, bytes, prefixLength, headLength, storedLength, sameFilled } = entry;
    const named = prefixLength + headLength;
    const attributes = this.#restored;
    attributes.prefix = bytes;
    attributes.prefixLength = prefixLength;
    attributes.head = headLength === 0 ? EMPTY : bytes.subarray(prefixLength, named);
    attributes.headLength = headLength;
    attributes.expiresAt = entry.expiresAt;
    attributes.aux = entry.aux;
    attributes.aux2 = entry.aux2;
    checkPut(this.#shape, bytes, storedLength, attributes, VALUE_BYTES_MAX);
    if (named + storedLength > bytes.length || (sameFilled && named !== 0)) {
      throw new ZbudError(
        "EINVAL",
        `an entry has ${named + storedLength} bytes and its array ${bytes.length}, or it is same-filled and has a prefix or head`,
      );
    }
    const draft = this.#draft;
    draft.bytes = bytes;
    draft.start = named;
    draft.stored = sameFilled ? 0 : storedLength;
    draft.length = entry.length;
    draft.fill0 = entry.fill0;
    draft.fill1 = entry.fill1;
    const codec = entry.codec === 0 ? STATE_RAW : entry.codec << CODEC_SHIFT;
    draft.state = (sameFilled ? STATE_SAME_FILLED : codec) | (clean ? STATE_CLEAN : 0);
    return this.#insert(k0, k1, attributes, now, epoch, guard);
  }

  /** A number that changes whenever an entry of this name is put or removed (and sometimes without). */
  epoch(k0: number, k1: number): number {
    this.#check();
    const hash = hashOf(k0, k1);
    return this.#shardOf(hash).epochOf(hash);
  }

  /**
   * Finds an entry, fills {@link found} and sets its stored bytes ready for {@link decode}, which must be the
   * next call that has to do with a codec. An entry with `expiresAt <= now` is removed as expired and not
   * found.
   *
   * @param touch - whether it counts as used: by LRU it becomes the most recently used one.
   * @param look - whether a hit or a miss is counted, and what is one.
   */
  lookup(
    k0: number,
    k1: number,
    prefix: Uint8Array,
    prefixLength: number,
    now: number,
    touch: boolean,
    look: number = Look.counted,
  ): boolean {
    this.#check();
    const hash = hashOf(k0, k1);
    const shard = this.#shardOf(hash);
    const kind = look & Look.withExpired;
    let row = 0;
    try {
      shard.enter();
      row =
        kind === Look.withExpired
          ? shard.find(k0, k1, hash, prefix, prefixLength)
          : shard.findFresh(k0, k1, hash, prefix, prefixLength, now);
      let isHit = row !== 0;
      if (row !== 0) {
        shard.describe(row, this.found);
        if (kind > Look.counted) isHit = isHitOf(this.found, now, kind);
        if (touch && (isHit || kind !== Look.withExpired)) shard.used(row);
        if (look < Look.unread || (look >= Look.unreadLong && this.found.length <= BLOCK_BYTES))
          this.#reader.stage(shard, row);
      }
      if (kind !== Look.uncounted) shard.lookedUp(isHit);
      shard.leave();
    } catch (error) {
      shard.abandon();
      throw error;
    }
    return row !== 0;
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
    return this.#reader.decode(target);
  }

  /** As {@link decode}, to an array of the value's own; once for what was found. */
  decodeOwn(): Uint8Array {
    return this.#reader.decodeOwn();
  }

  /**
   * Decompresses what is stored somewhere else: a record of the backing store.
   *
   * @throws {ZbudError} as {@link decode}.
   */
  decodeStored(entry: StoredEntry, target: Uint8Array): number {
    return this.#reader.decodeStored(entry, target);
  }

  /** The same as `lookup` without setting bytes ready, touching or counting. */
  contains(k0: number, k1: number, prefix: Uint8Array, prefixLength: number, now: number): boolean {
    this.#check();
    const hash = hashOf(k0, k1);
    const shard = this.#shardOf(hash);
    let row = 0;
    try {
      shard.enter();
      row = shard.findFresh(k0, k1, hash, prefix, prefixLength, now);
      if (row !== 0) shard.describe(row, this.found);
      shard.leave();
    } catch (error) {
      shard.abandon();
      throw error;
    }
    return row !== 0;
  }

  /**
   * Removes an entry as deleted. False if there was none.
   *
   * @param guard - as of {@link put}: if it says no, nothing is removed.
   */
  remove(
    k0: number,
    k1: number,
    prefix: Uint8Array,
    prefixLength: number,
    guard: Guard | null = null,
  ): boolean {
    this.#check();
    return this.#remove(k0, k1, prefix, prefixLength, DELETED, 0, guard) > 0;
  }

  /** Removes all. */
  clear(): void {
    this.#check();
    for (const shard of this.#shards) {
      shard.locked(() => {
        shard.changeAll();
        for (let row = shard.queue.last(); row !== 0; row = shard.queue.last()) shard.removeRow(row, CLEARED);
      });
    }
  }

  /**
   * Changes when an entry expires; 0: never. What the backing store has of it is out of date from then on.
   *
   * @param found - if given, only the value that this record is of is changed, and also gets its `aux` and `aux2`.
   * @returns false if it is not there.
   */
  setExpiry(
    k0: number,
    k1: number,
    prefix: Uint8Array,
    prefixLength: number,
    expiresAt: number,
    found: Pick<FoundEntry, "version" | "aux" | "aux2"> | null = null,
  ): boolean {
    this.#check();
    const hash = hashOf(k0, k1);
    const shard = this.#shardOf(hash);
    return shard.locked(() => {
      const row = shard.find(k0, k1, hash, prefix, prefixLength);
      if (row === 0 || (found !== null && !shard.isCurrent(row, found.version))) return false;
      shard.setExpiry(row, expiresAt, prefix, prefixLength);
      if (found !== null) shard.setAux(row, found.aux, found.aux2);
      return true;
    });
  }

  /**
   * Removes entries with `expiresAt <= now`, the earliest of each shard first, looking at no other.
   *
   * @returns how many went, at most `max`.
   */
  expire(now: number, max: number): number {
    this.#check();
    let count = 0;
    for (const shard of this.#shards) {
      if (count < max && shard.hasDue(now)) count += shard.locked(() => shard.expire(now, max - count));
    }
    return count;
  }

  /** Makes a codec known, under a number of 1 to 255 that entries keep. Default: the codec's id. */
  addCodec(codec: Codec, number: number = codec.id): number {
    return this.#codecs.add(codec, number);
  }

  /** New values are compressed with the codec with this number, in this thread. */
  useCodec(number: number): void {
    this.#codecs.use(number);
  }

  /**
   * New values go to pools of this driver, in all threads. Those of the old one move there with later puts, and its
   * memory is given back; a shared engine cannot, and uses the old pool's room on beyond what the limit leaves.
   *
   * @param migrationOf - as migration.ts has it: a bundler leaves that out where no engine changes its driver.
   * @throws {ZbudError} `ENOENT` for an unknown driver; `EINVAL` if the engine was made without it.
   */
  useDriver(driver: string, migrationOf: MigrationOf): void {
    this.#check();
    this.#opened.useDriver(driver, migrationOf);
  }

  /**
   * Where the entries of a shard lie at this moment: row and version of each, most recently used first (by
   * SIEVE: put). Makes one array. Read each with {@link readRow}; those that changed meanwhile are passed over there.
   *
   * @param isWanted - if given, asked for each under the lock, with its prefix and head in {@link found}.
   */
  rowsOf(shard: number, isWanted: ((entry: FoundEntry) => boolean) | null = null): Int32Array {
    const from = this.shard(shard);
    return from.locked(() => {
      const { rows, words, queue } = from;
      const list = ownWords(2 * words[W_ENTRIES]);
      let count = 0;
      for (let row = queue.first(); row !== 0; row = queue.after(row)) {
        if (isWanted !== null) from.describeNamed(row, this.found);
        if (isWanted?.(this.found) === false) continue;
        list[count++] = row;
        list[count++] = words[rows.at(row) + VERSION];
      }
      return list.subarray(0, count);
    });
  }

  /**
   * Finds the value that `(shard, row, version)` names, if it is still there; fills `found` with its
   * `bytes`, and sets it ready for {@link decode}. Neither touches nor counts.
   */
  readRow(shard: number, row: number, version: number): boolean {
    const from = this.shard(shard);
    return from.locked(() => {
      if (!from.isCurrent(row, version)) return false;
      from.describeWhole(row, this.found);
      this.#reader.stage(from, row);
      return true;
    });
  }

  /** As {@link readRow} for the least recently used entry of a shard (by SIEVE: the one put first), if it has any. */
  readLast(shard: number): boolean {
    const from = this.shard(shard);
    return from.locked(() => {
      const row = from.queue.last();
      if (row === 0) return false;
      from.describeWhole(row, this.found);
      this.#reader.stage(from, row);
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
    const from = this.shard(shard);
    return from.locked(() => {
      if (!from.isCurrent(row, version)) return false;
      if (reason === "deleted") from.changeRow(row);
      from.removeRow(row, reason === "deleted" ? DELETED : reason === "expired" ? EXPIRED : EVICTED);
      return true;
    });
  }

  /** The number of this thread among those that use the engine; it never comes back. See `base/thread-registry.ts`. */
  get member(): number {
    return this.#opened.member;
  }

  /** Whether the thread of a member is certainly gone. Asks the system, some 40 µs. */
  isGone(member: number): boolean {
    return this.#opened.isGone(member);
  }

  /** Whether somebody keeps the lock of a shard, who may be stopped, for as long as it takes to look some times. */
  isBusy(): boolean {
    return this.#shards.some((shard) => shard.isBusy());
  }

  /** Whether this thread is the one, of those that share the engine, that does what one of them is to do. */
  isFirst(): boolean {
    return this.#opened.isFirst();
  }

  /**
   * Does work of the layer above while no other thread does. It is the first shard's lock, so a thread that dies
   * in here keeps nobody out; `work` must not call the engine.
   */
  exclusively(work: () => void): void {
    this.#check();
    this.#shards[0].locked(work);
  }

  /** Lets the layer above read the words of its secondary index under the lock; `visit` must not call the engine. */
  visitSecondaryIndex(shard: number, visit: (table: Int32Array, at: number, rows: number) => void): void {
    const from = this.shard(shard);
    from.locked(() => {
      visit(from.words, from.layout.secondaryIndexAt, from.layout.maxRows + 1);
    });
  }

  /** Share of its limit that the fullest shard has in use, 0 to 1. A few instructions for each shard. */
  fullness(): number {
    let most = 0;
    for (const { bytesLive, floats } of this.#shards) most = Math.max(most, bytesLive / floats[F_LIMIT]);
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
   * Changes the limit, up to what the engine was made with. A higher one holds at once. For a lower one entries are
   * evicted in the engine's order, what stays is moved together, and the memory goes back to the system.
   *
   * @param deadline - when to stop moving, by `performance.now()`: then more is evicted instead.
   * @returns bytes that the system got back.
   * @throws {ZbudError} `EINVAL` for more than the engine was made with, or too little for an entry.
   */
  resize(maxBytes: number, now: number, deadline: number = Number.POSITIVE_INFINITY): number {
    this.#check();
    const bytes = Math.floor((maxBytes - this.#opened.header.byteLength) / this.#shape.shards);
    if (!(maxBytes >= this.minBytes && bytes <= this.#shape.budget.bytes)) {
      throw new ZbudError(
        "EINVAL",
        `the limit can be changed to anything from ${this.minBytes} bytes to those that it was made with (${this.#shape.maxBytes}), not to ${show(maxBytes)}`,
      );
    }
    return shrinkTo(this.#shards, this.#shape.budget, bytes, now, deadline);
  }

  /** Gives the memory of free pages back to the system, about so many bytes. Those that went; 0 where none can. */
  trim(maxBytes: number = Number.POSITIVE_INFINITY): number {
    this.#check();
    return this.#shards.reduce((given, shard) => {
      return given < maxBytes ? given + giveBack(shard, maxBytes - given) : given;
    }, 0);
  }

  /** The lowest limit: what the index takes whatever it holds, and some pages of each shard. */
  get minBytes(): number {
    const { shards, budget, pools } = this.#shape;
    const pages = 16 * Math.ceil(Math.max(...pools.map((pool) => pool.pageSize)) * (1 + budget.pageCost));
    return this.#opened.header.byteLength + shards * (budget.tableBytes + 8 * budget.rowBytes + pages);
  }

  /** One cheap call. Makes one object. */
  stats(): EngineStats {
    this.#check();
    return statsOf(this.#shards, this.bytesReserved, this.#opened.header.byteLength);
  }

  /** For a recompressor, which is apart so that a bundler leaves it out where nobody recompresses. */
  parts(): EngineParts {
    this.#check();
    return { shape: this.#shape, shards: this.#shards, codecs: this.#codecs, reader: this.#reader };
  }

  /** The shard of a number. Throws `EINVAL` if there is none. */
  shard(number: number): Shard {
    this.#check();
    const found = this.#shards[number];
    if (found === undefined) throw new ZbudError("EINVAL", `there is no shard ${show(number)}`);
    return found;
  }

  /** For diagnostics. */
  inside(): EngineInside {
    this.#check();
    const registry = this.isShared ? new ThreadRegistry(...this.threads) : null;
    return { kind: "engine", shards: this.#shards, ordered: this.#shape.evict === "page", registry };
  }

  /** Looks for threads that are gone and repairs what they left half done. How many were found. */
  recover(): number {
    this.#check();
    return this.#opened.recover();
  }

  /** Tells that a worker with this `threadId` has exited, and recovers. */
  threadGone(threadId: number): void {
    this.#check();
    this.#opened.threadGone(threadId);
  }

  /** Ends this thread's use. A second close does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#idle !== null) stopGivingBack(this.#idle);
    this.#opened.close();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Puts the draft into its shard. */
  #insert(
    k0: number,
    k1: number,
    attributes: EntryAttributes,
    now: number,
    epoch: number,
    guard: Guard | null,
  ): PutResult {
    const total = attributes.prefixLength + attributes.headLength + this.#draft.stored;
    if (total > this.#shape.maxEntrySize) {
      // What is read back does not replace anything, so it takes nothing away either.
      if (epoch !== ALWAYS) return "large";
      return this.#refuse(k0, k1, attributes, F_REJECT_LARGE, "large", guard);
    }
    const { prefix, prefixLength } = attributes;
    const hash = hashOf(k0, k1);
    const shard = this.#shardOf(hash);
    let result: PutResult = "stale";
    try {
      shard.enter();
      const old =
        epoch === ALWAYS
          ? shard.find(k0, k1, hash, prefix, prefixLength)
          : shard.findFresh(k0, k1, hash, prefix, prefixLength, now);
      const isWanted =
        epoch === ALWAYS || (old === 0 && (epoch === IF_ABSENT || shard.epochOf(hash) === epoch));
      if (isWanted && (guard === null || guard())) {
        if (epoch === ALWAYS) shard.change(k0, k1, hash, prefix, prefixLength);
        if (old !== 0) shard.removeRow(old, REPLACED);
        // What was read back was put before.
        const count = epoch === ALWAYS ? 1 : 0;
        shard.floats[F_PUTS] += count;
        if (shard.insert(k0, k1, hash, attributes, this.#draft, now) === 0) {
          shard.floats[F_PUTS] -= count;
          shard.floats[F_REJECT_FULL] += count;
          result = "full";
        } else {
          result = old === 0 ? "stored" : "replaced";
        }
      }
      shard.leave();
    } catch (error) {
      shard.abandon();
      throw error;
    }
    return result;
  }

  /** Drops the older value of what is not stored, and counts why. */
  #refuse(
    k0: number,
    k1: number,
    attributes: EntryAttributes,
    counter: number,
    result: "poor" | "large",
    guard: Guard | null,
  ): PutResult {
    const { prefix, prefixLength } = attributes;
    return this.#remove(k0, k1, prefix, prefixLength, REPLACED, counter, guard) < 0 ? "stale" : result;
  }

  /** The row that went, 0 if there was none, -1 if the guard said no. */
  #remove(
    k0: number,
    k1: number,
    prefix: Uint8Array,
    prefixLength: number,
    reason: number,
    counter: number,
    guard: Guard | null,
  ): number {
    const hash = hashOf(k0, k1);
    const shard = this.#shardOf(hash);
    let row = -1;
    try {
      shard.enter();
      if (guard === null || guard()) {
        shard.change(k0, k1, hash, prefix, prefixLength);
        row = shard.find(k0, k1, hash, prefix, prefixLength);
        if (row !== 0) shard.removeRow(row, reason);
        if (counter !== 0) shard.floats[counter]++;
      }
      shard.leave();
    } catch (error) {
      shard.abandon();
      throw error;
    }
    return row;
  }

  #shardOf(hash: number): Shard {
    // A shift by 32 is none in JavaScript.
    return this.#shards[this.#shardShift === 32 ? 0 : hash >>> this.#shardShift];
  }

  #check(): void {
    if (this.#closed) throw new ZbudError("ECLOSED", "this store was closed; make a new one");
  }
}
