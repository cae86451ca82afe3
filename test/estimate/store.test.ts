import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompressedCache } from "../../src/cache/index.ts";
import { sizeClassesDriver, slotsDriver, zbudDriver, zsmallocDriver } from "../../src/drivers/index.ts";
import { estimateInBatches } from "../../src/estimate/estimate.ts";
import { cacheCallText, type Estimate, estimate, storeCallText } from "../../src/estimate/index.ts";
import { readOptions } from "../../src/estimate/options.ts";
import { PageStore } from "../../src/store/index.ts";
import { inPieces, noise, partlyNoisy } from "./noisy-data.ts";

const UNIT = 4096;
const OPTIONS = { units: [UNIT], codecs: ["lz4"] };

/** What the text of a call makes, with what its program imports. */
function made<T>(text: string, name: string, Made: new (options: never) => T): T {
  const drivers = { sizeClassesDriver, slotsDriver, zbudDriver, zsmallocDriver };
  return new Function(name, ...Object.keys(drivers), `return ${text}`)(Made, ...Object.values(drivers)) as T;
}

function storeOf({ advice }: Estimate): NonNullable<Estimate["advice"]["store"]> {
  assert.ok(advice.store !== null, advice.text);
  return advice.store;
}

describe("the page store of the advice", () => {
  for (const noisy of [300, 1000, 2500]) {
    it(`holds the whole input, ${noisy} bytes of noise a page, in little more than it said`, async () => {
      const bytes = partlyNoisy(1000, UNIT, noisy, 1);
      const { advice } = await estimate({ bytes }, OPTIONS);
      const setting = storeOf({ advice } as Estimate);
      assert.equal(setting.triedBytes, bytes.length);
      assert.ok(Math.abs(setting.averageBytes - noisy) < 80, `${setting.averageBytes}`);
      const store = made(storeCallText(setting), "PageStore", PageStore);
      for (let i = 0; i < 1000; i++) {
        assert.equal(store.store(i, bytes.subarray(i * UNIT, (i + 1) * UNIT)), "stored");
      }
      const { memUsedTotal, memLimit } = store.stats();
      assert.ok(
        Math.abs(memUsedTotal / setting.heldBytes - 1) < 0.05,
        `${memUsedTotal} ${setting.heldBytes}`,
      );
      assert.ok(memLimit < 1.45 * memUsedTotal, `${memLimit} for ${memUsedTotal}`);
      assert.ok(setting.ratio > 0.8 * (UNIT / (noisy + 100)) * 0.75, `${setting.ratio}`);
      await store.close();
    });
  }

  it("untouched defaults are compared with the best by hand, and advised unless 3 % are at stake", async () => {
    const bytes = partlyNoisy(1000, UNIT, 1000, 1);
    const store = storeOf(await estimate({ bytes }, OPTIONS));
    assert.deepEqual([store.defaults.driver, store.defaults.poolPageSize], ["log", null]);
    assert.ok(store.byHand !== null && store.byHand.driver !== "log");
    assert.equal(store.untouched, store.byHand.ratio < store.defaults.ratio * 1.03);
    assert.equal(store.ratio, store.untouched ? store.defaults.ratio : store.byHand.ratio);
    assert.equal(/driver|poolPageSize/.test(storeCallText(store)), !store.untouched);
    assert.match(store.difference, /^the pool's row of [\w-]+ says \d\.\d\dx, the store \d\.\d\dx: /);
    const alone = storeOf(await estimate({ bytes }, { ...OPTIONS, drivers: ["log"] }));
    assert.deepEqual([alone.byHand, alone.untouched], [null, true]);
  });

  it("its call for a cache makes one", async () => {
    const bytes = partlyNoisy(1000, UNIT, 1000, 1);
    const cache = made(
      cacheCallText(storeOf(await estimate({ bytes }, OPTIONS))),
      "CompressedCache",
      CompressedCache,
    );
    assert.equal(cache.set("page", bytes.subarray(0, UNIT)), "add");
    assert.deepEqual(cache.get("page"), bytes.subarray(0, UNIT));
    cache.close();
  });

  it("of a stream, and of a sample in batches, what was read last is tried", async () => {
    const bytes = partlyNoisy(1500, UNIT, 1000, 1);
    const whole = storeOf(await estimate({ bytes }, OPTIONS));
    const piped = storeOf(await estimate({ stream: inPieces(bytes, 1) }, OPTIONS));
    assert.deepEqual(piped, whole);
    const settings = { ...readOptions({ ...OPTIONS, sampleBytes: "all" }), batchBytes: 2 ** 21 };
    const batched = storeOf(await estimateInBatches({ bytes }, settings));
    assert.ok(batched.triedBytes < bytes.length);
    assert.ok(
      Math.abs(batched.maxBytes / whole.maxBytes - 1) < 0.15,
      `${batched.maxBytes} ${whole.maxBytes}`,
    );
  });

  it("of a sample the limit is for all of it", async () => {
    const bytes = partlyNoisy(2000, UNIT, 1000, 1);
    const whole = storeOf(await estimate({ bytes }, OPTIONS));
    const some = storeOf(await estimate({ bytes }, { ...OPTIONS, sampleBytes: 2 ** 21 }));
    assert.ok(some.triedBytes < bytes.length / 2);
    assert.ok(Math.abs(some.maxBytes / whole.maxBytes - 1) < 0.15, `${some.maxBytes} ${whole.maxBytes}`);
  });

  it("there is none where nothing is saved, or too little was read", async () => {
    for (const bytes of [noise(400 * UNIT, 1), partlyNoisy(100, UNIT, 500, 1)]) {
      assert.equal((await estimate({ bytes }, OPTIONS)).advice.store, null);
    }
  });

  it("nothing but one word, repeated, is held too", async () => {
    const { triedBytes, ratio, averageBytes } = storeOf(
      await estimate({ bytes: Buffer.alloc(2 ** 22) }, OPTIONS),
    );
    assert.deepEqual([triedBytes, averageBytes], [2 ** 22, 1]);
    assert.ok(ratio > 5, `${ratio}`);
  });
});
