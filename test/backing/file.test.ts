import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createIndexWords, indexGeometry } from "../../src/backing/file/index-words.ts";
import { UnitMap } from "../../src/backing/file/unit-bitmap.ts";
import { FileBacking } from "../../src/backing/index.ts";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { BackingModel } from "./backing-model.ts";
import { checkRecordOf, keyIn, keyOf, named, recordOf, someLength } from "./records.ts";

const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);

describe("the file's units", () => {
  it("are found wherever there is a run, as a plain search does", () => {
    const prng = new Prng(SEED);
    for (let round = 0; round < 300; round++) {
      const geometry = indexGeometry(65_536, 256, 4096);
      const words = createIndexWords(geometry);
      const units = new UnitMap(words);
      const taken = new Uint8Array(geometry.unitCount);
      const runs: [number, number][] = [];
      for (let step = 0; step < 200; step++) {
        if (prng.chance(0.45) && runs.length > 0) {
          const [[start, count]] = runs.splice(prng.below(runs.length), 1);
          units.giveBack(start, count);
          taken.fill(0, start, start + count);
          continue;
        }
        const count = prng.chance(0.1) ? prng.between(30, 100) : prng.between(1, 9);
        const start = units.take(count);
        const there = Buffer.from(taken).indexOf(Buffer.alloc(count));
        assert.equal(start >= 0, there >= 0, `a run of ${count}`);
        if (start < 0) continue;
        assert.ok(start + count <= geometry.unitCount);
        assert.ok(
          taken.subarray(start, start + count).every((byte) => byte === 0),
          "nobody had it",
        );
        taken.fill(1, start, start + count);
        runs.push([start, count]);
      }
    }
  });
});

describe("a file store", () => {
  it("wastes little: records of 100 B to 64 KiB take at most 7 % more than their bytes", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 26, maxInFlightBytes: 2 ** 26 });
    const prng = new Prng(SEED);
    let bytes = 0;
    for (let number = 0; number < 3000; number++) {
      const length = Math.floor(100 * 655 ** (prng.below(1000) / 1000));
      bytes += length + 64 + keyOf(number).prefix.length;
      assert.equal(backing.writeSync(recordOf(number, 1, length)), "ok");
    }
    const waste = backing.stats().bytesUsed / bytes - 1;
    assert.ok(waste < 0.07, `${(100 * waste).toFixed(1)} % beyond records and headers`);
    await backing.close();
  });

  it(`gives up the oldest records when it is full, by option (seed ${SEED})`, async () => {
    const options = { maxBytes: 2 ** 18, averageBytes: 512, whenFull: "drop" } as const;
    const backing = await FileBacking.open(freshPath(), options);
    const prng = new Prng(SEED);
    for (let number = 0; number < 3000; number++) {
      assert.deepEqual(await backing.write([recordOf(number, 1, someLength(prng, 6000))]), ["ok"]);
      if (number % 50 === 0) verify(backing);
    }
    const there = Array.from({ length: 3000 }, (_, number) => backing.has(keyOf(number)));
    const oldest = there.indexOf(true);
    assert.ok(there.lastIndexOf(false) < oldest, "what is there is what came last");
    const { drops, bytesUsed, maxBytes, records } = backing.stats();
    assert.equal(drops, 3000 - records);
    assert.ok(bytesUsed > 0.8 * maxBytes, `${bytesUsed} of ${maxBytes} bytes are in use`);
    for (let number = oldest; number < 3000; number++) {
      checkRecordOf(number, backing.readSync(keyOf(number)) ?? assert.fail(`key ${number}`));
    }
    const model = new BackingModel(backing, { seed: SEED, keys: 300, maxLength: 6000, mayLose: true });
    await backing.clear();
    for (let step = 0; step < 3000; step++) {
      model.step();
      if (step % 9 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (step % 100 === 0) await model.settle();
    }
    await model.checkAll();
    verify(backing);
    await backing.close();
  });

  it("takes sizes as text", async () => {
    const options = {
      maxBytes: "1MiB",
      averageBytes: "512",
      unitBytes: "0.25k",
      maxInFlightBytes: "64KiB",
      maxWriteBytesPerSecond: "4kb",
    };
    const backing = await FileBacking.open(freshPath(), { ...options, clock: () => 1 });
    const { maxBytes, memoryBytes } = backing.stats();
    assert.ok(maxBytes <= 2 ** 20 && maxBytes > 0.8 * 2 ** 20 && maxBytes % 256 === 0, `${maxBytes} bytes`);
    assert.ok(memoryBytes < 2 ** 18 + 2 ** 16, `${memoryBytes} bytes of index and records under way`);
    assert.deepEqual(await backing.write([recordOf(1, 1, 3000)]), ["ok"]);
    assert.deepEqual(await backing.write([recordOf(2, 1, 3000)]), ["EAGAIN"]);
    await backing.close();
  });

  it("keeps to its budget of bytes a second, over a long time", async () => {
    let now = 1_800_000_000_000;
    const rate = 10_000;
    const options = { maxBytes: 2 ** 22, maxWriteBytesPerSecond: rate, clock: () => now };
    const backing = await FileBacking.open(freshPath(), options);
    let refused = 0;
    for (let step = 0; step < 400; step++) {
      const [outcome] = await backing.write([recordOf(step, 1, 900)]);
      if (outcome === "EAGAIN") refused++;
      else assert.equal(outcome, "ok");
      now += 50;
    }
    const { bytesWritten } = backing.stats();
    assert.ok(bytesWritten <= 21 * rate, `${bytesWritten} bytes in 20 s after a full second`);
    assert.ok(bytesWritten > 19 * rate);
    assert.ok(refused > 150);
    // One that is larger than a second's worth goes when the budget is full.
    now += 2000;
    assert.deepEqual(await backing.write([recordOf(1, 2, 30_000)]), ["ok"]);
    assert.deepEqual(await backing.write([recordOf(2, 2, 10)]), ["EAGAIN"]);
    await backing.close();
  });

  it("takes no more under way than it may, and says so", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 22, maxInFlightBytes: 65_536 });
    const outcomes = await backing.write(
      Array.from({ length: 100 }, (_, number) => recordOf(number, 1, 1000)),
    );
    const count = outcomes.filter((outcome) => outcome === "ok").length;
    assert.ok(count > 50 && count < 66, `${count} of 100 records of 1000 bytes`);
    assert.ok(outcomes.slice(count).every((outcome) => outcome === "EAGAIN"));
    assert.equal(backing.stats().bytesInFlight, 0);
    assert.deepEqual(await backing.write([recordOf(99, 2, 1000)]), ["ok"]);
    await backing.close();
  });

  it("loses the other of two names that look alike to its index, and mixes up nothing", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20 });
    // Two prefixes with one CRC-32.
    const [one, other] = ["plumless", "buckeroo"].map((text) => new Uint8Array(Buffer.from(text)));
    const record = (prefix: Uint8Array, version: number): ReturnType<typeof recordOf> =>
      named(recordOf(1, version, 100), { k0: 1, k1: 2, prefix });
    assert.deepEqual(await backing.write([record(one, 1)]), ["ok"]);
    assert.equal(await backing.read(keyIn(record(other, 1))), null);
    assert.deepEqual(await backing.write([record(other, 2)]), ["ok"]);
    assert.equal(await backing.read(keyIn(record(one, 1))), null);
    assert.deepEqual(await backing.read(keyIn(record(other, 2))), record(other, 2));
    await backing.close();
  });

  it("stops a read that takes too long, or is ended by its caller", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 20 });
    await backing.write([recordOf(1, 1, 100)]);
    const waiting = new AbortController();
    const { systemIo } = await import("../../src/backing/file/io.ts");
    const io = { ...systemIo(), read: (): Promise<number> => new Promise(() => undefined) };
    const slow = FileBacking.attach(
      { ...backing.share(), settings: { ...backing.share().settings, timeoutMs: 60 } },
      { io },
    );
    const reading = slow.read(keyOf(1), { signal: waiting.signal });
    setImmediate(() => waiting.abort(new Error("enough")));
    await assert.rejects(reading, { message: "enough" });
    await assert.rejects(
      slow.read(keyOf(1)),
      (error) => error instanceof ZbudError && error.code === "ETIMEDOUT",
    );
    await slow.close();
    await backing.close();
  });
});
