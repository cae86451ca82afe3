import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "redis";
import { redisTier } from "../../src/adapters/redis.ts";
import { Prng } from "../../src/base/index.ts";
import { CompressedCache } from "../../src/cache/index.ts";
import { fill, record } from "../cache/dictionary-helpers.ts";
import { until } from "../support/until.ts";
import { CLIENTS, endClient } from "./clients.ts";
import { Fleet } from "./fleet.ts";
import { RedisServer } from "./server.ts";

for (const library of CLIENTS) {
  describe(`two caches on one Redis server, by ${library.name}`, () => {
    let server: RedisServer;
    let fleet: Fleet;
    before(async () => {
      server = await RedisServer.start();
    });
    after(() => server.stop());
    afterEach(async () => {
      await fleet.end();
      await server.command(["FLUSHALL"]);
    });

    /** The caches of two machines. */
    async function two(
      options: Parameters<Fleet["add"]>[0] = {},
      cacheOptions: Parameters<Fleet["add"]>[1] = {},
    ): Promise<[CompressedCache, CompressedCache]> {
      fleet = new Fleet(library, server.url);
      return [await fleet.add(options, cacheOptions), await fleet.add(options, cacheOptions)];
    }

    it("a cache that was just made keeps what it loads, and is told soon", async () => {
      fleet = new Fleet(library, server.url);
      for (let round = 0; round < 8; round++) {
        const { client, end } = await library.connect(server.url);
        const tier = await redisTier(client, { heartbeatMs: 20_000, timeoutMs: 5000 });
        const cache = new CompressedCache({ maxBytes: "2MiB", backing: tier, tags: true });
        let loads = 0;
        const load = async (): Promise<number> => ++loads;
        const options = { tags: ["t"] };
        const start = performance.now();
        assert.equal(await cache.getOrSet(`k ${round}`, load, options), 1);
        cache.set("own", round, options);
        assert.equal(await cache.getOrSet(`k ${round}`, load, options), 1);
        await until("it is told", () => cache.stats().isBackingTold);
        assert.ok(performance.now() - start < 10_000, "with the first heartbeat, not with the second");
        assert.equal(cache.stats().backingUntold, 0);
        cache.close();
        await tier.close();
        end();
      }
    });

    it("what another machine changed goes from memory without a question, the own echo is compared", async () => {
      const [a, b] = await two();
      a.set("k", 1);
      await fleet.flush();
      await until("its own echo was compared", () => a.stats().backingChecks === 1);
      assert.equal(a.get("k"), 1);
      await until("b has it", async () => (await b.getAsync("k")) === 1 && b.get("k") === 1);
      const { backingChecks } = b.stats();
      a.set("k", 2);
      await fleet.flush();
      await until("it is gone", () => b.get("k") === undefined);
      assert.equal(b.stats().backingChecks, backingChecks);
      assert.equal(await b.getAsync("k"), 2);
    });

    it("what one sets again and again stays in its memory", async () => {
      const [a] = await two();
      for (let round = 0; round < 40; round++) {
        for (let value = 0; value < 4; value++) {
          a.set("k", `${round} ${value}`);
          await pause(round % 7);
        }
        const { backingTold } = a.stats();
        a.set("last", round);
        await fleet.flush();
        await until("its echo came", () => a.stats().backingTold > backingTold);
        await a.getAsync("none");
        assert.equal(a.get("k"), `${round} 3`);
      }
    });

    it("what one sets the other finds, and both keep it in memory", async () => {
      const [a, b] = await two();
      for (const key of ["text", "", "ключ {x}", 42, -0.5, Uint8Array.of(0, 255)]) {
        const value = { of: String(key), long: "x".repeat(2000) };
        a.set(key, value);
        await fleet.flush();
        assert.deepEqual(await b.getAsync(key), value);
        assert.deepEqual(b.get(key), value);
        assert.deepEqual(a.get(key), value, "its own echo takes nothing from memory");
      }
      assert.equal(b.stats().backingHits, 6);
    });

    it("what one sets anew, the other drops; what one deletes, too", async () => {
      const [a, b] = await two();
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      for (let value = 2; value < 20; value++) {
        const [setting, other] = value % 2 === 0 ? [a, b] : [b, a];
        setting.set("k", value);
        await fleet.flush();
        await until("it was dropped", () => other.get("k") === undefined);
        assert.equal(await other.getAsync("k"), value);
        assert.equal(setting.get("k"), value);
      }
      b.delete("k");
      await fleet.flush();
      await until("it was dropped", () => a.get("k") === undefined);
      assert.equal(await a.getAsync("k"), undefined);
    });

    it("deletes by tag, also what a machine never saw, and keeps the rest", async () => {
      const [a, b] = await two();
      a.set("1", 1, { tags: ["x"] });
      a.set("2", 2, { tags: ["x", "y"] });
      a.set("3", 3, { tags: ["y"] });
      await fleet.flush();
      assert.equal(await b.getAsync("1"), 1);
      assert.equal(await b.getAsync("3"), 3);
      b.deleteByTag("x");
      await fleet.flush();
      await until("it was dropped", () => a.get("1") === undefined && a.get("2") === undefined);
      for (const cache of [a, b]) {
        assert.equal(await cache.getAsync("1"), undefined);
        assert.equal(await cache.getAsync("2"), undefined);
        assert.equal(await cache.getAsync("3"), 3);
      }
      a.set("1", 11, { tags: ["x"] });
      await fleet.flush();
      assert.equal(await b.getAsync("1"), 11);
      assert.equal(a.get("1"), 11);
    });

    it("clears all, also on a machine that comes later", async () => {
      const [a, b] = await two();
      for (let key = 0; key < 300; key++) a.set(key, "v".repeat(100));
      await fleet.flush();
      assert.equal(await b.getAsync(7), "v".repeat(100));
      a.clear();
      await fleet.flush();
      await until("it was dropped", () => b.get(7) === undefined);
      a.set(8, "new");
      await fleet.flush();
      const c = await fleet.add();
      for (const cache of [a, b, c]) {
        assert.equal(await cache.getAsync(7), undefined);
        assert.equal(await cache.getAsync(8), "new");
      }
      await until("the server has only what counts", async () => {
        const size = Number((await server.command(["DBSIZE"])).slice(1));
        return size <= 4;
      });
    });

    it("FLUSHALL by whomever drops all", async () => {
      const [a, b] = await two();
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      await server.command(["FLUSHALL"]);
      await until("it was dropped", () => a.get("k") === undefined && b.get("k") === undefined);
      assert.equal(await b.getAsync("k"), undefined);
    });

    it("ends what the server ends", async () => {
      const [a, b] = await two();
      a.set("k", 1, { ttl: 200 });
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      await until("it ended", async () => (await b.getAsync("k")) === undefined);
      assert.equal(a.get("k"), undefined);
    });

    it("loads once for all", async () => {
      const [a, b] = await two();
      for (let round = 0; round < 5; round++) {
        let loads = 0;
        const load = async (): Promise<string> => {
          loads++;
          await pause(30);
          return `value ${round}`;
        };
        const all = [a, b, a, b].map((cache) => cache.getOrSet(`k${round}`, load, { tags: ["t"] }));
        assert.deepEqual(new Set(await Promise.all(all)), new Set([`value ${round}`]));
        assert.equal(loads, 1);
        await fleet.flush();
        const [first] = await Promise.all([b, a].map((cache) => cache.getOrSet(`k${round}`, load)));
        assert.equal(first, `value ${round}`);
        assert.equal(loads, 1);
      }
    });

    it("refreshes a stale value once for all, and gives the stale one meanwhile", async () => {
      const [a, b] = await two();
      const options = { ttl: 1500, staleWhileRevalidate: 60_000 };
      let loads = 0;
      const load = async (): Promise<number> => {
        await pause(20);
        return ++loads;
      };
      assert.equal(await a.getOrSet("k", load, options), 1);
      await fleet.flush();
      await until("b is told", () => b.stats().backingTold > 0);
      assert.equal(await b.getOrSet("k", load, options), 1);
      await until("it is stale", () => a.get("k") === undefined && b.get("k") === undefined);
      const stale = await Promise.all(
        [a, b].map((cache) => cache.getOrSet("k", load, { ...options, ttl: 60_000 })),
      );
      assert.deepEqual(stale, [1, 1]);
      await until("it is new", async () => (await a.getAsync("k")) === 2 && (await b.getAsync("k")) === 2);
      await fleet.flush();
      assert.equal(loads, 2);
    });

    it("a load that fails is tried by the next one", async () => {
      const [a, b] = await two();
      let loads = 0;
      const load = async (): Promise<string> => {
        await pause(20);
        if (loads++ === 0) throw new Error("the first one fails");
        return "loaded";
      };
      const results = await Promise.allSettled([a.getOrSet("k", load), b.getOrSet("k", load)]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      assert.equal(loads, 2);
    });

    it("what is changed while it is loaded is not kept", async () => {
      const [a, b] = await two();
      const gate = Promise.withResolvers<void>();
      const loading = a.getOrSet("k", async () => {
        await gate.promise;
        return "old";
      });
      await until("it loads", () => a.stats().loads === 1);
      const before = a.stats().backingTold;
      b.set("k", "new");
      await fleet.flush();
      await until("it was told", () => a.stats().backingTold > before);
      gate.resolve();
      assert.equal(await loading, "old");
      await fleet.flush();
      assert.equal(await a.getAsync("k"), "new");
      assert.equal(await b.getAsync("k"), "new");
    });

    it("a tag that is deleted while it is loaded takes it", async () => {
      const [a, b] = await two();
      a.set("known", 1, { tags: ["t"] });
      await fleet.flush();
      assert.equal(await b.getAsync("known"), 1);
      const gate = Promise.withResolvers<void>();
      const loading = a.getOrSet(
        "k",
        async () => {
          await gate.promise;
          return "old";
        },
        { tags: ["t"] },
      );
      await until("it loads", () => a.stats().loads === 1);
      b.deleteByTag("t");
      await fleet.flush();
      await until("it was told", () => a.get("known") === undefined);
      gate.resolve();
      assert.equal(await loading, "old");
      await fleet.flush();
      assert.equal(a.get("k"), undefined);
      assert.equal(await b.getAsync("k"), undefined);
    });

    it("takes nothing from a file, which may be older than what the server has", async () => {
      const [a] = await two();
      await assert.rejects(a.load("/nowhere"), { code: "ENOTSUP" });
    });

    it("a burst of sets in one turn comes to the server, and one that is too much is counted", async () => {
      const [a, b] = await two({ maxInFlightBytes: 2 ** 20, timeoutMs: 20_000 });
      const prng = new Prng(1);
      for (let key = 0; key < 3000; key++) a.set(key, `${key} ${"x".repeat(100)}`);
      await fleet.flush();
      for (let key = 0; key < 3000; key += 100)
        assert.equal(await b.getAsync(key), `${key} ${"x".repeat(100)}`);
      assert.equal(a.stats().backingWritesFailed, 0);
      for (let key = 0; key < 10_000; key++)
        a.set(key, `${key} ${prng.below(2 ** 31)} again ${"y".repeat(100)}`);
      await fleet.flush();
      assert.ok(a.stats().backingRefusedBusy > 0);
      let found = 0;
      for (let key = 0; key < 3000; key += 10) {
        const value = await b.getAsync(key);
        if (value === undefined) continue;
        found++;
        assert.match(value as string, /again/, "what was not taken is gone, not old");
      }
      assert.ok(found > 0);
    });

    it("a tier whose client was closed before says what to close first", async () => {
      const [a] = await two({ timeoutMs: 200 });
      const [{ cache, tier, client }] = fleet.machines;
      await endClient(client);
      a.set("k", 1);
      cache.close();
      const order = /its client was closed before; close the cache first, then the tier, then the client/;
      await assert.rejects(async () => await tier.close(), { code: "ETIMEDOUT", message: order });
    });

    it("a cache and its tier are one pair", async () => {
      await two();
      const [{ tier }] = fleet.machines;
      assert.throws(() => new CompressedCache({ maxBytes: "2MiB", backing: tier }), { code: "EINVAL" });
    });
  });
}

describe("dictionaries", () => {
  it("a cache that has none yet goes on with the one of what it reads", async () => {
    const server = await RedisServer.start();
    const fleet = new Fleet(CLIENTS[0], server.url);
    try {
      const [a, b] = [await fleet.add(), await fleet.add()];
      await fill(a);
      const { bytes } = a.stats().dictionary;
      assert.ok(bytes > 0);
      await fleet.flush();
      assert.equal(b.stats().dictionary.state, "learning");
      assert.equal(await b.getAsync(0), record(0));
      const { dictionary } = b.stats();
      assert.deepEqual([dictionary.state, dictionary.bytes], ["in-use", bytes]);
      // As small in memory as it came, and so is what is set from now on, which needs no other dictionary on the server.
      assert.equal(b.info(0)?.size, a.info(0)?.size);
      const records = await server.command(["DBSIZE"]);
      b.set(0, record(1));
      await b.flush();
      assert.deepEqual(await server.command(["DBSIZE"]), records);
      assert.equal(b.info(0)?.size, a.info(1)?.size);
    } finally {
      await fleet.end();
      await server.stop();
    }
  });

  it("values compressed with each other's are read and kept in memory", async () => {
    const server = await RedisServer.start();
    const fleet = new Fleet(CLIENTS[0], server.url);
    try {
      const [a, b] = [await fleet.add(), await fleet.add()];
      const userOf = (key: number): object => ({
        user: { id: key, name: `name ${key}`, mail: `user${key}@example.com`, roles: ["reader", "writer"] },
      });
      for (const cache of [a, b]) {
        for (let i = 0; i < 6000; i++) {
          cache.set(`${cache === a ? "a" : "b"}${i % 500}`, userOf(i % 500));
          if (i % 100 === 0) await cache.flush();
        }
        await until("it learned", () => cache.stats().dictionary.state === "in-use");
        for (let i = 0; i < 500; i++) cache.set(`${cache === a ? "a" : "b"}${i}`, userOf(i));
        await cache.flush();
      }
      for (let i = 0; i < 500; i += 7) {
        assert.deepEqual(await b.getAsync(`a${i}`), userOf(i));
        assert.deepEqual(b.get(`a${i}`), userOf(i));
        assert.deepEqual(await a.getAsync(`b${i}`), userOf(i));
      }
      a.clear();
      await fleet.flush();
      a.set("a1", userOf(1));
      await fleet.flush();
      await until("it has it again", async () => (await b.getAsync("a1")) !== undefined);
    } finally {
      await fleet.end();
      await server.stop();
    }
  });
});

describe("a server that cannot tell", () => {
  it("forbidden: says so, and what to do; by time it works", async () => {
    const server = await RedisServer.start();
    const [redis] = CLIENTS;
    try {
      const acl = ["ACL", "SETUSER", "app", "on", "nopass", "~*", "&*", "+@all", "-client|tracking"];
      await server.command(acl);
      const { client, end } = await redis.connect(server.url.replace("redis://", "redis://app:x@"));
      await assert.rejects(redisTier(client), { code: "EACCES", message: /ACL SETUSER.*coherence: "ttl"/ });
      const tiers = [await redisTier(client, { coherence: "ttl", ttlMs: 200 })];
      tiers.push(await redisTier(client, { coherence: "ttl", ttlMs: 200 }));
      const [a, b] = tiers.map((backing) => new CompressedCache({ maxBytes: "2MiB", backing }));
      a.set("k", 1);
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      assert.equal(b.get("k"), 1);
      a.set("k", 2);
      await a.flush();
      await until("its time is over", () => b.get("k") === undefined);
      assert.equal(await b.getAsync("k"), 2);
      const before = b.stats().backingHits;
      await until("its time is over", () => b.get("k") === undefined);
      assert.equal(await b.getAsync("k"), 2);
      assert.equal(b.stats().backingHits, before, "it was compared, not read again");
      assert.ok(b.stats().backingChecks > 0 && b.stats().hitsNotTrusted > 0);
      for (const cache of [a, b]) cache.close();
      for (const tier of tiers) await tier.close();
      end();
    } finally {
      await server.stop();
    }
  });

  it("a user who may do what docs/backing.md says, and nothing else", async () => {
    const server = await RedisServer.start();
    const [, ioredis] = CLIENTS;
    const text = readFileSync(join(import.meta.dirname, "../../docs/backing.md"), "utf8");
    const rights = /with few rights needs[^`]*`([^`]+)`/.exec(text)?.[1].split(" ") ?? [];
    const fleet = new Fleet(ioredis, server.url.replace("redis://", "redis://app:x@"));
    try {
      await server.command(["ACL", "SETUSER", "app", "on", "nopass", "~zbud:*", "-@all", ...rights]);
      const [a, b] = [await fleet.add(), await fleet.add()];
      a.set("k", 1, { tags: ["t"] });
      await fleet.flush();
      assert.equal(await b.getOrSet("k", () => 2), 1);
      assert.equal(await b.getOrSet("loaded", () => 3, { tags: ["t"] }), 3);
      b.delete("k");
      await fleet.flush();
      await until("a was told", async () => (await a.getAsync("k")) === undefined);
      assert.equal(await a.getOrSet("loaded", () => 3, { tags: ["t"] }), 3);
      a.deleteByTag("t");
      await fleet.flush();
      await until("it is gone", () => b.get("loaded") === undefined);
      b.set("cleared", 4);
      b.clear();
      await fleet.flush();
      assert.equal(await a.getAsync("cleared"), undefined);
      const denied = await server.command(["INFO", "errorstats"]);
      assert.doesNotMatch(denied, /NOPERM/);
    } finally {
      await fleet.end();
      await server.stop();
    }
  });

  it("without the command: says so", async () => {
    const server = await RedisServer.start(["--rename-command", "CLIENT", ""]);
    const [, ioredis] = CLIENTS;
    try {
      const { client, end } = await ioredis.connect(server.url);
      await assert.rejects(redisTier(client), { code: "ENOTSUP", message: /does not tell of changes/ });
      end();
    } finally {
      await server.stop();
    }
  });

  it("a client that is not connected: says so", async () => {
    const server = await RedisServer.start();
    const client = createClient({ url: server.url });
    client.on("error", () => undefined);
    try {
      await assert.rejects(redisTier(client, { timeoutMs: 300 }), {
        code: /EIO|ETIMEDOUT/,
        message: /closed|connected/,
      });
    } finally {
      await server.stop();
    }
  });

  it("no client, or options that are none", async () => {
    for (const client of [undefined, null, {}, 7, new Map()]) {
      await assert.rejects(redisTier(client as object), { code: "EINVAL", message: /client must be/ });
    }
    const { client, end } = { client: { callBuffer: () => 0, duplicate: () => 0 }, end: () => undefined };
    await assert.rejects(redisTier(client, { prefix: "" }), { code: "EINVAL", message: /prefix/ });
    await assert.rejects(redisTier(client, { ttlMs: 5 }), { code: "EINVAL", message: /ttlMs/ });
    await assert.rejects(redisTier(client, { graceMs: -1 }), { code: "EINVAL", message: /graceMs/ });
    await assert.rejects(redisTier(client, { grace: 1 } as object), { code: "EINVAL", message: /grace/ });
    end();
  });
});
