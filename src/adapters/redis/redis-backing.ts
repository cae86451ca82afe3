import {
  type BackingKey,
  type CoherentBacking,
  type CoherentView,
  QueuedBacking,
  type ReadOptions,
  type StoredEntry,
  type TagName,
  type WriteOutcome,
} from "../../backing/index.ts";
import { inspectAsText, show, signalOption, ZbudError } from "../../base/index.ts";
import { CoherentTier } from "../../cache/index.ts";
import { checkKey, checkRecord, hasName } from "../../record/index.ts";
import { isHalfMoved, Server } from "./commands.ts";
import { JoinedStore, type RedisParts, type Since } from "./joined-store.ts";
import type { RedisLink } from "./link.ts";
import { Names, sealed, stampVersions, unseal, versionsBytes } from "./names.ts";
import type { RedisTierSettings } from "./options.ts";
import { ServiceKeys, TAGGED_MS_MAX } from "./service-keys.ts";

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
export class RedisBacking extends QueuedBacking<Pending> implements CoherentBacking {
  static {
    inspectAsText(RedisBacking.prototype);
  }

  readonly name = "redis";
  readonly coherence: CoherentBacking["coherence"];
  readonly #settings: RedisTierSettings;
  readonly #names: Names;
  readonly #server: Server;
  readonly #keys: ServiceKeys;
  readonly #link: RedisLink;
  #sequence = 0;
  #era = 0;
  /** The version of all, as a write found it last. */
  #lastAll: string | null = null;
  #joined: JoinedStore | null = null;
  /** @internal */
  constructor(link: RedisLink, settings: RedisTierSettings) {
    const { prefix, timeoutMs, maxInFlightBytes, maxRecordBytes, maxPendingKeys, clock } = settings;
    const names = new Names(prefix);
    const server = new Server(link, timeoutMs, names);
    super({
      id: `redis ${prefix}`,
      what: "the tier in Redis",
      described: `RedisBacking ${show(prefix)}`,
      calls: {
        set: (name, pending, leftMs) => this.#setOrDelete(name, pending, leftMs),
        delete: (name) => {
          const key = Buffer.from(name, "latin1");
          return server.delete(key, names.lock(key));
        },
      },
      valueBytes: (bytes) => bytes + versionsBytes(0),
      timeoutMs,
      maxInFlightBytes,
      maxRecordBytes,
      maxPendingKeys,
      maxCalls: CALLS_MAX,
      clock,
      overflow: () => void this.clear().catch(() => undefined),
    });
    this.#settings = settings;
    this.#link = link;
    this.#names = names;
    this.#server = server;
    this.#keys = new ServiceKeys(names, server, maxPendingKeys);
    const store: RedisParts = {
      settings,
      names: this.#names,
      server: this.#server,
      keys: this.#keys,
      queues: this.queues,
      link,
      read: (key: BackingKey, view: CoherentView | null, signal: AbortSignal | undefined) =>
        this.#read(key, view, signal),
      put: (record: StoredEntry, tags: readonly TagName[], since: Since, view: CoherentView) =>
        this.#put(record, tags, since, view),
      ask: (call) => this.ask(call, undefined),
    };
    this.coherence = { tier: CoherentTier, join: (view) => this.#join(store, view) };
  }

  write(records: readonly StoredEntry[]): Promise<WriteOutcome[]> {
    for (const record of records) checkRecord(record);
    return Promise.all(records.map((record) => this.#put(record, [], null, null)));
  }

  async read(key: BackingKey, options: ReadOptions = {}): Promise<StoredEntry | null> {
    const signal = signalOption("read", options);
    checkKey(key);
    this.live();
    signal?.throwIfAborted();
    return await this.#read(key, null, signal);
  }

  has(key: BackingKey): boolean | "unknown" {
    checkKey(key);
    this.live();
    return this.queues.has(this.nameOf(key)) ? false : "unknown";
  }

  /**
   * Gives all records a version that no longer counts, then takes them from the server in the background.
   *
   * @throws {ZbudError} (as a rejection) `EIO`, `ETIMEDOUT`: the server was not told yet, and is told again and again; this
   *   thread finds none of the records any more.
   */
  async clear(): Promise<void> {
    this.live();
    this.#era++;
    this.queues.cancelAll("ECANCELED");
    this.#server.forgetRecords();
    const version = await this.#keys.clear();
    this.#server
      .sweep(this.#names.prefix, version, (key) => this.#names.isCleared(key))
      // What is left there counts for nothing, and ends by its time.
      .catch(() => undefined);
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

  protected override nameOf(key: BackingKey): string {
    return this.#names.record(key).toString("latin1");
  }

  protected override told(): Promise<unknown> {
    return Promise.all([super.told(), this.#keys.idle()]);
  }

  protected override get untold(): string {
    const untold = `${super.untold} and ${this.#keys.pending} deletions of tags or of all`;
    return this.#link.isClosed
      ? `${untold}, for its client was closed before; close the cache first, then the tier, then the client`
      : untold;
  }

  protected override stop(): void {
    super.stop();
    this.#keys.stop();
    this.#link.close();
  }

  async #put(
    record: StoredEntry,
    tags: readonly TagName[],
    since: Since | null,
    view: CoherentView | null,
  ): Promise<WriteOutcome> {
    const { k0, k1, prefixLength, expiresAt } = record;
    const name = this.nameOf({ k0, k1, prefix: record.bytes.subarray(0, prefixLength) });
    const refusal = this.refusalOf(name, record);
    if (refusal !== null) return refusal;
    const pending: Pending = {
      bytes: sealed(record, ++this.#sequence, tags.length),
      tags,
      since,
      view,
      era: this.#era,
      isGivenUp: false,
    };
    return await this.send(name, pending, pending.bytes.length, expiresAt, (ended) =>
      ended === "ok" && pending.isGivenUp ? "EAGAIN" : ended,
    );
  }

  async #setOrDelete(name: string, pending: Pending, leftMs: number): Promise<void> {
    const isSet = await this.#set(name, pending, leftMs).catch((error: unknown) => {
      if (!isHalfMoved(error)) throw error;
      return false;
    });
    if (isSet) return;
    pending.isGivenUp = true;
    const key = Buffer.from(name, "latin1");
    // What was set here before may not have been sent, for this came after it.
    await this.#server.delete(key, this.#names.lock(key));
  }

  /** False: it was not set, nor will be. */
  async #set(name: string, pending: Pending, leftMs: number): Promise<boolean> {
    const { bytes, tags, since, view } = pending;
    const key = Buffer.from(name, "latin1");
    const lock = this.#names.lock(key);
    const asking = Promise.all(tags.map((tag) => this.#keys.tag(tag, view, true)));
    const all = this.#keys.all(view, true);
    // Whichever fails first is the outcome.
    asking.catch(() => undefined);
    const left = tags.length === 0 ? leftMs : Math.min(leftMs || TAGGED_MS_MAX, TAGGED_MS_MAX);
    const guess = this.#lastAll;
    if (view === null && guess !== null && pending.era === this.#era) {
      // In one trip, and once more if all was cleared since.
      stampVersions(bytes, { clear: guess, tags: [] });
      const [now] = await Promise.all([all, this.#server.set(key, bytes, left, lock)]);
      if (now.version === guess) return true;
    }
    const [found, ofAll] = await Promise.all([asking, all]);
    const clear = ofAll.version as string;
    const isLoaded = since?.isLoaded === true;
    const isDeleted = since !== null && tags.some((tag) => view?.isTagDeleted(tag, since.stamp) === true);
    // Whether a tag, or all, was deleted while the value was loaded is known only if its version was known before.
    const isUnsure =
      isLoaded && [ofAll, ...found].some(({ askedAt, isNew }) => !isNew && askedAt > since.lockedAt);
    // The version of all may be that of a clear which came after it.
    if (isDeleted || isUnsure || pending.era !== this.#era) return false;
    this.#lastAll = clear;
    const versions = found.map(({ version }, i) => ({ tag: tags[i], version: version as string }));
    stampVersions(bytes, { clear, tags: versions });
    if (!isLoaded) {
      await this.#server.set(key, bytes, left, lock);
      return true;
    }
    const { token } = since;
    return token !== null && (await this.#server.setLoaded(key, bytes, left, lock, token));
  }

  async #read(
    key: BackingKey,
    view: CoherentView | null,
    signal: AbortSignal | undefined,
  ): Promise<StoredEntry | null> {
    const name = this.#names.record(key);
    const text = name.toString("latin1");
    if (this.queues.has(text)) return null;
    const [value, all] = await this.ask(
      () => this.#keys.withAll(this.#server.get(name, signal), view),
      signal,
    );
    if (value === null) return null;
    const found = unseal(value, this.maxRecordBytes);
    if (found === null) throw this.giveUp(text, name.toString());
    const { record, clear, tags } = found;
    if (clear !== all && this.#names.isCleared(name)) return null;
    if (tags.length > 0 && !(await this.#keys.hold(tags, view))) return null;
    if (this.queues.has(text)) return null;
    if (!hasName(record, key) || (record.expiresAt !== 0 && record.expiresAt <= this.#settings.clock()))
      return null;
    this.counts.reads++;
    this.counts.bytesRead += value.length;
    return record;
  }
}
