import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Cluster } from "ioredis";
import { createSentinel } from "redis";
import { redisTier } from "../../src/adapters/redis.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { CLIENTS, type ClientLibrary } from "./clients.ts";
import { RedisCluster } from "./cluster.ts";
import { Fleet, heard } from "./fleet.ts";
import { TcpProxy } from "./proxy.ts";
import { RedisServer } from "./server.ts";

/** Waits until a cache reaches the server again. */
async function writes(cache: CompressedCache): Promise<void> {
  await until("it writes again", async () => {
    cache.set("after", 1);
    return await cache.flush().then(
      () => true,
      () => false,
    );
  });
}

function once(sets: readonly string[]): void {
  assert.ok(sets.length > 0);
  const twice = sets.filter((set, i) => sets.indexOf(set) !== i);
  assert.deepEqual(twice, [], "executed twice");
}

for (const library of CLIENTS) {
  describe(`what comes to Redis after its connection was given up, by ${library.name}`, () => {
    let server: RedisServer;
    let network: TcpProxy;
    let far: Fleet;
    let near: Fleet;
    let a: CompressedCache;
    let b: CompressedCache;
    beforeEach(async () => {
      server = await RedisServer.start();
      network = await TcpProxy.start(server.port);
      far = new Fleet(library, network.url);
      near = new Fleet(library, server.url);
      a = await far.add({ graceMs: 0 });
      b = await near.add();
      // From here on A knows the version of all, which it asks for once.
      a.set("before", 1);
      await a.flush();
    });
    afterEach(async () => {
      await far.end();
      await near.end();
      await network.stop();
      await server.stop();
    });

    /** What A writes does not come to the server, which it writes to again by another connection. */
    async function overtaken(write: () => void): Promise<void> {
      network.mode = "hold";
      write();
      await until("it was sent", () => network.holds("evalsha"));
      network.overtake();
      await until("A was answered", () =>
        a.flush().then(
          () => true,
          () => false,
        ),
      );
    }

    async function connections(): Promise<number> {
      const text = await server.command(["INFO", "clients"]);
      return Number(/connected_clients:(\d+)/.exec(text)?.[1]);
    }

    /** What was overtaken comes, and the server has read it all. */
    async function arrived(): Promise<void> {
      const before = await connections();
      const ended = network.arrive();
      assert.ok(ended > 0, "nothing came");
      await until("it came", async () => (await connections()) <= before - ended);
    }

    async function read(key: string): Promise<unknown[]> {
      const c = await near.add();
      await heard(a);
      return [await c.getAsync(key), await a.getAsync(key), await b.getAsync(key)];
    }

    it("a set does not replace what another machine set since", async () => {
      await overtaken(() => a.set("k", "old"));
      b.set("k", "new");
      await b.flush();
      await arrived();
      const [c, atA, atB] = await read("k");
      assert.equal(c, "new");
      assert.equal(atB, "new");
      assert.equal(atA, "new");
    });

    it("a set does not bring back what another machine deleted since", async () => {
      await overtaken(() => a.set("k", "old"));
      b.delete("k");
      await b.flush();
      await arrived();
      assert.deepEqual(await read("k"), [undefined, undefined, undefined]);
    });

    it("a deletion of a tag does not bring back what another machine deleted by it since", async () => {
      a.set("k", 1, { tags: ["t"] });
      await a.flush();
      await overtaken(() => a.deleteByTag("t"));
      a.set("k", 2, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 2);
      b.deleteByTag("t");
      await b.flush();
      await arrived();
      assert.deepEqual(await read("k"), [undefined, undefined, undefined]);
    });

    it("a clear does not bring back what another machine cleared since", async () => {
      a.set("k", 1);
      await a.flush();
      await overtaken(() => a.clear());
      a.set("k", 2);
      await a.flush();
      assert.equal(await b.getAsync("k"), 2);
      b.clear();
      // What the clear left of the older ones is gone; what comes after it counts under its version only.
      b.set("after", 3);
      await b.flush();
      await arrived();
      assert.deepEqual(await read("k"), [undefined, undefined, undefined]);
      assert.deepEqual(await read("after"), [3, 3, 3]);
    });

    for (const what of ["set", "delete", "clear"] as const) {
      it(`a load that was overtaken by a ${what} is not stored, though its machine was not told of that yet`, async () => {
        const load = async (): Promise<string> => {
          network.held = "told";
          if (what === "set") b.set("k", "new");
          else if (what === "delete") b.delete("k");
          else b.clear();
          await b.flush();
          return "old";
        };
        // Nobody knows a version of all from before the load.
        await server.command(["FLUSHALL"]);
        await until("A was told of that", () => a.get("before") === undefined);
        assert.equal(await a.getOrSet("k", load), "old");
        await a.flush();
        const c = await near.add();
        // The tier gives up both where it does not know what came last.
        assert.notEqual(await c.getAsync("k"), "old");
        network.held = null;
        await until("A was told", async () => (await a.getAsync("k")) !== "old");
      });
    }

    it("a set that waits for the version of its tag does not outlive a deletion of that which came after it", async () => {
      network.mode = "hold";
      a.set("k", "old", { tags: ["t"] });
      a.deleteByTag("t");
      network.mode = "pass";
      await writes(a);
      assert.equal(await b.getAsync("k"), undefined);
      assert.equal(await a.getAsync("k"), undefined);
    });

    /** What A writes is executed; its answer is lost, with all connections of A, when others have written since. */
    async function unanswered(write: () => void, isDone: () => Promise<boolean>, then: () => Promise<void>) {
      const watch = await server.watchSets();
      network.held = "answers";
      write();
      await until("it is there", isDone);
      await then();
      network.cut();
      network.held = null;
      await writes(a);
      await watch.end();
      once(watch.sets);
    }

    it("a set that has no answer is not executed again over what another machine set since", async () => {
      await unanswered(
        () => a.set("k", "old"),
        async () => (await b.getAsync("k")) === "old",
        async () => {
          b.set("k", "new");
          await b.flush();
        },
      );
      assert.notEqual(await b.getAsync("k"), "old");
    });

    it("a deletion of a tag that has no answer is not executed again after that of another machine", async () => {
      a.set("k", 1, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      await unanswered(
        () => a.deleteByTag("t"),
        async () => (await b.getAsync("k")) === undefined,
        async () => {
          b.set("k", 2, { tags: ["t"] });
          await b.flush();
          b.deleteByTag("t");
          await b.flush();
        },
      );
      assert.deepEqual(await read("k"), [undefined, undefined, undefined]);
    });

    it("a clear that has no answer is not executed again after that of another machine", async () => {
      a.set("k", 1);
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      await unanswered(
        () => a.clear(),
        async () => (await b.getAsync("k")) === undefined,
        async () => {
          b.clear();
          await b.flush();
        },
      );
    });

    it("what another machine sets before the own set is answered counts, though it is told meanwhile", async () => {
      network.held = "answers";
      a.set("k", "own");
      await until("it is there", async () => (await b.getAsync("k")) === "own");
      const { backingTold } = a.stats();
      b.set("k", "other");
      await b.flush();
      await until("A was told", () => a.stats().backingTold > backingTold);
      network.held = null;
      await until("A knows", async () => (await a.getAsync("k")) === "other");
    });
  });
}

describe("what a cluster answers after its connections were given up", () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await RedisCluster.start({ proxied: true });
  });
  after(() => cluster.stop());

  const networks = (): TcpProxy[] => cluster.nodes.map(({ proxy }) => proxy as TcpProxy);
  const again: ClientLibrary = {
    ...CLIENTS[1],
    name: "ioredis whose nodes connect again",
    connectCluster: async (urls) => {
      const client = new Cluster([...urls], { clusterNodeRetryStrategy: () => 50 });
      client.on("error", () => undefined);
      await client.get("x");
      return { client, end: () => client.disconnect() };
    },
  };
  for (const library of [...CLIENTS, again]) {
    it(`nothing is executed again, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      try {
        const cache = await fleet.add({ prefix: `${library.name}:` });
        const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
        for (const key of keys) cache.set(key, 1, { tags: [key] });
        await fleet.flush();
        const watches = await Promise.all(cluster.servers.map((server) => server.watchSets()));
        for (const network of networks()) network.held = "answers";
        for (const key of keys) cache.set(`${key} new`, 2);
        for (const key of keys) cache.deleteByTag(key);
        const count = (): number => watches.reduce((sum, { sets }) => sum + sets.length, 0);
        await until("they are there", () => count() >= 2 * keys.length);
        for (const network of networks()) network.cut();
        for (const network of networks()) network.held = null;
        await writes(cache);
        for (const { sets, end } of watches) {
          await end();
          once(sets);
        }
      } finally {
        await fleet.end();
      }
    });
  }
});

it("what a master behind sentinels did not answer is not executed again, by redis", async () => {
  const server = await RedisServer.start();
  const network = await TcpProxy.start(server.port);
  const sentinel = await RedisServer.startSentinel([
    `sentinel monitor m 127.0.0.1 ${network.port} 1`,
    "sentinel down-after-milliseconds m 60000",
  ]);
  const sentinelRootNodes = [{ host: "127.0.0.1", port: sentinel.port }];
  const client = await createSentinel({ name: "m", sentinelRootNodes }).connect();
  client.on("error", () => undefined);
  try {
    const tier = await redisTier(client, { coherence: "ttl", timeoutMs: 2000 });
    const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier });
    // From here on the server knows the scripts.
    await writes(cache);
    const { sets, end } = await server.watchSets();
    network.held = "answers";
    cache.clear();
    await until("it is there", () => sets.length > 0);
    network.cut();
    network.held = null;
    await writes(cache);
    await end();
    once(sets);
    cache.close();
    await tier.close();
  } finally {
    client.destroy();
    await sentinel.stop();
    await network.stop();
    await server.stop();
  }
});
