import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { buildLz4, embed } from "../../scripts/build-lz4.ts";
import { Prng } from "../../src/base/index.ts";
import { type Codec, createLz4, getCodec } from "../../src/codecs/index.ts";
import { compressed } from "../contracts/codec.ts";
import { isCode } from "../support/is-code.ts";
import { guarded, sample, untouched } from "./samples.ts";

const MODULE = new URL("../../src/codecs/lz4/module.generated.ts", import.meta.url);

describe("lz4's embedded module", () => {
  it("is what its source compiles to (else run npm run build:lz4)", async () => {
    assert.equal(await readFile(MODULE, "utf8"), embed((await buildLz4()).module));
  });

  it("imports nothing and is small", async () => {
    const { module } = await buildLz4();
    const api = (globalThis as unknown as { WebAssembly: { Module: ModuleApi } }).WebAssembly.Module;
    assert.deepEqual(api.imports(new api(module)), []);
    assert.ok(module.length < 16_384, `${module.length} bytes`);
  });
});

interface ModuleApi {
  new (bytes: Uint8Array): object;
  imports(module: object): object[];
}

describe("lz4", () => {
  const lz4 = getCodec("lz4");

  it("takes 1 byte to 1 MiB", () => {
    const prng = new Prng(3);
    for (const length of [1, 2, 1_048_575, 1_048_576]) {
      for (const kind of [0, 2, 3]) {
        const source = sample(kind, length, prng);
        const block = compressed(lz4, source);
        const { whole, target } = guarded(length);
        assert.equal(lz4.decompress(block, target), length);
        assert.equal(Buffer.compare(target, source), 0);
        assert.ok(untouched(whole, length));
      }
    }
    const long = new Uint8Array(1_048_577);
    assert.throws(() => lz4.compress(long, long), isCode("EINVAL"));
    assert.throws(() => lz4.maxCompressedLength(1_048_577), isCode("EINVAL"));
  });

  it("never exceeds maxCompressedLength, and reaches it", () => {
    const prng = new Prng(4);
    for (const length of [1, 14, 15, 16, 269, 270, 271, 4096, 65_536, 65_537]) {
      const size = compressed(lz4, sample(0, length, prng)).length;
      assert.ok(size <= lz4.maxCompressedLength(length));
      assert.equal(size, length + 1 + (length < 15 ? 0 : 1 + Math.floor((length - 15) / 255)));
    }
  });

  it("fits a result exactly into every target that is large enough, and into no other", () => {
    const prng = new Prng(5);
    for (let length = 1; length < 400; length += 3) {
      const source = sample(length % 10, length, prng);
      const size = compressed(lz4, source).length;
      for (let room = Math.max(0, size - 20); room < size + 3; room++) {
        const { whole, target } = guarded(room);
        assert.equal(lz4.compress(source, target), room < size ? 0 : size);
        assert.ok(untouched(whole, room));
      }
    }
  });

  it("leaves nothing of earlier blocks behind the length it returns", () => {
    const source = sample(3, 3000, new Prng(6));
    const back = new Uint8Array(5000).fill(9);
    const target = new Uint8Array(5000).fill(9);
    for (const kind of [0, 3]) lz4.decompress(compressed(lz4, sample(kind, 5000, new Prng(7))), back);
    const size = lz4.compress(source, target);
    assert.ok(target.subarray(size).every((byte) => byte === 9 || byte === 0));
    back.fill(9);
    lz4.decompress(target.subarray(0, size), back);
    assert.ok(back.subarray(3000).every((byte) => byte === 9 || byte === 0));
  });

  it("with more acceleration compresses less, and any instance reads it", () => {
    const source = sample(3, 65_536, new Prng(7));
    const sizes = [1, 4, 32, 65_536].map((acceleration) => {
      const block = compressed(createLz4({ acceleration }), source);
      const target = new Uint8Array(source.length);
      assert.equal(lz4.decompress(block, target), source.length);
      assert.deepEqual(target, source);
      return block.length;
    });
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => a - b),
    );
    assert.ok(sizes[3] > sizes[0]);
  });

  it("gains from a dictionary, which reading it takes too", () => {
    const words = sample(3, 4000, new Prng(8));
    const record = words.slice(-300);
    record[150] ^= 1;
    const block = compressed(createLz4({ dictionary: words }), record);
    assert.ok(block.length < 40);
    assert.throws(() => lz4.decompress(block, new Uint8Array(300)), isCode("EBADMSG"));
  });

  it("keeps its own copy of the dictionary, the last 64 KiB of it", () => {
    const long = sample(0, 100_000, new Prng(10));
    const codec = createLz4({ dictionary: long });
    const tail = long.slice(-3000);
    const head = long.slice(0, 3000);
    long.fill(0);
    assert.ok(compressed(codec, tail).length < 50);
    assert.ok(compressed(codec, head).length > 3000);
  });

  it("refuses options out of range", () => {
    for (const acceleration of [0, -1, 1.5, 65_537, Number.NaN]) {
      assert.throws(() => createLz4({ acceleration }), isCode("EINVAL"));
    }
    for (const dictionary of [new Uint8Array(0), "words", [1, 2]] as unknown as Uint8Array[]) {
      assert.throws(() => createLz4({ dictionary }), isCode("EINVAL"));
    }
  });

  for (const [title, codec] of [
    ["without a dictionary", lz4],
    ["with a dictionary", createLz4({ dictionary: sample(3, 20_000, new Prng(11)) })],
  ] satisfies [string, Codec][]) {
    it(`allocates nothing per call, ${title}`, (t) => {
      const grown = heapGrowth(codec);
      t.diagnostic(`${grown} bytes of heap for ${CALLS} calls`);
      // The smallest object is 12 bytes; what is left is the profiler's and the collector's own.
      assert.ok(grown < CALLS, `${grown} bytes for ${CALLS} calls`);
    });
  }
});

const CALLS = 200_000;

/** Bytes by which the heap grows in CALLS calls with sources and results of all lengths. */
function heapGrowth(codec: Codec): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const prng = new Prng(12);
  const sources = Array.from({ length: 100 }, (_, i) => sample(i % 10, prng.between(1, 2000), prng));
  const target = new Uint8Array(3000);
  const blocks = sources.map((source) => compressed(codec, source));
  const run = (calls: number): void => {
    for (let i = 0; i < calls; i += 2) {
      codec.compress(sources[i % 100], target);
      codec.decompress(blocks[i % 100], target);
    }
  };
  run(50_000);
  collect();
  const before = process.memoryUsage().heapUsed;
  run(CALLS);
  return process.memoryUsage().heapUsed - before;
}
