/** A store that is full, or down, says so before it is written to. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fullness } from "../../src/backing/file/fullness.ts";
import { FileBacking, KeyvBacking, MemoryBacking } from "../../src/backing/index.ts";
import { freshPath } from "../support/fresh-path.ts";
import { until } from "../support/until.ts";
import { keyOf, recordOf } from "./records.ts";

/** What a record of a value of 3000 bytes takes at most, with its name. */
const BYTES = 3400;

describe("what a file had no room for", () => {
  it("is not asked for again, or for more, before a pause is over, which grows", () => {
    const full = new Fullness();
    assert.equal(full.refuses(512, 100, 0), false);
    let now = 0;
    for (const pause of [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
      full.noteRefused(512, 100, now);
      assert.deepEqual(
        [256, 512, 1024].map((span) => full.refuses(span, 100, now)),
        [false, true, true],
      );
      assert.equal(full.refuses(512, 100, now + pause - 1), true);
      assert.equal(full.refuses(512, 100, now + pause), false);
      now += pause;
    }
    full.noteWritten(256);
    full.noteRefused(512, 100, now);
    assert.equal(full.refuses(512, 100, now + 4999), true, "a shorter one says nothing of it");
    full.noteWritten(512);
    assert.equal(full.refuses(512, 100, now), false);
    full.noteRefused(512, 100, now);
    assert.equal(full.refuses(512, 100, now + 50), false, "the pause begins anew");
  });

  it("is asked for as soon as there is room, and if the clock was set back", () => {
    const full = new Fullness();
    full.noteRefused(512, 100, 1000);
    assert.equal(full.refuses(512, 99, 1001), false);
    assert.equal(full.refuses(512, 100, 999), false);
    full.noteRoom();
    assert.equal(full.refuses(512, 100, 1001), false);
    full.noteRefused(512, Number.POSITIVE_INFINITY, 1000);
    assert.equal(full.refuses(512, 1, 1001), true, "a full disk has no more room for a smaller file");
  });
});

describe("a backing store that would refuse a record", () => {
  it("a file at its bound, until something goes, in whatever thread", async () => {
    let now = 1000;
    const backing = await FileBacking.open(freshPath(), { maxBytes: 65_536, clock: () => now });
    const other = FileBacking.attach(backing.share(), { clock: () => now });
    assert.equal(backing.refuses(BYTES), false);
    assert.equal(backing.refuses(70_000), true, "longer than any");
    let number = 0;
    while (backing.writeSync(recordOf(number, 1, 3000)) === "ok") number++;
    assert.equal(backing.refuses(BYTES), true);
    assert.equal(other.refuses(BYTES), false, "which has not tried");
    assert.equal(backing.refuses(1), false, "a shorter one may fit");
    const { writesRefused } = backing.stats();
    backing.delete(keyOf(99));
    assert.equal(backing.refuses(BYTES), true, "there was none");
    other.delete(keyOf(0));
    assert.equal(backing.refuses(BYTES), false);
    assert.equal(backing.writeSync(recordOf(0, 2, 3000)), "ok");
    assert.equal(backing.writeSync(recordOf(99, 2, 3000)), "ENOSPC");
    assert.equal(backing.refuses(BYTES), true);
    backing.delete(keyOf(1));
    assert.equal(backing.refuses(BYTES), false);
    assert.equal(backing.writeSync(recordOf(1, 2, 3000)), "ok");
    assert.equal(backing.writeSync(recordOf(99, 2, 3000)), "ENOSPC");
    now += 10_000;
    assert.equal(backing.refuses(BYTES), false, "the pause is over");
    await backing.clear();
    assert.equal(backing.refuses(BYTES), false);
    assert.equal(backing.stats().writesRefused, writesRefused + 2, "to ask is no write");
    await other.close();
    await backing.close();
  });

  it("a file with too much under way; a longer record than may be goes alone", async () => {
    const backing = await FileBacking.open(freshPath(), { maxBytes: 2 ** 20, maxInFlightBytes: 4096 });
    assert.equal(backing.refuses(20_000), false);
    const long = backing.write([recordOf(1, 1, 20_000)]);
    assert.equal(backing.refuses(100), true);
    assert.deepEqual(await backing.write([recordOf(2, 1, 100)]), ["EAGAIN"]);
    assert.deepEqual(await long, ["ok"]);
    assert.equal(backing.refuses(100), false);
    await backing.close();
  });

  it("memory at its bound", () => {
    const backing = new MemoryBacking({ maxBytes: 2 * BYTES });
    assert.equal(backing.refuses(BYTES), false);
    backing.writeSync(recordOf(1, 1, 3000));
    const left = 2 * BYTES - backing.stats().bytesUsed;
    assert.deepEqual(
      [left, left + 1].map((bytes) => backing.refuses(bytes)),
      [false, true],
    );
  });

  it("a server that is down, until it is time to try it again", async () => {
    let isDown = true;
    const store = new Map<string, string>();
    const failing = {
      get: (key: string) => (isDown ? Promise.reject(new Error("down")) : store.get(key)),
      set: (key: string, value: string) =>
        isDown ? Promise.reject(new Error("down")) : store.set(key, value),
      delete: (key: string) => (isDown ? Promise.reject(new Error("down")) : store.delete(key)),
      clear: () => store.clear(),
    };
    const backing = new KeyvBacking({ store: failing, maxInFlightBytes: 8192 });
    assert.equal(backing.refuses(BYTES), false);
    for (let i = 0; i < 3; i++) await backing.write([recordOf(i, 1, 100)]);
    assert.equal(backing.stats().isDown, true);
    assert.equal(backing.refuses(BYTES), true);
    isDown = false;
    await until("the store is tried again", () => !backing.refuses(BYTES));
    const long = backing.write([recordOf(1, 2, 20_000)]);
    assert.equal(backing.refuses(100), true, "a longer one than may be goes alone");
    assert.deepEqual(await long, ["ok"]);
    await backing.close();
  });
});
