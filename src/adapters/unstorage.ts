import { checkNames } from "../base/index.ts";
import { type AnyCache, cacheOf, clearWith, keysWith, setFor } from "./keys.ts";

/** What unstorage passes with each call. */
export interface UnstorageOptions {
  /** Seconds until the item expires. */
  ttl?: number;
}

/** The members of a driver that this one has. */
export interface UnstorageDriver {
  readonly name: string;
  readonly flags: { readonly ttl: true };
  getInstance(): AnyCache;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItemRaw(key: string): Promise<unknown>;
  setItem(key: string, value: string, options?: UnstorageOptions): void;
  setItemRaw(key: string, value: unknown, options?: UnstorageOptions): void;
  removeItem(key: string): void;
  getMeta(key: string): { ttl: number } | null;
  getKeys(base?: string): string[];
  clear(base?: string): void;
}

/** Options of {@link unstorageDriver}. */
export interface UnstorageDriverOptions {
  /** With what the cache's keys of this driver begin; default `""`: the whole cache is its. */
  prefix?: string;
}

/**
 * A driver for `createStorage({ driver: unstorageDriver(cache) })`.
 *
 * `setItemRaw` keeps a `Uint8Array` as bytes, which come back as a Buffer, and anything else as JSON, if JSON keeps
 * it. The option `ttl` of unstorage is in seconds. `getMeta` tells how many are left. An item that the cache refuses
 * is not there afterwards, and neither is the one before it: `stats()` counts such.
 *
 * @remarks `getKeys` and `clear` with a base look at all keys. Disposing of the storage closes nothing: the cache is its maker's.
 */
export function unstorageDriver(cache: AnyCache, options: UnstorageDriverOptions = {}): UnstorageDriver {
  cacheOf(cache, "unstorageDriver(cache)");
  checkNames("unstorageDriver", options, ["prefix"]);
  const { prefix = "" } = options;
  const set = (key: string, value: unknown, ttl: number | undefined): void => {
    // Nobody is told of what the cache refuses, as of what it evicts; no older one is left.
    setFor(cache, prefix + key, value, ttl === undefined ? undefined : ttl * 1000);
  };
  const get = async (key: string): Promise<unknown> => (await cache.getAsync(prefix + key)) ?? null;
  return {
    name: "zbud",
    flags: { ttl: true },
    getInstance: () => cache,
    hasItem: async (key) => cache.has(prefix + key) || (await get(key)) !== null,
    getItem: async (key) => (await get(key)) as string | null,
    getItemRaw: get,
    setItem: (key, value, given) => set(key, value, given?.ttl),
    setItemRaw: (key, value, given) => set(key, value, given?.ttl),
    removeItem: (key) => {
      cache.delete(prefix + key);
    },
    getMeta: (key) => {
      const left = cache.getRemainingTTL(prefix + key);
      return left > 0 && left < Number.POSITIVE_INFINITY ? { ttl: left / 1000 } : null;
    },
    getKeys: (base = "") => keysWith(cache, prefix + base).map((key) => key.slice(prefix.length)),
    clear: (base = "") => clearWith(cache, prefix + base),
  };
}
