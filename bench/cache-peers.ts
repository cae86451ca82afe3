import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import KeyvRedis from "@keyv/redis";
import Keyv from "keyv";
import { open as openLmdb } from "lmdb";
import { LRUCache } from "lru-cache";
import NodeCache from "node-cache";
import { CompressedCache } from "../src/cache/index.ts";

/** One cache under measurement. All take a record as the bytes that came from a server. */
export interface Peer {
  readonly name: string;
  set(key: string, value: Buffer): unknown;
  /** Something of the value's length: what a reader needs at least. -1 for a miss. */
  get(key: string): number | Promise<number>;
  /** Whether calls give promises. */
  readonly isAsync: boolean;
  /** Waits until everything that was set is where a get finds it. */
  settle?(): Promise<void>;
  /** Memory that it takes in another process. */
  residentBytes?(): Promise<number>;
  close(): Promise<void> | void;
}

export type PeerName =
  | "zbud"
  | "zbud, 8 shards"
  | "lru-cache, Buffers"
  | "lru-cache, strings"
  | "lru-cache, objects"
  | "lmdb, compressed"
  | "keyv in memory"
  | "node-cache"
  | "Redis";

/** What a process of the bench opens. */
export interface PeerOptions {
  /** Entries that there will be. */
  count: number;
  /** Bytes of all records. */
  bytes: number;
  /** Whether records are JSON: lru-cache with objects keeps what was parsed. */
  isJson: boolean;
  /** Where a Redis server listens, if there is one. */
  redisPort?: number;
  /** Its Unix socket, instead. */
  redisSocket?: string;
  /** The name under which processes share the cache. */
  shared?: string;
}

export async function openPeer(name: PeerName, options: PeerOptions): Promise<Peer> {
  const { count, bytes, isJson } = options;
  switch (name) {
    case "zbud":
    case "zbud, 8 shards":
      return zbud(name, bytes, options.shared);
    case "lru-cache, Buffers":
      return lru(
        name,
        count,
        (value) => value,
        (value) => value.length,
      );
    case "lru-cache, strings":
      return lru(
        name,
        count,
        (value) => value.toString(),
        (value) => value.length,
      );
    case "lru-cache, objects":
      return lru(
        name,
        count,
        (value): object => (isJson ? (JSON.parse(value.toString()) as object) : { html: value.toString() }),
        (value) => Object.keys(value).length,
      );
    case "lmdb, compressed":
      return lmdb(name);
    case "keyv in memory":
      return keyv(name);
    case "node-cache":
      return nodeCache(name, isJson);
    case "Redis":
      return await redis(name, options);
  }
}

function zbud(name: PeerName, bytes: number, shared: string | undefined): Peer {
  const shards = name === "zbud" ? 1 : 8;
  // Room for all, so that what is compared is memory for the same entries.
  const maxBytes = Math.max(2 ** 26, Math.ceil((bytes * 1.5) / 2 ** 20) * 2 ** 20);
  const cache = new CompressedCache<Buffer>({
    maxBytes,
    shards,
    ...(shared === undefined ? {} : { shared }),
  });
  const target = new Uint8Array(2 ** 17);
  return {
    name,
    isAsync: false,
    set: (key, value) => cache.set(key, value),
    get: (key) => cache.getInto(key, target) ?? -1,
    close: () => void cache.close(),
  };
}

function lru<V extends object | string>(
  name: PeerName,
  max: number,
  encode: (value: Buffer) => V,
  measure: (value: V) => number,
): Peer {
  const cache = new LRUCache<string, V>({ max });
  return {
    name,
    isAsync: false,
    // A copy: what came from a server is a part of a larger buffer, which would be kept with it.
    set: (key, value) => cache.set(key, encode(Buffer.from(value))),
    get: (key) => {
      const value = cache.get(key);
      return value === undefined ? -1 : measure(value);
    },
    close: () => cache.clear(),
  };
}

function lmdb(name: PeerName): Peer {
  const folder = mkdtempSync(join(tmpdir(), "zbud-bench-lmdb-"));
  const store = openLmdb<Buffer, string>({
    path: join(folder, "data"),
    compression: true,
    encoding: "binary",
  });
  let last: Promise<unknown> = Promise.resolve();
  return {
    name,
    isAsync: false,
    set: (key, value) => {
      last = store.put(key, value);
    },
    get: (key) => store.getBinaryFast(key)?.length ?? -1,
    settle: async () => {
      await last;
      await store.flushed;
    },
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function keyv(name: PeerName): Peer {
  const store = new Keyv<string>();
  return {
    name,
    isAsync: true,
    set: (key, value) => store.set(key, value.toString()),
    get: async (key) => (await store.get(key))?.length ?? -1,
    close: () => store.clear(),
  };
}

/** Objects, as it is used: it copies each, on the way in and out. */
function nodeCache(name: PeerName, isJson: boolean): Peer {
  const cache = new NodeCache({ checkperiod: 0 });
  return {
    name,
    isAsync: false,
    set: (key, value) => cache.set(key, isJson ? JSON.parse(value.toString()) : value.toString()),
    get: (key) => {
      const value = cache.get<object | string>(key);
      if (value === undefined) return -1;
      return typeof value === "string" ? value.length : Object.keys(value).length;
    },
    close: () => cache.close(),
  };
}

async function redis(name: PeerName, { redisPort = 6379, redisSocket }: PeerOptions): Promise<Peer> {
  // The client that Keyv's adapter has, without Keyv around it.
  const adapter = new KeyvRedis<string>(
    redisSocket === undefined
      ? `redis://127.0.0.1:${redisPort}`
      : { socket: { path: redisSocket, tls: false } },
  );
  const client = (await adapter.getClient()) as unknown as {
    set(key: string, value: Buffer): Promise<unknown>;
    get(key: string): Promise<string | null>;
    info(section: string): Promise<string>;
  };
  const resident = async (): Promise<number> => {
    return Number(/used_memory_rss:(\d+)/.exec(await client.info("memory"))?.[1] ?? 0);
  };
  const before = await resident();
  return {
    name,
    isAsync: true,
    set: (key, value) => client.set(key, value),
    get: async (key) => (await client.get(key))?.length ?? -1,
    residentBytes: async () => Math.max(0, (await resident()) - before),
    close: () => adapter.disconnect(),
  };
}
