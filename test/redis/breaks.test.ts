import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { CompressedCache } from "../../src/cache/index.ts";
import { until } from "../support/until.ts";
import { CLIENTS } from "./clients.ts";
import { Fleet } from "./fleet.ts";
import { RedisServer } from "./server.ts";

const HEARTBEAT_MS = 100;
const TIMEOUT_MS = 300;

for (const library of CLIENTS) {
  describe(`a line to Redis that breaks, by ${library.name}`, () => {
    let server: RedisServer;
    let fleet: Fleet;
    beforeEach(async () => {
      server = await RedisServer.start();
      fleet = new Fleet(library, server.url);
    });
    afterEach(async () => {
      server.resume();
      await fleet.end();
      await server.stop();
    });

    async function two(graceMs: number): Promise<[CompressedCache, CompressedCache]> {
      const options = { graceMs, heartbeatMs: HEARTBEAT_MS, timeoutMs: TIMEOUT_MS };
      return [await fleet.add(options), await fleet.add(options)];
    }

    it("cut off and back: memory is compared, and not read again", async () => {
      const [a, b] = await two(0);
      for (let key = 0; key < 20; key++) a.set(key, { key, text: "x".repeat(300) }, { tags: ["t"] });
      await fleet.flush();
      for (let key = 0; key < 20; key++) await b.getAsync(key);
      const before = b.stats();
      await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await until("it was noticed", () => b.get(1) === undefined);
      const noticed = b.stats();
      assert.equal(noticed.hitsNotTrusted, before.hitsNotTrusted + 1);
      assert.equal(noticed.misses, before.misses + 1, "a miss is no hit");
      await until("it is told again", async () => {
        await b.getAsync(0);
        return b.get(0) !== undefined;
      });
      for (let key = 0; key < 20; key++) {
        assert.deepEqual(await b.getAsync(key), { key, text: "x".repeat(300) });
        assert.deepEqual(b.get(key), { key, text: "x".repeat(300) });
      }
      assert.equal(b.stats().backingHits, before.backingHits, "nothing was read again");
      assert.ok(b.stats().backingChecks >= before.backingChecks + 20);
      a.deleteByTag("t");
      await fleet.flush();
      await until("it was dropped", () => b.get(3) === undefined);
      assert.equal(await b.getAsync(3), undefined);
    });

    it("what was changed meanwhile is found by comparing", async () => {
      const [a, b] = await two(0);
      for (const key of ["kept", "set", "deleted", "tagged"]) a.set(key, `${key} 1`, { tags: [`of ${key}`] });
      await fleet.flush();
      for (const key of ["kept", "set", "deleted", "tagged"]) assert.ok(await b.getAsync(key));
      // Nobody may have a line for some time.
      await server.command(["ACL", "SETUSER", "default", "-subscribe"]);
      await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await until("it was noticed", () => b.get("kept") === undefined && a.get("kept") === undefined);
      a.set("set", "set 2");
      a.delete("deleted");
      a.deleteByTag("of tagged");
      await fleet.flush();
      for (const round of ["cut off", "told again"]) {
        assert.equal(await b.getAsync("kept"), "kept 1", round);
        assert.equal(await b.getAsync("set"), "set 2", round);
        assert.equal(await b.getAsync("deleted"), undefined, round);
        assert.equal(await b.getAsync("tagged"), undefined, round);
        await server.command(["ACL", "SETUSER", "default", "+subscribe"]);
        await until("it is told", async () => {
          await b.getAsync("kept");
          return b.get("kept") !== undefined;
        });
      }
    });

    it("within graceMs memory is served, and not longer", async () => {
      const [a, b] = await two(400);
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      await server.command(["ACL", "SETUSER", "default", "-subscribe"]);
      const start = performance.now();
      await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await pause(50);
      assert.equal(b.get("k"), 1);
      await until("it is over", () => b.get("k") === undefined);
      const took = performance.now() - start;
      assert.ok(took < 1000, `${took} ms`);
      // Asked anew, it is served for so long again.
      assert.equal(await b.getAsync("k"), 1);
      assert.equal(b.get("k"), 1);
      a.set("k", 2);
      await fleet.flush();
      await until("it is over", () => b.get("k") === undefined);
      assert.equal(await b.getAsync("k"), 2);
    });

    it("what was not compared since a break has no grace when the line breaks again", async () => {
      const [a, b] = await two(1500);
      for (const key of ["asked", "not asked"]) a.set(key, 1);
      await fleet.flush();
      for (const key of ["asked", "not asked"]) assert.equal(await b.getAsync(key), 1);
      await server.command(["ACL", "SETUSER", "default", "-subscribe"]);
      await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await until("it was noticed", () => !b.stats().isBackingTold && !a.stats().isBackingTold);
      // Nobody tells B.
      a.set("not asked", 2);
      await a.flush();
      await server.command(["ACL", "SETUSER", "default", "+subscribe"]);
      await until("the grace is over", () => b.get("not asked") === undefined);
      await until("it is told again", async () => (await b.getAsync("asked")) === 1 && b.get("asked") === 1);
      await server.command(["ACL", "SETUSER", "default", "-subscribe"]);
      await server.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await until("it was noticed", () => !b.stats().isBackingTold);
      assert.equal(b.get("asked"), 1, "the grace has begun");
      assert.equal(b.get("not asked"), undefined);
    });

    it("without a line, a process that was stopped serves nothing of before", async () => {
      const [, b] = await two(200);
      await server.kill();
      await until("it was noticed", () => !b.stats().isBackingTold);
      await pause(100);
      await until(
        "it is served",
        async () => (await b.getOrSet("k", async () => 1)) === 1 && b.get("k") === 1,
      );
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      for (let round = 0; round < 40; round++) {
        assert.equal(b.get("k"), undefined, `in round ${round}`);
        await pause(5);
      }
    });

    it("a line that broke while the process was stopped: there is no grace for what was in memory", async () => {
      const graceMs = 200;
      const [a, b] = await two(graceMs);
      a.set("k", 1);
      await fleet.flush();
      await until("b has it", async () => (await b.getAsync("k")) === 1 && b.get("k") === 1);
      server.pause();
      const stoppedMs = HEARTBEAT_MS + TIMEOUT_MS + graceMs + 50;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stoppedMs);
      for (let round = 0; round < 60; round++) {
        assert.equal(b.get("k"), undefined, `in round ${round}`);
        await pause(5);
      }
    });

    it("without a line, what took long to load or to read is not kept", async () => {
      const [, b] = await two(200);
      await server.kill();
      await until("it was noticed", () => !b.stats().isBackingTold);
      await pause(100);
      const load = async (): Promise<number> => {
        await pause(HEARTBEAT_MS + TIMEOUT_MS + 50);
        return 1;
      };
      assert.equal(await b.getOrSet("k", load), 1);
      assert.equal(b.get("k"), undefined, "it may be out of date since the load began");
      await until("another is", async () => (await b.getOrSet("k", async () => 2)) === 2 && b.get("k") === 2);
    });

    it("silence: nothing is served beyond the bound, and what was loaded alone is not believed", async () => {
      const graceMs = 200;
      const [a, b] = await two(graceMs);
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      server.pause();
      const start = performance.now();
      await until("it is over", () => b.get("k") === undefined);
      const took = performance.now() - start;
      assert.ok(took <= HEARTBEAT_MS + TIMEOUT_MS + graceMs + 100, `${took} ms`);
      // Each machine loads for itself.
      const loads = [a, b].map((cache, i) => cache.getOrSet("alone", async () => `by ${i}`));
      assert.deepEqual(await Promise.all(loads), ["by 0", "by 1"]);
      assert.equal(b.get("alone"), "by 1", "within graceMs its own load is served");
      await until("it is over", () => b.get("alone") === undefined);
      assert.ok(b.stats().backingUntold > 0);
      server.resume();
      await until("the server is back", async () => (await b.getAsync("k")) === 1);
      await until("it is told again", async () => (await b.getAsync("k")) === 1 && b.get("k") === 1);
      a.set("k", 2);
      await until("it is told", async () => {
        await a.flush().catch(() => undefined);
        return (await b.getAsync("k")) === 2;
      });
    });

    it("killed, and back empty: nothing of before is served, what was set meanwhile is told or reported", async () => {
      const [a, b] = await two(0);
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await b.getAsync("k"), 1);
      await server.kill();
      await until("it was noticed", () => b.get("k") === undefined);
      assert.equal(await b.getAsync("k"), undefined);
      a.set("while away", 1);
      a.delete("k");
      a.deleteByTag("t");
      await assert.rejects(a.flush(), { code: /ETIMEDOUT|EIO/ });
      await server.restart();
      await until("the server is back", async () => {
        a.set("back", 1);
        await a.flush().catch(() => undefined);
        return (await b.getAsync("back")) === 1;
      });
      assert.equal(await b.getAsync("k"), undefined);
      const { backingWrites, backingWritesFailed } = a.stats();
      const isThere = (await b.getAsync("while away")) === 1;
      assert.ok(isThere || backingWritesFailed > 0, `${backingWrites} writes, ${backingWritesFailed} failed`);
      await until("it is told again", async () => {
        a.set("again", 1);
        await fleet.flush();
        return (await b.getAsync("again")) === 1 && b.get("again") === 1;
      });
    });

    it("a server that is away while entries are compared and keys are locked is tried again", async () => {
      const [a, b] = await two(0);
      for (let key = 0; key < 10; key++) a.set(key, key);
      await fleet.flush();
      for (let key = 0; key < 10; key++) assert.equal(await b.getAsync(key), key);
      await server.kill();
      await until("it was noticed", () => b.get(1) === undefined);
      for (let round = 0; round < 4; round++) {
        for (let key = 0; key < 10; key++) {
          assert.equal(await b.getOrSet(key, () => "loaded"), "loaded");
          await b.getAsync(key + 1);
        }
      }
      await server.restart();
      await until("the server is back", async () => {
        b.set("back", 1);
        await b.flush().catch(() => undefined);
        return (await a.getAsync("back")) === 1;
      });
      await until(
        "and b knows",
        async () => (await b.getOrSet("k", () => "new")) === "new" && b.get("k") === "new",
      );
      b.set("k", "newer");
      await b.flush();
      await until("a knows too", async () => (await a.getAsync("k")) === "newer");
    });

    it("the machine's threads and processes are one: who joins it hears by the first, and after that by itself", async () => {
      const [a] = await two(0);
      const first = await fleet.add({ heartbeatMs: HEARTBEAT_MS, timeoutMs: TIMEOUT_MS });
      const second = await fleet.attach(first, { heartbeatMs: HEARTBEAT_MS, timeoutMs: TIMEOUT_MS });
      a.set("k", 1);
      await fleet.flush();
      assert.equal(await second.getAsync("k"), 1);
      assert.equal(first.get("k"), 1, "memory is one");
      second.set("own", 1);
      await fleet.flush();
      await pause(50);
      assert.equal(first.get("own"), 1, "the echo of another thread's write takes nothing");
      first.close();
      a.set("k", 2);
      await fleet.flush();
      await until(
        "the second one listens",
        async () => (await second.getAsync("k")) === 2 && second.get("k") === 2,
      );
      assert.equal(await second.getAsync("own"), 1);
      a.set("k", 3);
      await fleet.flush();
      await until("it is told", () => second.get("k") === undefined);
      assert.equal(await second.getAsync("k"), 3);
    });
  });
}
