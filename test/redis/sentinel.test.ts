import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Redis } from "ioredis";
import { Redis as Valkey } from "iovalkey";
import { createSentinel } from "redis";
import { redisTier } from "../../src/adapters/redis.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { heard } from "./fleet.ts";
import { RedisServer } from "./server.ts";

const NAME = "shop";
const HOST = "127.0.0.1";

/** Whether `INFO` says so. A sentinel ends connections when roles change, so this asks again another time then. */
async function says(server: RedisServer, section: string, text: string): Promise<boolean> {
  return (await server.command(["INFO", section]).catch(() => "")).includes(text);
}

describe("a master, a replica, and a sentinel that watches them", () => {
  let master: RedisServer;
  let replica: RedisServer;
  let sentinel: RedisServer;
  /** What is to be closed at the end, the last first. */
  let ends: (() => unknown)[];
  beforeEach(async () => {
    ends = [];
    master = await RedisServer.start();
    replica = await RedisServer.start(["--replicaof", HOST, String(master.port)]);
    sentinel = await RedisServer.startSentinel([
      `sentinel monitor ${NAME} ${HOST} ${master.port} 1`,
      `sentinel down-after-milliseconds ${NAME} 300`,
      `sentinel failover-timeout ${NAME} 2000`,
    ]);
    await until("the sentinel knows the replica", () => says(sentinel, "sentinel", "slaves=1"));
    await until("the replica follows", () => says(replica, "replication", "master_link_status:up"));
  });
  afterEach(async () => {
    for (const end of ends.reverse()) await end();
    for (const server of [sentinel, replica, master]) await server.stop();
  });

  async function cacheBy(client: object, options: Parameters<typeof redisTier>[1]): Promise<CompressedCache> {
    const tier = await redisTier(client, options);
    ends.push(() => tier.close().catch(() => undefined));
    const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier, tags: true });
    ends.push(() => cache.close());
    return cache;
  }

  const libraries = { ioredis: Redis, iovalkey: Valkey } as unknown as Record<string, typeof Redis>;
  for (const [name, Client] of Object.entries(libraries)) {
    it(`a replica takes over, and they are told by it, by ${name}`, { timeout: 60_000 }, async () => {
      const open = async (): Promise<CompressedCache> => {
        const client = new Client({
          sentinels: [{ host: HOST, port: sentinel.port }],
          name: NAME,
          sentinelRetryStrategy: () => 50,
          retryStrategy: () => 50,
        });
        client.on("error", () => undefined);
        ends.push(() => client.disconnect());
        await client.ping();
        const cache = await cacheBy(client, { heartbeatMs: 100, timeoutMs: 500, graceMs: 0 });
        await heard(cache);
        return cache;
      };
      const [a, b] = [await open(), await open()];
      a.set("k", 1, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      await until("the replica has it", () => says(replica, "keyspace", "keys=3"));
      await master.kill();
      await until("it was noticed", () => b.get("k") === undefined);
      await until("the replica took over", () => says(replica, "replication", "role:master"));
      await until("both are told again", () => a.stats().isBackingTold && b.stats().isBackingTold);
      await until(
        "b has it by the new master",
        async () => (await b.getAsync("k")) === 1 && b.get("k") === 1,
      );
      await until("a writes to the new master", async () => {
        a.set("k", 2);
        return await a.flush().then(
          () => true,
          () => false,
        );
      });
      await until("b was told", () => b.get("k") === undefined);
      await until("b reads it", async () => (await b.getAsync("k")) === 2);
    });
  }

  it("node-redis has no line to the master: that is said, and by time it works", async () => {
    const client = await createSentinel({
      name: NAME,
      sentinelRootNodes: [{ host: HOST, port: sentinel.port }],
    }).connect();
    client.on("error", () => undefined);
    ends.push(() => client.destroy());
    await assert.rejects(redisTier(client), { code: "ENOTSUP", message: /coherence: "ttl"/ });
    const [a, b] = [
      await cacheBy(client, { coherence: "ttl", ttlMs: 200 }),
      await cacheBy(client, { coherence: "ttl", ttlMs: 200 }),
    ];
    a.set("k", 1);
    await a.flush();
    assert.equal(await b.getAsync("k"), 1);
    a.set("k", 2);
    await a.flush();
    await until("its time is over", () => b.get("k") === undefined);
    assert.equal(await b.getAsync("k"), 2);
  });
});
