import { unlessLockBusy, type WriteBudget } from "../base/index.ts";
import {
  type AheadLimits,
  type Engine,
  endWriteback,
  type FoundEntry,
  startWritingAhead,
} from "../engine/index.ts";

/** How long after a set the entries that go next are looked at. */
const LOOK_MS = 20;
/** How long it rests when the tier did not take something. */
const FAILED_MS = 1000;
/** Entries that are looked at, in all shards together: those that go first, and no more than a share of a shard's. */
const LOOKS = 2048;
const SHARE = 1 / 8;
/** What is written at once, and so the memory that waits for the tier: so many entries, or bytes and one entry. */
const BATCH_ENTRIES = 64;
const BATCH_BYTES = 2 ** 18;

/** Which value is being written. */
interface Ahead {
  readonly row: number;
  readonly version: number;
  readonly bytes: number;
  readonly outcome: Promise<unknown>;
}

/** What {@link WriteAhead} is given. */
interface AheadParts {
  readonly engine: () => Engine;
  readonly budget: WriteBudget;
  /** Hands an entry over, under its shard's lock, and gives the outcome. It never throws, and its promise never rejects. */
  readonly write: (entry: FoundEntry) => Promise<unknown>;
  /** Told of one that was not written, and is no longer in memory either. */
  readonly lost: (outcome: unknown) => void;
}

/**
 * Writes to the second tier, in the background, what will be evicted soon: then an eviction costs no write, and a
 * burst finds room in the queue of writes. Each thread does so while it sets values. What it writes is marked in the
 * state of its entry, so no other thread takes it too. When the write has ended, the entry is clean if it is still the
 * same one.
 */
export class WriteAhead {
  readonly #parts: AheadParts;
  #timer: unknown = null;
  #isRunning = false;
  #isClosed = false;
  /** What it writes at this moment. */
  #pending: readonly { shard: number; row: number; version: number }[] = [];

  constructor(parts: AheadParts) {
    this.#parts = parts;
  }

  /** Something was set or evicted: looks soon. A few instructions. */
  wake(): void {
    if (this.#timer === null && !this.#isRunning && !this.#isClosed) this.#wait(LOOK_MS);
  }

  close(): void {
    this.#isClosed = true;
    const engine = this.#parts.engine();
    // Else they would count as on their way for ever.
    if (!engine.isClosed) {
      for (const { shard, row, version } of this.#pending) {
        unlessLockBusy(() => endWriteback(engine, shard, row, version, "failed"));
      }
    }
    clearTimeout(this.#timer as NodeJS.Timeout);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#isRunning = true;
      void this.#run().then(
        (waitMs) => this.#rest(waitMs),
        // A damaged table, or no memory: nobody waits here, and the next call on the cache says so.
        () => this.#rest(0),
      );
    }, ms);
    // Only Node's timers have it.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #rest(ms: number): void {
    this.#isRunning = false;
    if (ms > 0 && !this.#isClosed) this.#wait(ms);
  }

  /** Writes what there is, batch by batch. After how long to look again; 0: when it is woken. */
  async #run(): Promise<number> {
    const { engine: engineOf, budget } = this.#parts;
    const engine = engineOf();
    const limits: AheadLimits = {
      looks: Math.max(BATCH_ENTRIES, Math.ceil(LOOKS / engine.shardCount)),
      share: SHARE,
      max: BATCH_ENTRIES,
      maxBytes: BATCH_BYTES,
    };
    for (;;) {
      let isFull = false;
      let failed = 0;
      for (let shard = 0; shard < engine.shardCount; shard++) {
        const waitMs = budget.waitMs();
        if (waitMs > 0) return waitMs;
        const batch = this.#take(engine, shard, limits);
        if (batch === null) return LOOK_MS;
        if (batch.length === 0) continue;
        this.#pending = batch.map(({ row, version }) => ({ shard, row, version }));
        for (const ahead of batch) if (!(await this.#end(engine, shard, ahead))) failed++;
        this.#pending = [];
        if (this.#isClosed || engine.isClosed) return 0;
        const bytes = batch.reduce((sum, ahead) => sum + ahead.bytes, 0);
        isFull ||= batch.length >= BATCH_ENTRIES || bytes >= BATCH_BYTES;
      }
      // What the tier did not take is tried again after a rest, and if it is evicted first, then.
      if (failed > 0 || !isFull) return failed > 0 ? FAILED_MS : 0;
    }
  }

  /** Waits for a write and notes how it ended. False: it failed. */
  async #end(engine: Engine, shard: number, { row, version, outcome }: Ahead): Promise<boolean> {
    const result = await outcome;
    const isWritten = result === "ok";
    if (this.#isClosed || engine.isClosed) return true;
    let isThere = true;
    unlessLockBusy(() => {
      isThere = endWriteback(engine, shard, row, version, isWritten ? "clean" : "failed");
    });
    if (isWritten || result === "ECANCELED") return true;
    // It was evicted meanwhile, for which it is enough to be on the way.
    if (!isThere) this.#parts.lost(result);
    return false;
  }

  /** Null: somebody is stopped within the shard's lock, or the engine was closed. */
  #take(engine: Engine, shard: number, limits: AheadLimits): Ahead[] | null {
    const batch: Ahead[] = [];
    // Never waits for it: that thread may not need the cache at all.
    if (this.#isClosed || engine.isClosed || engine.isBusy()) return null;
    const { budget, write } = this.#parts;
    const isFree = unlessLockBusy(() =>
      startWritingAhead(engine, shard, limits, (entry) => {
        const { row, version, storedLength } = entry;
        batch.push({ row, version, bytes: storedLength, outcome: write(entry) });
        budget.spend(storedLength);
      }),
    );
    return isFree ? batch : null;
  }
}
