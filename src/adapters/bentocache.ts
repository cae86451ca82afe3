import { checkNames } from "../base/index.ts";
import { type AnyCache, cacheOf, clearWith, setFor } from "./keys.ts";

/** What bentocache gives to every driver. */
export interface BentoDriverConfig {
  prefix?: string;
}

/** Options of {@link bentoDriver}. */
export interface BentoDriverOptions extends BentoDriverConfig {
  cache: AnyCache;
}

/** The driver, as bentocache uses it. */
export class BentoDriver {
  readonly type = "l1" as const;
  readonly #cache: AnyCache;
  readonly #prefix: string;

  constructor(cache: AnyCache, prefix = "") {
    this.#cache = cache;
    this.#prefix = prefix.replace(/:+$/, "");
  }

  namespace(namespace: string): BentoDriver {
    return new BentoDriver(this.#cache, this.#keyOf(namespace));
  }

  get(key: string): string | undefined {
    return this.#cache.get(this.#keyOf(key)) as string | undefined;
  }

  pull(key: string): string | undefined {
    const value = this.get(key);
    this.delete(key);
    return value;
  }

  set(key: string, value: string, ttl?: number): boolean {
    return setFor(this.#cache, this.#keyOf(key), value, ttl);
  }

  /** Milliseconds; undefined for what is not there. */
  getRemainingTtl(key: string): number | undefined {
    const full = this.#keyOf(key);
    return this.#cache.has(full) ? this.#cache.getRemainingTTL(full) : undefined;
  }

  /** Removes the entries under this prefix, for which it looks at all keys. */
  clear(): void {
    clearWith(this.#cache, this.#prefix === "" ? "" : `${this.#prefix}:`);
  }

  delete(key: string): boolean {
    return this.#cache.delete(this.#keyOf(key));
  }

  deleteMany(keys: string[]): boolean {
    for (const key of keys) this.delete(key);
    return true;
  }

  prune(): void {
    this.#cache.purgeStale();
  }

  /** The cache is its maker's to close. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  #keyOf(key: string): string {
    return this.#prefix === "" ? key : `${this.#prefix}:${key}`;
  }
}

/**
 * The memory layer of a store: `bentostore().useL1Layer(bentoDriver({ cache }))`. Workers that attach to the cache
 * share the layer, which spares them the bus.
 */
export function bentoDriver(options: BentoDriverOptions): {
  options: BentoDriverConfig;
  factory: (config: BentoDriverConfig) => BentoDriver;
} {
  checkNames("bentoDriver", options, ["cache", "prefix"]);
  const { cache, ...config } = options;
  cacheOf(cache, "bentoDriver({ cache })");
  return { options: config, factory: ({ prefix }) => new BentoDriver(cache, prefix ?? config.prefix) };
}
