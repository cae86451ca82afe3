import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { registerCodec } from "../../src/codecs/index.ts";
import { estimateInBatches } from "../../src/estimate/estimate.ts";
import {
  type CodecEstimate,
  type Estimate,
  type EstimateOptions,
  estimate,
} from "../../src/estimate/index.ts";
import { readOptions } from "../../src/estimate/options.ts";
import { inPieces, noise, partlyNoisy } from "./noisy-data.ts";

const LZ4: EstimateOptions = { codecs: ["lz4"], drivers: ["zbud"], units: [4096] };

/** What must hold of every estimate, whatever it is of. */
export function checkBooks(result: Estimate): void {
  assert.deepEqual(JSON.parse(JSON.stringify(result)), result, "it is plain data");
  assert.ok(result.sample.bytes > 0 && result.sample.bytes <= result.input.bytes);
  for (const unit of result.units) {
    assert.equal(unit.units * unit.unit - unit.paddingBytes, result.sample.bytes);
    assert.ok(unit.duplicates <= unit.units - unit.sameFilled);
    for (const codec of unit.codecs) {
      assert.equal(codec.histogram.length, 64);
      assert.equal(
        codec.histogram.reduce((a, b) => a + b, 0),
        codec.compressible,
      );
      assert.equal(unit.sameFilled + codec.incompressible + codec.compressible, unit.units);
      for (const pool of codec.pools) {
        assert.equal(unit.units, unit.sameFilled + codec.incompressible + pool.refused + pool.objects);
        assert.equal(pool.rawBytes, (codec.incompressible + pool.refused) * unit.unit);
        if (pool.pageSizes === null) assert.equal(pool.pageBytes, pool.pages * pool.pageSize);
        else assert.ok(pool.pageBytes <= pool.pages * pool.pageSize);
        assert.equal(pool.heldBytes, pool.pageBytes + pool.metadataBytes + pool.rawBytes);
        if (pool.driver !== "zsmalloc") assert.ok(pool.objects >= pool.pages);
        if (pool.driver === "zbud") assert.ok(pool.objects <= 2 * pool.pages);
        const half = pool.halfFreed;
        assert.equal(half === null, pool.objects === 0);
        if (half !== null) {
          assert.ok(half.objects <= half.filled && half.filled <= pool.objects && half.pages <= pool.pages);
          assert.ok(half.poolBytes <= pool.pageBytes + pool.metadataBytes);
          const evicted = half.evictionsPerPage ?? 1;
          assert.ok(evicted > 0 && (pool.driver !== "zbud" || evicted <= 2), `${evicted}`);
        }
        if (pool.ratio !== null) assert.ok(pool.ratio <= (codec.codecRatio ?? Number.POSITIVE_INFINITY));
      }
    }
  }
}

function only(result: Estimate): CodecEstimate {
  return result.units[0].codecs[0];
}

describe("estimates with known answers", () => {
  it("zeros take no memory", async () => {
    const result = await estimate({ bytes: Buffer.alloc(100 * 4096) }, LZ4);
    checkBooks(result);
    assert.equal(result.units[0].sameFilled, 100);
    assert.equal(result.units[0].duplicates, 0);
    assert.deepEqual(only(result).pools[0].heldBytes, 0);
    assert.equal(only(result).pools[0].ratio, null);
    assert.equal(only(result).fit, null);
    assert.equal(result.advice.worthwhile, true);
    assert.equal(result.advice.onlySameFilled, true);
    assert.match(result.advice.text, /^all of it is one word repeated, .* whatever the settings$/);
    assert.deepEqual(
      [result.advice.quicker, result.advice.smaller, result.advice.reason],
      [null, null, null],
    );
  });

  it("noise is kept as it is, and the advice says so", async () => {
    const result = await estimate(
      { bytes: noise(100 * 4096, 1) },
      { ...LZ4, codecs: ["lz4", "zstd", "deflate"] },
    );
    checkBooks(result);
    for (const codec of result.units[0].codecs) {
      assert.equal(codec.incompressible, 100);
      assert.deepEqual([codec.sizes, codec.fit], [null, null]);
      assert.equal(codec.pools[0].heldBytes, 100 * 4096);
      assert.equal(codec.pools[0].ratio, 1);
    }
    assert.equal(result.advice.worthwhile, false);
    assert.equal(result.advice.quicker, null);
    assert.match(result.advice.text, /^keep it uncompressed: .* would hold 400 KiB in 400 KiB$/);
  });

  it("units of 1 KiB of noise make two objects a page at any page size, and fit in half of one", async () => {
    const result = await estimate({ bytes: partlyNoisy(1000, 4096, 1000, 1) }, LZ4);
    checkBooks(result);
    const { pools, sizes, codecRatio, fit, histogram } = only(result);
    assert.ok(sizes !== null && sizes.min > 1000 && sizes.max < 1050, JSON.stringify(sizes));
    assert.equal(histogram[Math.ceil((sizes.p50 * 64) / 4096) - 1] > 900, true);
    const [plain, fitted] = pools;
    assert.deepEqual([plain.pageSize, plain.fitted, plain.objects, plain.pages], [4096, false, 1000, 500]);
    assert.deepEqual(
      [fitted.pageSize, fitted.fitted, fitted.objects, fitted.pages],
      [fit?.pageSize, true, 1000, 500],
    );
    assert.ok(fitted.pageSize > 2000 && fitted.pageSize < 2300, `${fitted.pageSize}`);
    assert.ok(Math.abs((plain.ratio as number) - 2) < 0.05, `${plain.ratio}`);
    assert.ok((fitted.ratio as number) > 3.4 && (fitted.ratio as number) < (codecRatio as number));
    assert.equal(result.advice.best.pageSize, fitted.pageSize);
    assert.deepEqual(fit?.curve.find((point) => point.pageSize === fitted.pageSize)?.bytes, fitted.heldBytes);
  });

  it("an object that is too big for a page is kept as it is, at the size of the unit", async () => {
    // About 4000 bytes compressed: less than a unit, more than the 3968 that a zbud page of 4096 takes.
    const result = await estimate({ bytes: partlyNoisy(50, 4096, 3980, 1) }, LZ4);
    checkBooks(result);
    const [plain] = only(result).pools;
    assert.equal(only(result).incompressible, 0);
    assert.deepEqual([plain.objects, plain.refused, plain.heldBytes], [0, 50, 50 * 4096]);
  });

  it("a few objects of as many sizes, each in pages of its own", async () => {
    const units = Array.from({ length: 6 }, (_, i) => partlyNoisy(1, 4096, 300 + 550 * i, i + 1));
    const result = await estimate({ bytes: Buffer.concat(units) }, { units: [4096], codecs: ["lz4"] });
    checkBooks(result);
    assert.deepEqual(
      only(result).pools.map(({ objects, refused }) => objects + refused),
      only(result).pools.map(() => 6),
    );
    assert.equal(result.advice.store, null);
  });

  it("data with a period is counted as duplicates, which are not deducted", async () => {
    const period = partlyNoisy(4, 4096, 500, 1);
    const result = await estimate({ bytes: Buffer.concat(Array.from({ length: 25 }, () => period)) }, LZ4);
    checkBooks(result);
    assert.equal(result.units[0].duplicates, 96);
    assert.equal(only(result).compressible, 100);
    assert.equal(only(result).pools[0].objects, 100);
  });

  it("none stores nothing, and so shows what same-filled units alone save", async () => {
    const bytes = Buffer.concat([Buffer.alloc(40 * 4096), partlyNoisy(60, 4096, 100, 1)]);
    const result = await estimate({ bytes }, { ...LZ4, codecs: ["none"] });
    checkBooks(result);
    assert.equal(only(result).incompressible, 60);
    assert.equal(only(result).pools[0].heldBytes, 60 * 4096);
    assert.equal(Math.round((result.advice.best.savedShare as number) * 100), 40);
  });

  it("the tail is padded with zeros, which count neither as input nor as saved", async () => {
    const result = await estimate({ bytes: noise(4096 + 10, 1) }, LZ4);
    checkBooks(result);
    assert.equal(result.input.bytes, 4106);
    assert.equal(result.units[0].paddingBytes, 4086);
    assert.ok((only(result).pools[0].ratio as number) < 1);
  });

  it("units up to 1 MiB, down to 1 KiB", async () => {
    const units = [1024, 2048, 65_536, 1_048_576];
    const result = await estimate({ bytes: partlyNoisy(3000, 1024, 300, 1) }, { ...LZ4, units });
    checkBooks(result);
    assert.deepEqual(
      result.units.map(({ unit }) => unit),
      units,
    );
    assert.equal(result.units[3].units, 3);
  });
});

describe("sample", () => {
  const bytes = Buffer.concat([
    partlyNoisy(2000, 4096, 700, 1),
    noise(1000 * 4096, 2),
    Buffer.alloc(1000 * 4096),
  ]);

  it("an even sample of a tenth says the same as all of it, to within a few percent", async () => {
    const all = await estimate({ bytes }, { ...LZ4, sampleBytes: "all" });
    const some = await estimate({ bytes }, { ...LZ4, sampleBytes: 400 * 4096 });
    checkBooks(some);
    assert.equal(some.sample.bytes, 400 * 4096);
    assert.equal(some.input.bytes, bytes.length);
    assert.equal(some.units[0].sameFilled, 100);
    assert.equal(only(some).incompressible, 100);
    const difference = some.advice.best.heldBytes / all.advice.best.heldBytes;
    assert.ok(difference > 0.97 && difference < 1.05, `${difference}`);
    assert.ok(Math.abs(some.advice.best.maxPages / all.advice.best.maxPages - 1) < 0.11);
  });

  it("the same seed gives the same figures; all units of a stream are chosen from", async () => {
    const figures = async (input: () => AsyncIterable<Uint8Array>, seed: number): Promise<string> => {
      const result = await estimate(
        { stream: input() },
        { ...LZ4, sampleBytes: 200 * 4096, seed, clock: () => 0 },
      );
      checkBooks(result);
      assert.equal(result.input.bytes, bytes.length);
      assert.ok(result.units[0].sameFilled > 25 && result.units[0].sameFilled < 80);
      return JSON.stringify(result.units);
    };
    const first = await figures(() => inPieces(bytes, 1), 5);
    assert.equal(await figures(() => inPieces(bytes, 2), 5), first, "pieces of a pipe do not matter");
    assert.notEqual(await figures(() => inPieces(bytes, 1), 6), first);
  });

  it("many batches count as one does", async () => {
    const options: EstimateOptions = { ...LZ4, units: [4096, 16384], sampleBytes: "all" };
    const whole = await estimate({ bytes }, options);
    const settings = { ...readOptions(options), batchBytes: 3 << 20 };
    for (const input of [{ bytes }, { stream: inPieces(bytes, 1) }]) {
      const batches = await estimateInBatches(input, settings);
      checkBooks(batches);
      assert.ok(batches.sample.batches >= 5);
      assert.equal(batches.sample.bytes, bytes.length);
      for (const [i, unit] of batches.units.entries()) {
        const { units, sameFilled, duplicates } = whole.units[i];
        assert.deepEqual([unit.units, unit.sameFilled, unit.duplicates], [units, sameFilled, duplicates]);
        assert.deepEqual(unit.codecs[0].histogram, whole.units[i].codecs[0].histogram);
        const difference = unit.codecs[0].pools[0].heldBytes / whole.units[i].codecs[0].pools[0].heldBytes;
        assert.ok(difference > 0.99 && difference < 1.02, `${difference}`);
      }
    }
  });
});

describe("real data", () => {
  it("this program, with every codec and two units", async () => {
    const result = await estimate(
      { paths: [process.execPath] },
      { codecs: ["none", "lz4", "zstd", "deflate"], units: [4096, 16384], sampleBytes: 4 << 20 },
    );
    checkBooks(result);
    for (const unit of result.units) {
      const [none, lz4, zstd, deflate] = unit.codecs.map(({ codecRatio }) => codecRatio as number);
      assert.ok(none < lz4 && lz4 < zstd && lz4 < deflate, `${none} ${lz4} ${zstd} ${deflate}`);
      for (const codec of unit.codecs.slice(1)) {
        const [plain, fitted] = codec.pools;
        assert.ok(fitted.fitted && (fitted.ratio as number) >= (plain.ratio as number));
        assert.ok((codec.compressNsPerUnit as number) > 0 && (codec.decompressNsPerUnit as number) > 0);
      }
    }
    assert.equal(result.advice.worthwhile, true);
  });

  it("this file, whole: smaller than one unit", async () => {
    const path = import.meta.filename;
    assert.ok(existsSync(path));
    const result = await estimate({ paths: [path] }, { units: [65_536] });
    checkBooks(result);
    assert.equal(result.sample.bytes, readFileSync(path).length);
    assert.equal(result.units[0].units, 1);
  });
});

describe("what a run does on its way", () => {
  it("a codec that returns other bytes is found out", async () => {
    registerCodec({
      name: "broken",
      id: 200,
      maxCompressedLength: (n) => n,
      compress: (_source, target) => target.subarray(0, 10).fill(1).length,
      decompress: (_source, target) => target.fill(0).length,
    });
    await assert.rejects(
      estimate({ bytes: noise(8192, 1) }, { ...LZ4, codecs: ["broken"] }),
      (error: { code: string; message: string }) => error.code === "ECORRUPT" && /broken/.test(error.message),
    );
  });

  it("it stops when told to, with the signal's reason", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const work = estimate(
      { bytes: noise(64 << 20, 1) },
      { codecs: ["zstd"], signal: controller.signal, onProgress: () => controller.abort(reason) },
    );
    await assert.rejects(work, reason);
  });

  it("page sizes are fitted for the drivers that were asked for, and for no other", async () => {
    for (const [driver, hasFit, hasSizes] of [
      ["zbud", true, false],
      ["size-classes", false, true],
      ["slots", false, false],
    ] as const) {
      const bytes = Buffer.concat([partlyNoisy(200, 4096, 300, 1), partlyNoisy(200, 4096, 1500, 2)]);
      const { pools, fit } = only(await estimate({ bytes }, { ...LZ4, drivers: [driver] }));
      assert.equal(fit !== null, hasFit, driver);
      assert.equal(
        pools.some(({ pageSizes }) => pageSizes !== null),
        hasSizes,
        driver,
      );
    }
  });

  it("progress only grows, and says what is done", async () => {
    const shares: number[] = [];
    const texts = new Set<string>();
    await estimate(
      { paths: [process.execPath] },
      {
        units: [4096],
        sampleBytes: 16 << 20,
        onProgress: (share, doing) => {
          shares.push(share);
          texts.add(doing);
        },
      },
    );
    assert.ok(shares.length > 3);
    shares.reduce((before, share) => {
      assert.ok(share >= before && share <= 1, `${before} ${share}`);
      return share;
    });
    assert.ok(
      [...texts].some((text) => /^4 KiB units: zstd, compressing$/.test(text)),
      [...texts].join("; "),
    );
  });

  const WRONG: [EstimateOptions, string, RegExp][] = [
    [{ codecs: ["lz5"] }, "ENOENT", /unknown codec "lz5": use none, lz4, zstd.*: did you mean lz4\?/],
    [
      { for: "sped" as "speed" },
      "EINVAL",
      /for \(--for\) is speed, size or balance, not "sped": did you mean speed\?/,
    ],
    [{ drivers: ["zbad"] }, "ENOENT", /unknown driver "zbad": use .*zbud/],
    [{ codecs: [] }, "EINVAL", /codecs must name at least one/],
    [{ units: [4096, 5000] }, "EINVAL", /power of two.*5000/],
    [{ units: [512] }, "EINVAL", /512/],
    [{ units: [2 ** 21] }, "EINVAL", /2097152/],
    [{ sampleBytes: 100 }, "EINVAL", /at least one unit/],
    [{ sampleBytes: Number.NaN }, "EINVAL", /NaN/],
    [{ seed: -1 }, "EINVAL", /seed/],
  ];
  for (const [options, code, message] of WRONG) {
    it(`${JSON.stringify(options)} is refused`, async () => {
      await assert.rejects(estimate({ bytes: noise(4096, 1) }, options), { code, message });
    });
  }

  it("an input must be one thing", async () => {
    await assert.rejects(estimate({}), { code: "EINVAL" });
    await assert.rejects(estimate({ bytes: noise(1, 1), paths: ["x"] }), { code: "EINVAL" });
    await assert.rejects(estimate({ bytes: new Uint8Array(0) }), { code: "EINVAL" });
  });
});
