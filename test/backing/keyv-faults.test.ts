import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeyvBacking, type KeyvLike } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { until } from "../support/until.ts";
import { BackingModel } from "./backing-model.ts";
import { FAULTS, FaultPlan, systemError } from "./faults.ts";
import { checkRecordOf, keyIn, keyOf, NO_PREFIX, named, recordOf, writesAgain } from "./records.ts";

const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);
const CODES = ["EIO", "ENOSPC", "ETIMEDOUT", "EBADMSG"];

/** A store with faults: a call that fails may have been done, or not; bytes that are read may be others. */
function faultyStore(plan: FaultPlan, map: Map<string, unknown> = new Map()): KeyvLike {
  const call = async <Result>(act: () => Result): Promise<Result> => {
    const fault = plan.draw();
    await plan.wait(fault);
    if (fault === "ENOSPC" || fault === "EIO") throw systemError(fault);
    const result = act();
    if (fault === "short") throw systemError("ECONNRESET");
    if (fault !== "corrupt" || typeof result !== "string") return result;
    const at = plan.below(result.length - 2);
    return `${result.slice(0, at)}${result[at] === "A" ? "B" : "A"}${result.slice(at + 1)}` as Result;
  };
  return {
    get: (key) => call(() => map.get(key)),
    set: (key, value) => call(() => map.set(key, value)),
    delete: (key) => call(() => map.delete(key)),
    clear: () => call(() => map.clear()),
  };
}

describe("faults of a keyv store", () => {
  it("a flush waits for what was written before it, and for nothing else", async () => {
    const map = new Map<string, unknown>();
    const sets: (() => void)[] = [];
    const store: KeyvLike = {
      get: async (key) => map.get(key),
      set: (key, value) =>
        new Promise((resolve) => {
          sets.push(() => resolve(map.set(key, value)));
        }),
      delete: async (key) => map.delete(key),
      clear: async () => map.clear(),
    };
    const backing = new KeyvBacking({ store, timeoutMs: 20_000 });
    const first = backing.write([recordOf(1, 1, 100)]);
    let isFlushed = false;
    const flushing = backing.flush().then(() => {
      isFlushed = true;
    });
    const second = backing.write([recordOf(2, 1, 100)]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(sets.length, 2);
    assert.equal(isFlushed, false);
    sets[0]();
    await flushing;
    assert.deepEqual(await first, ["ok"]);
    assert.ok(backing.stats().bytesInFlight > 0, "the second is under way");
    sets[1]();
    assert.deepEqual(await second, ["ok"]);
    await backing.close();
  });

  for (const fault of FAULTS) {
    it(`${fault}, in every fifth call of a random run (seed ${SEED})`, async () => {
      const plan = new FaultPlan(SEED, [fault]);
      const backing = new KeyvBacking({
        store: faultyStore(plan),
        timeoutMs: fault === "never" ? 40 : 20_000,
      });
      const model = new BackingModel(backing, {
        seed: SEED,
        keys: 40,
        maxLength: 2000,
        mayLose: true,
        faults: CODES,
      });
      for (let round = 0; round < 3; round++) {
        plan.start();
        for (let step = 0; step < 200; step++) {
          model.step();
          if (step % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
          if (step % 50 === 0) await model.settle();
        }
        await model.settle();
        plan.stop();
        await writesAgain(backing, 1000 + round);
        await until(
          "everything is told",
          () => backing.has(keyOf(1)) === "unknown" || backing.stats().bytesInFlight === 0,
        );
        await model.checkAll();
        assert.equal(backing.stats().isDown, false);
      }
      assert.ok(plan.made[fault] > 10, `${plan.made[fault]} faults were made`);
      for (let tries = 0; tries < 5; tries++) await backing.flush().catch(() => undefined);
      await backing.close();
      assert.equal(backing.stats().bytesInFlight, 0);
    });
  }

  it("a delete that fails is told again, and until then the key is a miss", async () => {
    const map = new Map<string, unknown>();
    const plan = new FaultPlan(SEED, ["EIO"], 1 - 1e-9);
    plan.stop();
    const backing = new KeyvBacking({ store: faultyStore(plan, map) });
    assert.deepEqual(await backing.write([recordOf(1, 1, 100), recordOf(2, 1, 100)]), ["ok", "ok"]);
    plan.start();
    backing.delete(keyOf(1));
    await until("the delete was tried again", async () => {
      assert.equal(await backing.read(keyOf(1)), null);
      assert.equal(backing.has(keyOf(1)), false);
      return plan.made.EIO > 1;
    });
    assert.equal(map.size, 2);
    await until("the store is down", () => backing.stats().isDown);
    await assert.rejects(backing.read(keyOf(2)), { code: "EIO" });
    plan.stop();
    await until("the delete is told", () => map.size === 1);
    assert.equal(await backing.read(keyOf(1)), null);
    assert.equal((await backing.read(keyOf(2)))?.stamp, 1);
    await backing.close();
  });

  it("a write that never answers may come late: it does not come back", async () => {
    const map = new Map<string, unknown>();
    const plan = FaultPlan.at(0, "never");
    const backing = new KeyvBacking({ store: faultyStore(plan, map), timeoutMs: 40 });
    const [outcome] = await backing.write([recordOf(1, 1, 100)]);
    assert.ok(outcome instanceof ZbudError && outcome.code === "ETIMEDOUT");
    assert.deepEqual(await backing.write([recordOf(1, 2, 100)]), ["EAGAIN"]);
    assert.deepEqual(await backing.write([recordOf(2, 1, 100)]), ["ok"]);
    await assert.rejects(backing.flush(), { code: "ETIMEDOUT" });
    plan.stop();
    await until("it was taken back", () => backing.has(keyOf(1)) === "unknown");
    assert.equal(map.size, 1);
    assert.equal(await backing.read(keyOf(1)), null);
    assert.deepEqual(await backing.write([recordOf(1, 3, 100)]), ["ok"]);
    assert.equal((await backing.read(keyOf(1)))?.stamp, 3);
    await backing.close();
  });

  it("more deletes than may wait: all that was written before counts as gone", async () => {
    const plan = FaultPlan.at(3, "never");
    const backing = new KeyvBacking({ store: faultyStore(plan), timeoutMs: 20_000, maxPendingKeys: 4 });
    for (const number of [1, 2, 4]) assert.deepEqual(await backing.write([recordOf(number, 1, 50)]), ["ok"]);
    for (let number = 10; number < 200; number++) backing.delete(keyOf(number));
    assert.equal(await backing.read(keyOf(2)), null);
    assert.ok(backing.stats().memoryBytes < 2 ** 24 + 100_000);
    plan.stop();
    await writesAgain(backing, 5);
    checkRecordOf(5, (await backing.read(keyOf(5))) ?? assert.fail("it was written since"));
    assert.equal(await backing.read(keyOf(2)), null);
    await backing.close();
  });

  it("a clear that fails: this process finds nothing any more, and is told that others may", async () => {
    const plan = FaultPlan.at(1, "EIO");
    const backing = new KeyvBacking({ store: faultyStore(plan) });
    assert.deepEqual(await backing.write([recordOf(1, 1, 100)]), ["ok"]);
    await assert.rejects(backing.clear(), { code: "EIO" });
    assert.equal(await backing.read(keyOf(1)), null);
    assert.deepEqual(await backing.write([recordOf(1, 2, 100)]), ["ok"]);
    assert.equal((await backing.read(keyOf(1)))?.stamp, 2);
    await backing.close();
  });

  it("takes no more under way than it may", async () => {
    const backing = new KeyvBacking({ store: new Map(), maxInFlightBytes: 10_000 });
    const outcomes = await backing.write(
      Array.from({ length: 20 }, (_, number) => recordOf(number, 1, 1000)),
    );
    const count = outcomes.filter((outcome) => outcome === "ok").length;
    assert.ok(count >= 5 && count <= 7, `${count} values of some 1500 characters`);
    assert.ok(outcomes.slice(count).every((outcome) => outcome === "EAGAIN"));
    await backing.close();
  });

  it("values that are not ours, or were changed: EBADMSG once, then a miss", async () => {
    const map = new Map<string, unknown>();
    const backing = new KeyvBacking({ store: map });
    const write = async (): Promise<string> => {
      // So long that its base64 has no padding, of which some bits say nothing.
      assert.deepEqual(await backing.write([recordOf(1, 1, 304)]), ["ok"]);
      const [[key, value]] = map;
      assert.ok(typeof value === "string");
      map.set(key, value);
      return key;
    };
    const key = await write();
    const whole = map.get(key) as string;
    const others: unknown[] = ["", "x", 5, {}, Buffer.from("abc"), whole.slice(0, -8), `${whole}AAAA`];
    for (let at = 0; at < whole.length - 2; at += 3) {
      others.push(`${whole.slice(0, at)}${whole[at] === "A" ? "B" : "A"}${whole.slice(at + 1)}`);
    }
    for (const value of others) {
      map.set(key, value);
      await assert.rejects(backing.read(keyOf(1)), { code: "EBADMSG" });
      await backing.flush();
      assert.equal(map.size, 0, "it was given up");
      assert.equal(await backing.read(keyOf(1)), null);
      await write();
    }
    // As bytes, where a store gives these.
    map.set(key, Buffer.from(map.get(key) as string));
    assert.equal((await backing.read(keyOf(1)))?.stamp, 1);
    assert.equal(backing.stats().readsDamaged, others.length);
    await backing.close();
  });

  it("names of any length and content, as keys that any store takes", async () => {
    const map = new Map<string, unknown>();
    const backing = new KeyvBacking({ store: map, namespace: "n-1" });
    const names = [NO_PREFIX, Uint8Array.of(0), new Uint8Array(96).fill(255), new Uint8Array(97).fill(255)];
    names.push(new Uint8Array(5000).fill(1), new Uint8Array(5000).fill(2));
    for (const prefix of names) {
      const record = named(recordOf(1, 1, 10), { k0: -1, k1: 1, prefix });
      assert.deepEqual(await backing.write([record]), ["ok"]);
      assert.deepEqual(await backing.read(keyIn(record)), record);
    }
    assert.equal(map.size, names.length);
    for (const key of map.keys()) assert.match(key, /^n-1:[\w.#-]{16,180}$/);
    await backing.close();
  });

  for (const wrong of [
    {},
    { store: {} },
    { store: new Map(), namespace: "a b" },
    { store: new Map(), timeoutMs: 0 },
  ]) {
    it(`EINVAL: ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => new KeyvBacking(wrong as never), { code: "EINVAL" });
    });
  }
});

describe("the end of a record, as a store is told", () => {
  it("is a time for adapters that take one, else how long is left; and nothing if there is none", async () => {
    const now = 1_800_000_000_000;
    for (const takesTime of [true, false]) {
      const calls: unknown[][] = [];
      const store: KeyvLike = {
        ...faultyStore(FaultPlan.at(1e9, "EIO")),
        set: (...args) => calls.push(args.slice(2)),
        ...(takesTime ? { capabilities: { expires: true } } : {}),
      };
      const backing = new KeyvBacking({ store, clock: () => now });
      await backing.write([
        recordOf(1, 1, 10, now + 1500.5),
        recordOf(2, 1, 10),
        recordOf(4, 1, 10, now - 1),
      ]);
      assert.deepEqual(calls, [[takesTime ? now + 1501 : 1501], []]);
      await backing.close();
    }
  });
});
