import type {
  Backing,
  BackingKey,
  CoherentBacking,
  CoherentStore,
  FleetLock,
  RecordHead,
  TagName,
  WriteOutcome,
} from "../backing/index.ts";
import { ownBytes, waitAtMost, ZbudError } from "../base/index.ts";
import type { Codec } from "../codecs/index.ts";
import { type FoundEntry, noteChange, noteSame, trustAgain, trustOf } from "../engine/index.ts";
import { BLOCK_BYTES, decodeValue, type StoredEntry } from "../record/index.ts";
import { mendTimes } from "./check-entry.ts";
import type { Coherent } from "./coherent.ts";
import { freshUntil, kindOf } from "./expiry.ts";
import { Hearing, steadyMs } from "./hearing.ts";
import { EncodedKey } from "./key.ts";
import type { Lease } from "./leases.ts";
import { warmCodec } from "./options.ts";
import { Counter } from "./shared-state.ts";
import { removeTagged, TAG_BYTES, tagsIn } from "./tags.ts";
import { type Fetched, nameOf, type Read, Tier, type TieredCache } from "./tier.ts";
import { DICTIONARY_NAME, dictionaryName } from "./tier-dictionaries.ts";

/** For the engine: put unless there is one. */
const UNLESS_THERE = -2;
/**
 * What was told waits so long, in ms, for something else that is sent, to go with it: each write to a connection is a call
 * of the system.
 */
const GATHER_MS = 5;
/** Comparisons under way at a time; what others change beyond that goes from memory unseen. */
const CHECKS_MAX = 1024;
/** Versions of what this thread set that are kept until the server tells of it; else they are made anew. */
const WRITTEN_MAX = 1024;
/** How often an entry that changes all the while is compared. */
const CHECK_TRIES = 4;
/** How often a key is read that changes meanwhile, before what was read is given and not kept. */
const READ_TRIES = 2;
/** How long who waits for somebody else's load looks only here, in ms; then the server is asked again. */
const WAIT_MS = 250;
const WAIT_STEP_MS_MAX = 20;
/** At no time has anything expired. */
const BEFORE_ALL = Number.NEGATIVE_INFINITY;

/** A value that is the server's. */
type Found<V> = Extract<Fetched<V>, object>;

/** Where an entry lies in memory. */
interface Place {
  readonly shard: number;
  readonly row: number;
  readonly version: number;
}

/** The same with how many tags it has. */
interface Tagged extends Place {
  readonly tags: number;
}

/**
 * The second tier that several machines share as one truth. What is set goes to the server at once, and what others
 * change is told. No entry of memory is served that may be older than the bound (docs/backing.md), because
 *  - a key that somebody changed goes. What is being read of it meanwhile is not kept (its leases are revoked). Only what
 *    this machine set may be what it is told of: it is compared with the server first, by a version that is made of its
 *    content. From then on it is clean, as what was read is;
 *  - while nothing can be told, entries are served until {@link Hearing} says no, and afterwards once they were compared;
 *  - what is loaded or read is kept only if nothing went unheard since that began, or, while nothing can be told, if that
 *    was not long ago.
 */
export class CoherentTier<V> extends Tier<V> implements Coherent {
  override readonly coherent: Coherent = this;
  readonly #store: CoherentStore;
  readonly #key: EncodedKey = new EncodedKey();
  #hearing: Hearing | null = null;
  #checks = 0;
  /** Names that were told, and are compared with the next thing that is sent. */
  readonly #toCheck: Set<string> = new Set();
  #sending: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;
  /** What this thread set last, by name. */
  readonly #written: Map<string, Place & { readonly stamp: number }> = new Map();

  constructor(core: TieredCache<V>, backing: Backing) {
    super(core, backing);
    const { sharedState } = core;
    const isVoid = (stamp: number): boolean =>
      this.#hearing?.hears !== true || sharedState.tierVoidSince(stamp) || sharedState.clearedSince(stamp);
    this.#store = (backing as CoherentBacking).coherence.join({
      now: steadyMs,
      stamp: () => sharedState.stamp(),
      isTagOld: ({ k0 }, stamp) => isVoid(stamp) || sharedState.tagDeletedSince(stamp, k0),
      isClearOld: isVoid,
      isTagDeleted: ({ k0 }, stamp) => sharedState.tagDeletedSince(stamp, k0),
    });
  }

  begin(): void {
    const { engine, sharedState } = this.core;
    this.#hearing = new Hearing(engine, sharedState, this.#store, {
      key: (prefix) => this.#toldKey(prefix),
      tag: (tag) => this.#toldTag(tag),
      all: () => {
        sharedState.invalidateAll();
        engine.clear();
      },
    });
  }

  override close(): void {
    this.#hearing?.close();
    this.#store.close();
    super.close();
  }

  /** What is evicted is on the server already. */
  override evict(): boolean {
    return true;
  }

  get hears(): boolean {
    return this.#hearing?.hears === true;
  }

  get ready(): Promise<void> | null {
    return this.#hearing?.ready ?? null;
  }

  get #listens(): boolean {
    return this.#hearing?.listens === true;
  }

  trusts({ shard, version }: FoundEntry): boolean {
    return this.#hearing?.serves(trustOf(this.core.engine.shard(shard).words, version)) === true;
  }

  holds(lease: Lease): boolean {
    if (this.core.sharedState.tierVoidSince(lease.stamp)) return false;
    // While nothing is told, what comes now may be as old as the lease; it is served for the grace from here on.
    const { heartbeatMs, timeoutMs } = this.#store;
    return this.#listens || performance.now() - lease.at <= heartbeatMs + timeoutMs;
  }

  wrote(key: EncodedKey, lease: Lease | null): void {
    const { engine, sharedState } = this.core;
    const { k0, k1, bytes, length } = key;
    if (lease !== null && this.#store.ttlMs === 0 && !this.#listens) {
      // Somebody may have set it since the load began, which nobody could tell. It is distrusted when that is over.
      sharedState.count(Counter.untold);
      return;
    }
    const { found } = engine;
    while (engine.contains(k0, k1, bytes, length, BEFORE_ALL)) {
      // It has moved meanwhile, or somebody changed it, who tells it as well.
      if (!engine.readRow(found.shard, found.row, found.version)) continue;
      this.#write(found, lease);
      this.#sends();
      return;
    }
    // It was evicted at once, or somebody deleted it: at least the older value must go.
    this.drop(k0, k1, bytes, length);
  }

  #write(entry: FoundEntry, lease: Lease | null): void {
    const writes: Promise<unknown>[] = [];
    const stamp = this.#versionOf(entry);
    try {
      const tags = tagsIn(entry);
      mendTimes(entry);
      const slot = this.dictionaries.missing(entry);
      if (slot >= 0) writes.push(this.#writeDictionary(slot));
      this.dictionaries.name(entry);
      entry.stamp = stamp;
      const since = lease === null ? this.core.sharedState.stamp() : lease.stamp;
      const { shard, row, version, k0, k1, bytes, prefixLength } = entry;
      const name = { k0, k1, prefix: bytes.slice(0, prefixLength) };
      this.#noteWritten(textOf(name.prefix), { shard, row, version, stamp });
      const put = this.#store.put(entry, tags, since, lease !== null);
      writes.push(put);
      void put.then((outcome) => this.#putEnded({ shard, row, version }, name, outcome));
    } catch (error) {
      this.noteClosed(error);
      writes.push(Promise.resolve(error));
    }
    this.track(Promise.all(writes), writes.length, true, () => {});
  }

  #noteWritten(name: string, written: Place & { readonly stamp: number }): void {
    this.#written.delete(name);
    const [oldest] = this.#written.keys();
    if (this.#written.size >= WRITTEN_MAX) this.#written.delete(oldest);
    this.#written.set(name, written);
  }

  /**
   * What the server does not have it tells nobody of, not even that somebody deleted it: it goes from memory. While nothing
   * is told it stays, and is distrusted when that is over.
   */
  #putEnded({ shard, row, version }: Place, { k0, k1, prefix }: BackingKey, outcome: WriteOutcome): void {
    const { engine } = this.core;
    if (outcome === "ok" || outcome === "ECANCELED" || engine.isClosed || !this.#listens) return;
    // If it has moved meanwhile, whatever has its key goes.
    if (!engine.removeRow(shard, row, version)) engine.remove(k0, k1, prefix, prefix.length);
  }

  async #writeDictionary(slot: number): Promise<WriteOutcome> {
    this.dictionaries.note(slot, true);
    const outcome = await this.#store.put(this.dictionaries.record(slot), [], 0, false);
    if (outcome !== "ok") this.dictionaries.note(slot, false);
    return outcome;
  }

  /** The version of what was read last, by `readRow`. */
  #versionOf(entry: FoundEntry): number {
    const { core } = this;
    const { length, prefixLength, headLength, bytes } = entry;
    const head = bytes.subarray(prefixLength, prefixLength + headLength);
    const kind = kindOf(entry.aux);
    if (length > BLOCK_BYTES) return this.#store.versionOf(kind, head, core.engine.decodeOwn());
    const scratch = core.borrow(length);
    try {
      if (length > 0) core.engine.decode(scratch);
      return this.#store.versionOf(kind, head, scratch.subarray(0, length));
    } finally {
      core.giveBack();
    }
  }

  override drop(k0: number, k1: number, prefix: Uint8Array, prefixLength: number): boolean {
    super.drop(k0, k1, prefix, prefixLength);
    // What the server has is not known.
    return false;
  }

  deleteTag(tag: TagName): void {
    try {
      this.#store.deleteTag(tag);
    } catch (error) {
      this.noteClosed(error);
      this.core.sharedState.count(Counter.backingWritesFailed);
    }
  }

  override async fetch(
    key: EncodedKey,
    signal: AbortSignal | undefined,
    tags: readonly string[] | undefined = undefined,
  ): Promise<Fetched<V>> {
    const { leases } = this.core;
    const name = nameOf(key);
    const wanted = this.#names(tags);
    const lease = leases.take(name.k0, name.k1);
    this.#sends();
    try {
      for (let tries = 1; ; tries++) {
        // What is told during a read is most often the change that was read.
        const isLast = tries === READ_TRIES;
        const place = this.#placeOf(name);
        // Somebody else read it meanwhile.
        if (place !== null && tries > 1 && this.trusts(this.core.engine.found)) return "changed";
        if (!this.#isBelieved(lease)) await this.ready;
        if (place !== null) {
          const head = await this.#headOf(name, place.tags, this.#store.timeoutMs);
          signal?.throwIfAborted();
          if (head === undefined || !this.#isBelieved(lease)) return this.miss();
          const checked = this.#checked(place, head, lease);
          if (typeof checked === "object") return checked;
          if (checked === "told" && !isLast) {
            leases.renew(lease);
            continue;
          }
          leases.renew(lease);
        }
        const read = await this.read(name, signal, () => this.#store.read(name, wanted, signal));
        const isMiss = read === null || !this.#isBelieved(lease);
        const kept = isMiss ? this.miss() : this.#keep(name, read, lease, isLast);
        if (kept !== "again") return kept;
        leases.renew(lease);
      }
    } finally {
      leases.end(lease);
    }
  }

  /**
   * Whether what was answered since a lease was taken is what others see: a master that was stopped while a replica took
   * over does not know that when it goes on. The line to it broke long before. It is asked all the same, since the client
   * learns of the new master so.
   */
  #isBelieved({ stamp }: Lease): boolean {
    const { isOneServer, ttlMs } = this.#store;
    return isOneServer || ttlMs > 0 || (this.#listens && !this.core.sharedState.tierVoidSince(stamp));
  }

  /** What comes of an entry of memory that was compared with the server's. */
  #checked(place: Place, head: RecordHead | null, lease: Lease): Found<V> | "told" | "gone" {
    const { engine, sharedState, leases, values } = this.core;
    const { shard, row, version } = place;
    sharedState.count(Counter.verified);
    if (!this.#isSame(place, head)) {
      engine.removeRow(shard, row, version, "evicted");
      return "gone";
    }
    if (!engine.readRow(shard, row, version)) return "told";
    const { aux, aux2, expiresAt } = engine.found;
    // Given by itself: while nothing is told, what was asked for now need not be served again.
    const value = values.decode(engine.decodeOwn(), kindOf(aux));
    const holds = (): boolean => leases.holds(lease) && this.holds(lease);
    return trustAgain(engine, shard, row, version, holds)
      ? { value, freshUntil: freshUntil(expiresAt, aux2) }
      : "told";
  }

  #names(tags: readonly string[] | undefined): TagName[] {
    const lists = this.core.tags;
    return lists === null || !Array.isArray(tags) ? [] : tags.map((tag) => lists.name(tag));
  }

  /** Puts into memory what was read, unless it was changed meanwhile, and gives it in any case: so it was during the call. */
  #keep(
    name: BackingKey,
    { entry, dictionary, codec, value }: Read<V>,
    lease: Lease,
    isLast: boolean,
  ): Fetched<V> | "again" {
    const { core } = this;
    const now = core.clock();
    if (entry.expiresAt !== 0 && entry.expiresAt <= now) return this.miss();
    const until = freshUntil(entry.expiresAt, entry.aux2);
    const tags = tagsIn(entry);
    const holds = (): boolean =>
      core.leases.holds(lease) &&
      this.holds(lease) &&
      !tags.some(({ k0 }) => core.sharedState.tagDeletedSince(lease.stamp, k0));
    const slot = dictionary === 0 ? 0 : this.dictionaries.slotNamed(dictionary);
    const isForeign = slot < 0;
    if (dictionary !== 0 && !isForeign) entry.codec = warmCodec(slot);
    const result = isForeign
      ? core.putDecoded(entry, bytesOf(entry, codec), now, holds)
      : core.putStored(entry, true, now, UNLESS_THERE, holds);
    const isMissed = result === "stale";
    const place = isForeign && !isMissed ? this.#placeOf(name) : null;
    // If another thread set it since, that goes from memory with its own echo: a miss, and no harm.
    if (place !== null) noteSame(core.engine, place.shard, place.row, place.version);
    if (isMissed && !isLast) return "again";
    core.sharedState.count(Counter.backingHits);
    if (isMissed && core.engine.contains(name.k0, name.k1, name.prefix, name.prefix.length, now))
      return "changed";
    return { value, freshUntil: until };
  }

  async lock(key: EncodedKey, takes = false): Promise<FleetLock | "busy" | null> {
    try {
      return (await this.#store.lock(nameOf(key), takes)) ?? "busy";
    } catch (error) {
      this.noteClosed(error);
      return null;
    }
  }

  async untilChanged(lease: Lease, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    for (let step = 1; !signal.aborted && this.core.leases.holds(lease); ) {
      const waited = performance.now() - start;
      if (waited >= WAIT_MS) return;
      await new Promise((resolve) => setTimeout(resolve, step));
      step = Math.min(2 * step, WAIT_STEP_MS_MAX);
    }
  }

  /** Where memory has a key, trusted or not; null if it has not. */
  #placeOf({ k0, k1, prefix }: BackingKey): Tagged | null {
    const { engine } = this.core;
    if (!engine.contains(k0, k1, prefix, prefix.length, BEFORE_ALL)) return null;
    const { shard, row, version, headLength } = engine.found;
    return { shard, row, version, tags: headLength / TAG_BYTES };
  }

  /** What the server has; undefined if it does not say. */
  async #headOf(name: BackingKey, tags: number, timeMs: number): Promise<RecordHead | null | undefined> {
    try {
      return await this.#store.head(name, tags, timeMs);
    } catch (error) {
      this.noteClosed(error);
      this.core.sharedState.count(Counter.backingReadsFailed);
      return undefined;
    }
  }

  /** Whether memory has, at a place, what the server says to have. @param written - what is known of a place already. */
  #isSame(
    { shard, row, version }: Place,
    head: RecordHead | null,
    written: (Place & { readonly stamp: number }) | undefined = undefined,
  ): boolean {
    const { engine } = this.core;
    if (head === null || !engine.readRow(shard, row, version)) return false;
    const { expiresAt } = engine.found;
    const endsFirst = head.expiresAt === 0 || (expiresAt !== 0 && expiresAt <= head.expiresAt);
    const isWritten = written?.shard === shard && written.row === row && written.version === version;
    return endsFirst && (isWritten ? written.stamp : this.#versionOf(engine.found)) === head.stamp;
  }

  #toldKey(prefix: Uint8Array): void {
    const { core } = this;
    const key = this.#key;
    if (core.engine.isClosed) return;
    core.sharedState.count(Counter.told);
    if (prefix[0] === DICTIONARY_NAME) {
      void this.#toldDictionary(prefix);
      return;
    }
    key.take(prefix, prefix.length);
    const { k0, k1, bytes, length } = key;
    noteChange(core.engine, k0, k1, bytes, length);
    if (!core.engine.contains(k0, k1, bytes, length, BEFORE_ALL)) return;
    const { shard, row, version, clean } = core.engine.found;
    if (clean) core.engine.removeRow(shard, row, version);
    else void this.#check(nameOf(key));
  }

  /** Until something is sent, and not for long: what is sent in the same turn goes with it. */
  #nextSending(): Promise<void> {
    if (this.#sending === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#sending = { promise, resolve };
      setTimeout(() => this.#sends(), GATHER_MS).unref();
    }
    return this.#sending.promise;
  }

  #sends(): void {
    this.#sending?.resolve();
    this.#sending = null;
  }

  /** The server gave up a dictionary, perhaps: what is written with it is of no use to others then. */
  async #toldDictionary(prefix: Uint8Array): Promise<void> {
    const { dictionaries } = this;
    for (let slot = 0; slot < dictionaries.count; slot++) {
      const name = dictionaryName(dictionaries.nameOf(slot));
      if (!name.prefix.every((byte, i) => byte === prefix[i])) continue;
      if ((await this.#headOf(name, 0, this.#store.timeoutMs)) === null) dictionaries.note(slot, false);
    }
  }

  #toldTag(tag: TagName): void {
    const { engine, sharedState, tags } = this.core;
    if (engine.isClosed) return;
    sharedState.invalidateTag(tag.k0);
    if (tags !== null) removeTagged(engine, tags, tag);
  }

  /** Compares what memory has of a key with the server's, and lets it go if it differs, or there is no answer in time. */
  async #check(name: BackingKey): Promise<void> {
    const { engine } = this.core;
    const text = textOf(name.prefix);
    if (this.#toCheck.has(text)) return;
    if (this.#checks >= CHECKS_MAX) {
      engine.remove(name.k0, name.k1, name.prefix, name.prefix.length);
      return;
    }
    this.#checks++;
    this.#toCheck.add(text);
    const carriedOut = this.#hearing?.carryOut();
    // So long after it was told, and no longer: a heartbeat, and as much again until it is answered, came before.
    const end = performance.now() + this.#store.timeoutMs / 2;
    try {
      const isSettled = await this.#compare(name, text, end).catch(() => false);
      if (!isSettled && !engine.isClosed) engine.remove(name.k0, name.k1, name.prefix, name.prefix.length);
    } finally {
      this.#toCheck.delete(text);
      this.#checks--;
      carriedOut?.();
    }
  }

  /** Whether memory has nothing of a key but what the server has. */
  async #compare(name: BackingKey, text: string, end: number): Promise<boolean> {
    const { engine, sharedState } = this.core;
    await this.#nextSending();
    this.#toCheck.delete(text);
    for (let tries = CHECK_TRIES; tries > 0 && !engine.isClosed; tries--) {
      // What is on its way to the server is told when it is there.
      await this.#untilSet(name, end);
      if (engine.isClosed) return false;
      const place = this.#placeOf(name);
      if (place === null) return true;
      const head = await this.#headOf(name, place.tags, end - performance.now());
      if (head === undefined || engine.isClosed) return false;
      sharedState.count(Counter.verified);
      const written = this.#written.get(text);
      this.#written.delete(text);
      if (this.#isSame(place, head, written)) {
        noteSame(engine, place.shard, place.row, place.version);
        return true;
      }
      if (engine.removeRow(place.shard, place.row, place.version)) return true;
    }
    return false;
  }

  /** Until nothing of a key is on its way to the server. */
  async #untilSet(name: BackingKey, end: number): Promise<void> {
    let then = (): void => {};
    if (!this.#store.isChanging(name, () => then())) return;
    const late = (): ZbudError => new ZbudError("ETIMEDOUT", "a write of the key has no answer in time");
    const set = new Promise<void>((resolve) => {
      then = resolve;
    });
    await waitAtMost(set, end - performance.now(), late);
  }
}

/** As it was before compression. */
function bytesOf(entry: StoredEntry, codec: Codec | null): Uint8Array {
  const bytes = ownBytes(entry.length);
  decodeValue(entry, codec, bytes);
  return bytes;
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}
