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
import { QueuedBacking } from "../queued/queued-backing.ts";
import { required } from "../system.ts";
import type { BackingKey, ReadOptions, StoredEntry, WriteOutcome } from "../types.ts";
import { KeyvClient, type KeyvLike } from "./client.ts";
import { nameOf, seal, unseal, valueBytes } from "./envelope.ts";

const NAMES = [
  "store",
  "namespace",
  "timeoutMs",
  "maxInFlightBytes",
  "maxRecordBytes",
  "maxPendingKeys",
  "clock",
];

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
export class KeyvBacking extends QueuedBacking<string> {
  static {
    inspectAsText(KeyvBacking.prototype);
  }

  readonly name = "keyv";
  readonly #namespace: string;
  readonly #clock: () => number;
  readonly #client: KeyvClient;
  /** Tells this store's records from those of other processes. */
  readonly #writer: number;
  #sequence = 0;
  /** Own records up to this sequence, and others' up to this time, count as gone. */
  #gone: { sequence: number; time: number } = { sequence: 0, time: Number.NEGATIVE_INFINITY };

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
    const inFlight = options.maxInFlightBytes ?? 2 ** 24;
    const longest = options.maxRecordBytes ?? 2 ** 24;
    const timeoutMs = integerOption("timeoutMs", options.timeoutMs ?? 2000, 1, 2 ** 27);
    const maxInFlightBytes = sizeOption("maxInFlightBytes", inFlight, 4096, 2 ** 40, null);
    const maxRecordBytes = sizeOption("maxRecordBytes", longest, 1024, 2 ** 28, null);
    const maxPendingKeys = integerOption("maxPendingKeys", options.maxPendingKeys ?? 16_384, 1, 2 ** 24);
    const clock = clockOption(options.clock);
    const client = new KeyvClient(store);
    super({
      id: `keyv ${namespace}`,
      what: "the backing store on keyv",
      described: `KeyvBacking ${show(namespace)}`,
      calls: client,
      valueBytes,
      timeoutMs,
      maxInFlightBytes,
      maxRecordBytes,
      maxPendingKeys,
      clock,
      overflow: () => this.#forget("EAGAIN"),
    });
    this.#namespace = namespace;
    this.#clock = clock;
    this.#client = client;
    this.#writer = required<typeof import("node:crypto")>("node:crypto", "a keyv store")
      .randomBytes(4)
      .readUInt32LE(0);
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return Promise.all(records.map((record) => this.#write(record)));
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<StoredEntry | null> {
    const signal = signalOption("read", options);
    checkKey(key);
    this.live();
    signal?.throwIfAborted();
    const name = this.nameOf(key);
    const value = this.queues.has(name) ? this.queues.valueOf(name) : await this.#get(name, signal);
    if (value === undefined || value === null) return null;
    const found = unseal(value, this.maxRecordBytes);
    if (found === null) throw this.giveUp(name);
    const { record, writer, writtenAt, sequence } = found;
    const isGone = writer === this.#writer ? sequence <= this.#gone.sequence : writtenAt <= this.#gone.time;
    if (isGone || !hasName(record, key)) return null;
    if (record.expiresAt !== 0 && record.expiresAt <= this.#clock()) return null;
    this.counts.reads++;
    this.counts.bytesRead += recordBytes(record);
    return record;
  }

  has(key: BackingKey): boolean | "unknown" {
    checkKey(key);
    this.live();
    const name = this.nameOf(key);
    return this.queues.has(name) ? this.queues.valueOf(name) !== null : "unknown";
  }

  /**
   * Clears the store's namespace.
   *
   * @throws {ZbudError} (as a rejection) `EIO`, `ETIMEDOUT`: this process finds none of the records any more,
   *   but others may, and so may this one after a restart.
   */
  async clear(): Promise<void> {
    this.live();
    this.#forget("ECANCELED");
    const held = this.queues.hold();
    // What is written from now on is sent when the store is empty, or refused if that takes too long.
    const clearing = this.#client.clear().finally(held.end);
    const late = (): ZbudError => {
      held.late();
      return new ZbudError("ETIMEDOUT", `a clear did not end within ${this.timeoutMs} ms`);
    };
    try {
      await waitAtMost(clearing, this.timeoutMs, late);
      this.health.succeeded();
    } catch (error) {
      this.health.failed();
      throw error;
    }
  }

  protected override nameOf(key: BackingKey): string {
    return nameOf(this.#namespace, key);
  }

  #write(record: StoredEntry): WriteOutcome | Promise<WriteOutcome> {
    const name = this.nameOf(nameIn(record));
    const refusal = this.refusalOf(name, record);
    if (refusal !== null) return refusal;
    const value = seal(record, ++this.#sequence, this.#writer, this.#clock());
    return this.send(name, value, value.length, record.expiresAt);
  }

  async #get(name: string, signal: AbortSignal | undefined): Promise<unknown> {
    const late = (): ZbudError =>
      new ZbudError("ETIMEDOUT", `a read failed: the store did not answer within ${this.timeoutMs} ms`);
    return await this.ask(() => waitAtMost(this.#client.get(name), this.timeoutMs, late, signal), signal);
  }

  /** Nothing that was written up to now counts any more. */
  #forget(verdict: WriteOutcome): void {
    this.#gone = { sequence: this.#sequence, time: this.#clock() };
    this.queues.cancelAll(verdict);
  }
}

/** A record's name; its prefix is a view. */
function nameIn({ k0, k1, bytes, prefixLength }: StoredEntry): BackingKey {
  return { k0, k1, prefix: bytes.subarray(0, prefixLength) };
}
