/** Clients of a server, of each library that the tier works with. */

import { type EventEmitter, once } from "node:events";
import { Cluster, Redis } from "ioredis";
import { Redis as Valkey, Cluster as ValkeyCluster } from "iovalkey";
import { createClient, createCluster } from "redis";

/** A client that is connected, with what ends it. */
export interface TestClient {
  readonly client: object;
  end(): void;
}

/** Ends a client, and waits until its library has told of it. */
export async function endClient({ client, end }: TestClient): Promise<void> {
  const ended = Reflect.has(client, "status") ? once(client as EventEmitter, "end") : undefined;
  end();
  await ended;
}

export interface ClientLibrary {
  readonly name: string;
  connect(url: string): Promise<TestClient>;
  connectCluster(urls: readonly string[]): Promise<TestClient>;
}

export const CLIENTS: readonly ClientLibrary[] = [
  {
    name: "redis",
    connect: async (url) => {
      const client = createClient({ url, socket: { reconnectStrategy: 50 } });
      client.on("error", () => undefined);
      await client.connect();
      return { client, end: () => client.destroy() };
    },
    connectCluster: async (urls) => {
      const client = createCluster({ rootNodes: urls.map((url) => ({ url })) });
      client.on("error", () => undefined);
      await client.connect();
      return { client, end: () => client.destroy() };
    },
  },
  {
    name: "ioredis",
    connect: async (url) => {
      const client = new Redis(url, { retryStrategy: () => 50 });
      client.on("error", () => undefined);
      await client.ping();
      return { client, end: () => client.disconnect() };
    },
    connectCluster: async (urls) => {
      const client = new Cluster([...urls], { clusterRetryStrategy: () => 50 });
      client.on("error", () => undefined);
      await client.get("x");
      return { client, end: () => client.disconnect() };
    },
  },
  {
    name: "iovalkey",
    connect: async (url) => {
      const client = new Valkey(url, { retryStrategy: () => 50 });
      client.on("error", () => undefined);
      await client.ping();
      return { client, end: () => client.disconnect() };
    },
    connectCluster: async (urls) => {
      const client = new ValkeyCluster([...urls], { clusterRetryStrategy: () => 50 });
      client.on("error", () => undefined);
      await client.get("x");
      return { client, end: () => client.disconnect() };
    },
  },
];
