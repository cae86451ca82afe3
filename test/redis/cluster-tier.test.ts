import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { redisTier } from "../../src/adapters/redis.ts";
import { until } from "../support/until.ts";
import { CLIENTS, endClient } from "./clients.ts";
import { RedisCluster } from "./cluster.ts";
import { Fleet } from "./fleet.ts";

describe("a cluster whose lines are silent", () => {
  it("is not believed: a master that a replica replaced may be the one that answers", async () => {
    const cluster = await RedisCluster.start({ proxied: true });
    const fleet = new Fleet(CLIENTS[0], cluster.urls);
    const proxies = cluster.nodes.flatMap(({ proxy }) => proxy ?? []);
    try {
      const options = { graceMs: 0, heartbeatMs: 100, timeoutMs: 400 };
      const [a, b] = [await fleet.add(options), await fleet.add(options)];
      const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
      for (const key of keys) a.set(key, 1);
      await fleet.flush();
      const read = (): Promise<unknown[]> => Promise.all(keys.map((key) => b.getAsync(key)));
      assert.deepEqual(new Set(await read()), new Set([1]));
      for (const proxy of proxies) proxy.held = "told";
      await until("it is not told", () => !b.stats().isBackingTold);
      for (let round = 0; round < 3; round++) assert.deepEqual(new Set(await read()), new Set([undefined]));
      assert.equal(await b.getOrSet("key 0", () => 2), 2, "each machine loads for itself");
      for (const proxy of proxies) proxy.held = null;
      await until("all are read again", async () => (await read()).every((value) => value === 1));
    } finally {
      await fleet.end();
      await cluster.stop();
    }
  });
});

describe("a cluster of three Redis servers", () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await RedisCluster.start();
  });
  after(() => cluster.stop());

  for (const library of CLIENTS) {
    it(`whichever of them has the keys of a prefix, by ${library.name}`, async () => {
      const { client, end } = await library.connectCluster(cluster.urls);
      for (const coherence of ["tracking", "ttl"] as const) {
        for (let number = 0; number < 8; number++) {
          const tier = await redisTier(client, { prefix: `${number}:`, coherence });
          await tier.close();
        }
      }
      end();
    });

    it(`all of them tell, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      try {
        const prefix = `${library.name}:`;
        const [a, b] = [await fleet.add({ prefix }), await fleet.add({ prefix })];
        const keys = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? `key ${i}` : `{${i}} key`));
        for (const key of keys) a.set(key, `${key} 1`, { tags: ["t", `of ${key}`] });
        await fleet.flush();
        for (const key of keys) assert.equal(await b.getAsync(key), `${key} 1`);
        for (const key of keys) b.set(key, `${key} 2`, { tags: ["t"] });
        await fleet.flush();
        await until("all were dropped", () => keys.every((key) => a.get(key) === undefined));
        for (const key of keys) assert.equal(await a.getAsync(key), `${key} 2`);
        let loads = 0;
        const loading = keys.flatMap((key) =>
          [a, b].map((cache) => cache.getOrSet(`${key} loaded`, async () => ++loads)),
        );
        await Promise.all(loading);
        assert.equal(loads, keys.length, "each was loaded once");
        a.deleteByTag("t");
        await fleet.flush();
        await until("all were dropped", () => keys.every((key) => b.get(key) === undefined));
        for (const key of keys) assert.equal(await b.getAsync(key), undefined);
        b.clear();
        await fleet.flush();
        await until("all were dropped", () => a.get(`${keys[0]} loaded`) === undefined);
        assert.equal(await a.getAsync(`${keys[0]} loaded`), undefined);
      } finally {
        await fleet.end();
      }
    });
  }

  for (const library of CLIENTS) {
    it(`braces in keys are of any kind, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      try {
        for (const prefix of ["braces:", "{braces}", "}"]) {
          const [a, b] = [await fleet.add({ prefix }), await fleet.add({ prefix })];
          const keys = [
            "{",
            "}",
            "{}",
            "}{",
            "a}b",
            "{}x",
            "{{x}}",
            "x{y",
            "x{y}z",
            '{"id":7}',
            "x{}{y}",
            "{x}{y}",
          ];
          for (const key of keys) a.set(key, `${key} 1`);
          await fleet.flush();
          assert.equal(a.stats().backingWritesFailed, 0);
          for (const key of keys) assert.equal(await b.getAsync(key), `${key} 1`);
          for (const key of keys) assert.equal(await b.getOrSet(`${key} `, () => `${key} 2`), `${key} 2`);
          await fleet.flush();
          for (const key of keys) assert.equal(await a.getAsync(`${key} `), `${key} 2`);
          for (const key of keys) b.delete(key);
          await fleet.flush();
          await until("all were dropped", () => keys.every((key) => a.get(key) === undefined));
          for (const key of keys) assert.equal(await a.getAsync(key), undefined);
        }
      } finally {
        await fleet.end();
      }
    });

    it(`a tier whose client was closed before says so, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const cache = await fleet.add({ timeoutMs: 500 });
      try {
        const [{ tier, client }] = fleet.machines;
        await endClient(client);
        cache.set("k", 1);
        await assert.rejects(async () => await cache.flush(), /its client was closed before/);
        cache.close();
        await assert.rejects(async () => await tier.close(), /its client was closed before/);
      } finally {
        await fleet.end();
      }
    });
  }

  for (const library of CLIENTS) {
    it(`one that is silent is a break, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const [, server] = cluster.servers;
      try {
        const options = { prefix: `${library.name} silent:`, graceMs: 0, heartbeatMs: 100, timeoutMs: 400 };
        const [a, b] = [await fleet.add(options), await fleet.add(options)];
        const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
        for (const key of keys) a.set(key, 1);
        await fleet.flush();
        for (const key of keys) assert.equal(await b.getAsync(key), 1);
        server.pause();
        await until("nothing is served", () => keys.every((key) => b.get(key) === undefined));
        server.resume();
        await until("all are told again", async () => {
          const values = await Promise.all(keys.map((key) => b.getAsync(key)));
          return values.every((value) => value === 1) && keys.every((key) => b.get(key) === 1);
        });
      } finally {
        server.resume();
        await fleet.end();
      }
    });
  }
});
