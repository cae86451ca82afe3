import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { jsonRecords } from "../../bench/records.ts";
import { Prng } from "../../src/base/index.ts";
import { type Codec, createLz4, createZstd, getCodec, trainDictionary } from "../../src/codecs/index.ts";
import { compressed } from "../contracts/codec.ts";
import { isCode } from "../support/is-code.ts";
import { sample } from "./samples.ts";

describe("trainDictionary", () => {
  const records = jsonRecords(200, 1500);
  const samples = records.filter((_, i) => i % 20 === 0);
  const others = records.filter((_, i) => i % 20 === 7);
  const size = (codec: Codec): number =>
    others.reduce((sum, record) => sum + compressed(codec, record).length, 0);

  it("makes JSON records that it never saw less than half as long, and they come back", () => {
    const dictionary = trainDictionary(samples, 16_384);
    assert.ok(dictionary.length <= 16_384 && dictionary.length > 16_000);
    const lz4 = createLz4({ dictionary });
    assert.ok(size(lz4) < size(getCodec("lz4")) / 2);
    assert.ok(size(createZstd({ dictionary })) < size(createZstd()) / 1.8);
    for (const record of others) {
      const target = new Uint8Array(record.length);
      assert.equal(lz4.decompress(compressed(lz4, record), target), record.length);
      assert.deepEqual(target, record);
    }
  });

  it("beats as many bytes of samples taken as they are", () => {
    const plain = new Uint8Array(Buffer.concat(samples)).slice(0, 4096);
    const trained = trainDictionary(samples, 4096);
    assert.ok(size(createLz4({ dictionary: trained })) < size(createLz4({ dictionary: plain })) * 0.9);
  });

  it("gains with its length", () => {
    const sizes = [256, 2048, 16_384].map((bytes) =>
      size(createLz4({ dictionary: trainDictionary(samples.slice(0, 300), bytes) })),
    );
    assert.ok(sizes[0] > sizes[1] && sizes[1] > sizes[2], sizes.join(" > "));
  });

  it("gives the same dictionary for the same samples, and leaves these as they are", () => {
    const some = samples.slice(0, 100);
    const copies = some.map((each) => each.slice());
    assert.deepEqual(trainDictionary(some, 2000), trainDictionary(copies, 2000));
    assert.deepEqual(some, copies);
  });

  it("takes whatever samples there are", () => {
    const prng = new Prng(1);
    const random = Array.from({ length: 50 }, () => sample(0, 100, prng));
    const cases = [
      [new Uint8Array(8)],
      [new Uint8Array(100_000)],
      random,
      [new Uint8Array(0), new Uint8Array(3), sample(3, 500, prng), sample(3, 9, prng)],
      Array.from({ length: 1000 }, () => new Uint8Array(8)),
      [sample(3, 1_100_000, prng), ...random],
    ];
    for (const each of cases) {
      for (const bytes of [16, 1000, 70_000]) {
        const { length } = trainDictionary(each, bytes);
        assert.ok(length >= 1 && length <= bytes, `${length} of ${bytes} bytes`);
      }
    }
  });

  it("refuses misuse", () => {
    for (const bytes of [0, 15, 2 ** 20 + 1, 1.5, Number.NaN]) {
      assert.throws(() => trainDictionary(samples, bytes), isCode("EINVAL"));
    }
    for (const wrong of [[], [new Uint8Array(7)], ["text"], "text", null] as unknown as Uint8Array[][]) {
      assert.throws(() => trainDictionary(wrong, 1000), isCode("EINVAL"));
    }
  });
});
