import { ZbudError } from "../base/index.ts";
import { type AnyCache, cacheOf, clearWith, keysWith, setFor } from "./keys.ts";

/** One entry of Keyv 6's `setMany`. */
export interface KeyvEntry {
  key: string;
  value: unknown;
  /** Milliseconds since 1970. */
  expires?: number | undefined;
}

/** One entry of Keyv 5's `setMany`. */
export interface Keyv5Entry {
  key: string;
  value: unknown;
  /** Milliseconds from now. */
  ttl?: number | undefined;
}

/** What stands between a namespace and a key in Keyv 6; in Keyv 5, Keyv itself puts a ":" there. */
const SEPARATOR = "::";

type Listener = (...args: unknown[]) => void;

/** What both contracts have in common. The methods are asynchronous, since Keyv wants promises. */
abstract class KeyvStore {
  /** Set by Keyv. Two Keyv objects of different namespaces take a store each, over one cache. */
  namespace: string | undefined = undefined;
  readonly cache: AnyCache;

  constructor(cache: AnyCache) {
    this.cache = cache;
  }

  /** The cache's key for a key of Keyv's. */
  protected abstract fullKey(key: string): string;

  /** With what the keys of this namespace begin. */
  protected abstract prefix(): string;

  async get<Value = unknown>(key: string): Promise<Value | undefined> {
    return (await this.cache.getAsync(this.fullKey(key))) as Value | undefined;
  }

  getMany<Value = unknown>(keys: string[]): Promise<(Value | undefined)[]> {
    return Promise.all(keys.map((key) => this.get<Value>(key)));
  }

  /** Looks in the second tier as well, as {@link get} does. */
  async has(key: string): Promise<boolean> {
    const full = this.fullKey(key);
    return this.cache.has(full) || (await this.cache.getAsync(full)) !== undefined;
  }

  /** The value under a key of the cache, for iterations. */
  protected peek(fullKey: string): Promise<unknown> {
    return promised(() => this.cache.peek(fullKey));
  }

  hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  delete(key: string): Promise<boolean> {
    return promised(() => this.cache.delete(this.fullKey(key)));
  }

  /** Removes the entries of the namespace, for which it looks at all keys; without one, everything. */
  clear(): Promise<void> {
    return promised(() => clearWith(this.cache, this.prefix()));
  }

  /** The cache is its maker's to close. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing is ever emitted: what goes wrong rejects the promise of the call. */
  on(_event: string, _listener: Listener): this {
    return this;
  }
}

/** A store of Keyv 6: times of expiry are absolute. See {@link keyvStore}. */
export class Keyv6Store extends KeyvStore {
  /** Without this, Keyv 6 takes a store for one of Keyv 5. */
  readonly capabilities: { readonly expires: true } = { expires: true };

  /**
   * Asked for by Keyv 5 alone, when it is given this store: it would take times of expiry for times to live.
   *
   * @internal
   * @throws {ZbudError} `EINVAL` always.
   */
  get opts(): never {
    throw new ZbudError(
      "EINVAL",
      "keyvStore is for Keyv 6, and this is an older Keyv; give it keyv5Store(cache)",
    );
  }

  set(key: string, value: unknown, expires?: number): Promise<boolean> {
    return promised(() => this.#set(key, value, expires));
  }

  setMany(entries: KeyvEntry[]): Promise<boolean[]> {
    return promised(() => entries.map(({ key, value, expires }) => this.#set(key, value, expires)));
  }

  deleteMany(keys: string[]): Promise<boolean[]> {
    return promised(() => keys.map((key) => this.cache.delete(this.fullKey(key))));
  }

  /** Keys of the namespace and their values, from the most recently used. */
  async *iterator<Value = unknown>(): AsyncGenerator<[string, Value], void> {
    const { length } = this.prefix();
    for (const key of keysWith(this.cache, this.prefix())) {
      const value = await this.peek(key);
      if (value !== undefined) yield [key.slice(length), value as Value];
    }
  }

  #set(key: string, value: unknown, expires: number | undefined): boolean {
    // At this very moment it is over too; to the cache, 0 is never.
    const ttl = expires === undefined ? undefined : expires - Date.now() || -1;
    return setFor(this.cache, this.fullKey(key), value, ttl);
  }

  protected override fullKey(key: string): string {
    return this.prefix() + key;
  }

  protected override prefix(): string {
    return this.namespace ? this.namespace + SEPARATOR : "";
  }
}

/** A store of Keyv 5: times to live are relative, and keys come with their namespace. See {@link keyv5Store}. */
export class Keyv5Store extends KeyvStore {
  /** Keyv 5 iterates only over stores whose dialect is one that it knows. */
  readonly opts: Record<string, unknown> = { dialect: "redis", url: "" };

  /**
   * Asked for by Keyv 6 alone, when it is given this store: it would leave namespaces to a store that has none.
   *
   * @internal
   * @throws {ZbudError} `EINVAL` always.
   */
  get capabilities(): never {
    throw new ZbudError("EINVAL", "keyv5Store is for Keyv 5, and this is Keyv 6; give it keyvStore(cache)");
  }

  set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    return promised(() => setFor(this.cache, key, value, ttl));
  }

  /** @returns for each entry what {@link set} gives. Keyv's type has nothing there, and Keyv's `setMany` gives it. */
  setMany(entries: Keyv5Entry[]): Promise<void> {
    const kept = promised(() => entries.map(({ key, value, ttl }) => setFor(this.cache, key, value, ttl)));
    return kept as Promise<unknown> as Promise<void>;
  }

  /** @returns whether any of them was there. */
  deleteMany(keys: string[]): Promise<boolean> {
    return promised(() => keys.map((key) => this.cache.delete(key)).includes(true));
  }

  /** Keys, with their namespace, and their values, from the most recently used. */
  async *iterator<Value = unknown>(namespace?: string): AsyncGenerator<[string, Value], void> {
    for (const key of keysWith(this.cache, namespace ? `${namespace}:` : "")) {
      const value = await this.peek(key);
      if (value !== undefined) yield [key, value as Value];
    }
  }

  protected override fullKey(key: string): string {
    return key;
  }

  protected override prefix(): string {
    return this.namespace ? `${this.namespace}:` : "";
  }
}

/**
 * A store for Keyv 6: `new Keyv({ store: keyvStore(cache) })`.
 *
 * Values without a time to live have the cache's. With a second tier, `get` and `has` look there as well. A value
 * that is too large for the cache is not kept: Keyv's `set` gives false. Keyv 5 is refused with an `EINVAL` that
 * says so when it is made.
 *
 * @param cache - its keys are strings; others may use the cache too, under other namespaces.
 */
export function keyvStore(cache: AnyCache): Keyv6Store {
  return new Keyv6Store(cacheOf(cache, "keyvStore(cache)"));
}

/**
 * A store for Keyv 5, cache-manager and cacheable: `new Keyv({ store: keyv5Store(cache) })`.
 *
 * As {@link keyvStore}, with the contract of Keyv 5; Keyv 6 is refused.
 */
export function keyv5Store(cache: AnyCache): Keyv5Store {
  return new Keyv5Store(cacheOf(cache, "keyv5Store(cache)"));
}

/** What `run` gives or throws, as a promise. */
function promised<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => resolve(run()));
}
