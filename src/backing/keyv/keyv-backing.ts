/// <reference lib="esnext.disposable" preserve="true" />
import {
  checkNames,
  clockOption,
  inspectAsText,
  integerOption,
  type Size,
  show,
  signalOption,
  sizeOption,
  waitAtMost,
  ZbudError,
} from "../../base/index.ts";
import { checkKey, checkRecord, hasName, recordBytes } from "../../record/index.ts";
import { describeBacking } from "../describe.ts";
import { required } from "../system.ts";
import type { Backing, BackingKey, BackingStats, ReadOptions, StoredEntry, WriteOutcome } from "../types.ts";
import { KeyvClient, type KeyvLike } from "./client.ts";
import { nameOf, seal, unseal, valueBytes } from "./envelope.ts";
import { Health } from "./health.ts";
import { KeyQueues } from "./key-queues.ts";

const NAMES = [
  "store",
  "namespace",
  "timeoutMs",
  "maxInFlightBytes",
  "maxRecordBytes",
  "maxPendingKeys",
  "clock",
];

/** Memory of a key's queue: an estimate. */
const QUEUE_BYTES = 400;

/** What {@link KeyvBacking} takes. */
export interface KeyvBackingOptions {
  /**
   * A Keyv, version 5 or 6, with a namespace that nothing else uses, since `clear()` clears it; or a storage
   * adapter for one. Whoever made it closes it.
   */
  readonly store: KeyvLike;
  /** What all keys begin with. Default `"zbud"`. */
  readonly namespace?: string;
  /** How long a call may take, in ms. Default 2000. */
  readonly timeoutMs?: number;
  /**
   * The most bytes of values that are being written, as a number or `"16MiB"`; writes beyond it have the outcome
   * `"EAGAIN"`, but for a longer one while no other is under way. Default 16 MiB.
   */
  readonly maxInFlightBytes?: Size;
  /**
   * The most bytes of a record, as a number or `"64MiB"`; a longer one has the outcome `"EFBIG"`. Default 16 MiB; some
   * stores take less. It is kept as text, a third longer.
   */
  readonly maxRecordBytes?: Size;
  /**
   * The most keys whose delete the store was not told of yet. With one more, everything that was written before counts
   * as gone. Default 16,384.
   */
  readonly maxPendingKeys?: number;
  /** Gives milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
}

/**
 * Records in any Keyv store: Redis, Valkey, PostgreSQL, S3, … Several processes and machines may share one;
 * the order of calls holds within each of them.
 *
 * A store that fails or does not answer gives errors and refusals, never old values: what could not be told
 * to it is told when it is back, and until then reads of these keys are misses.
 */
export class KeyvBacking implements Backing {
  static {
    inspectAsText(KeyvBacking.prototype);
  }

  readonly name = "keyv";
  readonly id: string;
  readonly isSync = false;
  readonly maxRecordBytes: number;
  readonly #namespace: string;
  readonly #timeoutMs: number;
  readonly #maxInFlightBytes: number;
  readonly #maxPendingKeys: number;
  readonly #clock: () => number;
  readonly #client: KeyvClient;
  readonly #health: Health;
  readonly #queues: KeyQueues<string>;
  /** Tells this store's records from those of other processes. */
  readonly #writer: number;
  #sequence = 0;
  /** Own records up to this sequence, and others' up to this time, count as gone. */
  #gone: { sequence: number; time: number } = { sequence: 0, time: Number.NEGATIVE_INFINITY };
  #isClosed = false;
  #closing: Promise<void> | null = null;
  readonly #count = {
    written: 0,
    bytesWritten: 0,
    read: 0,
    bytesRead: 0,
    deleted: 0,
    refused: 0,
    writesFailed: 0,
    readsFailed: 0,
    damaged: 0,
  };

  /** @throws {ZbudError} `EINVAL` naming the option that is not what it should be. */
  constructor(options: KeyvBackingOptions) {
    checkNames("a keyv store", options, NAMES);
    const { store, namespace = "zbud" } = options;
    if (typeof namespace !== "string" || !/^[\w-]{1,64}$/.test(namespace)) {
      throw new ZbudError(
        "EINVAL",
        `namespace must be 1 to 64 letters, digits, "-" or "_", not ${show(namespace)}`,
      );
    }
    this.#namespace = namespace;
    this.id = `keyv ${namespace}`;
    this.#timeoutMs = integerOption("timeoutMs", options.timeoutMs ?? 2000, 1, 2 ** 27);
    this.#maxInFlightBytes = sizeOption(
      "maxInFlightBytes",
      options.maxInFlightBytes ?? 2 ** 24,
      4096,
      2 ** 40,
      null,
    );
    this.maxRecordBytes = sizeOption(
      "maxRecordBytes",
      options.maxRecordBytes ?? 2 ** 24,
      1024,
      2 ** 28,
      null,
    );
    this.#maxPendingKeys = integerOption("maxPendingKeys", options.maxPendingKeys ?? 16_384, 1, 2 ** 24);
    this.#clock = clockOption(options.clock);
    this.#client = new KeyvClient(store);
    this.#health = new Health(() => performance.now());
    this.#queues = new KeyQueues(this.#client, this.#health, {
      timeoutMs: this.#timeoutMs,
      maxQueues: this.#maxPendingKeys,
      clock: this.#clock,
      overflow: () => this.#forget("EAGAIN"),
    });
    this.#writer = required<typeof import("node:crypto")>("node:crypto", "a keyv store")
      .randomBytes(4)
      .readUInt32LE(0);
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return Promise.all(records.map((record) => this.#write(record)));
  }

  refuses(bytes: number): boolean {
    return bytes > this.maxRecordBytes || this.#isTooMuch(bytes) || this.#isResting;
  }

  writeSync(_record: StoredEntry): WriteOutcome {
    throw notSync();
  }

  readSync(_key: BackingKey): StoredEntry | null {
    throw notSync();
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<StoredEntry | null> {
    const signal = signalOption("read", options);
    checkKey(key);
    this.#live();
    signal?.throwIfAborted();
    const name = nameOf(this.#namespace, key);
    const value = this.#queues.has(name) ? this.#queues.valueOf(name) : await this.#getIfUp(name, signal);
    if (value === undefined || value === null) return null;
    const found = unseal(value, this.maxRecordBytes);
    if (found === null) {
      this.#count.damaged++;
      // Unless somebody said something new about the key meanwhile.
      if (!this.#queues.has(name) && !this.#isClosed) this.#queues.delete(name);
      throw new ZbudError("EBADMSG", `the value under ${show(name)} is damaged, and was given up`);
    }
    const { record, writer, writtenAt, sequence } = found;
    const isGone = writer === this.#writer ? sequence <= this.#gone.sequence : writtenAt <= this.#gone.time;
    if (isGone || !hasName(record, key)) return null;
    if (record.expiresAt !== 0 && record.expiresAt <= this.#clock()) return null;
    this.#count.read++;
    this.#count.bytesRead += recordBytes(record);
    return record;
  }

  has(key: BackingKey): boolean | "unknown" {
    checkKey(key);
    this.#live();
    const name = nameOf(this.#namespace, key);
    return this.#queues.has(name) ? this.#queues.valueOf(name) !== null : "unknown";
  }

  delete(key: BackingKey): void {
    checkKey(key);
    this.#live();
    this.#count.deleted++;
    this.#queues.delete(nameOf(this.#namespace, key));
  }

  /**
   * Clears the store's namespace.
   *
   * @throws {ZbudError} (as a rejection) `EIO`, `ETIMEDOUT`: this process finds none of the records any more,
   *   but others may, and so may this one after a restart.
   */
  async clear(): Promise<void> {
    this.#live();
    this.#forget("ECANCELED");
    const held = this.#queues.hold();
    // What is written from now on is sent when the store is empty, or refused if that takes too long.
    const clearing = this.#client.clear().finally(held.end);
    const late = (): ZbudError => {
      held.late();
      return new ZbudError("ETIMEDOUT", `a clear did not end within ${this.#timeoutMs} ms`);
    };
    try {
      await waitAtMost(clearing, this.#timeoutMs, late);
      this.#health.succeeded();
    } catch (error) {
      this.#health.failed();
      throw error;
    }
  }

  async flush(): Promise<void> {
    this.#live();
    await this.#untilSent("a flush");
  }

  /**
   * Waits until the store was told everything; the Keyv stays open.
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
    const { written, bytesWritten, read, bytesRead, deleted, refused, ...rest } = this.#count;
    return {
      records: -1,
      bytesUsed: -1,
      maxBytes: Number.POSITIVE_INFINITY,
      maxRecords: Number.POSITIVE_INFINITY,
      memoryBytes: this.#maxInFlightBytes + this.#queues.count * QUEUE_BYTES,
      bytesInFlight: this.#queues.bytes,
      writes: written,
      bytesWritten,
      reads: read,
      bytesRead,
      deletions: deleted,
      drops: 0,
      writesRefused: refused,
      writesFailed: rest.writesFailed,
      readsFailed: rest.readsFailed,
      readsDamaged: rest.damaged,
      isDown: this.#health.isDown,
    };
  }

  /** What is under way, in a line. */
  toString(): string {
    return describeBacking(`KeyvBacking ${show(this.#namespace)}`, this.#isClosed, this.stats());
  }

  #write(record: StoredEntry): WriteOutcome | Promise<WriteOutcome> {
    if (this.#isClosed) return closedError();
    const bytes = recordBytes(record);
    const name = nameOf(this.#namespace, nameIn(record));
    let refusal: WriteOutcome | null = null;
    if (bytes > this.maxRecordBytes) refusal = "EFBIG";
    else if (this.#isTooMuch(bytes) || !this.#queues.admits(name) || this.#isResting) refusal = "EAGAIN";
    if (refusal !== null) {
      this.#count.refused++;
      this.#queues.delete(name);
      return refusal;
    }
    const now = this.#clock();
    const value = seal(record, ++this.#sequence, this.#writer, now);
    return new Promise((resolve) => {
      const settle = (outcome: WriteOutcome): void => {
        if (outcome === "ok") {
          this.#count.written++;
          this.#count.bytesWritten += value.length;
        } else if (outcome === "EAGAIN") this.#count.refused++;
        else if (outcome instanceof ZbudError) this.#count.writesFailed++;
        resolve(outcome);
      };
      this.#queues.set(name, { value, expiresAt: record.expiresAt, bytes: value.length, settle });
    });
  }

  /** Whether too much is under way; a value that is longer than may be goes when nothing else does. */
  #isTooMuch(bytes: number): boolean {
    const { bytes: underWay } = this.#queues;
    return underWay > 0 && underWay + valueBytes(bytes) > this.#maxInFlightBytes;
  }

  /** Whether the store is down, and it is not yet time to try it again. */
  get #isResting(): boolean {
    return this.#health.isDown && this.#health.waitMs > 0;
  }

  async #getIfUp(name: string, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#health.admits()) return await this.#get(name, signal);
    this.#count.readsFailed++;
    throw new ZbudError("EIO", "a read failed: the store is down, and will be tried again soon");
  }

  async #get(name: string, signal: AbortSignal | undefined): Promise<unknown> {
    const late = (): ZbudError =>
      new ZbudError("ETIMEDOUT", `a read failed: the store did not answer within ${this.#timeoutMs} ms`);
    try {
      const value = await waitAtMost(this.#client.get(name), this.#timeoutMs, late, signal);
      this.#health.succeeded();
      this.#queues.wake();
      return value;
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) {
        this.#health.unknown();
        throw error;
      }
      this.#count.readsFailed++;
      this.#health.failed();
      throw error;
    }
  }

  /** Nothing that was written up to now counts any more. */
  #forget(verdict: WriteOutcome): void {
    this.#gone = { sequence: this.#sequence, time: this.#clock() };
    this.#queues.cancelAll(verdict);
  }

  async #untilSent(what: string): Promise<void> {
    this.#queues.wake();
    const { count } = this.#queues;
    const late = (): ZbudError =>
      new ZbudError(
        "ETIMEDOUT",
        `${what} did not end within ${this.#timeoutMs} ms: the store was not told of ${count} keys`,
      );
    await waitAtMost(this.#queues.told(), this.#timeoutMs, late);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#untilSent("the close");
    } finally {
      this.#queues.stop();
    }
  }

  #live(): void {
    if (this.#isClosed) throw closedError();
  }
}

/** A record's name; its prefix is a view. */
function nameIn({ k0, k1, bytes, prefixLength }: StoredEntry): BackingKey {
  return { k0, k1, prefix: bytes.subarray(0, prefixLength) };
}

function closedError(): ZbudError {
  return new ZbudError("ECLOSED", "the backing store on keyv was closed");
}

function notSync(): ZbudError {
  return new ZbudError("ENOTSUP", "a keyv store cannot answer synchronously; use write() and read()");
}
