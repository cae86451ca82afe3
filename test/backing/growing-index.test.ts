/** The index of a file grows with its records: what has no room lacks bytes, whatever the records' lengths. */

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { describe, it } from "node:test";
import { FileBacking, type FileBackingOptions, MemoryBacking } from "../../src/backing/index.ts";
import { Prng } from "../../src/base/index.ts";
import { verify } from "../../src/diagnostics/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";

/** Another run: ZBUD_BACKING_SEED=N. */
const SEED = Number(process.env.ZBUD_BACKING_SEED ?? 1);

/** Writes records of a length until there is no room; how many there were. */
function fill(backing: FileBacking, from: number, length: number): number {
  for (let number = from; ; number++) {
    const outcome = backing.writeSync(recordOf(number, 1, length));
    if (outcome === "ENOSPC") return number - from;
    assert.equal(outcome, "ok");
  }
}

describe("the index of a file", () => {
  for (const unitBytes of [64, 128, 1024]) {
    for (const length of [0, 30, 300, 4000]) {
      it(`records of ${length} bytes in units of ${unitBytes} fill the file, and no more`, async () => {
        const path = freshPath();
        const options: FileBackingOptions = { maxBytes: 2 ** 20, unitBytes };
        const backing = await FileBacking.open(path, options);
        const count = fill(backing, 0, length);
        const { records, bytesUsed, maxBytes, maxRecords, fullOf } = backing.stats();
        assert.equal(records, count);
        assert.ok(count < (maxRecords ?? 0), `${count} of ${maxRecords}`);
        assert.equal(fullOf, "bytes");
        assert.ok(bytesUsed <= maxBytes && maxBytes <= 2 ** 20);
        // What is left is shorter than a record and a step of the index.
        assert.ok(maxBytes - bytesUsed < length + 256 + unitBytes + 4096, `${bytesUsed} of ${maxBytes}`);
        assert.match(String(backing), /full of bytes/);
        await backing.flush();
        await backing.flush();
        const { blocks } = statSync(path);
        // Without its holes. Blocks of the disk's file system are 4 KiB or less where tests run.
        assert.ok(512 * blocks <= 2 ** 20 + 4 * 4096, `${512 * blocks} bytes on the disk`);
        verify(backing);
        backing.delete(keyOf(1));
        assert.equal(backing.stats().fullOf, null);
        await backing.close();
        const again = await FileBacking.open(path, options);
        assert.equal(again.opened?.records, count - 1);
        for (let number = 2; number < count; number += 97)
          checkRecordOf(number, (await again.read(keyOf(number))) ?? assert.fail(`key ${number}`));
        verify(again);
        await again.close();
      });
    }
  }

  it("long records first, then short ones, and long ones again: a file that drops holds as many as fit", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20, whenFull: "drop" });
    const fits = (length: number): number =>
      Math.floor(2 ** 20 / (Math.ceil((length + 64) / 128) * 128 + 64));
    let number = 0;
    for (const length of [3000, 10, 900, 20_000, 40]) {
      for (let count = 0; count < 12_000; count++) {
        assert.equal(backing.writeSync(recordOf(number++, 1, length)), "ok");
        if (count % 3000 === 0) verify(backing);
      }
      const { records, fullOf, drops } = backing.stats();
      // Once there were many short ones, the index keeps its room until the file is opened again.
      assert.ok(records > 0.6 * fits(length) && records <= fits(length), `${records} of ${length} bytes`);
      assert.equal(fullOf, "bytes");
      assert.ok(drops > 0);
      for (let back = 1; back <= records; back += 131)
        checkRecordOf(
          number - back,
          backing.readSync(keyOf(number - back)) ?? assert.fail("the newest stay"),
        );
    }
    await backing.clear();
    assert.equal(backing.stats().fullOf, null);
    verify(backing);
    await backing.close();
  });

  it("chains are whole at each row that is added, deleted and taken again", async () => {
    const prng = new Prng(SEED);
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 19 });
    const there = new Set<number>();
    for (let step = 0; step < 2500; step++) {
      const number = prng.below(1200);
      if (prng.chance(0.35)) {
        backing.delete(keyOf(number));
        there.delete(number);
      } else {
        assert.equal(backing.writeSync(recordOf(number, 1, prng.below(60))), "ok");
        there.add(number);
      }
      assert.equal(backing.has(keyOf(number)), there.has(number));
      if (step < 70 || step % 100 === 0) verify(backing);
    }
    for (let number = 0; number < 1200; number++) assert.equal(backing.has(keyOf(number)), there.has(number));
    await backing.close();
  });

  it("one of a fixed size says that it has no rows, and how many it has", async () => {
    const path = freshPath();
    const backing = await FileBacking.open(path, { maxBytes: 2 ** 20, averageBytes: 4096 });
    assert.ok(statSync(path).size <= 2 ** 20);
    assert.equal(fill(backing, 0, 10), 256);
    const { fullOf, maxRecords } = backing.stats();
    assert.deepEqual([fullOf, maxRecords], ["records", 256]);
    assert.match(String(backing), /full: its index has 256 records at most/);
    await backing.close();
  });

  it("memory is taken as records come", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: "1GiB" });
    const before = backing.stats().memoryBytes;
    assert.ok(before < 8 * 2 ** 20 + 1.2 * 2 ** 20, `${before} bytes with nothing in it`);
    for (let number = 0; number < 10_000; number++) backing.writeSync(recordOf(number, 1, 10));
    assert.equal(backing.stats().memoryBytes - before, 52 * 10_000);
    await backing.close();
  });

  it("a store in memory says it too", async () => {
    const backing = new MemoryBacking({ maxBytes: 1000 });
    assert.deepEqual(await backing.write([recordOf(1, 1, 500), recordOf(2, 1, 500)]), ["ok", "ENOSPC"]);
    assert.equal(backing.stats().fullOf, "bytes");
    backing.delete(keyOf(1));
    assert.equal(backing.stats().fullOf, null);
    await backing.close();
  });
});
