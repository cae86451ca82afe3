import { type Backing, type FullOf, isRefusal, type WriteOutcome } from "../backing/index.ts";
import type { WriteBudget } from "../base/index.ts";
import { nextTurn, ownBytes, ZbudError } from "../base/index.ts";
import {
  dirtyCount,
  dirtyRows,
  type Engine,
  emptyEntry,
  endWriteback,
  type FoundEntry,
  startWriteback,
  startWritebackOf,
} from "../engine/index.ts";
import { recordBytes } from "../record/index.ts";
import { type Counters, DROPPED, WRITEBACK_FAILED, WRITTEN_BACK, WRITTEN_BACK_BYTES } from "./counters.ts";
import { publishLater } from "./events.ts";
import { Pause } from "./pause.ts";

/** After a fault: how long writeback rests, twice as long each time. */
const REST_MS_MIN = 20;
const REST_MS_MAX = 5000;
/** How often a flush goes through what others make while it runs. */
const PASSES_MAX = 3;
/** Rows that a flush looks at in one turn of the event loop: less than a millisecond. */
const STEP_ROWS = 8192;
/** How long, and how often, it waits for writes of other threads, and when it looks whether these are gone. */
const WAIT_MS = 10;
const WAITS_MAX = 6000;
const LOOK_EVERY = 50;

/** Which value a record is of. */
interface Written {
  k0: number;
  k1: number;
  shard: number;
  row: number;
  version: number;
  bytes: number;
}

/** What {@link Writeback} is given. */
export interface WritebackParts {
  readonly engine: Engine;
  /** Null: there is none, and pages are kept, or dropped with `drops`. */
  readonly backing: Backing | null;
  readonly counters: Counters;
  readonly drops: boolean;
  /** Pages that go to the backing store in one call. */
  readonly batchPages: number;
  readonly pageSize: number;
  /** Share of the limit, 0 to 1. */
  readonly threshold: number;
  readonly budget: WriteBudget;
}

/**
 * Moves cold pages to the backing store: in the background while more than the threshold is in use, and one by
 * one when a store finds no room.
 *
 * In the background a page stays in memory, marked, until its record is written. When the write has ended, what
 * counts is whether the page is still the version that was written: it may have been overwritten or invalidated
 * meanwhile, and then the backing store was told to drop the record at that moment, under the lock of its shard.
 * The call of `write` is made under that lock as well, so the two are in order.
 */
export class Writeback {
  enabled: boolean;
  readonly #parts: WritebackParts;
  readonly #pause: Pause = new Pause();
  #running: Promise<void> | null = null;
  /** The batch that is under way in the background. */
  #step: Promise<unknown> = Promise.resolve();
  /** Single pages on their way. */
  readonly #aways: Set<Promise<unknown>> = new Set();
  /** Records of a batch, with their bytes one after the other. Made when the first is; none if a batch is one page. */
  #batch: readonly FoundEntry[] = [];
  #flushes = 0;
  #faults = 0;
  /** Whether the last batch of the background found no room. */
  #foundNoRoom = false;
  #isRefused = false;
  /** Of the last record that was to be written. */
  #lastBytes = 0;
  #closed = false;

  constructor(parts: WritebackParts, enabled: boolean) {
    this.#parts = parts;
    this.enabled = enabled;
  }

  /** Whether there is anything to be done in the background. */
  get isDue(): boolean {
    const { backing, engine, threshold } = this.#parts;
    return backing !== null && this.enabled && engine.fullness() > threshold;
  }

  /** Starts background writeback if it is due and does not run. */
  wake(): void {
    if (this.#running !== null || this.#closed || this.#flushes > 0 || !this.isDue) return;
    this.#faults = 0;
    this.#running = this.#run()
      .catch(() => this.#failed())
      .finally(() => {
        this.#running = null;
      });
  }

  /** Whether the backing store did not take the last page that this thread had for it, and would not now. */
  get isFull(): boolean {
    return this.#isRefused && this.#parts.backing?.refuses?.(this.#lastBytes) !== false;
  }

  /** What the backing store has no room for, as far as it says. */
  get fullOf(): FullOf | null {
    try {
      return this.#parts.backing?.stats().fullOf ?? null;
    } catch {
      return null;
    }
  }

  /** Whether the background is at work, and the last that it wrote did not fail. */
  get isMakingRoom(): boolean {
    return this.#running !== null && this.#faults === 0;
  }

  /** Resolves when the batch that is under way has ended, with the rest that the budget asks for. */
  async progress(): Promise<void> {
    await this.#step;
  }

  /**
   * For the engine, under a lock: may this page go? It may if the backing store takes it at once.
   *
   * @returns false also for a backing store that cannot: then the background makes room.
   */
  evict(entry: FoundEntry): boolean {
    const { backing, drops, counters } = this.#parts;
    if (backing === null) {
      if (drops) {
        counters.count(DROPPED, 1);
        publishLater("drop", entry.k0, entry.k1, "ok");
      }
      return drops;
    }
    if (!backing.isSync || !this.enabled || this.#closed || this.#parts.budget.waitMs() > 0) return false;
    if (this.#refuses(entry)) return false;
    const outcome = backing.writeSync(entry);
    const isWritten = outcome === "ok";
    publishLater("writeback", entry.k0, entry.k1, outcome);
    this.#isRefused = isRefusal(outcome);
    this.#count(isWritten, entry.storedLength);
    return isWritten;
  }

  /**
   * Writes all that is not in the backing store yet, and keeps it in memory too. One at a time.
   *
   * @throws {ZbudError} what the first write that failed gives; `EAGAIN` if another thread's writes do not end;
   *   `signal`'s reason.
   */
  async flush(signal: AbortSignal | undefined): Promise<void> {
    this.#flushes++;
    try {
      this.#pause.skip();
      await this.#running;
      await Promise.all(this.#aways);
      for (let shard = 0; shard < this.#parts.engine.shardCount; shard++)
        await this.#flushShard(shard, signal);
    } finally {
      this.#flushes--;
    }
  }

  /**
   * Writes the pages of a shard, and looks again: a page may have been on its way in another thread, where writing
   * it can fail, or was compressed anew and is another version now.
   */
  async #flushShard(shard: number, signal: AbortSignal | undefined): Promise<void> {
    const { engine } = this.#parts;
    let passes = 0;
    let waits = 0;
    while (dirtyCount(engine, shard) > 0) {
      const taken = await this.#flushPass(shard, signal);
      if (this.#parts.backing === null || (taken > 0 && ++passes === PASSES_MAX)) return;
      if (taken > 0) continue;
      if (++waits > WAITS_MAX) {
        throw new ZbudError(
          "EAGAIN",
          "another thread's writes do not end; if that thread has ended, call threadGone(threadId)",
        );
      }
      if (waits % LOOK_EVERY === 0) engine.recover();
      // Not a rest of the background: somebody waits for this, and perhaps nothing else keeps the process alive.
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
  }

  /** Goes once through a shard, in steps with a turn of the event loop after each. How many pages it wrote. */
  async #flushPass(shard: number, signal: AbortSignal | undefined): Promise<number> {
    const { engine, backing, batchPages } = this.#parts;
    let taken = 0;
    let dirtyBefore = Number.POSITIVE_INFINITY;
    for (let from = 1; from > 0; ) {
      signal?.throwIfAborted();
      const { rows, next } = dirtyRows(engine, shard, from, STEP_ROWS, batchPages);
      const fault = await this.#write((take, done, into) => {
        const count = startWritebackOf(engine, shard, rows, take, done, into);
        taken += count;
        return count;
      }, "clean");
      if (fault !== null) {
        // As in the background, room comes back with a flush: as long as something was written since the last one.
        const dirty = fault === "ENOSPC" && !engine.isClosed ? dirtyCount(engine, shard) : dirtyBefore;
        if (dirty >= dirtyBefore) throw errorOf(fault);
        dirtyBefore = dirty;
        await backing?.flush();
        continue;
      }
      if (engine.isClosed) return taken;
      from = next;
      if (from > 0) await new Promise<void>(nextTurn);
    }
    return taken;
  }

  /** Writes one page that is in memory, and evicts it when that has succeeded. Not beyond the budget. */
  writeAway(shard: number, row: number, version: number): void {
    if (!this.enabled || this.#closed || this.#parts.budget.waitMs() > 0) return;
    const { engine } = this.#parts;
    const rows = Int32Array.of(row, version);
    const away = this.#write(
      (take, done, into) => startWritebackOf(engine, shard, rows, take, done, into),
      "evict",
    );
    this.#aways.add(away);
    const settled = (): boolean => this.#aways.delete(away);
    away.then(settled, () => {
      settled();
      this.#failed();
    });
  }

  /** Ends the background; what is under way is awaited. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pause.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#flushes === 0 && this.isDue) {
      const step = this.#runStep();
      this.#step = step;
      if (!(await step)) return;
      if (this.#faults > 0) await this.#rest(Math.min(REST_MS_MAX, REST_MS_MIN * 2 ** this.#faults));
    }
  }

  /** One batch. False: all that could go is on its way in other threads. */
  async #runStep(): Promise<boolean> {
    const { engine, backing } = this.#parts;
    const shard = engine.fullestShard();
    let moved = 0;
    const fault = await this.#write((take, done, into) => {
      // Not all that there is, however few there are.
      const count = Math.min(this.#parts.batchPages, 1 + (engine.size >> 3));
      moved = startWriteback(engine, shard, count, take, done, into);
      return moved;
    }, "evict");
    if (fault === null) {
      this.#faults = 0;
      this.#foundNoRoom = false;
      await this.#rest(this.#parts.budget.waitMs());
    } else {
      const isNoRoom = fault === "ENOSPC";
      // Room of deleted records that are part of the last flush comes back with the next one. If that fails as
      // well, what cannot be written stays in memory, and is tried again.
      if (isNoRoom) await backing?.flush().catch(() => {});
      if (!isNoRoom || this.#foundNoRoom) this.#faults++;
      this.#foundNoRoom = isNoRoom;
    }
    return moved > 0;
  }

  async #rest(ms: number): Promise<void> {
    if (this.#flushes === 0) await this.#pause.forMs(ms);
  }

  /** Has records taken and written, and settles each. The first outcome that was a failure, or null. */
  async #write(
    start: (take: (entry: FoundEntry) => void, done: () => void, into: readonly FoundEntry[]) => number,
    after: "clean" | "evict",
  ): Promise<WriteOutcome | null> {
    const { backing } = this.#parts;
    if (backing === null) return null;
    const records: FoundEntry[] = [];
    const written: Written[] = [];
    let outcomes: Promise<WriteOutcome[]> | null = null;
    start(
      (entry) => {
        const { k0, k1, shard, row, version, storedLength } = entry;
        records.push(entry);
        this.#lastBytes = recordBytes(entry);
        written.push({ k0, k1, shard, row, version, bytes: storedLength });
      },
      () => {
        outcomes = backing.write(records); // which copies all of them
      },
      this.#batchRecords(),
    );
    if (outcomes === null) return null;
    const results = (await outcomes) as WriteOutcome[];
    const { engine } = this.#parts;
    if (engine.isClosed) return null;
    let fault: WriteOutcome | null = null;
    for (const [i, { k0, k1, shard, row, version, bytes }] of written.entries()) {
      const isWritten = results[i] === "ok";
      const isCanceled = results[i] === "ECANCELED";
      if (!isCanceled) publishLater("writeback", k0, k1, results[i]);
      endWriteback(engine, shard, row, version, isWritten ? after : "failed");
      if (isCanceled) continue;
      this.#isRefused = isRefusal(results[i]);
      this.#count(isWritten, bytes);
      if (!isWritten) fault ??= results[i];
    }
    return fault;
  }

  /** Whether the backing store would not take a page: then it is not asked. */
  #refuses(entry: FoundEntry): boolean {
    this.#lastBytes = recordBytes(entry);
    if (this.#parts.backing?.refuses?.(this.#lastBytes) !== true) return false;
    this.#isRefused = true;
    return true;
  }

  #batchRecords(): readonly FoundEntry[] {
    const { batchPages, pageSize } = this.#parts;
    if (batchPages > 1 && this.#batch.length === 0) {
      const bytes = ownBytes(batchPages * pageSize);
      this.#batch = Array.from({ length: batchPages }, (_, i) => {
        return { ...emptyEntry(), bytes: bytes.subarray(i * pageSize, (i + 1) * pageSize) };
      });
    }
    return this.#batch;
  }

  /**
   * For an error that nobody waits for: no memory, or a shard's lock that was not to be had. What was to be written
   * is in memory still, and is tried again at a later store.
   */
  #failed(): void {
    if (!this.#parts.engine.isClosed) this.#parts.counters.count(WRITEBACK_FAILED, 1);
  }

  #count(isWritten: boolean, bytes: number): void {
    const { counters } = this.#parts;
    counters.count(isWritten ? WRITTEN_BACK : WRITEBACK_FAILED, 1);
    if (isWritten) counters.count(WRITTEN_BACK_BYTES, bytes);
    this.#parts.budget.spend(bytes);
  }
}

function errorOf(outcome: WriteOutcome): ZbudError {
  if (outcome instanceof ZbudError) return outcome;
  if (outcome === "ENOSPC" || outcome === "EFBIG") {
    return new ZbudError(
      "ENOSPC",
      "the backing store has no room for all pages; open it with more of what stats().backingFullOf says",
    );
  }
  return new ZbudError("EAGAIN", "the backing store takes no more at the moment; try again");
}
