/** One load for a key among all processes and threads: who loads, who waits, and what ends a wait. */

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { until } from "../support/until.ts";
import { type Peer, Peers } from "./peers.ts";

/** So long that only a test of it comes to its end. */
const PATIENT = 120_000;
/** How soon a load is taken over from who is gone: at most some 100 ms, and more on a busy machine. */
const TAKEN_OVER_MS = 2_000;

/** Those of them that load a key. */
function loadingOf(group: readonly Peer[]): Peer[] {
  return group.filter(({ loads }) => loads.length > 0);
}

for (const kind of ["processes", "threads"] as const) {
  describe(`loads among ${kind}`, () => {
    const peers = new Peers(kind);
    after(() => peers.end());
    const start = (count: number, lockTimeout = PATIENT) => peers.open(count, lockTimeout);

    it("all ask at once: one loads, and all are given what it loaded", async () => {
      const group = await start(4);
      const asked = group.flatMap((peer) => [peer.ask("a"), peer.ask("a")]);
      await until("one loads", () => loadingOf(group).length > 0);
      // All have asked by now.
      await Promise.all(group.map((peer) => peer.stats()));
      const [loader] = loadingOf(group);
      await loader.end("a", { value: { n: 1 } });
      for (const { result } of asked) assert.deepEqual(await result, { n: 1 });
      assert.equal(loadingOf(group).length, 1);
      const { loads, loadsShared, loadsFailed } = await loader.stats();
      assert.deepEqual({ loads, loadsShared, loadsFailed }, { loads: 1, loadsShared: 7, loadsFailed: 0 });
    });

    it("keys that are being loaded elsewhere keep nobody from loading others", async () => {
      const [a, b] = await start(2);
      a.ask("a");
      await a.untilLoading();
      b.ask("b");
      await b.untilLoading();
      assert.deepEqual(b.loads, ["b"]);
    });

    it("the loader is killed: another one of those who wait loads, for all of them", async (t) => {
      const [first, ...others] = await start(4);
      first.ask("a");
      await first.untilLoading();
      const asked = others.map((peer) => peer.ask("a"));
      // They wait by now, or will find it dead: both must do.
      await others[0].stats();
      const start_ = performance.now();
      await first.kill();
      await until("another loads", () => loadingOf(others).length > 0);
      const ms = performance.now() - start_;
      t.diagnostic(`after ${ms.toFixed(0)} ms`);
      assert.ok(ms < TAKEN_OVER_MS, `${ms} ms`);
      const [loader] = loadingOf(others);
      await loader.end("a", { value: 2 });
      for (const { result } of asked) assert.equal(await result, 2);
      assert.equal(loadingOf(others).length, 1);
    });

    it("the loader closes its cache: another one loads", async () => {
      const [first, second] = await start(2);
      first.ask("a");
      await first.untilLoading();
      const asked = second.ask("a");
      await second.stats();
      await first.close();
      await second.untilLoading();
      await second.end("a", { value: 2 });
      assert.equal(await asked.result, 2);
    });

    it("the loader takes too long: another one loads as well, and the result that comes later is not stored", async () => {
      const [first, second, third] = await start(3, 300);
      const slow = first.ask("a");
      await first.untilLoading();
      const asked = second.ask("a");
      await second.untilLoading();
      // It waits for the one that took over.
      const joined = third.ask("a");
      await second.end("a", { value: "second" });
      assert.equal(await asked.result, "second");
      assert.equal(await joined.result, "second");
      assert.deepEqual(third.loads, []);
      await first.end("a", { value: "first" });
      assert.equal(await slow.result, "first");
      assert.equal(await third.get("a"), "second");
    });

    it("a result that comes before that of who took over is stored, and that one is not", async () => {
      const [first, second] = await start(2, 100);
      first.ask("a");
      await first.untilLoading();
      const asked = second.ask("a");
      await second.untilLoading();
      await first.end("a", { value: "first" });
      assert.equal(await second.get("a"), "first");
      await second.end("a", { value: "second" });
      assert.equal(await asked.result, "second");
      assert.equal(await first.get("a"), "first");
    });

    const CHANGES: [string, (peer: Peer) => Promise<unknown>][] = [
      ["deleted", (peer) => peer.delete("a")],
      ["cleared", (peer) => peer.clear()],
      ["deleted by its tag", (peer) => peer.deleteByTag("t")],
    ];
    for (const [name, change] of CHANGES) {
      it(`the key is ${name} meanwhile: those who wait are given what was loaded later`, async () => {
        const [first, ...others] = await start(3);
        const before = first.ask("a", { tags: ["t"] });
        await first.untilLoading();
        const asked = others.map((peer) => peer.ask("a", { tags: ["t"] }));
        await Promise.all(others.map((peer) => peer.stats()));
        await change(others[0]);
        // Who deletes and asks again may join who waits, since that has read nothing.
        asked.push(...others.map((peer) => peer.ask("a", { tags: ["t"] })));
        await first.end("a", { value: "before" });
        assert.equal(await before.result, "before");
        await until("another loads", () => loadingOf(others).length > 0);
        const [loader] = loadingOf(others);
        assert.equal(await first.get("a"), undefined);
        await loader.end("a", { value: "after" });
        for (const { result } of asked) assert.equal(await result, "after");
        assert.equal(loadingOf(others).length, 1);
        assert.equal(await first.get("a"), "after");
      });
    }

    it("the key is deleted meanwhile: another one loads at once", async () => {
      const [first, second] = await start(2);
      first.ask("a");
      await first.untilLoading();
      second.ask("a");
      await second.stats();
      await first.delete("a");
      await second.untilLoading();
    });

    it("the key is set meanwhile: who waits is given that", async () => {
      const [first, second] = await start(2);
      first.ask("a");
      await first.untilLoading();
      const asked = second.ask("a");
      await second.stats();
      await first.set("a", "set");
      assert.equal(await asked.result, "set");
      assert.deepEqual(second.loads, []);
    });

    const NOTHING: ["fails" | "undefined" | "large", unknown][] = [
      ["fails", "the load of a failed"],
      ["undefined", undefined],
      ["large", "x".repeat(2 ** 26 + 1)],
    ];
    for (const [outcome, given] of NOTHING) {
      it(`a load that leaves nothing (${outcome}): those who wait load, each for itself and at once`, async () => {
        const [first, ...others] = await start(3);
        const failing = first.ask("a");
        await first.untilLoading();
        const asked = others.map((peer) => peer.ask("a"));
        await Promise.all(others.map((peer) => peer.stats()));
        await first.end("a", outcome);
        if (outcome === "fails") await assert.rejects(failing.result, { message: given as string });
        else assert.equal(await failing.result, given);
        await Promise.all(others.map((peer) => peer.untilLoading()));
        for (const peer of others) await peer.end("a", { value: "own" });
        for (const { result } of asked) assert.equal(await result, "own");
      });
    }

    it("who gives up is told at once; the others wait on, and the load goes on", async () => {
      const [first, second] = await start(2);
      const loading = first.ask("a");
      await first.untilLoading();
      const impatient = second.ask("a");
      const patient = second.ask("a");
      await second.abort(impatient);
      await assert.rejects(impatient.result, { message: "enough" });
      assert.ok(!patient.isSettled && !loading.isSettled);
      await first.end("a", { value: 1 });
      assert.equal(await patient.result, 1);
      assert.deepEqual([first.aborted, second.loads], [[], []]);
    });

    it("who loads gives up, and nobody in its thread waits: another one loads", async () => {
      const [first, ...others] = await start(3);
      const given = first.ask("a");
      await first.untilLoading();
      const asked = others.map((peer) => peer.ask("a"));
      await others[0].stats();
      await first.abort(given);
      await until("another loads", () => loadingOf(others).length > 0);
      const [loader] = loadingOf(others);
      await loader.end("a", { value: 2 });
      for (const { result } of asked) assert.equal(await result, 2);
      assert.deepEqual([first.aborted, loadingOf(others).length], [["a"], 1]);
    });

    it("a cache that is closed while it waits; then nothing keeps its thread", async () => {
      const [first, second] = await start(2);
      first.ask("a");
      await first.untilLoading();
      second.ask("a");
      await second.stats();
      await second.close();
    });

    it("a call that waits keeps its process or thread; a refresh does not", async () => {
      const [first, second, third] = await start(3);
      await first.set("stale", 1, { ttl: 1, staleWhileRevalidate: 1_000_000 });
      await until("it is refreshed", async () => {
        await first.ask("stale").result;
        return first.loads.length > 0;
      });
      const refreshing = second.ask("stale");
      assert.equal(await refreshing.result, 1);
      assert.equal(await second.leave(refreshing), 1);
      first.ask("a");
      await first.untilLoading(2);
      const code = third.leave(third.ask("a"));
      await first.stats();
      await first.end("a", { value: 7 });
      assert.equal(await code, 7);
    });

    it("who waits and is killed costs the others nothing", async () => {
      const [first, second, third] = await start(3);
      const loading = first.ask("a");
      await first.untilLoading();
      second.ask("a");
      await second.stats();
      await second.kill();
      const asked = third.ask("a");
      await third.stats();
      await first.end("a", { value: 1 });
      assert.deepEqual(await Promise.all([loading.result, asked.result]), [1, 1]);
    });

    it("a stale value is given at once, and refreshed by one", async () => {
      const group = await start(3);
      await group[0].set("a", "old", { ttl: 1, staleWhileRevalidate: 1_000_000 });
      await until("one refreshes it", async () => {
        for (const { result } of group.map((peer) => peer.ask("a"))) assert.equal(await result, "old");
        return loadingOf(group).length > 0;
      });
      for (const { result } of group.map((peer) => peer.ask("a"))) assert.equal(await result, "old");
      const [loader] = loadingOf(group);
      await loader.end("a", { value: "new" });
      for (const { result } of group.map((peer) => peer.ask("a"))) assert.equal(await result, "new");
      assert.equal(loadingOf(group).length, 1);
    });

    it("forceRefresh loads, also where a call waits for another thread, which is then given the same", async () => {
      const [first, second] = await start(2);
      first.ask("a");
      await first.untilLoading();
      const waiting = second.ask("a");
      await second.stats();
      const forced = second.ask("a", { forceRefresh: true });
      await second.untilLoading();
      await first.end("a", { value: "first" });
      await second.end("a", { value: "forced" });
      assert.equal(await forced.result, "forced");
      assert.equal(await waiting.result, "forced");
    });

    it("lockTimeout: 0, and each loads by itself", async () => {
      const group = await start(3, 0);
      for (const peer of group) {
        peer.ask("a");
        await peer.untilLoading();
      }
    });

    it("one that is stopped is not dead: another loads after lockTimeout, and what it loaded itself is not stored", {
      skip: kind === "threads" && "a thread cannot be stopped by itself",
    }, async () => {
      const [first, second] = await start(2, 500);
      const slow = first.ask("a");
      await first.untilLoading();
      first.signal("SIGSTOP");
      const asked = second.ask("a");
      await second.untilLoading();
      await second.end("a", { value: "second" });
      assert.equal(await asked.result, "second");
      const late = first.end("a", { value: "late" });
      first.signal("SIGCONT");
      await late;
      assert.equal(await slow.result, "late");
      assert.equal(await second.get("a"), "second");
    });
  });
}
