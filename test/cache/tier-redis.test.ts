import assert from "node:assert/strict";
import { describe, it } from "node:test";
import KeyvRedis, { createCluster } from "@keyv/redis";
import Keyv from "keyv";
import { KeyvBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { RedisCluster } from "../redis/cluster.ts";
import { RedisServer } from "../redis/server.ts";
import { until } from "../support/until.ts";

function open(server: RedisServer) {
  return openStore(new KeyvRedis(server.url));
}

function openStore(store: KeyvRedis<unknown>) {
  const keyv = new Keyv({ store });
  keyv.on("error", () => undefined);
  const backing = new KeyvBacking({ store: keyv, timeoutMs: 1000 });
  const cache = new CompressedCache<string>({ maxBytes: "4MiB", maxEntries: 3, backing });
  return {
    cache,
    close: async (): Promise<void> => {
      cache.close();
      await backing.close().catch(() => undefined);
      await keyv.disconnect().catch(() => undefined);
    },
  };
}

async function setMany(cache: CompressedCache<string>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) cache.set(`k${i}`, `value ${i} ${"text ".repeat(i)}`);
  await cache.flush().catch(() => undefined);
}

describe("a real Redis as second tier", () => {
  it("two caches, as on two machines, share what was evicted", async (t) => {
    const server = await RedisServer.start();
    const [one, two] = [open(server), open(server)];
    t.after(async () => {
      await Promise.all([one.close(), two.close()]);
      await server.stop();
    });
    await setMany(one.cache, 20);
    for (let i = 0; i < 17; i++) {
      assert.equal(await two.cache.getAsync(`k${i}`), `value ${i} ${"text ".repeat(i)}`);
    }
    assert.equal(await two.cache.getAsync("nobody"), undefined);
    one.cache.set("k1", "new");
    one.cache.delete("k2");
    await one.cache.flush();
    assert.equal(await one.cache.getAsync("k1"), "new");
    assert.equal(await one.cache.getAsync("k2"), undefined);
  });

  it("the server is killed and comes back: misses meanwhile, and no old values after", async (t) => {
    const server = await RedisServer.start();
    const { cache, close } = open(server);
    t.after(async () => {
      await close();
      await server.stop();
    });
    await setMany(cache, 10);
    assert.equal(await cache.getAsync("k0"), "value 0 ");
    await server.kill();
    cache.delete("k1");
    cache.set("k2", "new");
    for (let i = 0; i < 10; i++) {
      const value = await cache.getAsync(`k${i}`);
      assert.ok(
        value === undefined || value.startsWith(i === 2 ? "new" : `value ${i} `),
        `k${i} is ${value}`,
      );
    }
    assert.equal(cache.set("memory", "goes on"), "add");
    assert.equal(cache.get("memory"), "goes on");
    await server.restart();
    assert.equal(await cache.getAsync("k1"), undefined);
    verify(cache);
  });

  it("a server that is full: what it refuses is a miss", async (t) => {
    const server = await RedisServer.start(["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    const { cache, close } = open(server);
    t.after(async () => {
      await close();
      await server.stop();
    });
    const prng = new Prng(1);
    for (let i = 0; i < 400; i++) {
      cache.set(`k${i}`, Array.from({ length: 3000 }, () => prng.uint32().toString(36)).join(""));
      if (i % 50 === 0) await cache.flush().catch(() => undefined);
    }
    await cache.flush().catch(() => undefined);
    assert.ok(cache.stats().backingWritesFailed > 0);
    assert.equal(await cache.getAsync("nobody"), undefined);
    verify(cache);
  });

  it("a server that does not answer for a while: misses in time, and then it goes on", async (t) => {
    const server = await RedisServer.start();
    const { cache, close } = open(server);
    t.after(async () => {
      await close();
      await server.stop();
    });
    await setMany(cache, 10);
    server.pause();
    assert.equal(await cache.getAsync("k0"), undefined, "it did not wait for the server");
    cache.set("k1", "new");
    assert.equal(cache.get("k1"), "new");
    server.resume();
    await until("it came back", async () => (await cache.getAsync("k2")) !== undefined);
    assert.equal(cache.get("k2"), `value 2 ${"text ".repeat(2)}`);
  });

  it("a cluster of three", async (t) => {
    const cluster = await RedisCluster.start();
    const client = createCluster({ rootNodes: cluster.urls.map((url) => ({ url })) });
    // Before it is connected it does not know which server has what.
    await client.connect();
    const { cache, close } = openStore(new KeyvRedis(client));
    t.after(async () => {
      await close();
      await cluster.stop();
    });
    await setMany(cache, 60);
    for (let i = 0; i < 57; i++) {
      assert.equal(await cache.getAsync(`k${i}`), `value ${i} ${"text ".repeat(i)}`);
    }
    cache.delete("k5");
    await cache.flush();
    assert.equal(await cache.getAsync("k5"), undefined);
  });
});
