import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Cluster, Redis } from "ioredis";
import { Redis as Valkey, Cluster as ValkeyCluster } from "iovalkey";
import { redisTier } from "../../src/adapters/redis.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { RedisCluster } from "./cluster.ts";
import { heard } from "./fleet.ts";
import { RedisServer } from "./server.ts";

const LIBRARIES = { ioredis: { Redis, Cluster }, iovalkey: { Redis: Valkey, Cluster: ValkeyCluster } };

for (const [name, library] of Object.entries(LIBRARIES)) {
  const Client = library.Redis as typeof Redis;

  describe(`a tier's own client beside that of the user, by ${name}`, () => {
    let server: RedisServer;
    const ends: (() => unknown)[] = [];
    beforeEach(async () => {
      server = await RedisServer.start();
    });
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
      await server.stop();
    });

    async function clientWith(options: object = {}): Promise<Redis> {
      const client = new Client(server.url, options);
      client.on("error", () => undefined);
      ends.push(() => client.disconnect());
      await until("it is connected", () => client.status === "ready");
      return client;
    }

    async function cacheBy(client: object, options: Parameters<typeof redisTier>[1] = {}) {
      const tier = await redisTier(client, { heartbeatMs: 100, ...options });
      const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier, tags: true });
      const end = async (): Promise<void> => {
        cache.close();
        await tier.close().catch(() => undefined);
      };
      ends.push(end);
      return { cache, end };
    }

    /** Without that which asks. */
    async function connections(): Promise<number> {
      return Number(/connected_clients:(\d+)/.exec(await server.command(["INFO", "clients"]))?.[1]) - 1;
    }

    async function works(cache: CompressedCache): Promise<void> {
      await until("it works", async () => {
        cache.set("k", 1);
        return await cache.flush().then(
          () => true,
          () => false,
        );
      });
    }

    it("has its prefix, its database and its other settings", async () => {
      const caches: CompressedCache[] = [];
      for (let i = 0; i < 2; i++) {
        const client = await clientWith({ keyPrefix: "mine:", enableOfflineQueue: false });
        await client.select(2);
        const { cache } = await cacheBy(client);
        await heard(cache);
        caches.push(cache);
      }
      const [a, b] = caches;
      a.set("k", 1, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      a.set("k", 2);
      await a.flush();
      await until("b is told", () => b.get("k") === undefined);
      const plain = await clientWith({ db: 2 });
      assert.ok((await plain.keys("*")).every((key) => key.startsWith("mine:zbud:")));
      assert.equal(await plain.exists("mine:zbud:k"), 1);
      assert.match(await server.command(["INFO", "keyspace"]), /^(?!.*db0).*db2/s);
      a.clear();
      await a.flush();
      await until("it is swept", async () => (await plain.exists("mine:zbud:k")) === 0);
    });

    it("is closed with the tier, and with the user's", async () => {
      const client = await clientWith();
      const others = await connections();
      const first = await cacheBy(client, { coherence: "ttl" });
      assert.equal(await connections(), others + 1);
      await first.end();
      await until("it is closed", async () => (await connections()) === others);
      const second = await cacheBy(client, { coherence: "ttl" });
      client.disconnect();
      await until("both are closed", async () => (await connections()) === others - 1);
      await assert.rejects(redisTier(client), { code: "EIO" });
      await client.connect();
      await works(second.cache);
      await second.end();
      await until("it is closed", async () => (await connections()) === others);
      assert.equal(await client.ping(), "PONG");
      await server.command(["ACL", "SETUSER", "default", "-get"]);
      await assert.rejects(redisTier(client), { code: "EIO" });
      await until("it is closed", async () => (await connections()) === others);
    });

    it("is opened again when its settings gave it up and the user's lives", async () => {
      const client = await clientWith({ retryStrategy: () => null });
      const { cache } = await cacheBy(client);
      await works(cache);
      // All but the one that asks.
      await client.client("KILL", "TYPE", "normal");
      await works(cache);
      assert.equal(client.status, "ready");
    });
  });

  describe(`a tier's own client of a cluster, by ${name}`, () => {
    let cluster: RedisCluster;
    before(async () => {
      cluster = await RedisCluster.start({ replicas: 1 });
    });
    after(() => cluster.stop());

    it("is told of all under the user's prefix, also after a break without a command, and reads from masters", async () => {
      const ends: (() => unknown)[] = [];
      const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
      try {
        const caches: CompressedCache[] = [];
        for (let i = 0; i < 2; i++) {
          const client = new library.Cluster([...cluster.urls], {
            scaleReads: "slave",
            redisOptions: { keyPrefix: "mine:" },
          });
          client.on("error", () => undefined);
          ends.push(() => client.disconnect());
          // A replica is named once it has something.
          for (const key of keys) await client.set(key, 1);
          await until("replicas are named", async () =>
            ((await client.cluster("SLOTS")) as unknown[][]).every(({ length }) => length > 3),
          );
          const tier = await redisTier(client, { heartbeatMs: 100 });
          ends.push(() => tier.close().catch(() => undefined));
          const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier });
          ends.push(() => cache.close());
          await heard(cache);
          caches.push(cache);
        }
        const [a, b] = caches;
        for (const key of keys) a.set(key, 1);
        await a.flush();
        for (const key of keys) assert.equal(await b.getAsync(key), 1);
        for (const key of keys) a.set(key, 2);
        await a.flush();
        await until("b is told", () => keys.every((key) => b.get(key) === undefined));
        const [{ server }] = await cluster.currentMasters();
        const reads = await Promise.all(cluster.servers.map((one) => one.command(["INFO", "commandstats"])));
        const roles = await Promise.all(cluster.servers.map((one) => one.command(["INFO", "replication"])));
        for (const [i, role] of roles.entries()) {
          if (role.includes("role:slave")) assert.doesNotMatch(reads[i], /cmdstat_get:/);
        }
        await server.command(["CLIENT", "KILL", "TYPE", "normal"]);
        await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
        await until("it was noticed", () => !b.stats().isBackingTold);
        await heard(b);
      } finally {
        for (const end of ends.reverse()) await end();
      }
    });
  });
}
