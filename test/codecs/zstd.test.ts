import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { Prng } from "../../src/base/index.ts";
import { createDeflate, createZstd, type ZstdBackend } from "../../src/codecs/index.ts";
import { compressed } from "../contracts/codec.ts";
import { isCode } from "../support/is-code.ts";
import { sample } from "./samples.ts";

const BACKENDS: ZstdBackend[] = ["zstd-napi", "node:zlib"];
const source = sample(3, 5000, new Prng(1));
const dictionary = sample(3, 5000, new Prng(2));

describe("zstd", () => {
  it("says which backend it uses, and prefers the package", () => {
    assert.equal(createZstd().backend, "zstd-napi");
    for (const backend of BACKENDS) assert.equal(createZstd({ backend }).backend, backend);
  });

  for (const writer of BACKENDS) {
    for (const reader of BACKENDS) {
      it(`blocks of ${writer} are read by ${reader}`, () => {
        for (const options of [{}, { dictionary }, { level: 19 }, { level: -50 }, { level: 0, dictionary }]) {
          const block = compressed(createZstd({ ...options, backend: writer }), source);
          const target = new Uint8Array(source.length);
          assert.equal(createZstd({ ...options, backend: reader }).decompress(block, target), source.length);
          assert.deepEqual(target, source);
        }
      });
    }
  }

  for (const backend of BACKENDS) {
    it(`${backend}: a block is a zstd frame like any other`, () => {
      const codec = createZstd({ backend });
      assert.deepEqual(new Uint8Array(zstdDecompressSync(compressed(codec, source))), source);
      const target = new Uint8Array(source.length);
      assert.equal(codec.decompress(zstdCompressSync(source), target), source.length);
    });

    it(`${backend}: a higher level and a dictionary make it smaller`, () => {
      const size = (options: object): number =>
        compressed(createZstd({ backend, ...options }), source).length;
      assert.ok(size({ level: 19 }) < size({ level: -50 }));
      assert.ok(size({ dictionary }) < size({}));
    });

    it(`${backend}: takes nothing but one whole frame`, () => {
      const codec = createZstd({ backend });
      const block = compressed(codec, source);
      const target = new Uint8Array(20_000);
      const wrong = [
        block.subarray(0, -1),
        block.subarray(0, 5),
        Uint8Array.of(...block, 0),
        sample(0, 100, new Prng(3)),
      ];
      for (const bytes of wrong) assert.throws(() => codec.decompress(bytes, target), isCode("EBADMSG"));
    });

    it(`${backend}: a block that needs a dictionary is refused without it`, () => {
      const block = compressed(createZstd({ backend, dictionary }), dictionary.slice(100, 400));
      const target = new Uint8Array(300);
      assert.throws(() => createZstd({ backend }).decompress(block, target), isCode("EBADMSG"));
    });
  }

  it("refuses options out of range", () => {
    for (const level of [23, -101, 1.5]) assert.throws(() => createZstd({ level }), isCode("EINVAL"));
    assert.throws(() => createZstd({ dictionary: new Uint8Array(0) }), isCode("EINVAL"));
    assert.throws(() => createZstd({ backend: "wasm" as ZstdBackend }), isCode("EINVAL"));
  });
});

describe("deflate", () => {
  it("takes nothing but one whole stream", () => {
    const codec = createDeflate();
    const block = compressed(codec, source);
    const target = new Uint8Array(20_000);
    for (const bytes of [block.subarray(0, -1), block.subarray(0, 5), Uint8Array.of(...block, 0)]) {
      assert.throws(() => codec.decompress(bytes, target), isCode("EBADMSG"));
    }
  });

  it("refuses a level out of range", () => {
    for (const level of [0, 10, 1.5]) assert.throws(() => createDeflate({ level }), isCode("EINVAL"));
  });
});
