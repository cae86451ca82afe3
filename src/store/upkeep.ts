/// <reference lib="esnext.disposable" preserve="true" />
import type { SharedBacking } from "../backing/index.ts";
import { show, signalOption, ZbudError } from "../base/index.ts";
import { type Codec, checkCodec, getCodec } from "../codecs/index.ts";
import { type Engine, type OnEvict, onePool } from "../engine/index.ts";
import { type PoolSnapshot, type SnapshotColumns, snapshotOf } from "../pool/index.ts";
import { WriteBudget } from "./budget.ts";
import { Counters } from "./counters.ts";
import { IdleWork } from "./idle.ts";
import { openEngine } from "./open.ts";
import {
  type PageStoreOptions,
  type StoreShape,
  storeShapeOf,
  type ThreadSettings,
  threadSettingsOf,
} from "./options.ts";
import { batchPages } from "./own-bytes.ts";
import { abortable } from "./pause.ts";
import { statsOf } from "./stats.ts";
import type { PageStoreStats, SharedPageStore, ShrunkStore, WaitOptions } from "./types.ts";
import { Writeback } from "./writeback.ts";

/** What a store can be given instead of its own. */
export interface StoreParts {
  shape?: StoreShape;
  shared?: SharedPageStore["engine"];
  counters?: Counters;
}

/** What a {@link PageStore} does besides storing and loading: limits, settings, figures, its end. */
export class StoreUpkeep {
  protected readonly shape: StoreShape;
  protected readonly settings: ThreadSettings;
  /** Null: the limit is 0. */
  protected readonly engine: Engine | null;
  protected readonly counters: Counters;
  protected readonly background: Writeback | null;
  readonly #idle: IdleWork | null = null;
  /** Clears of the backing store that are under way. */
  readonly #clears: Set<Promise<void>> = new Set();
  /** Of a clear that failed, until somebody was told. */
  #clearFault: { error: unknown } | null = null;
  // Calls of this thread, each kind by itself: a program that stores and loads in turn has both at some multiple.
  protected stores = 0;
  protected loads = 0;
  protected invalidations = 0;
  protected closed = false;
  #closing: Promise<void> | null = null;
  /** The last flush that was asked for; it never rejects. */
  #flushing: Promise<unknown> = Promise.resolve();

  constructor(options: PageStoreOptions, parts: StoreParts) {
    this.shape = parts.shape ?? storeShapeOf(options);
    this.settings = threadSettingsOf(options);
    const { backing, recompress, now } = this.settings;
    this.counters = parts.counters ?? new Counters(options.shared === true);
    const onEvict: OnEvict = (entry) => this.background?.evict(entry) ?? false;
    const engine = openEngine(options, this.shape, parts.shared, onEvict);
    this.engine = engine;
    if (engine === null) {
      this.background = null;
      return;
    }
    this.background = new Writeback(
      {
        engine,
        backing,
        counters: this.counters,
        drops: this.shape.whenFull === "drop",
        batchPages: batchPages(this.shape),
        pageSize: this.shape.pageSize,
        threshold: this.settings.acceptThreshold,
        budget: new WriteBudget(
          this.counters.budget,
          this.settings.writebackBytesPerSecond,
          options.now ?? (() => performance.timeOrigin + performance.now()),
        ),
      },
      this.settings.writeback,
    );
    if (recompress !== null) {
      const slot = engine.addCodec(codecOf(recompress));
      this.#idle = new IdleWork(engine, slot, () => this.stores + this.loads + this.invalidations, now);
    }
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.shape.pageSize;
  }

  /**
   * The limit: all that the store may take, with index, metadata and what this thread works with. It never changes.
   * Each thread that attaches works with some pages of its own beside: see {@link PageStoreOptions.maxBytes}.
   */
  get bytesReserved(): number {
    return this.shape.maxBytes;
  }

  /** Pages in memory. */
  get size(): number {
    this.check();
    return this.engine?.size ?? 0;
  }

  /** Whether cold pages are written back. May be switched at any time; `flush` writes in any case. */
  get writeback(): boolean {
    return this.background?.enabled ?? true;
  }

  set writeback(enabled: boolean) {
    if (this.background !== null) this.background.enabled = enabled;
  }

  /**
   * Evicts cold pages in the store's order until the pools hold `bytes` less: those that the backing store has or
   * can take at once, and with `whenFull: "drop"` all.
   *
   * @returns what was freed: less than asked for if the rest must stay.
   */
  shrink(bytes: number): ShrunkStore {
    this.check();
    if (!(bytes >= 0)) throw new ZbudError("EINVAL", `bytes must be a number from 0 on, not ${show(bytes)}`);
    const before = this.engine?.size ?? 0;
    const bytesFreed = this.engine?.shrink(bytes, 0) ?? 0;
    return { bytesFreed, pagesEvicted: Math.max(0, before - (this.engine?.size ?? 0)) };
  }

  /** New pages of this thread are compressed with this codec; those that are there stay as they are. */
  useCodec(codec: string | Codec): void {
    this.check();
    this.engine?.useCodec(this.engine.addCodec(codecOf(codec)));
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
  useDriver(driver: string): void {
    this.check();
    this.engine?.useDriver(driver);
  }

  /**
   * Compresses cold pages anew with a stronger codec, where that frees memory. The option `recompress` does it by
   * itself when the thread is idle.
   *
   * @param pages - how many to look at; each page is looked at once.
   * @returns how many became smaller.
   */
  recompress(codec: string | Codec, pages: number): number {
    this.check();
    return this.engine?.recompress(this.engine.addCodec(codecOf(codec)), pages).smaller ?? 0;
  }

  /**
   * Writes every page to the backing store, and waits until it is where it would be found after the process
   * ended. All stay in memory. Several are done one after the other, and a `close` waits for all of them.
   *
   * @throws {ZbudError} of the first page that could not be written, or of the backing store; of a `clear` that failed before,
   *   though all was written; the signal's reason.
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    this.check();
    const signal = signalOption("flush", options);
    if (this.settings.backing === null) return;
    await abortable(this.#flush(signal), signal);
  }

  /** Figures of this moment. One cheap call, whatever the store holds. */
  stats(): PageStoreStats {
    this.check();
    return statsOf(this.engine?.stats() ?? null, this.counters, this.shape);
  }

  /**
   * The pages of the pools beneath as of one pool, for a viewer: no stored bytes. `lru` is empty unless `order` is
   * `"page"`. Walks everything.
   */
  snapshot(): PoolSnapshot {
    return snapshotOf(this.snapshotColumns());
  }

  /** The same as columns of numbers, which is much cheaper for a large store. */
  snapshotColumns(): SnapshotColumns {
    this.check();
    return this.engine?.snapshotColumns() ?? onePool([], false);
  }

  /** Checks every invariant; throws `ECORRUPT` naming the first that does not hold. Walks everything. */
  verify(): void {
    this.check();
    this.engine?.verify();
  }

  /** Looks for threads that are gone and repairs what they left half done. How many were found. */
  recover(): number {
    this.check();
    const count = this.engine?.recover() ?? 0;
    this.#backingOfThreads?.recover();
    return count;
  }

  /** Tells that a worker with this `threadId` has exited, and recovers: for its `exit` event. */
  threadGone(threadId: number): void {
    this.check();
    this.engine?.threadGone(threadId);
    this.#backingOfThreads?.threadGone(threadId);
  }

  get #backingOfThreads(): SharedBacking | null {
    const { backing } = this.settings;
    return backing !== null && "share" in backing ? (backing as SharedBacking) : null;
  }

  /**
   * Flushes, if there is a backing store, and ends this thread's use. Other calls throw `ECLOSED` from here on; a
   * second close waits for the first, and flushes that were asked for before come to their end.
   *
   * @throws {ZbudError} what `flush` gives; the store is closed all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.#idle?.close();
    const { backing } = this.settings;
    try {
      if (backing !== null) await this.#flush();
    } finally {
      await this.background?.close();
      this.engine?.close();
      await backing?.close();
    }
  }

  /** Ends at once, without a flush: what only memory holds is gone. */
  [Symbol.dispose](): void {
    if (this.closed) return;
    this.closed = true;
    this.#idle?.close();
    this.engine?.close();
    void this.background?.close();
    void this.settings.backing?.close().catch(() => {});
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One after the other: of two at once the later would find all pages on their way, and look again and again. */
  #flush(signal?: AbortSignal): Promise<void> {
    const flushed = this.#flushing.then(() => this.#flushNow(signal));
    this.#flushing = flushed.catch(() => {});
    return flushed;
  }

  async #flushNow(signal: AbortSignal | undefined): Promise<void> {
    await Promise.all(this.#clears);
    await this.background?.flush(signal);
    await this.settings.backing?.flush();
    const fault = this.#clearFault;
    this.#clearFault = null;
    if (fault !== null) throw fault.error;
  }

  /** What flush waits for, and tells of. */
  protected noteClear(cleared: Promise<void>): void {
    const noted = cleared.catch((error: unknown) => {
      this.#clearFault = { error };
    });
    this.#clears.add(noted);
    void noted.then(() => this.#clears.delete(noted));
  }

  protected check(): void {
    if (this.closed) throw new ZbudError("ECLOSED", "this store was closed; make a new one");
  }
}

function codecOf(codec: string | Codec): Codec {
  if (typeof codec === "string") return getCodec(codec);
  checkCodec(codec);
  return codec;
}
