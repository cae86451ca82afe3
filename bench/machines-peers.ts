/** What several machines may have between them and a Redis server: one process's end of each. */

import KeyvRedis from "@keyv/redis";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import { Cacheable, createKeyv } from "cacheable";
import { createClient } from "redis";
import { redisTier } from "../src/adapters/redis.ts";
import { CompressedCache } from "../src/cache/index.ts";

/** A value as a program has it: JSON as an object, a page as text; which write made it is in it. */
export type Value = { version: number; body: unknown };

export interface MachinePeer {
  get(key: string): Promise<Value | undefined>;
  /** Until the server has it, and whoever is told is being told. */
  set(key: string, value: Value): Promise<unknown>;
  /** Resident bytes of memory that threads share. */
  sharedBytes(): number;
  close(): Promise<unknown>;
}

const nothing = (): number => 0;

export const MACHINE_PEERS = [
  "zbud",
  "redis",
  "redis, client-side cache",
  "bentocache, bus",
  "cacheable, two tiers",
] as const;
export type MachinePeerName = (typeof MACHINE_PEERS)[number];

export interface MachineOptions {
  readonly port: number;
  /** Entries that the memory of a process may hold. */
  readonly entries: number;
  /** Room for so many as they are, for who has a limit of bytes as well. */
  readonly bytes: number;
}

export async function openMachinePeer(name: MachinePeerName, options: MachineOptions): Promise<MachinePeer> {
  switch (name) {
    case "zbud":
      return await zbud(options);
    case "redis":
    case "redis, client-side cache":
      return await plain(options, name !== "redis");
    case "bentocache, bus":
      return bentocache(options);
    case "cacheable, two tiers":
      return cacheable(options);
  }
}

async function zbud({ port, entries, bytes }: MachineOptions): Promise<MachinePeer> {
  const client = createClient({ socket: { port, host: "127.0.0.1" } });
  client.on("error", () => undefined);
  await client.connect();
  const backing = await redisTier(client);
  const cache = new CompressedCache<Value>({ maxBytes: bytes, maxEntries: entries, backing });
  const write = whenWritten(() => cache.flush());
  return {
    get: (key) => cache.getAsync(key),
    set: (key, value) => {
      cache.set(key, value);
      return write();
    },
    sharedBytes: () => cache.stats().bytesUsed,
    close: async () => {
      cache.close();
      await backing.close();
      await client.close();
    },
  };
}

/** One flush for all who wait for one at a time. */
function whenWritten(flush: () => Promise<unknown>): () => Promise<unknown> {
  let next: Promise<unknown> | null = null;
  return () => {
    next ??= Promise.resolve().then(() => {
      next = null;
      return flush();
    });
    return next;
  };
}

/** Redis's own client, with its own memory or none. */
async function plain({ port, entries }: MachineOptions, hasMemory: boolean): Promise<MachinePeer> {
  const client = createClient({
    RESP: 3,
    socket: { port, host: "127.0.0.1" },
    ...(hasMemory ? { clientSideCache: { ttl: 0, maxEntries: entries, evictPolicy: "LRU" } } : {}),
  });
  client.on("error", () => undefined);
  await client.connect();
  return {
    get: async (key) => {
      const text = await client.get(key);
      return text === null ? undefined : (JSON.parse(String(text)) as Value);
    },
    set: (key, value) => client.set(key, JSON.stringify(value)),
    sharedBytes: nothing,
    close: () => client.close(),
  };
}

function bentocache({ port, entries }: MachineOptions): MachinePeer {
  const connection = { host: "127.0.0.1", port };
  const cache = new BentoCache({
    default: "tiers",
    stores: {
      tiers: bentostore()
        // With `serialize: false` its version 1.6.1 throws at what came from the second tier.
        .useL1Layer(memoryDriver({ maxItems: entries }))
        .useL2Layer(redisDriver({ connection }))
        .useBus(redisBusDriver({ connection })),
    },
  });
  return {
    get: async (key) => (await cache.get<Value>({ key })) ?? undefined,
    set: (key, value) => cache.set({ key, value, ttl: "1h" }),
    sharedBytes: nothing,
    close: () => cache.disconnectAll(),
  };
}

function cacheable({ port, entries }: MachineOptions): MachinePeer {
  const cache = new Cacheable({
    primary: createKeyv({ lruSize: entries, useClone: false }),
    secondary: new KeyvRedis(`redis://127.0.0.1:${port}`),
  });
  return {
    get: (key) => cache.get<Value>(key),
    set: (key, value) => cache.set(key, value, "1h"),
    sharedBytes: nothing,
    close: () => cache.disconnect(),
  };
}
