import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import { describe, it } from "node:test";
import { fallbacks, Prng } from "../../src/base/index.ts";
import { type Codec, createDeflate, createZstd, type ZstdOptions } from "../../src/codecs/index.ts";
import { codecContract, compressed } from "../contracts/codec.ts";
import { isCode } from "../support/is-code.ts";
import { sample } from "./samples.ts";

const source = sample(3, 4096, new Prng(1));
const noise = sample(0, 4096, new Prng(2));
const dictionary = sample(3, 3000, new Prng(3));
const zstd = (options: ZstdOptions = {}): Codec => createZstd({ backend: "node:zlib", ...options });

/** How many of node:zlib's handles are made meanwhile. */
function handlesMadeBy(work: () => void): number {
  let made = 0;
  const hook = createHook({
    init: (_, type) => {
      if (type === "ZLIB") made++;
    },
  }).enable();
  try {
    work();
  } finally {
    hook.disable();
  }
  return made;
}

/** As where `process.binding` is not to be had, with `--permission` for example. */
function withoutBinding(make: () => Codec): Codec {
  const owner = process as unknown as { binding: unknown };
  const { binding } = owner;
  owner.binding = () => {
    throw new Error("not here");
  };
  try {
    const codec = make();
    const target = new Uint8Array(source.length);
    codec.decompress(compressed(codec, source), target);
    return codec;
  } finally {
    owner.binding = binding;
  }
}

describe("codecs of node:zlib", () => {
  const codecs: Record<string, () => Codec> = {
    deflate: createDeflate,
    zstd,
    "zstd with a dictionary": () => zstd({ dictionary }),
  };
  for (const [name, make] of Object.entries(codecs)) {
    it(`${name}: makes no handle for a block: a thread that is killed then would end the process`, () => {
      const codec = make();
      const block = compressed(codec, source);
      const target = new Uint8Array(source.length);
      codec.decompress(block, target);
      const made = handlesMadeBy(() => {
        for (let i = 0; i < 50; i++) {
          assert.equal(codec.compress(source, new Uint8Array(5000)), block.length);
          assert.equal(codec.compress(noise, target.subarray(0, 3000)), 0);
        }
      });
      assert.equal(made, 0);
      // Before 24 Node says nothing of a frame that is cut off: what decompresses zstd is not used again there.
      const isKept = name === "deflate" || Number.parseInt(process.versions.node, 10) >= 24;
      const madeToRead = handlesMadeBy(() => {
        for (let i = 0; i < 50; i++) assert.equal(codec.decompress(block, target), source.length);
      });
      assert.equal(madeToRead, isKept ? 0 : 50);
    });

    it(`${name}: what fails, or does not fit, leaves nothing behind for the next block`, () => {
      const codec = make();
      const prng = new Prng(4);
      const target = new Uint8Array(source.length);
      const block = compressed(codec, source);
      const magic = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
      for (let i = 0; i < 300; i++) {
        const cut = block.subarray(0, prng.between(1, block.length - 1));
        const flipped = block.slice();
        flipped[prng.below(block.length)] ^= 1 << prng.below(8);
        const longer = Uint8Array.of(...block, ...magic.subarray(0, prng.between(1, 4)));
        for (const bad of [cut, flipped, longer]) {
          try {
            codec.decompress(bad, target);
            assert.equal(bad, flipped, `a block of ${block.length} bytes, of which ${bad.length} were given`);
          } catch (error) {
            assert.ok(isCode("EBADMSG")(error), String(error));
          }
          assert.equal(codec.decompress(block, target), source.length);
          assert.deepEqual(target, source);
        }
        const room = prng.below(block.length);
        assert.equal(codec.compress(source, new Uint8Array(room)), 0, `${block.length} bytes in ${room}`);
        target.fill(0);
        assert.equal(codec.decompress(compressed(codec, source), target), source.length);
        assert.deepEqual(target, source);
      }
    });

    it(`${name}: takes a megabyte where there is no room for it, and goes on`, () => {
      const codec = make();
      const large = sample(0, 2 ** 20, new Prng(5));
      assert.equal(codec.compress(large, new Uint8Array(1000)), 0);
      const target = new Uint8Array(large.length);
      assert.equal(codec.decompress(compressed(codec, large), target), large.length);
      assert.deepEqual(target, large);
      assert.equal(codec.decompress(compressed(codec, source), target), source.length);
    });
  }

  it("makes the same blocks by a handle and by a function", () => {
    for (const make of [
      ...Object.values(codecs),
      () => createDeflate({ level: 1 }),
      () => zstd({ level: 9 }),
    ]) {
      assert.deepEqual(compressed(make(), source), compressed(withoutBinding(make), source));
      assert.ok(fallbacks().includes("zlib-handle"), "it is said that there is none");
    }
  });
});

codecContract({ name: "deflate", title: "deflate by node:zlib's functions" }, () =>
  withoutBinding(createDeflate),
);
codecContract({ name: "zstd", title: "zstd by node:zlib's functions", damaged: 1000 }, () =>
  withoutBinding(() => zstd({ dictionary })),
);
