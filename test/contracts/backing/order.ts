import assert from "node:assert/strict";
import { it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { BackingModel } from "../../backing/backing-model.ts";
import { checkRecordOf, keyOf, recordOf } from "../../backing/records.ts";
import { using } from "./calls.ts";
import type { BackingKind } from "./kind.ts";

/** Another run: ZBUD_BACKING_SEED=N. */
const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);
const STEPS = Number(process.env.ZBUD_BACKING_STEPS ?? 1500);

export function orderCases(kind: BackingKind): void {
  it("a delete while the write is under way: it never comes back", async () => {
    await using(kind.open(), async (backing) => {
      const writing = backing.write([recordOf(1, 1, 1000)]);
      backing.delete(keyOf(1));
      assert.deepEqual(await writing, ["ECANCELED"]);
      assert.equal(await backing.read(keyOf(1)), null);
      await backing.flush();
      assert.equal(await backing.read(keyOf(1)), null);
    });
  });

  it("a write over one that is under way: the later one is there", async () => {
    await using(kind.open(), async (backing) => {
      const first = backing.write([recordOf(1, 1, 100_000)]);
      const second = backing.write([recordOf(1, 2, 10)]);
      assert.deepEqual(await first, ["ECANCELED"]);
      assert.deepEqual(await second, ["ok"]);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 2);
    });
  });

  if (kind.findsUnderWay) underWayCases(kind);

  it("write, delete, write of one key in one turn", async () => {
    await using(kind.open(), async (backing) => {
      const first = backing.write([recordOf(1, 1, 100)]);
      backing.delete(keyOf(1));
      const second = backing.write([recordOf(1, 2, 100)]);
      backing.delete(keyOf(2));
      assert.deepEqual([...(await first), ...(await second)], ["ECANCELED", "ok"]);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 2);
    });
  });

  it("one key twice in a batch: the later one is there", async () => {
    await using(kind.open(), async (backing) => {
      const outcomes = await backing.write([recordOf(1, 1, 100), recordOf(2, 2, 100), recordOf(1, 3, 100)]);
      assert.deepEqual(outcomes, ["ECANCELED", "ok", "ok"]);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 3);
    });
  });

  it("nothing of the old value from the moment of the call on", async () => {
    await using(kind.open(), async (backing) => {
      assert.deepEqual(await backing.write([recordOf(1, 1, 100)]), ["ok"]);
      const writing = backing.write([recordOf(1, 2, 100)]);
      const read = await backing.read(keyOf(1));
      if (read !== null) assert.equal(checkRecordOf(1, read), 2);
      assert.deepEqual(await writing, ["ok"]);
    });
  });

  it("a read that is ended by its caller", async () => {
    await using(kind.open(), async (backing) => {
      await backing.write([recordOf(1, 1, 100)]);
      const reason = new Error("enough");
      const aborting = new AbortController();
      const reading = backing.read(keyOf(1), { signal: aborting.signal });
      aborting.abort(reason);
      // It may have had its answer already.
      await reading.catch((error: unknown) => assert.equal(error, reason));
      await assert.rejects(backing.read(keyOf(1), { signal: aborting.signal }), reason);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 1);
    });
  });

  for (const keys of [3, 40, 400]) {
    it(`${STEPS} random calls on ${keys} keys, seed ${SEED}`, async () => {
      await using(kind.open(), async (backing) => {
        const model = new BackingModel(backing, {
          seed: SEED * 1000 + keys,
          keys,
          maxLength: kind.maxLength,
          findsUnderWay: kind.findsUnderWay,
        });
        for (let step = 0; step < STEPS; step++) {
          model.step();
          if (step % 7 === 0) await setImmediate();
          if (step % 50 === 0) await model.settle();
          if (step % 500 === 499) await model.clear();
          if (step % 400 !== 399) continue;
          await backing.flush();
          // Of a server, reads of keys that are being written find nothing, so on a busy machine only these do.
          await model.checkAll();
        }
        await model.checkAll();
        assert.ok(model.counts.hits > (kind.hitsMin ?? 20), JSON.stringify(model.counts));
        assert.equal(backing.stats().bytesInFlight, 0);
      });
    });
  }
}

/** What reads find of writes that are under way. */
function underWayCases(kind: BackingKind): void {
  it("a read finds what is under way, at once, and nothing older", async () => {
    await using(kind.open(), async (backing) => {
      const first = recordOf(1, 1, 1000);
      const writing = [backing.write([first])];
      // What the caller does with its memory is nothing to it.
      first.bytes.fill(0xee);
      assert.equal(backing.has(keyOf(1)), true);
      assert.deepEqual(await backing.read(keyOf(1)), recordOf(1, 1, 1000));
      for (let version = 2; version <= 20; version++) {
        writing.push(backing.write([recordOf(1, version, 100 * version)]));
        if (backing.isSync) assert.equal(backing.readSync(keyOf(1))?.stamp, version);
        // No turn of the event loop ends meanwhile.
        for (let microtask = 0; microtask < 3; microtask++) await Promise.resolve();
        assert.deepEqual(await backing.read(keyOf(1)), recordOf(1, version, 100 * version));
      }
      backing.delete(keyOf(1));
      assert.equal(backing.has(keyOf(1)), false);
      assert.equal(await backing.read(keyOf(1)), null);
      await Promise.all(writing);
      assert.equal(await backing.read(keyOf(1)), null);
    });
  });

  it("a clear while writes are under way: reads find none of them, and what is written then", async () => {
    await using(kind.open(), async (backing) => {
      const before = backing.write([recordOf(1, 1, 100), recordOf(2, 1, 100)]);
      const clearing = backing.clear();
      const after = backing.write([recordOf(2, 2, 100)]);
      assert.equal(await backing.read(keyOf(1)), null);
      assert.equal((await backing.read(keyOf(2)))?.stamp, 2);
      await clearing;
      assert.deepEqual(await before, ["ECANCELED", "ECANCELED"]);
      assert.deepEqual(await after, ["ok"]);
      assert.equal(await backing.read(keyOf(1)), null);
      assert.equal((await backing.read(keyOf(2)))?.stamp, 2);
    });
  });

  it("what is under way ends at its time too", async () => {
    let time = 1_800_000_000_000;
    await using(kind.open({ clock: () => time }), async (backing) => {
      const writing = backing.write([recordOf(1, 1, 100, time + 1000)]);
      assert.equal((await backing.read(keyOf(1)))?.stamp, 1);
      const again = backing.write([recordOf(1, 2, 100, time + 1000)]);
      time += 1000;
      assert.equal(await backing.read(keyOf(1)), null);
      await Promise.all([writing, again]);
      assert.equal(await backing.read(keyOf(1)), null);
    });
  });
}
