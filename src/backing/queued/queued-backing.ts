/// <reference lib="esnext.disposable" preserve="true" />
import { show, waitAtMost, ZbudError } from "../../base/index.ts";
import { checkKey, recordBytes } from "../../record/index.ts";
import { describeBacking } from "../describe.ts";
import type { Backing, BackingKey, BackingStats, ReadOptions, StoredEntry, WriteOutcome } from "../types.ts";
import { Health } from "./health.ts";
import { KeyQueues, type StoreCalls } from "./key-queues.ts";

/** Memory of a key's queue: an estimate. */
const QUEUE_BYTES = 400;

/** What differs between the kinds. */
interface QueuedParts<T> {
  readonly id: string;
  /** Which store it is, for messages. */
  readonly what: string;
  /** Its class and namespace, for people. */
  readonly described: string;
  readonly calls: StoreCalls<T>;
  /** How long a record's value is, by the bytes of the record. */
  readonly valueBytes: (bytes: number) => number;
  readonly timeoutMs: number;
  readonly maxInFlightBytes: number;
  readonly maxRecordBytes: number;
  readonly maxPendingKeys: number;
  /** Calls under way at a time, if not a few. */
  readonly maxCalls?: number;
  readonly clock: () => number;
  /** More keys wait for their delete than may. */
  readonly overflow: () => void;
}

/**
 * A store elsewhere, which may answer late or never: the calls on each key in their order, what is under way within its
 * bound, and whether the store is there.
 */
export abstract class QueuedBacking<T> implements Backing {
  abstract readonly name: string;
  readonly id: string;
  readonly isSync = false;
  readonly maxRecordBytes: number;
  protected readonly health: Health;
  protected readonly queues: KeyQueues<T>;
  protected readonly timeoutMs: number;
  protected isClosed = false;
  /** What is counted for {@link stats}. */
  protected readonly counts = {
    writes: 0,
    bytesWritten: 0,
    reads: 0,
    bytesRead: 0,
    deletions: 0,
    writesRefused: 0,
    writesFailed: 0,
    readsFailed: 0,
    readsDamaged: 0,
  };
  readonly #parts: QueuedParts<T>;
  #closing: Promise<void> | null = null;

  protected constructor(parts: QueuedParts<T>) {
    const { id, calls, timeoutMs, maxPendingKeys, maxRecordBytes, clock, overflow, maxCalls } = parts;
    this.#parts = parts;
    this.id = id;
    this.maxRecordBytes = maxRecordBytes;
    this.timeoutMs = timeoutMs;
    this.health = new Health(() => performance.now());
    this.queues = new KeyQueues<T>(calls, this.health, {
      timeoutMs,
      maxQueues: maxPendingKeys,
      ...(maxCalls === undefined ? {} : { maxCalls }),
      clock,
      overflow,
    });
  }

  abstract write(records: readonly StoredEntry[]): Promise<WriteOutcome[]>;
  abstract read(key: BackingKey, options?: ReadOptions): Promise<StoredEntry | null>;
  abstract has(key: BackingKey): boolean | "unknown";
  abstract clear(): Promise<void>;
  /** The name that the store knows a key by. */
  protected abstract nameOf(key: BackingKey): string;

  refuses(bytes: number): boolean {
    return bytes > this.maxRecordBytes || this.#isTooMuch(bytes) || this.#isResting;
  }

  writeSync(_record: StoredEntry): WriteOutcome {
    throw this.#notSync();
  }

  readSync(_key: BackingKey): StoredEntry | null {
    throw this.#notSync();
  }

  delete(key: BackingKey): void {
    checkKey(key);
    this.live();
    this.counts.deletions++;
    this.queues.delete(this.nameOf(key));
  }

  async flush(): Promise<void> {
    this.live();
    await this.#untilTold("a flush");
  }

  /**
   * Waits until the store was told everything; its client stays open.
   *
   * @throws {ZbudError} (as a rejection) `ETIMEDOUT` if the store did not take it in time: deleted records may
   *   be found there by others.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Begins the {@link close} and does not wait for it: a fault is lost. `await using` waits. */
  [Symbol.dispose](): void {
    void this.close().catch(() => undefined);
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  stats(): BackingStats {
    return {
      records: -1,
      bytesUsed: -1,
      maxBytes: Number.POSITIVE_INFINITY,
      maxRecords: Number.POSITIVE_INFINITY,
      memoryBytes: this.#parts.maxInFlightBytes + this.queues.count * QUEUE_BYTES,
      bytesInFlight: this.queues.bytes,
      ...this.counts,
      drops: 0,
      isDown: this.health.isDown,
    };
  }

  /** What is under way, in a line. */
  toString(): string {
    return describeBacking(this.#parts.described, this.isClosed, this.stats());
  }

  /** Why a record is not taken now; then its key has none either. Null: it is. */
  protected refusalOf(name: string, record: StoredEntry): WriteOutcome | null {
    if (this.isClosed) return this.#closedError();
    const bytes = recordBytes(record);
    const isTooLong = bytes > this.maxRecordBytes;
    if (!isTooLong && !this.#isTooMuch(bytes) && this.queues.admits(name) && !this.#isResting) return null;
    this.counts.writesRefused++;
    this.queues.delete(name);
    return isTooLong ? "EFBIG" : "EAGAIN";
  }

  /**
   * Sends a value that was not refused.
   *
   * @param outcomeOf - makes of how its call ended the outcome of the write.
   */
  protected send(
    name: string,
    value: T,
    bytes: number,
    expiresAt: number,
    outcomeOf: (ended: WriteOutcome) => WriteOutcome = (ended) => ended,
  ): Promise<WriteOutcome> {
    return new Promise((resolve) => {
      const settle = (ended: WriteOutcome): void => {
        const outcome = outcomeOf(ended);
        if (outcome === "ok") {
          this.counts.writes++;
          this.counts.bytesWritten += bytes;
        } else if (outcome === "EAGAIN") this.counts.writesRefused++;
        else if (outcome instanceof ZbudError) this.counts.writesFailed++;
        resolve(outcome);
      };
      this.queues.set(name, { value, expiresAt, bytes, settle });
    });
  }

  /**
   * Reads something of the store, which tells whether it is there.
   *
   * @throws {ZbudError} `EIO` while it is known not to answer.
   */
  protected ask<R>(call: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
    return this.#ask(call, signal);
  }

  async #ask<R>(call: () => Promise<R>, signal: AbortSignal | undefined): Promise<R> {
    if (this.isClosed) throw this.#closedError();
    if (!this.health.admits()) {
      this.counts.readsFailed++;
      const down = "a read failed: the store is down, and will be tried again soon";
      throw new ZbudError("EIO", down);
    }
    let result: R;
    try {
      result = await call();
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) this.health.unknown();
      else {
        this.counts.readsFailed++;
        this.health.failed();
      }
      throw error;
    }
    this.health.succeeded();
    this.queues.wake();
    return result;
  }

  /** What is read under a name is no record: it goes, unless somebody said something new about the key meanwhile. */
  protected giveUp(name: string, text: string = name): ZbudError {
    this.counts.readsDamaged++;
    if (!this.queues.has(name) && !this.isClosed) this.queues.delete(name);
    return new ZbudError("EBADMSG", `the value under ${show(text)} is damaged, and was given up`);
  }

  /** When all was told that was to be told by now. */
  protected told(): Promise<unknown> {
    return this.queues.told();
  }

  /** What of it was not, in words. */
  protected get untold(): string {
    return `${this.queues.count} keys`;
  }

  protected stop(): void {
    this.queues.stop();
  }

  protected live(): void {
    if (this.isClosed) throw this.#closedError();
  }

  /** Whether too much is under way; a value that is longer than may be goes when nothing else does. */
  #isTooMuch(bytes: number): boolean {
    const { bytes: underWay } = this.queues;
    return underWay > 0 && underWay + this.#parts.valueBytes(bytes) > this.#parts.maxInFlightBytes;
  }

  /** Whether the store is down, and it is not yet time to try it again. */
  get #isResting(): boolean {
    return this.health.isDown && this.health.waitMs > 0;
  }

  async #untilTold(call: string): Promise<void> {
    this.queues.wake();
    const late = (): ZbudError =>
      new ZbudError(
        "ETIMEDOUT",
        `${call} did not end within ${this.timeoutMs} ms: the store was not told of ${this.untold}`,
      );
    await waitAtMost(this.told(), this.timeoutMs, late);
  }

  async #close(): Promise<void> {
    this.isClosed = true;
    try {
      await this.#untilTold("the close");
    } finally {
      this.stop();
    }
  }

  #closedError(): ZbudError {
    return new ZbudError("ECLOSED", `${this.#parts.what} was closed`);
  }

  #notSync(): ZbudError {
    return new ZbudError(
      "ENOTSUP",
      `${this.#parts.what} cannot answer synchronously; use write() and read()`,
    );
  }
}
