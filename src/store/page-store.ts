/// <reference lib="esnext.disposable" preserve="true" />
import {
  type Backing,
  type BackingKey,
  checkSameBacking,
  type SharedBacking,
  type StoredEntry,
} from "../backing/index.ts";
import {
  bytesText,
  countText,
  inspectAsText,
  isSharedBuffer,
  notShared,
  type Size,
  show,
  signalOption,
  sizeOption,
  withSignal,
  ZbudError,
} from "../base/index.ts";
import { type Codec, checkCodec, codecById, getCodec } from "../codecs/index.ts";
import {
  type Engine,
  type EngineInside,
  type EntryAttributes,
  entryAttributes,
  type MemoryFollower,
  migrationOf,
  type OnEvict,
  Recompressor,
  shrinkBytes,
} from "../engine/index.ts";
import { received, segmentOf } from "../memory/index.ts";
import type { PoolDriver } from "../pool/index.ts";
import { decodeValue } from "../record/index.ts";
import {
  COUNTERS_BYTES,
  Counters,
  DECOMPRESS_FAIL,
  LOAD_NS,
  LOADED_BACK,
  LOADS_AWAY,
  LOADS_MISSED,
  REJECT_ALLOC_FAIL,
  REJECT_COMPRESS_FAIL,
  REJECT_RECLAIM_FAIL,
  STORE_NS,
  STORES,
} from "./counters.ts";
import { publish, publishFault } from "./events.ts";
import { FlushQueue } from "./flush-queue.ts";
import { IdleRecompressor } from "./idle-recompressor.ts";
import { resizable } from "./limit.ts";
import { driverName, LAYOUT_VERSION, openStore, type StoreParts, sharedShape } from "./open-store.ts";
import {
  checkShape,
  checkThreadNames,
  type PageStoreOptions,
  type PageStoreThreadOptions,
  type StoreShape,
  storeShapeOf,
  threadSettingsOf,
} from "./options.ts";
import { writebackOf } from "./own-writeback.ts";
import { checkPage, keyOf, rawRecord } from "./page-records.ts";
import { statsOf } from "./stats.ts";
import type {
  LoadResult,
  PageStoreStats,
  SharedPageStore,
  ShrunkStore,
  StoreResult,
  WaitOptions,
} from "./types.ts";
import type { Writeback } from "./writeback.ts";

/** The largest index: 2^40. */
const INDEX_MAX = 2 ** 40;
const HIGH = 2 ** 32;
/** Every 64th store and every 64th load is timed. */
const SAMPLE_MASK = 63;
/** Every 16th store looks whether there is work for the background. */
const WAKE_MASK = 15;
/** Times that a load looks again because the page moved between memory and backing store. */
const LOOKS_MAX = 100;
const NO_PREFIX: Uint8Array = new Uint8Array(0);
const NOTHING: EntryAttributes = entryAttributes();

/** Of the stores that this thread made, which uses a backing store: two on one would take each other's pages for their own. */
const userOf = new WeakMap<Backing, PageStore>();

function usedTwice({ name }: Backing): ZbudError {
  return new ZbudError(
    "EBUSY",
    `another page store uses this ${name} backing store; close that page store first, attach() to it, or open a backing store for each`,
  );
}

/**
 * Keeps pages of one size by index, compressed, within a hard limit of memory, and moves cold ones to a backing
 * store: zswap for any program.
 *
 * `store`, `load`, `invalidate` and `clear` are synchronous. Every method throws {@link ZbudError} `EINVAL` for
 * an index or a buffer that cannot be one, and `ECLOSED` after `close()`.
 *
 * @example
 * const store = new PageStore({ maxBytes: "64MiB" });
 * store.store(7, page);
 * if (store.load(7, buffer) === "loaded") use(buffer);
 */
export class PageStore {
  static {
    inspectAsText(PageStore.prototype);
  }

  readonly #shape: StoreShape;
  /** Null: the limit is 0. */
  readonly #engine: Engine | null;
  readonly #backing: Backing | null;
  readonly #counters: Counters;
  readonly #clock: () => number;
  /** Null: the limit is 0. */
  readonly #writeback: Writeback | null;
  readonly #recompressor: Recompressor | null;
  readonly #idleRecompressor: IdleRecompressor | null;
  readonly #flushes: FlushQueue;
  readonly #follower: MemoryFollower | null;
  /** Whether other threads may move a page between memory and backing store while this one looks for it. */
  readonly #isContended: boolean;
  /** A codec that the caller gave itself. */
  readonly #ownCodec: Codec | null;
  // Calls of this thread, each kind by itself: a program that stores and loads in turn has both at some multiple.
  #stores = 0;
  #loads = 0;
  #invalidations = 0;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  /**
   * @param options - see {@link PageStoreOptions}. Only `maxBytes` must be given.
   * @throws {ZbudError} `EINVAL` naming a bad option; `ENOENT` for an unknown codec or driver; `ENOTSUP` for one
   *   that this platform cannot have (`"zstd"` in a browser); `ENOMEM` if the
   *   system has no such range of addresses; `EBUSY` if another store of this thread uses the backing store; with a
   *   name in `shared`, `ENOTSUP` where processes cannot share memory, `EACCES`, `EEXIST`, `ENOENT` of its file.
   * @remarks Reserves addresses: memory is taken as pages come.
   */
  constructor(options: PageStoreOptions, parts: StoreParts = {}) {
    const shape = parts.shape ?? storeShapeOf(options);
    const settings = threadSettingsOf(options);
    const { backing, recompress, clock } = settings;
    const isNew = parts.shape === undefined;
    if (isNew && backing !== null && userOf.has(backing)) throw usedTwice(backing);
    const onEvict: OnEvict = (entry) => this.#writeback?.evict(entry) ?? false;
    const { engine, counters, follower } = openStore(options, shape, parts, onEvict);
    this.#follower = follower;
    this.#shape = shape;
    this.#engine = engine;
    this.#backing = backing;
    this.#counters = counters;
    this.#clock = clock;
    this.#ownCodec = typeof options.codec === "object" ? options.codec : null;
    this.#isContended = backing !== null && isSharedBuffer(counters.buffer);
    try {
      this.#writeback = engine === null ? null : writebackOf(engine, counters, shape, settings);
      this.#flushes = new FlushQueue(this.#writeback, backing);
      this.#recompressor = engine === null ? null : new Recompressor(engine);
      this.#idleRecompressor =
        engine === null || this.#recompressor === null || recompress === null
          ? null
          : new IdleRecompressor(
              engine,
              this.#recompressor,
              engine.addCodec(codecOf(recompress)),
              () => this.#calls,
            );
    } catch (error) {
      follower?.close();
      engine?.close();
      segmentOf(counters.buffer)?.close();
      throw error;
    }
    if (isNew && backing !== null) userOf.set(backing, this);
  }

  /**
   * Opens a store that another thread made.
   *
   * @param sent - what {@link share} gave there, as it came through `postMessage` or `workerData`.
   * @param options - what is each thread's own. `backing` must be the same store, attached in this thread: a
   *   thread without it could not tell it what is out of date.
   * @throws {ZbudError} `EINVAL` if `shared` is no such thing, or `backing` is missing, or given to a store that
   *   has none; `EBADMSG` if its buffers hold no store of this
   *   layout; `EBUSY` if 127 threads use it already.
   */
  static attach(sent: SharedPageStore, options: PageStoreThreadOptions = {}): PageStore {
    checkThreadNames(options);
    const shared = received(sent);
    const { shape, engine, counters } = shared ?? {};
    if (!isSharedBuffer(counters) || typeof shape !== "object" || shape === null) {
      throw notShared("a page store", shared, counters);
    }
    if (shared.store !== LAYOUT_VERSION) {
      throw new ZbudError(
        "EBADMSG",
        `this store has layout ${shared.store} and this library ${LAYOUT_VERSION}`,
      );
    }
    // Whoever changed it meant another store.
    if (counters.byteLength !== COUNTERS_BYTES || (shape.maxBytes === 0) !== ((engine ?? null) === null)) {
      throw new ZbudError("EBADMSG", "these buffers hold no store; pass on what share() gave, unchanged");
    }
    if (shared.hasBacking !== (options.backing !== undefined)) {
      throw new ZbudError(
        "EINVAL",
        shared.hasBacking
          ? "this store has a backing store: attach that one in this thread too, and give it as backing"
          : "this store was made without a backing store; give none here",
      );
    }
    if (options.backing !== undefined) checkSameBacking("store", shared.backingId, options.backing);
    const parts = { shape: checkShape(shape), shared: engine, counters: new Counters(counters) };
    return new PageStore({ ...options, maxBytes: shape.maxBytes }, parts);
  }

  /**
   * Plain data for another thread.
   *
   * @throws {ZbudError} `EINVAL` unless the store was made with `shared: true`; `ENOTSUP` if its backing store
   *   is not one for several threads.
   */
  share(): SharedPageStore {
    this.#check();
    const { buffer } = this.#counters;
    if (!isSharedBuffer(buffer)) {
      throw new ZbudError("EINVAL", "this store is for one thread; make it with shared: true to share it");
    }
    if (this.#backing !== null && !("share" in this.#backing)) {
      throw new ZbudError(
        "ENOTSUP",
        `a ${this.#backing.name} backing store keeps the order of calls in one thread only; take a file to share the store`,
      );
    }
    const about = sharedShape({ backing: this.#backing ?? undefined }, this.#shape);
    const segment = segmentOf(buffer);
    if (segment !== undefined) return { ...about, segment: segment.send() } as unknown as SharedPageStore;
    const engine = this.#engine === null ? null : this.#engine.share();
    return { ...about, engine, counters: buffer };
  }

  /**
   * Stores a page. Its older version is gone, whatever the result.
   *
   * @param index - a whole number from 0 to 2^40.
   * @param page - exactly `pageSize` bytes; copied.
   * @throws what the codec throws; then the page is not stored.
   * @remarks Some microseconds, most of them the codec's. At the limit another page is written to the backing
   *   store first, if that can be done at once (a file).
   */
  store(index: number, page: Uint8Array): StoreResult {
    return this.#report(index, this.#store(index, page));
  }

  #store(index: number, page: Uint8Array): StoreResult {
    this.#checkCall(index, page);
    if (page.length !== this.#shape.pageSize) throw this.#badLength(page);
    const isTimed = (++this.#stores & SAMPLE_MASK) === 0;
    const start = isTimed ? this.#clock() : 0;
    const engine = this.#engine;
    const result = engine === null ? this.#storeAway(index, page) : this.#storeIn(engine, index, page);
    if (isTimed) this.#counters.time(STORE_NS, (this.#clock() - start) * 1e6);
    if ((this.#stores & WAKE_MASK) === 0 || result === "full") this.#writeback?.wake();
    return result;
  }

  /** Counts what was refused, and tells what became of a page. */
  #report(index: number, result: StoreResult): StoreResult {
    if (result === "full")
      this.#counters.count(this.#engine === null ? REJECT_ALLOC_FAIL : REJECT_RECLAIM_FAIL, 1);
    publish("store", index, result);
    return result;
  }

  /**
   * As {@link store}, but if there is no room it waits while pages are being written to the backing store. `page` must
   * not change meanwhile; the page is not there until it is stored. The result is `"full"`, without a further wait, as
   * soon as the backing store takes nothing.
   *
   * @throws the signal's reason.
   */
  async storeAsync(index: number, page: Uint8Array, options: WaitOptions = {}): Promise<StoreResult> {
    const signal = signalOption("storeAsync", options);
    const alive = setInterval(() => {}, 2 ** 30);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const result = this.#store(index, page);
        const waits = result === "full" && this.#writeback?.isMakingRoom === true;
        if (!waits) return this.#report(index, result);
        await withSignal((this.#writeback as Writeback).progress(), signal);
      }
    } finally {
      clearInterval(alive);
    }
  }

  /**
   * Loads a page that is in memory.
   *
   * @param into - at least `pageSize` bytes; what lies behind them stays as it is.
   * @throws {ZbudError} `EBADMSG` if the stored bytes cannot be read: then the page is lost.
   * @remarks One or two microseconds, most of them the codec's.
   */
  load(index: number, into: Uint8Array): LoadResult {
    this.#checkCall(index, into);
    const { pageSize } = this.#shape;
    if (into.length < pageSize) throw this.#badLength(into);
    const isTimed = (++this.#loads & SAMPLE_MASK) === 0;
    const start = isTimed ? this.#clock() : 0;
    const result = this.#loadIn(index, into.length === pageSize ? into : into.subarray(0, pageSize));
    if (isTimed) this.#counters.time(LOAD_NS, (this.#clock() - start) * 1e6);
    publish("load", index, result);
    return result;
  }

  /**
   * Loads a page from wherever it is. One that comes from the backing store is kept in memory again, as long as
   * there is room or something that can go at once.
   *
   * @returns `"missing"` if it is nowhere, also if it was invalidated meanwhile.
   * @throws {ZbudError} `EBADMSG` if the record is damaged (the page is lost); `EIO`, `ETIMEDOUT` and others
   *   of the backing store (it may be readable later); the signal's reason.
   */
  async loadAsync(
    index: number,
    into: Uint8Array,
    options: WaitOptions = {},
  ): Promise<Exclude<LoadResult, "away">> {
    const signal = signalOption("loadAsync", options);
    for (let look = 0; look < LOOKS_MAX; look++) {
      const result = this.load(index, into);
      if (result !== "away") return result;
      const { key, epoch } = this.#lookAway(index);
      let found: "loaded" | "missing" | "again";
      try {
        const record = await (this.#backing as Backing).read(key, { signal });
        this.#check();
        found = this.#takeIn(key, record, into, epoch);
      } catch (error) {
        publishFault("read", index, error);
        throw error;
      }
      if (found !== "again") return this.#reportRead(index, found);
    }
    throw keepsChanging(index);
  }

  /**
   * As {@link loadAsync}, waiting in this thread: for workers, with a backing store that can (a file).
   *
   * @throws {ZbudError} `ENOTSUP` if the backing store cannot.
   */
  loadSync(index: number, into: Uint8Array): Exclude<LoadResult, "away"> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const result = this.load(index, into);
      if (result !== "away") return result;
      const { key, epoch } = this.#lookAway(index);
      let found: "loaded" | "missing" | "again";
      try {
        found = this.#takeIn(key, (this.#backing as Backing).readSync(key), into, epoch);
      } catch (error) {
        publishFault("read", index, error);
        throw error;
      }
      if (found !== "again") return this.#reportRead(index, found);
    }
    throw keepsChanging(index);
  }

  #reportRead(index: number, result: "loaded" | "missing"): "loaded" | "missing" {
    publish("read", index, result);
    return result;
  }

  /**
   * Drops a page, from memory and from the backing store.
   *
   * @returns whether it was in memory.
   */
  invalidate(index: number): boolean {
    this.#checkCall(index, NO_PREFIX);
    this.#invalidations++;
    const high = Math.floor(index / HIGH);
    if (this.#engine === null) this.#backing?.delete(keyOf(index | 0, high));
    const was = this.#engine?.remove(index | 0, high, NO_PREFIX, 0) ?? false;
    publish("invalidate", index, was ? "dropped" : "missing");
    return was;
  }

  /**
   * Drops all pages, from memory at once, and from the backing store.
   *
   * @returns when the backing store is cleared too. Rejects with its error if it could not be: it may have some of
   *   the pages still. If nobody waits, the next `flush` or `close` rejects with it.
   */
  clear(): Promise<void> {
    this.#check();
    this.#engine?.clear();
    if (this.#backing === null) return Promise.resolve();
    const cleared = this.#backing.clear();
    // What came from the backing store while it was being cleared goes too.
    this.#engine?.clear();
    this.#flushes.noteClear(cleared);
    return cleared;
  }

  /**
   * Writes every page to the backing store, and waits until the pages would be found there after the process
   * ended: after a crash, in a file that was opened with `unclean: "flushed"`. All stay in memory. Several flushes run one after the other, and a `close` waits for all of them.
   *
   * @throws {ZbudError} of the first page that could not be written, or of the backing store; of a `clear` that failed before,
   *   though all was written; the signal's reason.
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    this.#check();
    const signal = signalOption("flush", options);
    if (this.#backing === null) return;
    await this.#flushes.flush(signal);
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.#shape.pageSize;
  }

  /**
   * The limit: all that the store may take, with index, metadata and what this thread works with. It changes with
   * {@link resize}, and in a store that follows the machine. Each thread that attaches works with some pages of its own
   * beside: see {@link PageStoreOptions.maxBytes}.
   */
  get bytesReserved(): number {
    return this.#engine === null ? 0 : this.#engine.bytesReserved + this.#ownBytes;
  }

  get #ownBytes(): number {
    return this.#shape.maxBytes - (this.#engine?.maxBytes ?? 0);
  }

  /** Pages in memory. */
  get size(): number {
    this.#check();
    return this.#engine?.size ?? 0;
  }

  /** Whether pages are written back in the background. May be switched at any time; `flush` writes in any case. */
  get writeback(): boolean {
    return this.#writeback?.enabled ?? true;
  }

  set writeback(enabled: boolean) {
    if (this.#writeback !== null) this.#writeback.enabled = enabled;
  }

  /**
   * Evicts pages, in the order of the option `evict`, until the pools hold `bytes` less: those that the backing store has or
   * can take at once, and with `whenFull: "drop"` all.
   *
   * @returns what was freed: less than asked for if the rest must stay.
   */
  shrinkBytes(bytes: number): ShrunkStore {
    this.#check();
    if (!(bytes >= 0))
      throw new ZbudError("EINVAL", `bytes must be a number of at least 0, not ${show(bytes)}`);
    const before = this.#engine?.size ?? 0;
    const bytesFreed = this.#engine === null ? 0 : shrinkBytes(this.#engine, bytes, 0);
    return { bytesFreed, pagesEvicted: Math.max(0, before - (this.#engine?.size ?? 0)) };
  }

  /**
   * Changes the limit, for all threads and processes, up to the `maxBytes` that the store was made with. A higher one
   * holds at once. For a lower one pages are evicted, as by {@link shrinkBytes}, what stays is moved together, and the
   * memory goes back to the system.
   *
   * @param maxBytes - bytes, `"64MiB"` or `"20%"`.
   * @returns `bytesFreed`: what really went back to the system: nothing where it cannot (`"give-back"` among
   *   `stats().fallbacks`), or where pages must stay.
   * @throws {ZbudError} `EINVAL` for a limit out of range, naming the range; also of a store that follows the machine.
   * @remarks Blocks for about a second for each GiB that stays.
   */
  resize(maxBytes: Size): ShrunkStore {
    this.#check();
    const engine = resizable(this.#engine, this.#shape);
    const bytes = sizeOption("maxBytes", maxBytes, engine.minBytes + this.#ownBytes, this.#shape.maxBytes);
    const before = engine.size;
    const bytesFreed = engine.resize(bytes - this.#ownBytes, 0);
    return { bytesFreed, pagesEvicted: Math.max(0, before - engine.size) };
  }

  /** Gives the memory of free pages back to the system. Bytes that went; 0 where nothing can be. */
  trim(): number {
    this.#check();
    return this.#engine?.trim() ?? 0;
  }

  /** New pages of this thread are compressed with this codec; those that are there stay as they are. */
  useCodec(codec: string | Codec): void {
    this.#check();
    this.#engine?.useCodec(this.#engine.addCodec(codecOf(codec)));
  }

  /**
   * New pages go to an allocator of this type. Both allocators' memory counts against the limit. In a store of one
   * thread what is there moves, some pages with each store, as the old allocator's memory is given back; where the
   * limit leaves no room for that a few pages are evicted. Memory of a shared store cannot be given back: there the
   * new allocator takes what the limit leaves untouched, and new pages beyond that go into room of the old one.
   *
   * @throws {ZbudError} `ENOENT` for an unknown driver; `EINVAL` if the store was made without naming it in
   *   `drivers`.
   * @remarks Walks all pages once.
   */
  useDriver(driver: string | PoolDriver): void {
    this.#check();
    this.#engine?.useDriver(driverName(driver), migrationOf);
  }

  /**
   * Compresses pages that are not used anew with a stronger codec, where that frees memory. With the option
   * `recompress` the store does so by itself when the thread is idle.
   *
   * @param pages - how many to look at; each page is looked at once.
   * @returns how many became smaller.
   */
  recompress(codec: string | Codec, pages: number): number {
    this.#check();
    if (this.#engine === null || this.#recompressor === null) return 0;
    return this.#recompressor.recompress(this.#engine.addCodec(codecOf(codec)), pages).smaller;
  }

  /** Figures of this moment. One cheap call, whatever the store holds. */
  stats(): PageStoreStats {
    this.#check();
    return statsOf(this.#engine?.stats() ?? null, this.#counters, this.#ownBytes, this.#writeback);
  }

  /**
   * For diagnostics.
   *
   * @internal
   */
  inside(): EngineInside {
    this.#check();
    return this.#engine?.inside() ?? { kind: "engine", shards: [], ordered: false, registry: null };
  }

  /**
   * Looks for dead threads and repairs what they left half done, here and in the backing store.
   *
   * @returns how many were found dead.
   */
  recover(): number {
    this.#check();
    const count = this.#engine?.recover() ?? 0;
    // The same threads use both.
    return Math.max(count, this.#backingOfThreads?.recover() ?? 0);
  }

  /** Tells that a worker with this `threadId` has exited, and recovers: for its `exit` event. */
  threadGone(threadId: number): void {
    this.#check();
    this.#engine?.threadGone(threadId);
    this.#backingOfThreads?.threadGone(threadId);
  }

  /**
   * Flushes, if there is a backing store, and ends this thread's use. Other calls throw `ECLOSED` from here on; a
   * second close waits for the first, and flushes that were asked for before come to their end. The backing store
   * stays open: whoever opened it closes it, after this.
   *
   * @throws {ZbudError} what `flush` gives, `ECLOSED` if the backing store was closed before; the store is closed all
   *   the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idleRecompressor?.close();
    try {
      if (this.#backing !== null) await this.#flushes.flush();
    } catch (cause) {
      if ((cause as ZbudError).code !== "ECLOSED") throw cause;
      throw new ZbudError(
        "ECLOSED",
        "the backing store was closed before the page store that uses it, so pages that only memory held are lost; close the page store first",
        { cause },
      );
    } finally {
      await this.#writeback?.close();
      this.#end();
    }
  }

  #end(): void {
    this.#follower?.close();
    this.#engine?.close();
    segmentOf(this.#counters.buffer)?.close();
    if (this.#backing !== null && userOf.get(this.#backing) === this) userOf.delete(this.#backing);
  }

  /** Ends at once, without a flush: what only memory holds is gone. The backing store stays open. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idleRecompressor?.close();
    this.#end();
    void this.#writeback?.close();
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What the store holds, in a line. */
  toString(): string {
    if (this.#isClosed) return "PageStore (closed)";
    const { storedPages, memUsedTotal, memLimit } = this.stats();
    const backing = this.#backing === null ? "" : `; backing store: ${this.#backing.name}`;
    if (memLimit === 0) return `PageStore without memory${backing}`;
    const pages = `${countText(storedPages)} ${storedPages === 1 ? "page" : "pages"} of ${bytesText(this.pageSize)}`;
    return `PageStore: ${pages} in ${bytesText(memUsedTotal)} of at most ${bytesText(memLimit)}${backing}`;
  }

  #storeIn(engine: Engine, index: number, page: Uint8Array): StoreResult {
    const low = index | 0;
    const high = Math.floor(index / HIGH);
    let result: string;
    try {
      result = engine.put(low, high, page, page.length, NOTHING, 0);
    } catch (error) {
      // Whatever it was, the older version must not be read later.
      engine.remove(low, high, NO_PREFIX, 0);
      this.#counters.count(REJECT_COMPRESS_FAIL, 1);
      publishFault("store", index, error);
      throw error;
    }
    if (result === "stored" || result === "replaced") {
      if (this.#shape.incompressible === "writeback") this.#sendAway(engine, low, high);
      return "stored";
    }
    return result === "poor" ? "poor" : "full";
  }

  /** A page that was kept as it is goes to the backing store at once. */
  #sendAway(engine: Engine, low: number, high: number): void {
    if (!engine.contains(low, high, NO_PREFIX, 0, 0)) return;
    const { codec, sameFilled, shard, row, version } = engine.found;
    if (codec === 0 && !sameFilled) this.#writeback?.writeAway(shard, row, version);
  }

  /** For a store without memory of its own. */
  #storeAway(index: number, page: Uint8Array): StoreResult {
    const low = index | 0;
    const high = Math.floor(index / HIGH);
    const backing = this.#backing;
    if (backing?.isSync === true && backing.writeSync(rawRecord(low, high, page)) === "ok") {
      this.#counters.count(STORES, 1);
      return "stored";
    }
    backing?.delete(keyOf(low, high));
    return "full";
  }

  #loadIn(index: number, into: Uint8Array): LoadResult {
    const engine = this.#engine;
    const low = index | 0;
    const high = Math.floor(index / HIGH);
    if (engine !== null && this.#loadFrom(engine, low, high, into)) return "loaded";
    let isAway = this.#backing !== null && this.#backing.has(keyOf(low, high)) !== false;
    if (!isAway && engine !== null && this.#isContended) {
      // Between the two looks another thread may have stored it anew, or read it back and stored it anew. While
      // the epoch stays the same a page that leaves one place is in the other already.
      for (let look = 0; !isAway; look++) {
        const epoch = engine.epoch(low, high);
        if (this.#loadFrom(engine, low, high, into)) return "loaded";
        isAway = look >= LOOKS_MAX || (this.#backing as Backing).has(keyOf(low, high)) !== false;
        if (engine.epoch(low, high) === epoch) break;
      }
    }
    this.#counters.count(isAway ? LOADS_AWAY : LOADS_MISSED, 1);
    return isAway ? "away" : "missing";
  }

  #loadFrom(engine: Engine, low: number, high: number, into: Uint8Array): boolean {
    if (!engine.lookup(low, high, NO_PREFIX, 0, 0, true)) return false;
    try {
      engine.decode(into);
    } catch (error) {
      this.#counters.count(DECOMPRESS_FAIL, 1);
      publishFault("load", high * HIGH + (low >>> 0), error);
      throw error;
    }
    return true;
  }

  #lookAway(index: number): { key: BackingKey; epoch: number } {
    const key = keyOf(index | 0, Math.floor(index / HIGH));
    return { key, epoch: this.#engine?.epoch(key.k0, key.k1) ?? 0 };
  }

  /**
   * Decompresses what the backing store gave, for the caller, and keeps it in memory.
   *
   * @param epoch - of the page before it was read. If it is another one now, this page or another was changed
   *   meanwhile: the record was the page's while it was read, since a backing store gives no other, and counts if
   *   nothing newer is there; but it is not put into memory, since something newer may have been there.
   */
  #takeIn(
    key: BackingKey,
    record: StoredEntry | null,
    into: Uint8Array,
    epoch: number,
  ): "loaded" | "missing" | "again" {
    const engine = this.#engine;
    const isSame = engine === null || engine.epoch(key.k0, key.k1) === epoch;
    if (record === null) {
      // Another thread may have read it back into memory; else it is nowhere.
      const isThere = !isSame || engine?.contains(key.k0, key.k1, NO_PREFIX, 0, 0) === true;
      return isThere ? "again" : "missing";
    }
    if (!isSame) {
      const isThere = engine.contains(key.k0, key.k1, NO_PREFIX, 0, 0);
      if (isThere || (this.#backing as Backing).has(key) === false) return "again";
    }
    try {
      const { pageSize } = this.#shape;
      checkPage(record, pageSize);
      const target = into.length === pageSize ? into : into.subarray(0, pageSize);
      if (engine === null) decodeValue(record, this.#codecOf(record), target);
      else engine.decodeStored(record, target);
      if (isSame) engine?.putStored(record, true, 0, epoch);
    } catch (error) {
      this.#counters.count(DECOMPRESS_FAIL, 1);
      throw error;
    }
    this.#counters.count(LOADED_BACK, 1);
    this.#writeback?.wake();
    return "loaded";
  }

  /** For a store without memory of its own. `ENOENT` for an unknown codec. */
  #codecOf({ codec, sameFilled }: StoredEntry): Codec | null {
    if (sameFilled || codec === 0) return null;
    return this.#ownCodec?.id === codec ? this.#ownCodec : codecById(codec);
  }

  #checkCall(index: number, bytes: Uint8Array): void {
    this.#check();
    if (!Number.isInteger(index) || index < 0 || index > INDEX_MAX) {
      throw new ZbudError("EINVAL", `index must be a whole number from 0 to 2^40, not ${show(index)}`);
    }
    if (!(bytes instanceof Uint8Array)) {
      throw new ZbudError("EINVAL", `a page is a Uint8Array, not ${show(bytes)}`);
    }
  }

  #badLength(bytes: Uint8Array): ZbudError {
    return new ZbudError(
      "EINVAL",
      `a page of this store has ${this.#shape.pageSize} bytes, not ${bytes.length}`,
    );
  }

  get #backingOfThreads(): SharedBacking | null {
    const backing = this.#backing;
    return backing !== null && "share" in backing ? (backing as SharedBacking) : null;
  }

  get #calls(): number {
    return this.#stores + this.#loads + this.#invalidations;
  }

  #check(): void {
    if (this.#isClosed) throw new ZbudError("ECLOSED", "this store was closed; make a new one");
  }
}

function keepsChanging(index: number): ZbudError {
  return new ZbudError("EAGAIN", `page ${index} kept changing while it was loaded; try again`);
}

function codecOf(codec: string | Codec): Codec {
  if (typeof codec === "string") return getCodec(codec);
  checkCodec(codec);
  return codec;
}
