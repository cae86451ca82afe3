import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../scripts/tools.ts";
import { type Codec, getCodec, registerCodec } from "../../src/codecs/index.ts";
import { advise } from "../../src/estimate/advice.ts";
import { estimateInBatches } from "../../src/estimate/estimate.ts";
import {
  type CodecEstimate,
  estimate,
  type InputSummary,
  type UnitEstimate,
} from "../../src/estimate/index.ts";
import { readOptions } from "../../src/estimate/options.ts";
import { noise, partlyNoisy } from "./noisy-data.ts";

const folder = temporaryFolder("advice");

const INPUT: InputSummary = {
  label: "x",
  bytes: 4096 * 1000,
  files: 0,
  folders: 0,
  process: null,
  group: null,
  cold: null,
  incomplete: false,
  skipped: { symlinks: 0, special: 0, unreadable: 0, empty: 0 },
  notes: [],
};

function codecOf(codec: string, heldBytes: number, ns: number | null, objects = 1000): CodecEstimate {
  return {
    codec,
    incompressible: 0,
    compressible: objects,
    compressedBytes: 1,
    codecRatio: 2,
    sizes: null,
    histogram: [],
    compressNsPerUnit: ns,
    decompressNsPerUnit: ns,
    pools: [
      {
        driver: "zbud",
        pageSize: 4096,
        fitted: false,
        pageSizes: null,
        objects,
        pages: 100,
        objectsPerPage: 2,
        pageBytes: heldBytes,
        metadataBytes: 0,
        fixedBytes: 0,
        refused: 0,
        rawBytes: 0,
        heldBytes,
        ratio: 2,
        storeNsPerObject: null,
        halfFreed: null,
      },
    ],
    fit: null,
  };
}

function unitOf(unit: number, codecs: CodecEstimate[]): UnitEstimate {
  return { unit, units: 1000, paddingBytes: 0, sameFilled: 0, duplicates: 0, codecs };
}

describe("advice", () => {
  it("of settings with the same memory the one that reads back quickest, in any order of names", () => {
    const slow = codecOf("deflate", 1_000_000, 6000);
    const quick = codecOf("zstd", 1_005_000, 1000);
    for (const codecs of [
      [slow, quick],
      [quick, slow],
    ]) {
      const { best, quicker } = advise([unitOf(4096, codecs)], INPUT, INPUT.bytes);
      assert.deepEqual([best.codec, quicker], ["zstd", null]);
    }
  });

  it("then the one with the smaller unit", () => {
    const units = [
      unitOf(16_384, [codecOf("zstd", 1_000_000, 4100)]),
      unitOf(4096, [codecOf("zstd", 1_001_000, 1000)]),
    ];
    assert.equal(advise(units, INPUT, INPUT.bytes).best.unit, 4096);
  });

  const lived = (codec: CodecEstimate, poolBytes: number, evictionsPerPage: number | null): CodecEstimate => {
    const halfFreed = {
      filled: 1000,
      objects: 500,
      pages: 50,
      objectsPerPage: 1,
      poolBytes,
      evictionsPerPage,
    };
    Object.assign(codec.pools[0], { halfFreed });
    return codec;
  };

  it("a pool that is small when filled and large when half freed is weighed by both", () => {
    // An object takes 1000 and 1600 bytes in the one, 1100 and 1300 in the other.
    const dense = lived(codecOf("dense", 1_000_000, 1000), 800_000, 1);
    const steady = lived(codecOf("steady", 1_100_000, 1000), 650_000, 1);
    const { best, reason } = advise([unitOf(4096, [dense, steady])], INPUT, INPUT.bytes);
    assert.deepEqual([best.codec, best.livedBytes, best.heldBytes], ["steady", 1_200_000, 1_100_000]);
    assert.match(reason ?? "", /half freed, it is 3\.41x, and reclaim evicts 1\.0 object for each page/);
  });

  it("of settings with the same memory and speed the one that evicts least to free a page", () => {
    const coarse = lived(codecOf("coarse", 1_000_000, 1000), 500_000, 6);
    const fine = lived(codecOf("fine", 1_005_000, 1000), 502_500, 1.5);
    const none = lived(codecOf("none", 1_000_000, 1000), 500_000, null);
    const { best } = advise([unitOf(4096, [coarse, none, fine])], INPUT, INPUT.bytes);
    assert.equal(best.codec, "fine");
  });

  it("more memory for twice the speed is worth a word; from a few units' times it is not", () => {
    const codecs = (units: number): CodecEstimate[] => [
      codecOf("zstd", 1_000_000, 6000, units),
      codecOf("lz4", 1_500_000, 1000, units),
    ];
    const enough = advise([unitOf(4096, codecs(16))], INPUT, INPUT.bytes);
    assert.deepEqual([enough.best.codec, enough.quicker?.codec], ["zstd", "lz4"]);
    assert.match(enough.quickerText ?? "", /gives it back 6\.0 times as fast, in createPool\(/);
    assert.equal(advise([unitOf(4096, codecs(15))], INPUT, INPUT.bytes).quicker, null);
  });

  it("compress time weighs: 8 % less at five times the time is for --for size", () => {
    const codecs = [codecOf("zstd", 1_000_000, 1000), codecOf("deflate", 920_000, 5000)];
    const of = (goal: "balance" | "size" | "speed") =>
      advise([unitOf(4096, codecs)], INPUT, INPUT.bytes, goal);
    assert.equal(of("balance").best.codec, "zstd");
    assert.equal(of("balance").smaller?.codec, "deflate");
    assert.match(
      of("balance").smallerText ?? "",
      /8 % less in a pool that has lived, at 5\.0 times the time/,
    );
    assert.deepEqual([of("size").best.codec, of("size").smaller], ["deflate", null]);
    assert.equal(of("speed").best.codec, "zstd");
  });

  it("for speed twice the time must save 29 %, in the balance 7 %, and not less", () => {
    const of = (goal: "balance" | "speed", heldBytes: number): string =>
      advise(
        [unitOf(4096, [codecOf("quick", 1_000_000, 1000), codecOf("slow", heldBytes, 2000)])],
        INPUT,
        INPUT.bytes,
        goal,
      ).best.codec;
    assert.deepEqual([of("speed", 740_000), of("speed", 690_000)], ["quick", "slow"]);
    assert.deepEqual([of("balance", 955_000), of("balance", 915_000)], ["quick", "slow"]);
  });

  it("pages of several sizes are not advised where one size is as good within 1 %", () => {
    const several = codecOf("zstd", 1_000_000, 1000);
    const pageSizes = [
      { pageSize: 2048, maxSize: 1024 },
      { pageSize: 4096, maxSize: 4096 },
    ];
    several.pools.push({
      ...several.pools[0],
      driver: "size-classes",
      pageSizes,
      heldBytes: 995_000,
      pageBytes: 995_000,
    });
    assert.equal(advise([unitOf(4096, [several])], INPUT, INPUT.bytes).best.driver, "zbud");
    Object.assign(several.pools[1], { heldBytes: 900_000, pageBytes: 900_000 });
    assert.equal(advise([unitOf(4096, [several])], INPUT, INPUT.bytes).best.driver, "size-classes");
  });

  it("where nothing pays, nothing is advised: no quicker one, no smaller one, no reason", () => {
    const codecs = [codecOf("zstd", 4_090_000, 6000), codecOf("lz4", 4_095_000, 1000)];
    const advice = advise([unitOf(4096, codecs)], INPUT, INPUT.bytes);
    assert.deepEqual(
      [advice.worthwhile, advice.quicker, advice.smaller, advice.reason],
      [false, null, null, null],
    );
  });

  it("what a pool has once is not scaled up", () => {
    const codec = codecOf("zstd", 10_000, 1000);
    Object.assign(codec.pools[0], { metadataBytes: 2000, fixedBytes: 2000 });
    const { best } = advise([unitOf(4096, [codec])], INPUT, INPUT.bytes / 100);
    assert.equal(best.heldBytes, 8000 * 100 + 2000);
  });
});

describe("figures that the advice stands on", () => {
  it("a codec's first calls are not timed", async () => {
    let now = 0;
    let calls = 0;
    const lz4 = getCodec("lz4");
    const sluggish: Codec = {
      name: "sluggish",
      id: 201,
      maxCompressedLength: (n) => n,
      compress: (source, target) => lz4.compress(source, target),
      decompress: (source, target) => {
        calls += 1;
        now += calls < 20 ? 1 : 0.001;
        return lz4.decompress(source, target);
      },
    };
    registerCodec(sluggish);
    const { units } = await estimate(
      { bytes: partlyNoisy(20, 4096, 500, 1) },
      { codecs: ["sluggish"], units: [4096], clock: () => now },
    );
    assert.equal(units[0].codecs[0].decompressNsPerUnit, 1000);
  });

  it("in several batches, what an empty pool has is counted once", async () => {
    const bytes = partlyNoisy(2000, 4096, 700, 1);
    const settings = readOptions({ codecs: ["lz4"], drivers: ["zbud"], units: [4096], sampleBytes: "all" });
    const whole = (await estimateInBatches({ bytes }, settings)).units[0].codecs[0].pools[0];
    const batches = await estimateInBatches({ bytes }, { ...settings, batchBytes: 1 << 20 });
    assert.ok(batches.sample.batches >= 8);
    const pool = batches.units[0].codecs[0].pools[0];
    assert.ok(pool.fixedBytes > 0);
    assert.deepEqual([pool.fixedBytes, pool.metadataBytes], [whole.fixedBytes, whole.metadataBytes]);
  });

  it("a tiny sample of much is said to be one; all of little is not", async () => {
    const bytes = partlyNoisy(2000, 4096, 700, 1);
    const some = await estimate({ bytes }, { codecs: ["lz4"], units: [4096], sampleBytes: 40 * 4096 });
    assert.match(some.input.notes.join(), /Only 40 units of 4 KiB read.*--sample/);
    const little = await estimate({ bytes: bytes.subarray(0, 40 * 4096) }, { codecs: ["lz4"] });
    assert.deepEqual(little.input.notes, []);
  });

  it("small files count by their bytes, not by the units that they fill", async () => {
    const root = join(folder, "small");
    mkdirSync(root);
    for (let i = 0; i < 400; i++) writeFileSync(join(root, `${i}`), noise(500, i));
    const { sample, input } = await estimate({ paths: [root] }, { codecs: ["lz4"], sampleBytes: 100_000 });
    assert.equal(input.bytes, 200_000);
    assert.ok(sample.bytes > 80_000 && sample.bytes < 110_000, `${sample.bytes}`);
  });

  it("of a stream as much is kept as was asked for", async () => {
    const chunk = noise(1 << 20, 1);
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 80; i++) yield await Promise.resolve(chunk);
    }
    const { sample } = await estimate(
      { stream: stream() },
      { codecs: ["none"], units: [16_384], sampleBytes: 72 << 20 },
    );
    assert.equal(sample.bytes, 72 << 20);
  });
});
