import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import type { MemoryDecision } from "../../src/engine/index.ts";
import { ZbudPool } from "../../src/entry/index.ts";
import { ColumnsBuilder } from "../../src/pool/index.ts";
import type { Tick, Viewable } from "../../src/viewer/types.ts";
import { Watch } from "../../src/viewer/watch.ts";

/** A thing whose looks take as long as told, on a clock of its own. */
function slowThing(lookMs: number): {
  target: Viewable & { send: () => void };
  clock: { now: number };
  spent: () => number;
} {
  const clock = { now: 0 };
  let spent = 0;
  const look = (): void => {
    clock.now += lookMs;
    spent += lookMs;
  };
  const target = {
    stats: () => {
      look();
      return { pages: 1 };
    },
    // As a cache has it, whose entries are looked over too.
    inside: () => {
      look();
      return { kind: "file" };
    },
    snapshotColumns: () => {
      look();
      return new ColumnsBuilder(0, 0).done({ type: "x", pageSize: 1, maxPages: 1 });
    },
    send: look,
  };
  return { target, clock, spent: () => spent };
}

describe("watching", () => {
  it("looks take less than 1 % of the time, however slow they are and however often they are asked for", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    for (const lookMs of [0.01, 1, 20, 300]) {
      const { target, clock, spent } = slowThing(lookMs);
      const watch = new Watch(target, "slow", () => clock.now);
      let ticks = 0;
      const stop = watch.subscribe(() => {
        ticks += 1;
      });
      let frames = 0;
      const asking = async (): Promise<void> => {
        const { number } = await watch.frame(frames);
        assert.equal(number, frames + 1);
        watch.send(target.send);
        frames = number;
      };
      let asked = false;
      const end = Math.max(60_000, lookMs * 2000);
      while (clock.now < end) {
        if (!asked) {
          asked = true;
          void asking().then(() => {
            asked = false;
          });
        }
        const before = clock.now;
        t.mock.timers.tick(10);
        clock.now = Math.max(clock.now, before + 10);
        await Promise.resolve();
      }
      assert.ok(frames > 1 && ticks > 1, `${lookMs} ms a look: ${frames} frames, ${ticks} ticks`);
      const share = spent() / clock.now;
      assert.ok(share < 0.01, `${lookMs} ms a look: ${share} of the time`);
      stop();
    }
  });

  it("who asks again and again gets the last look, and takes nothing from those who watch", () => {
    const { target, clock, spent } = slowThing(2);
    const watch = new Watch(target, "asked", () => clock.now);
    watch.latest();
    watch.latest();
    const before = spent();
    for (const end = clock.now + 60_000; clock.now < end; clock.now += 10) watch.latest();
    const share = (spent() - before) / 60_000;
    assert.ok(share > 0 && share < 0.01, `${share} of the time`);
  });

  it("nobody is looked at for nobody", (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let looks = 0;
    const observers: unknown[] = [];
    const target: Viewable = {
      stats: () => {
        looks += 1;
        return {};
      },
      inspect: () => ({ page: 0 }),
      observe: (observer) => {
        observers.push(observer);
        return () => observers.push(null);
      },
    };
    const watch = new Watch(target, "alone", () => 0);
    t.mock.timers.tick(2000);
    assert.equal(looks, 0);
    assert.deepEqual(observers, []);
    const stop = watch.subscribe(() => {});
    assert.equal(observers.length, 1);
    stop();
    stop();
    assert.deepEqual(observers[1], null);
    const seen = looks;
    t.mock.timers.tick(2000);
    assert.equal(looks, seen);
  });

  it("pages that reclaim evicts from are told, whoever else listens", () => {
    const pool = new ZbudPool({
      maxPages: 4,
      onEvict: (handle, owner) => {
        owner.free(handle);
        return true;
      },
    });
    let evicted = 0;
    const end = pool.observe({ onEvictStart: () => void evicted++ });
    const watch = new Watch(pool, "pool", () => 0);
    const ticks: Tick[] = [];
    const stop = watch.subscribe((tick) => ticks.push(tick));
    const handle = pool.alloc(3000);
    assert.ok(typeof handle === "number");
    const { page } = pool.inspect(handle);
    assert.equal(pool.reclaimPage(), "ok");
    assert.deepEqual(watch.tick().evictedFrom, [page]);
    assert.deepEqual(watch.tick().evictedFrom, []);
    stop();
    pool.alloc(3000);
    assert.equal(pool.reclaimPage(), "ok");
    assert.equal(evicted, 2);
    assert.deepEqual(watch.tick().evictedFrom, []);
    end();
    pool.close();
  });

  it("a pool that is closed while it is watched harms nobody", async () => {
    const pool = new ZbudPool({ maxPages: 1 });
    const watch = new Watch(pool, "pool", () => 0);
    const stop = watch.subscribe(() => {});
    pool.close();
    watch.soon();
    await assert.rejects(watch.frame(0), { code: "ECLOSED" });
    stop();
  });

  it("what a cache that follows the machine decided is told while somebody watches, the last of it", () => {
    const clock = { now: 1000 };
    const watch = new Watch({ stats: () => ({}) }, "cache", () => clock.now);
    const decide = (to: number): void =>
      channel("zbud:memory").publish({
        reason: "short",
        availableBytes: 2 ** 20,
        limitBytes: 2 ** 28,
        pressure: null,
        from: 2 ** 27,
        to,
        bytesFreed: 2 ** 22,
      } satisfies MemoryDecision);
    decide(1);
    assert.deepEqual(watch.tick().decisions, [], "nobody watched");
    const stop = watch.subscribe(() => undefined);
    clock.now += 500;
    decide(2 ** 26);
    const text = "limit 128 MiB → 64 MiB: memory is short, 1 MiB available; 4 MiB went back to the system";
    assert.deepEqual(watch.tick().decisions, [{ at: 500, text }]);
    for (let i = 0; i < 30; i++) decide(i * 2 ** 20);
    assert.equal(watch.tick().decisions.length, 20);
    stop();
    decide(0);
    assert.match(watch.tick().decisions[19].text, /→ 29 MiB/);
  });
});
