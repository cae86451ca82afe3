import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import KeyvRedis, { createCluster } from "@keyv/redis";
import { Keyv } from "keyv";
import { Keyv as Keyv6 } from "keyv6";
import { KeyvBacking, type KeyvLike, type WriteOutcome } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { RedisCluster } from "../redis/cluster.ts";
import { RedisServer } from "../redis/server.ts";
import { BackingModel } from "./backing-model.ts";
import { checkRecordOf, keyOf, recordOf, writesAgain } from "./records.ts";

const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);
const CODES = ["EIO", "ETIMEDOUT", "ENOSPC"];

function codeOf(outcome: WriteOutcome): string {
  return typeof outcome === "string" ? outcome : outcome.code;
}

const KEYVS: readonly [string, (store: KeyvRedis<string>) => KeyvLike][] = [
  ["Keyv 5", (store) => new Keyv({ store, namespace: "zbud" })],
  ["Keyv 6", (store) => new Keyv6({ store, namespace: "zbud" })],
];

for (const [name, make] of KEYVS) {
  describe(`${name} on a Redis server`, () => {
    let server: RedisServer | null = null;
    let redis: KeyvRedis<string> | null = null;
    let backing: KeyvBacking | null = null;

    before(async () => {
      server = await RedisServer.start();
      redis = new KeyvRedis<string>(server.url, { namespace: "tier" });
      const store = make(redis);
      backing = new KeyvBacking({ store, timeoutMs: 1000 });
    });
    after(async () => {
      await backing?.close();
      await redis?.disconnect(true);
      await server?.stop();
    });

    it("killed: typed errors and refusals, and recovery when it is back", async () => {
      assert.ok(server !== null && backing !== null);
      await writesAgain(backing, 1001, 1);
      await server.kill();
      const model = new BackingModel(backing, {
        seed: SEED,
        keys: 20,
        maxLength: 500,
        mayLose: true,
        faults: CODES,
      });
      for (let step = 0; step < 100; step++) {
        model.step();
        if (step % 20 === 0) await model.settle();
      }
      await model.settle();
      assert.ok((model.counts.outcomes.ok ?? 0) === 0, JSON.stringify(model.counts));
      assert.equal(backing.stats().isDown, true);
      backing.delete(keyOf(1001));
      assert.equal(await backing.read(keyOf(1001)), null);
      await server.restart();
      await writesAgain(backing, 1002, 2);
      assert.equal((await backing.read(keyOf(1002)))?.stamp, 2);
      assert.equal(backing.stats().isDown, false);
      await model.checkAll();
    });

    it("killed under load, again and again: nothing old comes back", async () => {
      assert.ok(server !== null && backing !== null);
      const model = new BackingModel(backing, {
        seed: SEED,
        keys: 30,
        maxLength: 3000,
        mayLose: true,
        faults: CODES,
      });
      await model.clear();
      for (let round = 0; round < 3; round++) {
        for (let step = 0; step < 150; step++) {
          model.step();
          if (step === 60 + 10 * round) void server.kill();
          if (step % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
        }
        await model.settle();
        await server.kill();
        await server.restart();
        await writesAgain(backing, 1000, round);
        await model.checkAll();
      }
      assert.ok(model.counts.hits > 0 && (model.counts.outcomes.ok ?? 0) > 0, JSON.stringify(model.counts));
    });

    it("slow: it stops answering, and goes on", async () => {
      assert.ok(server !== null && backing !== null);
      await writesAgain(backing, 5, 1);
      server.pause();
      const [outcome] = await backing.write([recordOf(5, 2, 100)]);
      assert.equal(codeOf(outcome), "ETIMEDOUT");
      await assert.rejects(
        backing.read(keyOf(7)),
        (error) => error instanceof ZbudError && CODES.includes(error.code),
      );
      // Its value may be in the server by now, and may come late: nobody reads it.
      assert.equal(await backing.read(keyOf(5)), null);
      server.resume();
      await writesAgain(backing, 5, 3);
      assert.equal((await backing.read(keyOf(5)))?.stamp, 3);
      await server.command(["CLIENT", "PAUSE", "150", "ALL"]);
      checkRecordOf(
        5,
        (await backing.read(keyOf(5))) ?? assert.fail("a pause shorter than the time is only slow"),
      );
    });

    it("full: writes fail with a typed error, what is there is read, and it recovers", async () => {
      assert.ok(server !== null && backing !== null);
      await writesAgain(backing, 5, 10);
      await server.limitMemory(1);
      const [outcome] = await backing.write([recordOf(8, 1, 1000)]);
      assert.ok(["EIO", "ENOSPC"].includes(codeOf(outcome)), codeOf(outcome));
      assert.equal(await backing.read(keyOf(8)), null);
      assert.equal((await backing.read(keyOf(5)))?.stamp, 10);
      await server.limitMemory(0);
      await writesAgain(backing, 8, 2);
      assert.equal((await backing.read(keyOf(8)))?.stamp, 2);
    });

    it("ends records by the server's clock too", async () => {
      assert.ok(server !== null && backing !== null);
      await writesAgain(backing, 5, 20);
      await backing.clear();
      assert.deepEqual(await backing.write([recordOf(11, 1, 100, Date.now() + 60_000)]), ["ok"]);
      const key = await server.command(["RANDOMKEY"]);
      assert.match(key, /zbud:/);
      const left = Number((await server.command(["PTTL", key])).slice(1));
      assert.ok(left > 30_000 && left <= 60_000, `${left} ms are left of ${key}`);
    });
  });
}

describe("a cluster of three Redis servers", () => {
  it("keeps records, each on its own server, and goes on when it is cleared", async () => {
    const cluster = await RedisCluster.start();
    const client = createCluster({ rootNodes: cluster.urls.map((url) => ({ url })) });
    const redis = new KeyvRedis<string>(client, { namespace: "tier" });
    try {
      // Before it is connected it does not know which server has what, and calls that come meanwhile fail.
      await client.connect();
      const backing = new KeyvBacking({
        store: new Keyv({ store: redis, namespace: "zbud" }),
        timeoutMs: 20_000,
      });
      const model = new BackingModel(backing, { seed: SEED, keys: 60, maxLength: 2000 });
      for (let step = 0; step < 400; step++) {
        model.step();
        if (step % 20 === 0) await model.settle();
      }
      await model.checkAll();
      assert.ok(model.counts.hits > 50);
      const sizes = await Promise.all(cluster.servers.map((server) => server.command(["DBSIZE"])));
      assert.ok(
        sizes.every((size) => Number(size.slice(1)) > 0),
        sizes.join(" "),
      );
      await model.clear();
      await model.checkAll();
      await backing.close();
    } finally {
      await redis.disconnect(true);
      await cluster.stop();
    }
  });
});
