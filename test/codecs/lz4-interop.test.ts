import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { compressSync, uncompressSync } from "lz4-napi";
import { Prng } from "../../src/base/index.ts";
import { type Codec, createLz4, getCodec } from "../../src/codecs/index.ts";
import { compressed } from "../contracts/codec.ts";
import { liblz4, liblz4Missing, type Request } from "./liblz4.ts";
import { periodic, sample } from "./samples.ts";

const SEED = 4_711;
const lz4 = getCodec("lz4");
const missing = liblz4Missing();

/** Real text, real machine code, and each in the sizes that pages have. */
function realSources(): Uint8Array[] {
  const require = createRequire(import.meta.url);
  const text = readFileSync(require.resolve("@mdn/browser-compat-data"));
  const binary = readFileSync(process.execPath);
  const prng = new Prng(SEED);
  const sources: Uint8Array[] = [];
  for (const data of [text, binary]) {
    for (const length of [4096, 16_384, 65_536, 65_537, 300_000, 1_048_576]) {
      for (let i = 0; i < 2_000_000 / length && i < 60; i++) {
        const start = prng.below(data.length - length);
        sources.push(data.subarray(start, start + length));
      }
    }
  }
  return sources;
}

const CORPORA: [string, () => Uint8Array[]][] = [
  ["real data", realSources],
  [
    "periods 1 to 70",
    () => {
      const prng = new Prng(SEED);
      return Array.from({ length: 70 }, (_, i) => i + 1).flatMap((period) =>
        [13, 64, 257, 4096, 70_001].map((length) => periodic(new Uint8Array(length), period, prng)),
      );
    },
  ],
  ["random data, every length from 1 to 5000", () => everyLength(0)],
  ["zeros, every length from 1 to 5000", () => everyLength(2)],
  ["words, every length from 1 to 5000", () => everyLength(3)],
  ["records, every length from 1 to 5000", () => everyLength(4)],
];

function everyLength(kind: number): Uint8Array[] {
  const all = sample(kind, 10_000, new Prng(SEED));
  return Array.from({ length: 5000 }, (_, i) => all.subarray(i, i + i + 1));
}

for (const [name, makeSources] of CORPORA) {
  describe(`lz4 blocks, ${name} (seed ${SEED})`, () => {
    const sources = makeSources();

    it("ours are read by us", () => {
      for (const source of sources) same(decompressed(lz4, compressed(lz4, source), source.length), source);
    });

    it("ours are read by liblz4, and liblz4's by us", (t) => {
      if (missing !== null) return t.skip(missing);
      const theirs = liblz4([
        ...sources.map((source) => decompression(compressed(lz4, source), source.length)),
        ...sources.map((source) => compression(source)),
      ]);
      let ourBytes = 0;
      let theirBytes = 0;
      sources.forEach((source, i) => {
        same(theirs[i], source);
        const block = theirs[sources.length + i];
        assert.ok(block);
        same(decompressed(lz4, block, source.length), source);
        theirBytes += block.length;
        ourBytes += compressed(lz4, source).length;
      });
      t.diagnostic(`compressed size: ${(ourBytes / theirBytes).toFixed(4)} of liblz4's`);
      // Made up of nothing but matches of 4 bytes, the records are what our search likes least.
      assert.ok(ourBytes <= theirBytes * (name.startsWith("records") ? 1.1 : 1.01));
    });

    it("ours are read by lz4-napi, and lz4-napi's by us", () => {
      for (const source of sources) {
        // It puts the length, 32 bits little endian, before the block.
        const prefixed = Buffer.concat([new Uint8Array(4), compressed(lz4, source)]);
        prefixed.writeUInt32LE(source.length);
        same(uncompressSync(prefixed), source);
        const block = compressSync(Buffer.from(source.buffer, source.byteOffset, source.length)).subarray(4);
        same(decompressed(lz4, block, source.length), source);
      }
    });
  });
}

describe("lz4 blocks with a dictionary", () => {
  const words = sample(3, 70_000, new Prng(SEED));
  for (const bytes of [1, 3, 4, 7, 8, 12, 300, 32_768, 65_535, 65_536, 70_000]) {
    it(`of ${bytes} bytes are read by liblz4, and liblz4's by us`, (t) => {
      if (missing !== null) return t.skip(missing);
      const dictionary = words.subarray(0, bytes);
      const codec = createLz4({ dictionary });
      const sources = [1, 5, 12, 13, 14, 40, 100, 900, 2048, 2049, 5000, 65_536, 65_537, 200_000].map((n) =>
        sample(n % 2 === 0 ? 3 : 7, n, new Prng(n)),
      );
      // Records that repeat the dictionary's ends reach its furthest and nearest bytes.
      sources.push(words.slice(0, 600), words.slice(Math.max(0, bytes - 600), bytes));
      const theirs = liblz4([
        ...sources.map((source) => decompression(compressed(codec, source), source.length, dictionary)),
        ...sources.map((source) => compression(source, dictionary)),
      ]);
      sources.forEach((source, i) => {
        same(theirs[i], source);
        const block = theirs[sources.length + i];
        assert.ok(block);
        same(decompressed(codec, block, source.length), source);
      });
    });
  }
});

function compression(source: Uint8Array, dictionary?: Uint8Array): Request {
  return { operation: "compress", source, room: source.length + source.length / 255 + 16, dictionary };
}

function decompression(source: Uint8Array, room: number, dictionary?: Uint8Array): Request {
  return { operation: "decompress", source, room, dictionary };
}

function decompressed(codec: Codec, block: Uint8Array, length: number): Uint8Array {
  const target = new Uint8Array(length);
  assert.equal(codec.decompress(block, target), length);
  return target;
}

function same(actual: Uint8Array | null, expected: Uint8Array): void {
  assert.ok(actual !== null && Buffer.compare(actual, expected) === 0, `${expected.length} bytes differ`);
}
