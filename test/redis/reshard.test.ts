import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import type { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { CLIENTS } from "./clients.ts";
import { type ClusterNode, RedisCluster } from "./cluster.ts";
import { Fleet } from "./fleet.ts";
import type { RedisServer } from "./server.ts";
import { SlotMove } from "./slot-move.ts";

/** Waits until all caches have a value under all keys. */
async function agree(
  caches: readonly CompressedCache[],
  keys: readonly string[],
  value: unknown,
): Promise<void> {
  await until(`all see ${value}`, async () => {
    const found = await Promise.all(caches.flatMap((cache) => keys.map((key) => cache.getAsync(key))));
    return found.every((one) => one === value);
  });
}

/** A key that a server has. */
async function keyAt(cluster: RedisCluster, server: object, prefix: string): Promise<string> {
  for (let number = 0; ; number++) {
    const { owner } = await cluster.ownerOf(`${prefix}near ${number}`);
    if (owner === server) return `near ${number}`;
  }
}

async function flushed(cache: CompressedCache): Promise<void> {
  await until("it is told", () =>
    cache.flush().then(
      () => true,
      () => false,
    ),
  );
}

/** Moves slots from the first master to the last one, as people do it. */
async function reshard({ servers }: RedisCluster, slots: number): Promise<void> {
  const first = servers[0];
  const [from, to] = await Promise.all(
    [first, servers.at(-1) as RedisServer].map((server) => server.command(["CLUSTER", "MYID"])),
  );
  const place = ["--cluster", "reshard", `127.0.0.1:${first.port}`, "--cluster-yes"];
  const which = ["--cluster-from", from, "--cluster-to", to, "--cluster-slots", String(slots)];
  const child = spawn("redis-cli", [...place, ...which], { stdio: ["ignore", "ignore", "inherit"] });
  assert.deepEqual(await once(child, "exit"), [0, null]);
}

describe("slots of a cluster that move while it is used", () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await RedisCluster.start({ empty: CLIENTS.length, proxied: true });
  });
  after(() => cluster.stop());

  /** One that has keys, and is not the one. */
  async function otherThan(server: object) {
    const other = (await cluster.currentMasters()).find((node) => node.server !== server);
    assert.ok(other !== undefined);
    return other.server;
  }

  for (const [index, library] of CLIENTS.entries()) {
    it(`sets and deletes in a slot that is half moved, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const prefix = `${library.name} half:`;
      const [a, b] = [await fleet.add({ prefix }), await fleet.add({ prefix })];
      const keys = ["{s} moved 1", "{s} moved 2", "{s} stays 1", "{s} stays 2"];
      const { slot, owner } = await cluster.ownerOf("{s}");
      for (const key of keys) a.set(key, 0);
      await a.flush();
      for (const key of keys) assert.equal(await b.getAsync(key), 0);
      const move = await SlotMove.begin(slot, owner, await otherThan(owner), cluster.servers.slice(0, 3));
      try {
        // Which ones the server says.
        assert.equal(await move.some(2), 2);
        for (const key of keys) a.set(key, 1);
        await a.flush();
        assert.equal(a.stats().backingWritesFailed, keys.length, "all are counted");
        for (const key of keys) {
          assert.equal(
            a.get(key),
            undefined,
            "the server has it not, and so tells of nothing that becomes of it",
          );
          await until("b is told", () => b.get(key) === undefined);
          assert.equal(await b.getAsync(key), undefined);
          assert.equal(await a.getOrSet(key, () => 2), 2);
        }
        await a.flush();
        for (const key of keys) a.delete(key);
        await a.flush();
        await agree([a, b], keys, undefined);
        assert.equal(fleet.machines.filter(({ tier }) => tier.stats().isDown).length, 0);
        await move.end();
        for (const key of keys) a.set(key, 3);
        await flushed(a);
        await agree([a, b], keys, 3);
      } finally {
        move.close();
        await fleet.end();
      }
    });

    it(`what is in memory stays when the versions of all and of a tag move, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const prefix = `${library.name} versions:`;
      const [a, b] = [await fleet.add({ prefix }), await fleet.add({ prefix })];
      a.set("k", 0, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 0);
      a.clear();
      await flushed(a);
      await until("b is told", () => b.get("k") === undefined);
      a.set("k", 1, { tags: ["t"] });
      await a.flush();
      assert.equal(await b.getAsync("k"), 1);
      const { slot, owner } = await cluster.ownerOf(Buffer.from(`${prefix}\xfbclear`, "latin1"));
      const to = await otherThan(owner);
      const move = await SlotMove.begin(slot, owner, to, cluster.servers.slice(0, 3));
      try {
        await move.end();
        const near = await keyAt(cluster, to, prefix);
        a.set(near, 1);
        await flushed(a);
        assert.equal(await b.getAsync(near), 1);
        a.set(near, 2);
        await flushed(a);
        await until("b is told of what came later", () => b.get(near) === undefined);
        assert.equal(await b.getAsync(near), 2);
        assert.equal(b.get("k"), 1);
        a.clear();
        await flushed(a);
        await until("b is told of the next clear", () => b.get("k") === undefined);
      } finally {
        move.close();
        await fleet.end();
      }
    });

    it(`a connection that ends while a key is asked for at its new server, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const prefix = `${library.name} ends:`;
      const cache = await fleet.add({ prefix, timeoutMs: 500 });
      const { slot, owner } = await cluster.ownerOf("{e}");
      const to = await otherThan(owner);
      const { proxy } = cluster.nodes.find(({ server }) => server === to) as ClusterNode;
      assert.ok(proxy !== null);
      const move = await SlotMove.begin(slot, owner, to, cluster.servers.slice(0, 3));
      try {
        // What is nowhere yet is asked for at the new server.
        assert.equal(await cache.getAsync("{e}"), undefined);
        proxy.mode = "hold";
        const reads = Array.from({ length: 5 }, (_, i) => cache.getAsync(`{e} ${i}`));
        await until("they are asked for", () => proxy.holds("asking") || proxy.holds("ASKING"));
        proxy.mode = "refuse";
        assert.deepEqual(new Set(await Promise.all(reads)), new Set([undefined]));
        proxy.mode = "pass";
        await move.end();
        cache.set("{e}", 1);
        await flushed(cache);
      } finally {
        proxy.mode = "pass";
        move.close();
        await fleet.end();
      }
    });

    it(`a master that had no keys before, by ${library.name}`, async () => {
      const fleet = new Fleet(library, cluster.urls);
      const prefix = `${library.name} empty:`;
      const [a, b] = [await fleet.add({ prefix }), await fleet.add({ prefix })];
      const key = `{${library.name}}`;
      const { slot, owner } = await cluster.ownerOf(key);
      a.set(key, 1);
      await a.flush();
      assert.equal(await b.getAsync(key), 1);
      assert.equal(b.get(key), 1);
      const to = cluster.servers[3 + index];
      const move = await SlotMove.begin(slot, owner, to, cluster.servers.slice(0, 3));
      try {
        await move.some(100);
        await until("b is told", () => b.get(key) === undefined);
        // A client of redis does not find a server that has no slots yet.
        const finds = library.name !== "redis";
        assert.equal(await b.getAsync(key), finds ? 1 : undefined);
        assert.equal(b.get(key), finds ? 1 : undefined);
        a.delete(key);
        if (!finds) await move.end();
        await flushed(a);
        await until("b is told of the delete", () => b.get(key) === undefined);
        await agree([a, b], [key], undefined);
        if (finds) await move.end();
        a.set(key, 2);
        await flushed(a);
        await agree([a, b], [key], 2);
      } finally {
        move.close();
        await fleet.end();
      }
    });

    it(`all slots of a master, by redis-cli, while two machines set, read and delete, by ${library.name}`, async () => {
      const servers = await RedisCluster.start({ empty: 1 });
      const fleet = new Fleet(library, servers.urls);
      const keys = Array.from({ length: 200 }, (_, number) => `key ${number}`);
      try {
        const [a, b] = [await fleet.add(), await fleet.add()];
        for (const key of keys) a.set(key, 0, { tags: ["t"] });
        await flushed(a);
        const moving = reshard(servers, 5461);
        let isMoving = true;
        void moving.finally(() => {
          isMoving = false;
        });
        for (let round = 1; isMoving; round++) {
          for (const [index, key] of keys.entries()) {
            if (index % 10 === round % 10) a.delete(key);
            else if (index % 3 === round % 3) a.set(key, round, { tags: ["t"] });
            a.get(key);
          }
          await Promise.all(keys.map((key) => b.getOrSet(key, () => -round, { tags: ["t"] })));
          if (round % 20 === 0) b.deleteByTag("t");
        }
        await moving;
        await flushed(a);
        await flushed(b);
        for (const key of keys) a.set(key, "last");
        await flushed(a);
        await agree([a, b], keys, "last");
        b.clear();
        await flushed(b);
        await agree([a, b], keys, undefined);
      } finally {
        await fleet.end();
        await servers.stop();
      }
    });
  }
});
