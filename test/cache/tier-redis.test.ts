import assert from "node:assert/strict";
import { suite, test } from "node:test";
import KeyvRedis from "@keyv/redis";
import Keyv from "keyv";
import { KeyvBacking } from "../../src/backing/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { RedisServer } from "../redis/server.ts";

async function open(server: RedisServer, max = 3) {
  const keyv = new Keyv({ store: new KeyvRedis(server.url) });
  keyv.on("error", () => undefined);
  const tier = new KeyvBacking({ store: keyv, timeoutMs: 1000 });
  const cache = new CompressedCache<string>({ maxBytes: "4MiB", max, tier });
  return {
    cache,
    close: async (): Promise<void> => {
      cache.close();
      await tier.close().catch(() => undefined);
      await keyv.disconnect().catch(() => undefined);
    },
  };
}

async function setMany(cache: CompressedCache<string>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) cache.set(`k${i}`, `value ${i} ${"text ".repeat(i)}`);
  await cache.flush().catch(() => undefined);
}

suite("a real Redis as second tier", () => {
  test("two caches, as on two machines, share what was evicted", async () => {
    const server = await RedisServer.start();
    const [one, two] = [await open(server), await open(server)];
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
    await one.close();
    await two.close();
    await server.stop();
  });

  test("the server is killed and comes back: misses meanwhile, and no old values after", async () => {
    const server = await RedisServer.start();
    const { cache, close } = await open(server);
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
    cache.verify();
    await close();
    await server.stop();
  });

  test("a server that is full: what it refuses is a miss", async () => {
    const server = await RedisServer.start(["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    const { cache, close } = await open(server);
    for (let i = 0; i < 300; i++) {
      cache.set(`k${i}`, Array.from({ length: 4000 }, (_, j) => ((i * j * j) % 997).toString(36)).join(" "));
      if (i % 50 === 0) await cache.flush().catch(() => undefined);
    }
    await cache.flush().catch(() => undefined);
    assert.ok(cache.stats().tierWritesFailed > 0);
    assert.equal(await cache.getAsync("nobody"), undefined);
    cache.verify();
    await close();
    await server.stop();
  });
});
