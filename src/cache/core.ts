import "../drivers/index.ts";
import type { Backing } from "../backing/index.ts";
import { canShare, fillWith, isSharedBuffer, ownBytes, show, ZbudError } from "../base/index.ts";
import { type Codec, codecById } from "../codecs/index.ts";
import {
  Engine,
  type EngineOptions,
  type EntryAttributes,
  type PutResult,
  type SharedEngine,
} from "../engine/index.ts";
import { Control, type ControlShape, Counter, controlBytes, controlMemory, controlShape } from "./control.ts";
import { DictionaryUse } from "./dictionary-use.ts";
import { EncodedKey, hashKey, type KeyHash } from "./key.ts";
import {
  type CacheSettings,
  checkSameCodec,
  codecOf,
  DICTIONARY_SLOT,
  engineOptions,
  givenDictionary,
  readSettings,
  type SharedParts,
  VALUE_BYTES_MAX,
} from "./options.ts";
import { Removals } from "./removals.ts";
import { type RowList, TAG_BYTES, TAGS_MAX, TagLists } from "./tags.ts";
import { Tier } from "./tier.ts";
import type { CacheKey, CacheThreadOptions, CompressedCacheOptions, SetResult } from "./types.ts";
import { keepsBytes, ValueCodec } from "./values.ts";

/** Parts that tests replace. */
export interface CacheParts {
  readonly hash?: KeyHash;
}

/** An entry outside of the engine: in a file, or in the second tier. */
export interface StoredEntry {
  /** Prefix, head, and what the codec made, one after the other. */
  bytes: Uint8Array;
  prefixLength: number;
  headLength: number;
  storedLength: number;
  length: number;
  codec: number;
  sameFilled: boolean;
  fill0: number;
  fill1: number;
  expiresAt: number;
  aux: number;
  aux2: number;
  clean: boolean;
}

/**
 * An entry is there as long as `now <= its time`, and the engine takes away what has `time <= now`. This is a
 * step that every clock of milliseconds since 1970 can still tell.
 */
const INSTANT_MS: number = 2 ** -10;
/** What is taken away of expired entries, and how often, while others are set. */
const EXPIRE_EVERY = 16;
const EXPIRE_MAX = 64;

const RESULTS: Record<PutResult, SetResult> = {
  stored: "add",
  replaced: "replace",
  poor: "E2BIG",
  large: "E2BIG",
  full: "ENOMEM",
  stale: "ENOMEM",
};

/** What one thread needs to work on a cache: keys and values in terms of the engine. No policy is in here. */
export class CacheCore<V> {
  readonly engine: Engine;
  readonly control: Control;
  readonly settings: CacheSettings;
  readonly key: EncodedKey;
  readonly values: ValueCodec<V>;
  readonly tags: TagLists | null;
  readonly dictionary: DictionaryUse;
  readonly removals: Removals | null;
  readonly tier: Tier<V> | null;
  readonly clock: () => number;
  /** Of the codec that new values get. */
  readonly codecId: number;
  readonly #codec: Codec;
  readonly attributes: EntryAttributes;
  readonly #rows: RowList = { words: new Int32Array(0), count: 0 };
  readonly #scratches: Uint8Array[] = [];
  #depth = 0;
  #sets = 0;

  private constructor(
    settings: CacheSettings,
    control: Control,
    options: CacheThreadOptions<V>,
    parts: CacheParts,
    makeEngine: (hooks: Partial<EngineOptions>) => Engine,
  ) {
    this.settings = settings;
    this.control = control;
    this.key = new EncodedKey(parts.hash ?? hashKey);
    this.values = new ValueCodec(options.serializer, VALUE_BYTES_MAX);
    this.tags = settings.tags ? new TagLists() : null;
    this.dictionary = new DictionaryUse(control, settings.codec);
    this.removals = removalsOf(options.onRemoved);
    this.tier = tierOf(this, settings, options.tier);
    this.clock = clockOf(options.clock);
    this.attributes = {
      prefix: this.key.bytes,
      prefixLength: 0,
      head: ownBytes(TAGS_MAX * TAG_BYTES),
      headLength: 0,
      expiresAt: 0,
      aux: 0,
      aux2: 0,
    };
    const { removals, tags, tier } = this;
    const codec = codecOf(settings, options);
    this.codecId = codec.id;
    this.#codec = codec;
    this.engine = makeEngine({
      codec,
      resolveCodec: (slot) => this.codecOfSlot(slot),
      ...(tags === null ? {} : { companion: tags }),
      ...(tier === null ? {} : { onEvict: (entry) => tier.evict(entry) }),
      ...(removals === null ? {} : { onRemoved: (reason, entry) => removals.note(reason, entry) }),
    });
  }

  static create<V>(options: CompressedCacheOptions<V>, parts: CacheParts): CacheCore<V> {
    const settings = readSettings(options);
    const { dictionary = "auto", shared = canShare() } = options;
    const learns = dictionary === "auto" && (settings.codec === "lz4" || settings.codec === "zstd");
    const given = givenDictionary(dictionary, settings);
    const shape = controlShape(settings.maxBytes, learns, given?.length ?? 0);
    const bytes = controlBytes(shape);
    const chosen = engineOptions(options, settings.maxBytes);
    // Shared even if the cache is not, since a worker thread learns the dictionary.
    const control = new Control(controlMemory(bytes, shared || canShare()), shape);
    const core = new CacheCore(settings, control, options, parts, (hooks) => {
      return new Engine({ ...chosen, ...hooks, maxBytes: settings.maxBytes - bytes });
    });
    if (!learns) core.dictionary.learner.settle(given);
    return core;
  }

  static attach<V>(shared: SharedParts, options: CacheThreadOptions<V>, parts: CacheParts): CacheCore<V> {
    const control = new Control(shared.control, shared.shape as ControlShape);
    return new CacheCore(shared.settings, control, options, parts, (hooks) => {
      checkSameCodec(hooks.codec as Codec, shared.codecId);
      return Engine.attach(shared.engine as SharedEngine, hooks);
    });
  }

  get bytesReserved(): number {
    return this.engine.bytesReserved + this.control.buffer.byteLength;
  }

  /**
   * Looks a key up, makes it ready in `engine.found` and for `engine.decode`.
   *
   * @param touch - whether it counts as used: by LRU it becomes the most recently used one.
   */
  lookup(key: CacheKey, now: number, touch: boolean): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    return this.engine.lookup(encoded.k0, encoded.k1, encoded.bytes, encoded.length, now, touch);
  }

  /** Looks a key up, without its bytes. */
  contains(key: CacheKey, now: number): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    return this.engine.contains(encoded.k0, encoded.k1, encoded.bytes, encoded.length, now);
  }

  /** Until when `engine.found` is fresh: from then on it is stale, or gone. */
  freshUntil(): number {
    const { expiresAt, aux2 } = this.engine.found;
    return freshUntil(expiresAt, aux2);
  }

  /**
   * The value of an entry outside of the engine. Whatever its bytes are, this throws or gives a value.
   *
   * @throws {ZbudError} `EBADMSG` if they are not what the codec made; what the serializer throws.
   */
  valueOf(entry: StoredEntry, codec: Codec | null): V {
    return this.values.decode(decodeStored(entry, codec), entry.aux);
  }

  /** The value of `engine.found`. */
  value(): V {
    const { length, aux: kind } = this.engine.found;
    if (keepsBytes(kind)) {
      const own = ownBytes(length);
      if (length > 0) this.engine.decode(own);
      return this.values.decode(own, kind);
    }
    const scratch = this.borrow(length);
    try {
      if (length > 0) this.engine.decode(scratch);
      return this.values.decode(scratch.subarray(0, length), kind);
    } finally {
      this.giveBack();
    }
  }

  /** The value that the second tier has of a key that is not in memory, where it is from then on. */
  async fetch(
    key: CacheKey,
    signal: AbortSignal | undefined,
    allowStale: boolean = this.settings.allowStale,
  ): Promise<V | undefined> {
    if (this.tier === null || !this.key.encode(key)) return undefined;
    const fetched = await this.tier.fetch(this.key, signal);
    if (fetched === null) return undefined;
    const now = this.clock();
    if (fetched !== "changed") {
      const fresh = now <= freshUntil(fetched.entry.expiresAt, fetched.entry.aux2);
      return fresh || allowStale ? fetched.value : undefined;
    }
    const there = this.lookup(key, now, true);
    return there && (allowStale || now <= this.freshUntil()) ? this.value() : undefined;
  }

  /** Room for `length` bytes until `giveBack`; whoever borrows meanwhile gets other room. */
  borrow(length: number): Uint8Array {
    let scratch = this.#scratches[this.#depth];
    if (scratch === undefined || scratch.length < length) {
      scratch = ownBytes(Math.max(4096, 2 ** Math.ceil(Math.log2(length + 1))));
      this.#scratches[this.#depth] = scratch;
    }
    this.#depth++;
    return scratch;
  }

  giveBack(): void {
    this.#depth--;
  }

  /** Stores a value. Times are in milliseconds, 0 is never. */
  put(key: CacheKey, value: V, now: number, ttl: number, stale: number, tags: readonly string[]): SetResult {
    const { values, key: encoded, attributes, engine, dictionary } = this;
    // The serializer is the user's and may call the cache, so it goes first.
    const fits = values.encode(value);
    attributes.headLength = this.#encodeTags(tags);
    if (!encoded.encode(key)) {
      this.control.count(Counter.rejectTooBig);
      return "E2BIG";
    }
    if (!fits) {
      engine.remove(encoded.k0, encoded.k1, encoded.bytes, encoded.length);
      this.tier?.drop(encoded);
      this.control.count(Counter.rejectTooBig);
      return "E2BIG";
    }
    if (!dictionary.learner.settled) dictionary.offer(engine, values);
    attributes.prefixLength = encoded.length;
    attributes.expiresAt = ttl === 0 ? 0 : now + ttl + stale + INSTANT_MS;
    attributes.aux = values.kind;
    attributes.aux2 = ttl === 0 ? 0 : stale;
    if (++this.#sets % EXPIRE_EVERY === 0) engine.expire(now, EXPIRE_MAX);
    const result = engine.put(encoded.k0, encoded.k1, values.bytes, values.length, attributes, now);
    // After the put: before it, another thread could still evict the old value and hand it to the tier.
    this.tier?.drop(encoded);
    if (result === "stored" || result === "replaced") dictionary.count(values, this);
    return RESULTS[result];
  }

  /**
   * Stores what a codec of this cache made of a value before.
   *
   * @param epoch - as the engine has it; -1: in any case.
   */
  putStored(entry: StoredEntry, now: number, epoch: number): PutResult {
    const { key: encoded, attributes, engine } = this;
    this.#takeAttributes(entry);
    const value = {
      ...entry,
      bytes: entry.bytes.subarray(entry.prefixLength + entry.headLength),
      bytesLength: entry.storedLength,
    };
    return engine.putStored(encoded.k0, encoded.k1, value, attributes, now, epoch);
  }

  /** Stores the value of an entry whose codec this cache does not use. */
  putDecoded(entry: StoredEntry, value: Uint8Array, now: number): PutResult {
    const { key: encoded, engine } = this;
    this.#takeAttributes(entry);
    return engine.put(encoded.k0, encoded.k1, value, entry.length, this.attributes, now);
  }

  /**
   * Removes a key and notes that it was deleted. The note comes first: a load that stores its result looks at
   * the notes afterwards, so one of the two removes what is out of date.
   */
  remove(key: CacheKey): boolean {
    const encoded = this.key;
    if (!encoded.encode(key)) return false;
    this.control.invalidate(encoded.k0);
    const removed = this.engine.remove(encoded.k0, encoded.k1, encoded.bytes, encoded.length);
    // What was evicted to the second tier since the first note has its stamp.
    if (this.tier !== null) this.control.invalidate(encoded.k0);
    const dropped = this.tier?.drop(encoded) ?? false;
    return removed || dropped;
  }

  /** Removes all entries with a tag. How many there were. */
  removeTag(tag: string): number {
    const { tags, engine } = this;
    if (tags === null) throw new ZbudError("EINVAL", "to delete by tag, make the cache with tags: true");
    this.control.invalidate(this.tagHash(tag));
    let removed = 0;
    for (let shard = 0; shard < engine.shardCount; shard++) {
      const rows = this.#rows;
      rows.count = 0;
      let complete = true;
      engine.visitCompanion(shard, (table, at, count) => {
        complete = tags.find(table, at, count, tag, rows);
      });
      for (let i = 0; i < rows.count; i++) {
        if (engine.removeRow(shard, rows.words[2 * i], rows.words[2 * i + 1])) removed++;
      }
      if (!complete) removed += this.#removeTagBySearch(shard, tag, tags);
    }
    // What was evicted to the second tier meanwhile has the first note's stamp, and is out of date as well.
    if (this.tier !== null) this.control.invalidate(this.tagHash(tag));
    return removed;
  }

  tagHash(tag: string): number {
    return this.tags?.hash(tag) ?? 0;
  }

  clear(): void {
    this.control.invalidateAll();
    this.engine.clear();
    if (this.tier === null) return;
    this.control.invalidateAll();
    this.tier.clear();
  }

  /** @throws {ZbudError} `ENOTSUP` if the cache is for one thread. */
  share(): SharedParts {
    const { control, settings, engine } = this;
    const { buffer, shape } = control;
    if (!engine.isShared || !isSharedBuffer(buffer)) {
      throw new ZbudError(
        "ENOTSUP",
        "this cache was made with shared: false, so no other thread can have it",
      );
    }
    const { codecId } = this;
    return { kind: "zbud-cache", engine: engine.share(), control: buffer, shape, settings, codecId };
  }

  close(): void {
    this.dictionary.learner.close();
    this.engine.close();
  }

  /** The codec of a slot of the engine; null if there is none. */
  codecOfSlot(slot: number): Codec | null {
    if (slot === DICTIONARY_SLOT) return this.dictionary.codec();
    if (slot === this.codecId) return this.#codec;
    try {
      return codecById(slot);
    } catch {
      return null;
    }
  }

  #takeAttributes(entry: StoredEntry): void {
    const { key: encoded, attributes } = this;
    encoded.take(entry.bytes, entry.prefixLength);
    for (let i = 0; i < entry.headLength; i++) attributes.head[i] = entry.bytes[entry.prefixLength + i];
    attributes.prefixLength = encoded.length;
    attributes.headLength = this.tags === null ? 0 : entry.headLength;
    attributes.expiresAt = entry.expiresAt;
    attributes.aux = entry.aux;
    attributes.aux2 = entry.aux2;
  }

  #removeTagBySearch(shard: number, tag: string, tags: TagLists): number {
    const { engine } = this;
    const rows = engine.rowsOf(shard);
    let removed = 0;
    for (let i = 0; i < rows.length; i += 2) {
      if (!engine.readRow(shard, rows[i], rows[i + 1]) || !tags.hasTag(engine.found, tag)) continue;
      if (engine.removeRow(shard, rows[i], rows[i + 1])) removed++;
    }
    return removed;
  }

  #encodeTags(tags: readonly string[]): number {
    if (tags.length === 0) return 0;
    if (this.tags !== null) return this.tags.encode(tags, this.attributes.head);
    throw new ZbudError("EINVAL", "for entries with tags, make the cache with tags: true");
  }
}

/** Until when an entry is fresh, by the engine's time and its window of staleness. */
export function freshUntil(expiresAt: number, stale: number): number {
  return expiresAt === 0 ? Number.POSITIVE_INFINITY : expiresAt - INSTANT_MS - stale;
}

/**
 * The bytes of an entry's value.
 *
 * @param codec - of the entry; null if its bytes are the value itself, or one word fills it.
 * @param value - room for exactly the value.
 * @throws {ZbudError} `EBADMSG` if they are not what the codec made.
 */
export function decodeStored(
  entry: StoredEntry,
  codec: Codec | null,
  value: Uint8Array = ownBytes(entry.length),
): Uint8Array {
  if (entry.sameFilled) {
    fillWith(value, value.length, entry.fill0, entry.fill1);
    return value;
  }
  const stored = entry.bytes.subarray(entry.prefixLength + entry.headLength);
  const isWhole = codec === null ? stored.length === value.length : value.length > 0;
  if (!isWhole)
    throw new ZbudError("EBADMSG", `an entry of ${value.length} bytes has ${stored.length} stored`);
  if (codec === null) value.set(stored);
  else if (codec.decompress(stored, value) !== value.length) {
    throw new ZbudError("EBADMSG", `an entry is shorter than the ${value.length} bytes that it had`);
  }
  return value;
}

function removalsOf(listener: unknown): Removals | null {
  if (listener === undefined) return null;
  if (typeof listener === "function")
    return new Removals(listener as ConstructorParameters<typeof Removals>[0]);
  throw new ZbudError("EINVAL", `onRemoved must be a function, not ${show(listener)}`);
}

function tierOf<V>(core: CacheCore<V>, settings: CacheSettings, backing: unknown): Tier<V> | null {
  if (settings.tier !== (backing !== undefined)) {
    throw new ZbudError(
      "EINVAL",
      settings.tier
        ? "this cache has a second tier: give attach() this thread's tier, or old values would stay in it"
        : "this cache was made without a second tier: leave tier out of attach()",
    );
  }
  if (backing === undefined) return null;
  if (typeof (backing as Partial<Backing> | null)?.write === "function")
    return new Tier(core, backing as Backing);
  throw new ZbudError("EINVAL", `tier must be a backing store, such as a FileBacking, not ${show(backing)}`);
}

function clockOf(clock: unknown): () => number {
  if (clock === undefined) return Date.now;
  if (typeof clock === "function") return clock as () => number;
  throw new ZbudError("EINVAL", `clock must be a function that gives milliseconds, not ${show(clock)}`);
}
