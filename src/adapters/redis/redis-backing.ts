/// <reference lib="esnext.disposable" preserve="true" />
import {
  type BackingKey,
  type BackingStats,
  type CoherentBacking,
  type CoherentView,
  describeBacking,
  Health,
  KeyQueues,
  type ReadOptions,
  type StoredEntry,
  type TagName,
  type WriteOutcome,
} from "../../backing/index.ts";
import { inspectAsText, show, signalOption, waitAtMost, ZbudError } from "../../base/index.ts";
import { CoherentTier } from "../../cache/index.ts";
import { checkKey, checkRecord, hasName, recordBytes } from "../../record/index.ts";
import { Server } from "./commands.ts";
import { JoinedStore, type RedisParts, type Since } from "./joined-store.ts";
import type { RedisLink } from "./link.ts";
import { Names, sealed, stampVersions, type Unsealed, unseal, versionsBytes } from "./names.ts";
import type { RedisTierSettings } from "./options.ts";
import { ServiceKeys, TAGGED_MS_MAX } from "./service-keys.ts";

/** Memory of a key's queue: an estimate. */
const QUEUE_BYTES = 400;
/** Calls under way at a time: they share few packets. */
const CALLS_MAX = 1024;

/** A record on its way to the server. */
interface Pending {
  readonly bytes: Buffer;
  readonly tags: readonly TagName[];
  readonly since: Since | null;
  readonly view: CoherentView | null;
  /** How often all had been cleared here. */
  readonly era: number;
  /** Its tags are not known well enough: nothing was written. */
  isGivenUp: boolean;
}

/**
 * Records in a Redis or Valkey server, or a cluster, as `redisTier` opens it. For each key one call at a time is under way;
 * what could not be told is told when the server is back, and until then reads of the key are misses.
 */
export class RedisBacking implements CoherentBacking {
  static {
    inspectAsText(RedisBacking.prototype);
  }

  readonly name = "redis";
  readonly id: string;
  readonly isSync = false;
  readonly maxRecordBytes: number;
  readonly coherence: CoherentBacking["coherence"];
  readonly #settings: RedisTierSettings;
  readonly #names: Names;
  readonly #server: Server;
  readonly #health: Health;
  readonly #keys: ServiceKeys;
  readonly #queues: KeyQueues<Pending>;
  #sequence = 0;
  #era = 0;
  /** The version of all, as a write found it last. */
  #lastAll: string | null = null;
  #isClosed = false;
  #joined: JoinedStore | null = null;
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

  /** @internal */
  constructor(link: RedisLink, settings: RedisTierSettings) {
    this.#settings = settings;
    this.id = `redis ${settings.prefix}`;
    this.maxRecordBytes = settings.maxRecordBytes;
    this.#names = new Names(settings.prefix);
    this.#server = new Server(link, settings.timeoutMs);
    this.#health = new Health(() => performance.now());
    this.#keys = new ServiceKeys(this.#names, this.#server, settings.maxPendingKeys);
    const calls = {
      set: (name: string, pending: Pending, leftMs: number) => this.#set(name, pending, leftMs),
      delete: (name: string) => {
        const key = Buffer.from(name, "latin1");
        return this.#server.delete(key, this.#names.lock(key));
      },
    };
    this.#queues = new KeyQueues<Pending>(calls, this.#health, {
      timeoutMs: settings.timeoutMs,
      maxQueues: settings.maxPendingKeys,
      maxCalls: CALLS_MAX,
      clock: settings.clock,
      overflow: () => void this.clear().catch(() => undefined),
    });
    const store: RedisParts = {
      settings,
      names: this.#names,
      server: this.#server,
      keys: this.#keys,
      queues: this.#queues,
      link,
      read: (key: BackingKey, view: CoherentView | null, signal: AbortSignal | undefined) =>
        this.#read(key, view, signal),
      put: (record: StoredEntry, tags: readonly TagName[], since: Since, view: CoherentView) =>
        this.#put(record, tags, since, view),
      ask: (send) => this.#ask(send, undefined),
    };
    this.coherence = { tier: CoherentTier, join: (view) => this.#join(store, view) };
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return Promise.all(records.map((record) => this.#put(record, [], null, null)));
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
    return await this.#read(key, null, signal);
  }

  has(key: BackingKey): boolean | "unknown" {
    checkKey(key);
    this.#live();
    return this.#queues.has(this.#nameOf(key)) ? false : "unknown";
  }

  delete(key: BackingKey): void {
    checkKey(key);
    this.#live();
    this.#count.deleted++;
    this.#queues.delete(this.#nameOf(key));
  }

  /**
   * Gives all records a version that no longer counts, then takes them from the server in the background.
   *
   * @throws {ZbudError} (as a rejection) `EIO`, `ETIMEDOUT`: the server was not told yet, and is told again and again; this
   *   thread finds none of the records any more.
   */
  async clear(): Promise<void> {
    this.#live();
    this.#era++;
    this.#queues.cancelAll("ECANCELED");
    const version = await this.#keys.clear();
    this.#server
      .sweep(this.#names.prefix, version, (key) => this.#names.isCleared(key))
      // What is left there counts for nothing, and ends by its time.
      .catch(() => undefined);
  }

  async flush(): Promise<void> {
    this.#live();
    await this.#untilSent("a flush");
  }

  /**
   * Waits until the server was told everything; the client stays open.
   *
   * @throws {ZbudError} (as a rejection) `ETIMEDOUT` if it did not take it in time: deleted records may be found there.
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
      memoryBytes: this.#settings.maxInFlightBytes + this.#queues.count * QUEUE_BYTES,
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
    return describeBacking(`RedisBacking ${show(this.#settings.prefix)}`, this.#isClosed, this.stats());
  }

  #join(parts: RedisParts, view: CoherentView): JoinedStore {
    if (this.#joined?.isClosed === false) {
      throw new ZbudError(
        "EINVAL",
        "this tier has a cache already, which is told for itself what others change; open another one with redisTier for this cache",
      );
    }
    this.#joined = new JoinedStore(parts, view);
    return this.#joined;
  }

  #nameOf(key: BackingKey): string {
    return this.#names.record(key).toString("latin1");
  }

  async #put(
    record: StoredEntry,
    tags: readonly TagName[],
    since: Since | null,
    view: CoherentView | null,
  ): Promise<WriteOutcome> {
    if (this.#isClosed) return closedError();
    const bytes = recordBytes(record);
    const { k0, k1, prefixLength } = record;
    const name = this.#nameOf({ k0, k1, prefix: record.bytes.subarray(0, prefixLength) });
    let refusal: WriteOutcome | null = null;
    if (bytes > this.maxRecordBytes) refusal = "EFBIG";
    else if (this.#isTooMuch(bytes) || !this.#queues.admits(name) || this.#isResting) refusal = "EAGAIN";
    if (refusal !== null) {
      this.#count.refused++;
      this.#queues.delete(name);
      return refusal;
    }
    const pending: Pending = {
      bytes: sealed(record, ++this.#sequence, tags.length),
      tags,
      since,
      view,
      era: this.#era,
      isGivenUp: false,
    };
    const { expiresAt } = record;
    return await new Promise((resolve) => {
      const settle = (outcome: WriteOutcome): void => {
        const ended = outcome === "ok" && pending.isGivenUp ? "EAGAIN" : outcome;
        if (ended === "ok") {
          this.#count.written++;
          this.#count.bytesWritten += pending.bytes.length;
        } else if (ended === "EAGAIN") this.#count.refused++;
        else if (ended instanceof ZbudError) this.#count.writesFailed++;
        resolve(ended);
      };
      this.#queues.set(name, { value: pending, expiresAt, bytes: pending.bytes.length, settle });
    });
  }

  async #set(name: string, pending: Pending, leftMs: number): Promise<void> {
    const { bytes, tags, since, view } = pending;
    const key = Buffer.from(name, "latin1");
    const lock = this.#names.lock(key);
    const asking = Promise.all(tags.map((tag) => this.#keys.tag(tag, view, true)));
    const all = this.#keys.ofAll(view, true);
    // Whichever fails first is the outcome.
    asking.catch(() => undefined);
    const left = tags.length === 0 ? leftMs : Math.min(leftMs || TAGGED_MS_MAX, TAGGED_MS_MAX);
    const guess = this.#lastAll;
    if (view === null && guess !== null && pending.era === this.#era) {
      // In one trip, and once more if all was cleared since.
      stampVersions(bytes, { clear: guess, tags: [] });
      const [now] = await Promise.all([all, this.#server.set(key, bytes, left, lock)]);
      if (now.version === guess) return;
    }
    const [found, ofAll] = await Promise.all([asking, all]);
    const clear = ofAll.version as string;
    const isLoaded = since?.isLoaded === true;
    const isDeleted = since !== null && tags.some((tag) => view?.isTagDeleted(tag, since.stamp) === true);
    // Whether a tag, or all, was deleted while the value was loaded is known only if its version was known before.
    const isUnsure =
      isLoaded && [ofAll, ...found].some(({ askedAt, isNew }) => !isNew && askedAt > since.lockedAt);
    // The version of all may be that of a clear which came after it.
    if (!isDeleted && !isUnsure && pending.era === this.#era) {
      this.#lastAll = clear;
      const versions = found.map(({ version }, i) => ({ tag: tags[i], version: version as string }));
      stampVersions(bytes, { clear, tags: versions });
      if (!isLoaded) {
        await this.#server.set(key, bytes, left, lock);
        return;
      }
      const { token } = since;
      if (token !== null && (await this.#server.setLoaded(key, bytes, left, lock, token))) return;
    }
    pending.isGivenUp = true;
    // What was set here before may not have been sent, for this came after it.
    await this.#server.delete(key, lock);
  }

  async #read(
    key: BackingKey,
    view: CoherentView | null,
    signal: AbortSignal | undefined,
  ): Promise<StoredEntry | null> {
    const name = this.#names.record(key);
    const text = name.toString("latin1");
    if (this.#queues.has(text)) return null;
    const [value, all] = await this.#ask(
      () => Promise.all([this.#server.get(name, signal), this.#keys.all(view, false)]),
      signal,
    );
    if (value === null) return null;
    const found = unseal(value, this.maxRecordBytes);
    if (found === null) {
      this.#count.damaged++;
      // Unless somebody said something new about the key meanwhile.
      if (!this.#queues.has(text) && !this.#isClosed) this.#queues.delete(text);
      throw new ZbudError("EBADMSG", `the value under ${show(name.toString())} is damaged, and was given up`);
    }
    if (!(await this.#counts(found, all, view, key)) || this.#queues.has(text)) return null;
    const { record } = found;
    if (!hasName(record, key) || (record.expiresAt !== 0 && record.expiresAt <= this.#settings.clock()))
      return null;
    this.#count.read++;
    this.#count.bytesRead += value.length;
    return record;
  }

  /** Whether a record was written under the versions that hold. */
  async #counts(
    { clear, tags }: Unsealed,
    all: string | null,
    view: CoherentView | null,
    { prefix }: BackingKey,
  ): Promise<boolean> {
    const isKept = !this.#names.isCleared(Buffer.concat([this.#names.prefix, prefix]));
    if (clear !== all && !isKept) return false;
    return tags.length === 0 || (await this.#keys.hold(tags, view));
  }

  /**
   * Reads something of the server, which tells whether it is there.
   *
   * @throws {ZbudError} `EIO` while it is known not to answer.
   */
  async #ask<T>(send: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#isClosed) throw closedError();
    if (!this.#health.admits()) {
      this.#count.readsFailed++;
      throw new ZbudError("EIO", "a read failed: the server is down, and will be tried again soon");
    }
    try {
      const result = await send();
      this.#health.succeeded();
      this.#queues.wake();
      return result;
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

  /** Whether too much is under way; a value that is longer than may be goes when nothing else does. */
  #isTooMuch(bytes: number): boolean {
    const { bytes: underWay } = this.#queues;
    return underWay > 0 && underWay + bytes + versionsBytes(0) > this.#settings.maxInFlightBytes;
  }

  /** Whether the server is down, and it is not yet time to try it again. */
  get #isResting(): boolean {
    return this.#health.isDown && this.#health.waitMs > 0;
  }

  async #untilSent(what: string): Promise<void> {
    this.#queues.wake();
    const { timeoutMs } = this.#settings;
    const late = (): ZbudError =>
      new ZbudError(
        "ETIMEDOUT",
        `${what} did not end within ${timeoutMs} ms: the server was not told of ${this.#queues.count} keys and ${this.#keys.pending} deletions of tags or of all`,
      );
    await waitAtMost(Promise.all([this.#queues.told(), this.#keys.idle()]), timeoutMs, late);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#untilSent("the close");
    } finally {
      this.#queues.stop();
      this.#keys.stop();
    }
  }

  #live(): void {
    if (this.#isClosed) throw closedError();
  }
}

function closedError(): ZbudError {
  return new ZbudError("ECLOSED", "the tier in Redis was closed");
}

function notSync(): ZbudError {
  return new ZbudError("ENOTSUP", "a server cannot answer synchronously; use write() and read()");
}
