/** The tier as players open it. */

import KeyvRedis from "@keyv/redis";
import { Cluster, Redis } from "ioredis";
import Keyv from "keyv";
import { createClient, createCluster } from "redis";
import { redisTier } from "../../src/adapters/redis.ts";
import { type Backing, KeyvBacking } from "../../src/backing/index.ts";
import type { CompressedCache } from "../../src/cache/index.ts";

const RECONNECT_MS = 50;
const CONNECT_MS = 1000;
const LOCK_MS = 500;

export interface TierOptions {
  /** `"keyv"`: what nobody tells others through. */
  readonly kind: "redis" | "keyv";
  readonly graceMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
}

export interface TierPlan extends TierOptions {
  readonly urls: readonly string[];
  readonly isCluster: boolean;
  /** The library of its client. */
  readonly library: "redis" | "ioredis";
}

export interface OpenTier {
  readonly backing: Backing;
  /** Waits until all are told of what was written before. */
  told(cache: CompressedCache<string>): Promise<unknown>;
  close(): Promise<void>;
}

/** The promise of docs/backing.md: how old what is read may be. */
export function boundOf({ graceMs, heartbeatMs, timeoutMs }: TierOptions): number {
  return heartbeatMs + timeoutMs + graceMs;
}

export async function openTier(plan: TierPlan): Promise<OpenTier> {
  if (plan.kind === "keyv") return openKeyv(plan);
  const { graceMs, heartbeatMs, timeoutMs } = plan;
  const { client, end } = await (plan.library === "redis" ? connect(plan) : connectIo(plan));
  const backing = await redisTier(client, { graceMs, heartbeatMs, timeoutMs, lockMs: LOCK_MS });
  return {
    backing,
    told: (cache) => cache.flush(),
    close: async () => {
      await backing.close().catch(() => undefined);
      end();
    },
  };
}

async function connect({ urls, isCluster, timeoutMs }: TierPlan): Promise<{ client: object; end(): void }> {
  // A client that does not ask whether its connection lives waits for ever on one that is dead.
  const socket = {
    reconnectStrategy: RECONNECT_MS,
    connectTimeout: CONNECT_MS,
    socketTimeout: 2 * timeoutMs,
  };
  const pingInterval = timeoutMs;
  if (isCluster) {
    const cluster = createCluster({
      rootNodes: urls.map((url) => ({ url })),
      defaults: { socket, pingInterval },
    });
    cluster.on("error", () => undefined);
    await cluster.connect();
    return { client: cluster, end: () => cluster.destroy() };
  }
  const client = createClient({ url: urls[0], socket, pingInterval });
  client.on("error", () => undefined);
  await client.connect();
  return { client, end: () => client.destroy() };
}

async function connectIo({ urls, isCluster, timeoutMs }: TierPlan): Promise<{ client: object; end(): void }> {
  const socket = { connectTimeout: CONNECT_MS, socketTimeout: 2 * timeoutMs };
  const retry = (): number => RECONNECT_MS;
  const client = isCluster
    ? new Cluster([...urls], { clusterRetryStrategy: retry, redisOptions: socket })
    : new Redis(urls[0], { ...socket, retryStrategy: retry });
  client.on("error", () => undefined);
  await client.get("x");
  return { client, end: () => client.disconnect() };
}

function openKeyv({ urls, timeoutMs }: TierPlan): OpenTier {
  const store = new Keyv({ store: new KeyvRedis(urls[0]) });
  store.on("error", () => undefined);
  const backing = new KeyvBacking({ store, timeoutMs });
  return {
    backing,
    told: (cache) => cache.flush(),
    close: async () => {
      await backing.close().catch(() => undefined);
      await store.disconnect().catch(() => undefined);
    },
  };
}
