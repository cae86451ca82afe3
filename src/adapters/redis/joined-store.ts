import { hash, randomBytes } from "node:crypto";
import type {
  BackingKey,
  CoherenceListener,
  CoherentStore,
  CoherentView,
  FleetLock,
  KeyQueues,
  RecordHead,
  StoredEntry,
  TagName,
  WriteOutcome,
} from "../../backing/index.ts";
import type { Server } from "./commands.ts";
import type { RedisLink } from "./link.ts";
import { type Names, unsealHead } from "./names.ts";
import type { RedisTierSettings } from "./options.ts";
import type { ServiceKeys } from "./service-keys.ts";
import { Tracker } from "./tracker.ts";

/** What makes a record out of date before it is there. */
export interface Since {
  /** A deletion of one of its tags after this stamp. */
  readonly stamp: number;
  /** Whether it was loaded: then also whatever was done with its key since its lock was taken, which is this, or null. */
  readonly isLoaded: boolean;
  readonly token: string | null;
  /** When that was, as {@link ServiceKeys.time} says. */
  readonly lockedAt: number;
}

/** What a tier has in common for all caches that are joined to it. */
export interface RedisParts {
  readonly settings: RedisTierSettings;
  readonly names: Names;
  readonly server: Server;
  readonly keys: ServiceKeys;
  readonly queues: Pick<KeyQueues<never>, "whenEnded">;
  readonly link: RedisLink;
  read(
    key: BackingKey,
    view: CoherentView | null,
    signal: AbortSignal | undefined,
  ): Promise<StoredEntry | null>;
  put(record: StoredEntry, tags: readonly TagName[], since: Since, view: CoherentView): Promise<WriteOutcome>;
  /** Asks the server, unless it is known not to answer: then it rejects. */
  ask<T>(send: () => Promise<T>): Promise<T>;
}

/** A tier in Redis as one cache uses it. */
export class JoinedStore implements CoherentStore {
  readonly graceMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  readonly ttlMs: number;
  readonly isOneServer: boolean;
  readonly #parts: RedisParts;
  readonly #view: CoherentView;
  readonly #locks: Set<() => void> = new Set();
  /** Of the keys whose lock this thread has, as far as it knows. */
  readonly #tokens: Map<string, { readonly token: string; readonly lockedAt: number }> = new Map();
  #tracker: Tracker | null = null;
  /** Whether its cache was closed. */
  isClosed = false;

  constructor(parts: RedisParts, view: CoherentView) {
    const { graceMs, heartbeatMs, timeoutMs, ttlMs } = parts.settings;
    this.graceMs = graceMs;
    this.heartbeatMs = heartbeatMs;
    this.timeoutMs = timeoutMs;
    this.ttlMs = ttlMs;
    this.isOneServer = !parts.link.isCluster;
    this.#parts = parts;
    this.#view = view;
  }

  versionOf(kind: number, head: Uint8Array, value: Uint8Array): number {
    // As texts: a Buffer for each would have memory of its own.
    const ofValue = hash("sha256", value, "hex");
    const digest =
      head.length === 0 ? ofValue : hash("sha256", Buffer.concat([Buffer.from(ofValue), head]), "hex");
    // 52 bits: a record's stamp is less than 2^53.
    const low = Number.parseInt(digest.slice(0, 8), 16);
    return ((low ^ kind) >>> 0) + 2 ** 32 * Number.parseInt(digest.slice(8, 13), 16);
  }

  listen(listener: CoherenceListener): () => void {
    const { link, names, settings } = this.#parts;
    const tracker = new Tracker(link, {
      prefix: names.prefix,
      heartbeatMs: settings.heartbeatMs,
      timeoutMs: settings.timeoutMs,
      now: () => this.#view.now(),
      began: () => listener.began(),
      alive: (sentAt) => listener.alive(sentAt),
      broke: () => listener.broke(),
      told: (keys) => this.#told(keys, listener),
    });
    this.#tracker = tracker;
    return () => tracker.stop();
  }

  #told(keys: readonly Buffer[] | null, listener: CoherenceListener): void {
    if (keys === null) {
      listener.all();
      return;
    }
    for (const key of keys) {
      const told = this.#parts.names.told(key);
      if (told.kind === "key") listener.key(told.prefix);
      else if (told.kind === "tag") void this.#confirm(key, listener, () => listener.tag(told.tag));
      else if (told.kind === "clear") void this.#confirm(key, listener, () => listener.all());
    }
  }

  /** A version that somebody made since there was none is no deletion, nor is one that was drawn here. */
  async #confirm(key: Buffer, listener: CoherenceListener, deleted: () => void): Promise<void> {
    const end = listener.carryOut();
    const isDeletion = await this.#parts.keys.isDeletion(key).catch(() => true);
    if (!this.isClosed && isDeletion) deleted();
    end();
  }

  async read(
    key: BackingKey,
    tags: readonly TagName[],
    signal: AbortSignal | undefined,
  ): Promise<StoredEntry | null> {
    if (tags.length === 0) return await this.#parts.read(key, this.#view, signal);
    const asking = tags.map((tag) => this.#parts.keys.tag(tag, this.#view, false));
    const known = Promise.allSettled(asking);
    const record = await this.#parts.read(key, this.#view, signal);
    await known;
    return record;
  }

  async head(key: BackingKey, tags: number, timeMs: number): Promise<RecordHead | null> {
    const { server, keys, names } = this.#parts;
    const [bytes, all] = await this.#parts.ask(() =>
      keys.withAll(server.getHead(names.record(key), tags, timeMs), this.#view),
    );
    const head = unsealHead(bytes);
    if (head === null || head.clear !== all) return null;
    if (head.tags.length > 0 && !(await keys.hold(head.tags, this.#view))) return null;
    return { stamp: head.stamp, expiresAt: head.expiresAt };
  }

  put(
    record: StoredEntry,
    tags: readonly TagName[],
    since: number,
    isLoaded: boolean,
  ): Promise<WriteOutcome> {
    const { k0, k1, bytes, prefixLength } = record;
    const name = this.#parts.names.record({ k0, k1, prefix: bytes.subarray(0, prefixLength) });
    const { token = null, lockedAt = 0 } = (isLoaded && this.#tokens.get(name.toString("latin1"))) || {};
    return this.#parts.put(record, tags, { stamp: since, isLoaded, token, lockedAt }, this.#view);
  }

  isChanging(key: BackingKey, then: () => void): boolean {
    const { queues, names } = this.#parts;
    return queues.whenEnded(names.record(key).toString("latin1"), then);
  }

  deleteTag(tag: TagName): void {
    this.#parts.keys.deleteTag(tag);
  }

  async lock(key: BackingKey, takes: boolean): Promise<FleetLock | null> {
    const { server, names, settings } = this.#parts;
    const record = names.record(key);
    const text = record.toString("latin1");
    const name = names.lock(record);
    const token = randomBytes(12).toString("hex");
    const { lockMs } = settings;
    const lockedAt = this.#parts.keys.time;
    if (!(await this.#parts.ask(() => server.lock(name, token, lockMs, takes)))) return null;
    this.#tokens.set(text, { token, lockedAt });
    const renewing = setInterval(() => {
      server.renewLock(name, token, lockMs).catch(() => undefined);
    }, lockMs / 3);
    renewing.unref();
    const stop = (): void => clearInterval(renewing);
    this.#locks.add(stop);
    // If it cannot be given back, it ends by its time.
    const unlock = (): void => void server.unlock(name, token).catch(() => undefined);
    return {
      end: () => {
        stop();
        this.#locks.delete(stop);
        if (this.#tokens.get(text)?.token === token) this.#tokens.delete(text);
        // Whoever comes next finds what was loaded.
        if (!this.isChanging(key, unlock)) unlock();
      },
    };
  }

  close(): void {
    this.isClosed = true;
    this.#tracker?.stop();
    for (const stop of this.#locks) stop();
  }
}
