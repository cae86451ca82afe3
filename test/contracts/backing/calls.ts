import assert from "node:assert/strict";
import { it } from "node:test";
import type { Backing } from "../../../src/backing/index.ts";
import { emptyRecord } from "../../../src/record/index.ts";
import { checkRecordOf, keyIn, keyOf, NO_PREFIX, named, recordOf } from "../../backing/records.ts";
import type { BackingKind } from "./kind.ts";

/** Runs with a store that is closed afterwards. */
export async function using(
  opening: Promise<Backing>,
  act: (backing: Backing) => Promise<void>,
): Promise<void> {
  const backing = await opening;
  try {
    await act(backing);
  } finally {
    await backing.close();
  }
}

export function faultlessCases(kind: BackingKind): void {
  it("gives back what it was given, at every length", async () => {
    await using(kind.open(), async (backing) => {
      const lengths = [0, 1, 71, 72, 73, 128, 1000, 4096, 65_536, 262_144, 2 ** 20, 2 ** 20 + 1];
      const records = lengths.map((length, number) => recordOf(number, number + 1, length));
      for (const outcome of await backing.write(records)) assert.equal(outcome, "ok");
      for (const [number, record] of records.entries()) {
        const read = await backing.read(keyOf(number));
        assert.ok(read !== null, `key ${number}`);
        assert.deepEqual(read, record);
        assert.notEqual(backing.has(keyOf(number)), false);
      }
    });
  });

  it("keeps the ends of every number's range", async () => {
    await using(kind.open(), async (backing) => {
      const ends = [
        { k0: 2 ** 31 - 1, codec: 2 ** 32 - 1, length: 2 ** 32 - 1, stamp: Number.MAX_SAFE_INTEGER },
        { k0: -(2 ** 31), aux: -(2 ** 31), aux2: 2 ** 31 - 1 },
        { sameFilled: true, fill0: -(2 ** 31), fill1: 2 ** 31 - 1, length: 4096 },
        { sameFilled: true, fill0: -1, prefixLength: 9, headLength: 7, bytes: new Uint8Array(16).fill(5) },
        { prefixLength: 65_535, headLength: 65_535, storedLength: 1, bytes: new Uint8Array(131_071).fill(1) },
        { expiresAt: 8e12 + 2 ** -10 },
      ];
      for (const end of ends) {
        const { k0 = 0 } = end;
        const record = { ...emptyRecord(), ...end, k1: -1 - k0 };
        assert.deepEqual(await backing.write([record]), ["ok"]);
        assert.deepEqual(await backing.read(keyIn(record)), record);
      }
    });
  });

  it("ends a flush though others go on writing, when what was written before it is there", async () => {
    await using(kind.open(), async (backing) => {
      const before = backing.write([recordOf(1, 1, 1000)]);
      let isFlushed = false;
      const flushing = backing.flush().then(() => {
        isFlushed = true;
      });
      // Some are always under way.
      let key = 2;
      const lanes = Array.from({ length: 16 }, async () => {
        while (!isFlushed) {
          assert.ok(key < 100_000, "the flush goes on");
          await backing.write([recordOf(2 + (key % 200), key++, 100)]);
        }
      });
      assert.deepEqual(await before, ["ok"]);
      await Promise.all([flushing, ...lanes]);
    });
  });

  it("has a miss for what was never written", async () => {
    await using(kind.open(), async (backing) => {
      assert.equal(await backing.read(keyOf(1)), null);
      assert.notEqual(backing.has(keyOf(1)), true);
      backing.delete(keyOf(1));
      assert.deepEqual(await backing.write([]), []);
    });
  });

  it("tells names apart whose words are the same", async () => {
    await using(kind.open(), async (backing) => {
      const key = (prefix: Uint8Array): ReturnType<typeof keyOf> => ({ k0: 7, k1: 7, prefix });
      const names = [NO_PREFIX, Uint8Array.of(0), Uint8Array.of(0, 0), new Uint8Array(65_535).fill(1)];
      const records = names.map((prefix, i) => named(recordOf(1, i + 1, 100), key(prefix)));
      assert.deepEqual(await backing.write(records), ["ok", "ok", "ok", "ok"]);
      for (const record of records) assert.deepEqual(await backing.read(keyIn(record)), record);
      backing.delete(keyIn(records[1]));
      assert.equal(await backing.read(keyIn(records[1])), null);
      assert.deepEqual(await backing.read(keyIn(records[2])), records[2]);
    });
  });

  it("gives bytes of their own: neither side sees what the other does with them", async () => {
    await using(kind.open(), async (backing) => {
      const record = recordOf(3, 1, 500);
      const wanted = recordOf(3, 1, 500);
      const writing = backing.write([record]);
      record.bytes.fill(0);
      Object.assign(record, emptyRecord());
      assert.deepEqual(await writing, ["ok"]);
      const read = await backing.read(keyOf(3));
      assert.deepEqual(read, wanted);
      read?.bytes.fill(0);
      assert.deepEqual(await backing.read(keyOf(3)), wanted);
    });
  });

  it("ends records at their time", async () => {
    let time = 1_800_000_000_000;
    await using(kind.open({ clock: () => time }), async (backing) => {
      const record = recordOf(2, 1, 100, time + 60_000);
      assert.deepEqual(await backing.write([record, recordOf(4, 2, 100)]), ["ok", "ok"]);
      time += 59_999;
      assert.deepEqual(await backing.read(keyIn(record)), record);
      time += 1;
      assert.equal(await backing.read(keyIn(record)), null);
      assert.equal(checkRecordOf(4, (await backing.read(keyOf(4))) ?? assert.fail("it has no end")), 2);
    });
  });

  it("clears", async () => {
    await using(kind.open(), async (backing) => {
      const records = Array.from({ length: 2500 }, (_, number) => recordOf(number, 1, 20));
      for (let at = 0; at < records.length; at += 250) await backing.write(records.slice(at, at + 250));
      const under = backing.write([recordOf(9000, 1, 20)]);
      const clearing = backing.clear();
      // From now on, not from the end of the clearing on.
      assert.equal(await backing.read(keyOf(7)), null);
      assert.deepEqual(await backing.write([recordOf(8, 2, 20)]), ["ok"]);
      await clearing;
      assert.deepEqual(await under, ["ECANCELED"]);
      assert.equal(await backing.read(keyOf(9000)), null);
      for (const number of [0, 7, 2499]) assert.equal(await backing.read(keyOf(number)), null);
      assert.equal((await backing.read(keyOf(8)))?.stamp, 2);
      if (kind.isExact) assert.equal(backing.stats().records, 1);
    });
  });

  it("refuses what is too long, and has nothing of the key then", async () => {
    await using(kind.openSmall?.(100_000) ?? kind.open(), async (backing) => {
      const tooLong = new Uint8Array(Math.min(backing.maxRecordBytes + 1, 2 ** 27));
      assert.deepEqual(await backing.write([recordOf(1, 1, 100)]), ["ok"]);
      assert.deepEqual(
        await backing.write([{ ...recordOf(1, 2, 0), bytes: tooLong, storedLength: tooLong.length }]),
        ["EFBIG"],
      );
      assert.equal(await backing.read(keyOf(1)), null);
      assert.ok(backing.stats().writesRefused >= 1);
    });
  });

  if (kind.openSmall !== null) {
    const { openSmall } = kind;
    it("refuses when it is full, goes on when there is room, and stays within its bound", async () => {
      await using(openSmall(100_000), async (backing) => {
        let stored = 0;
        for (;;) {
          const [outcome] = await backing.write([recordOf(stored, 1, 1000)]);
          if (outcome === "ENOSPC") break;
          assert.equal(outcome, "ok");
          stored++;
          assert.ok(stored < 100, "a store of 100,000 bytes holds less than 100 records of more than 1000");
        }
        assert.ok(stored > 40, `${stored} records of 1000 bytes`);
        assert.ok(backing.stats().bytesUsed <= 100_000);
        assert.equal(await backing.read(keyOf(stored)), null);
        for (let number = 0; number < 5; number++) backing.delete(keyOf(number));
        assert.deepEqual(await backing.write([recordOf(stored, 2, 1000)]), ["ok"]);
        for (let number = 5; number <= stored; number++) {
          checkRecordOf(number, (await backing.read(keyOf(number))) ?? assert.fail(`key ${number}`));
        }
      });
    });
  }

  it("counts", async () => {
    await using(kind.open(), async (backing) => {
      const records = [1, 2, 4, 5].map((number) => recordOf(number, 1, 1000));
      await backing.write(records);
      backing.delete(keyOf(1));
      await backing.read(keyOf(2));
      await backing.read(keyOf(1));
      await backing.flush();
      const stats = backing.stats();
      assert.equal(stats.writes, 4);
      assert.ok(stats.bytesWritten >= 4000);
      assert.equal(stats.reads, 1);
      assert.ok(stats.bytesRead >= 1000);
      assert.equal(stats.bytesInFlight, 0);
      assert.equal(stats.deletions, 1);
      assert.equal(stats.isDown, false);
      assert.equal(stats.writesFailed + stats.readsFailed + stats.readsDamaged + stats.writesRefused, 0);
      if (kind.isExact) {
        assert.equal(stats.records, 3);
        assert.ok(stats.bytesUsed >= 3000);
        assert.equal(backing.has(keyOf(1)), false);
        assert.equal(backing.has(keyOf(2)), true);
      }
    });
  });
}
