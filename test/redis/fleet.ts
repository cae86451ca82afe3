/** Several caches on one server, each with a client and a tier of its own, as several machines have them. */

import { type RedisTierOptions, redisTier } from "../../src/adapters/redis.ts";
import type { Backing } from "../../src/backing/index.ts";
import type { ZbudError } from "../../src/base/index.ts";
import { CompressedCache, type CompressedCacheOptions } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import type { ClientLibrary, TestClient } from "./clients.ts";

export interface Machine {
  readonly cache: CompressedCache;
  readonly tier: Backing;
  readonly client: TestClient;
}

export class Fleet {
  readonly machines: Machine[] = [];
  readonly #connect: () => Promise<TestClient>;

  /** @param at - a server, or servers of a cluster. */
  constructor(library: ClientLibrary, at: string | readonly string[]) {
    this.#connect = () => (typeof at === "string" ? library.connect(at) : library.connectCluster(at));
  }

  async add(
    tierOptions: RedisTierOptions = {},
    cacheOptions: Partial<CompressedCacheOptions<unknown>> = {},
  ): Promise<CompressedCache> {
    const client = await this.#connect();
    const tier = await redisTier(client.client, { heartbeatMs: 100, timeoutMs: 2000, ...tierOptions });
    const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier, tags: true, ...cacheOptions });
    this.machines.push({ cache, tier, client });
    await heard(cache);
    return cache;
  }

  /** Another thread of the machine that has a cache. */
  async attach(first: CompressedCache, tierOptions: RedisTierOptions = {}): Promise<CompressedCache> {
    const client = await this.#connect();
    const tier = await redisTier(client.client, { heartbeatMs: 100, timeoutMs: 2000, ...tierOptions });
    const cache = CompressedCache.attach(first.share(), { backing: tier });
    this.machines.push({ cache, tier, client });
    return cache;
  }

  /** Everything that was set or deleted is on the server. */
  async flush(): Promise<void> {
    for (const { cache } of this.machines) {
      await cache.flush().catch((error: unknown) => {
        if ((error as ZbudError).code !== "ECLOSED") throw error;
      });
    }
  }

  async end(): Promise<void> {
    for (const { cache, tier, client } of this.machines.splice(0)) {
      cache.close();
      await tier.close().catch(() => undefined);
      client.end();
    }
  }
}

/** Waits until a cache is told what others change. */
export async function heard(cache: CompressedCache): Promise<void> {
  await until("the cache is told", () => cache.stats().isBackingTold);
}
