import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { CLIENTS } from "./clients.ts";
import { Fleet, heard } from "./fleet.ts";
import { TcpProxy } from "./proxy.ts";
import { RedisServer } from "./server.ts";

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

    it("a load that was overtaken by a set is not stored, though its machine was not told of that yet", async () => {
      const load = async (): Promise<string> => {
        network.held = "told";
        b.set("k", "new");
        await b.flush();
        return "old";
      };
      assert.equal(await a.getOrSet("k", load), "old");
      await a.flush();
      const c = await near.add();
      // The tier gives up both where it does not know what came last.
      assert.notEqual(await c.getAsync("k"), "old");
      network.held = null;
      await until("A was told", async () => (await a.getAsync("k")) !== "old");
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
