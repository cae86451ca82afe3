import assert from "node:assert/strict";
import { MemoryBacking } from "../../src/backing/index.ts";
import { nextTurn } from "../../src/base/index.ts";
import {
  type CacheKey,
  CompressedCache,
  type CompressedCacheOptions,
  type RemovalReason,
  type SetOptions,
  type SetResult,
} from "../../src/cache/index.ts";
import { KEYS, SIZE_REFUSED, type Step, TAGS, type World } from "./cache-history.ts";
import { type Allowed, CacheModel, entryOf, type ModelEntry } from "./cache-model.ts";
import { FailingBacking } from "./failing-backing.ts";
import { type Value, Values } from "./history-values.ts";

/** Keys of all kinds, by number. */
export const KEY_OF: readonly CacheKey[] = Array.from({ length: KEYS }, (_, i): CacheKey => {
  return i % 3 === 0 ? `key ${i}` : i % 3 === 1 ? i : Uint8Array.of(i, 1);
});
const NUMBERS = new Map(KEY_OF.map((key, i) => [nameOf(key), i]));
/** A key that nobody sets. */
const NOBODY = "nobody";

function nameOf(key: CacheKey): string {
  return `${typeof key} ${String(key)}`;
}

export function numberOf(key: CacheKey): number {
  return NUMBERS.get(nameOf(key)) as number;
}

/** The cache as one thread has it. */
export interface Handle {
  readonly number: number;
  cache: CompressedCache<Value>;
}

/** A cache with its handles, and the model of it, which is told of all that they do. */
export class CheckedCache {
  readonly world: World;
  readonly model: CacheModel;
  readonly values: Values = new Values();
  readonly handles: Handle[] = [];
  /** By its number: what each value was stored with. */
  readonly stored: ModelEntry[] = [];
  readonly tier: FailingBacking | null;
  /** What `stats()` must say. */
  readonly counts = {
    sets: 0,
    tooBig: 0,
    noMemory: 0,
    hits: 0,
    misses: 0,
    staleHits: 0,
    loads: 0,
    loadsFailed: 0,
    loadsShared: 0,
  };
  /** Rejections that nobody heard of. */
  readonly unhandled: unknown[] = [];
  readonly clock = (): number => this.model.now;
  readonly onRemoved = (key: CacheKey, reason: RemovalReason): void => {
    this.#events.push([numberOf(key), reason]);
  };
  readonly #events: [key: number, reason: RemovalReason][] = [];

  constructor(world: World) {
    this.world = world;
    const { maxEntries = Number.POSITIVE_INFINITY, evict = "lru", shards = 1 } = world.options;
    this.model = new CacheModel({ maxEntries, evict, isOrdered: shards === 1, hasTier: world.tier === true });
    this.tier = world.tier === true ? new FailingBacking(new MemoryBacking({ clock: this.clock })) : null;
    for (let i = 0; i < world.handles; i++) this.handles.push({ number: i, cache: this.open(i) });
  }

  /** Options that the cache, and one that reads its files, is made with. */
  get options(): CompressedCacheOptions<Value> {
    return { maxBytes: "1MiB", dictionary: "none", tags: true, clock: this.clock };
  }

  /** Makes the cache, or one more handle of it. */
  open(number: number): CompressedCache<Value> {
    // Each handle loads by itself: `shared-loads.test.ts` is about waiting, which takes time.
    const own = { clock: this.clock, onRemoved: this.onRemoved, lockTimeout: 0 };
    const backing = this.tier === null ? {} : { backing: this.tier };
    const other = this.handles.find((handle) => handle.number !== number);
    if (other !== undefined)
      return CompressedCache.attach<Value>(other.cache.share(), { ...own, ...backing });
    return new CompressedCache<Value>({ ...this.options, ...this.world.options, ...own, ...backing });
  }

  /** Waits until all is done that the last call began. */
  async settle(): Promise<void> {
    // The second tier takes a turn for each read, and for what is written meanwhile.
    for (let turn = this.tier === null ? 1 : 5; turn > 0; turn--) await new Promise<void>(nextTurn);
    if (this.unhandled.length > 0) throw new Error(`unhandled rejection: ${String(this.unhandled[0])}`);
  }

  /**
   * Takes what was told of removals to the model.
   *
   * @param max - events to take, at most.
   * @returns how many values were replaced.
   */
  take(allowed: Allowed, max: number = Number.POSITIVE_INFINITY): number {
    const events = this.events();
    const before = this.model.removed.replaced;
    for (const event of events.splice(0, max)) this.model.remove(...event, allowed);
    return this.model.removed.replaced - before;
  }

  /** The removals that were not taken yet. */
  events(): [key: number, reason: RemovalReason][] {
    // What a call noted and did not tell is told by the next one.
    for (const { cache } of this.handles) cache.getRemainingTTL(NOBODY);
    return this.#events;
  }

  /** A value was set, by a call or by a load. */
  wasSet(step: Step, id: number, result?: SetResult): void {
    const { key, size } = step;
    const { model, counts } = this;
    const isRefused = size >= SIZE_REFUSED;
    const replaced = this.take({ room: true, replaces: key, ...(isRefused ? { deletes: key } : {}) });
    model.change(key);
    model.tier.delete(key);
    const isFull = result === "ENOMEM" || (result === undefined && this.#foundNoRoom(key));
    if (isRefused) counts.tooBig++;
    else if (isFull) counts.noMemory++;
    else counts.sets++;
    if (!isRefused && !isFull) model.insert(key, this.#entryOf(id, step));
    else assert.ok(!model.entries.has(key), `an older value of key ${key} is left after a refusal`);
    if (result === undefined) return;
    const expected = isRefused ? "E2BIG" : isFull ? "ENOMEM" : replaced > 0 ? "replace" : "add";
    assert.equal(result, expected, "set()");
  }

  /** A lookup that counts: whether it gave a value, and a stale one. */
  lookedUp(isHit: boolean, isStale = false): void {
    if (isHit) this.counts.hits++;
    else this.counts.misses++;
    if (isStale) this.counts.staleHits++;
  }

  /** What the cache has of a key, be it stale. */
  peek(key: number): Value | undefined {
    return this.handles[0].cache.peek(KEY_OF[key], { allowStale: true });
  }

  set({ cache }: Pick<Handle, "cache">, step: Step): void {
    const id = this.values.make(step.size);
    this.wasSet(step, id, cache.set(KEY_OF[step.key], this.values.of(id), optionsOf(step)));
  }

  /** @param how - 1: by setting undefined. */
  delete({ cache }: Pick<Handle, "cache">, key: number, how = 0): void {
    const { model } = this;
    const had = model.entries.has(key);
    const result = how === 0 ? cache.delete(KEY_OF[key]) : cache.set(KEY_OF[key], undefined);
    this.take({ deletes: key });
    assert.ok(!model.entries.has(key), `nobody was told that key ${key} was deleted`);
    model.change(key);
    model.tier.delete(key);
    if (how !== 0) assert.equal(result, "deleted");
    // The second tier may have had it.
    else if (this.tier === null || had) assert.equal(result, had, "delete()");
  }

  pop({ cache }: Pick<Handle, "cache">): void {
    const { model } = this;
    const value = cache.pop();
    const key = this.events().find(([, reason]) => reason === "deleted")?.[0];
    const { last } = model;
    if ((this.world.options.shards ?? 1) === 1) assert.equal(key, last, "the key that pop() took");
    if (key === undefined) {
      assert.deepEqual([value, last], [undefined, undefined], "pop()");
      return;
    }
    this.values.check(`pop() of key ${key}`, value, model.entries.get(key)?.id ?? 0);
    this.take({ deletes: key });
    assert.ok(!model.entries.has(key), `key ${key} is there after pop()`);
    model.change(key);
    model.tier.delete(key);
  }

  /** Whether times may begin anew: of files, and of a tier that lost a newer record, the model knows only one time. */
  get mayRestart(): boolean {
    return this.world.files !== true && this.tier?.everFailed !== true;
  }

  deleteByTag({ cache }: Pick<Handle, "cache">, tag: number): void {
    const { model } = this;
    const had = [...model.entries].filter(([, { tags }]) => (tags & (1 << tag)) !== 0);
    const count = cache.deleteByTag(TAGS[tag]);
    this.take({ deletesTag: 1 << tag });
    model.deleteTag(1 << tag);
    // Their keys were deleted, whatever tags a load of them has.
    for (const [key] of had) model.change(key);
    assert.equal(count, had.length, "deleteByTag()");
  }

  clear({ cache }: Pick<Handle, "cache">): void {
    cache.clear();
    this.take({ clears: true });
    this.model.clear();
  }

  /** The second tier fails, was closed, or works again. */
  breakTier(mode: FailingBacking["mode"]): void {
    (this.tier as FailingBacking).mode = mode;
    this.model.tierWorks = mode === "ok";
  }

  #entryOf(id: number, { ttl, stale, tags }: Step): ModelEntry {
    const entry = entryOf({ id, tags }, this.model.now, ttl, stale);
    this.stored[id] = entry;
    return entry;
  }

  /** After a set by a load, whose result nobody sees: whether there was no memory for it. */
  #foundNoRoom(key: number): boolean {
    return this.world.large === true && this.peek(key) === undefined;
  }
}

export function optionsOf({ ttl, stale, tags }: Step): SetOptions {
  const names = TAGS.filter((_, i) => (tags & (1 << i)) !== 0);
  return { ttl, staleWhileRevalidate: stale, ...(names.length > 0 ? { tags: names } : {}) };
}
