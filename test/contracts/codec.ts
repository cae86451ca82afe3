/**
 * What every codec must do, ours and users'. A codec's own test is one call of {@link codecContract} plus
 * what is special to it.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Prng } from "../../src/base/index.ts";
import type { Codec } from "../../src/codecs/index.ts";
import { GUARD, guarded, sample, untouched } from "../codecs/samples.ts";
import { isCode } from "../support/is-code.ts";
import { CAN_SHARE } from "./sharing.ts";

/** What differs between codecs. */
export interface CodecFacts {
  /** The codec's name, as it says itself. */
  name: string;
  /** What to call this variant in the report; the name if absent. */
  title?: string;
  /** Sources that this codec makes smaller than they are; false for one that only copies. */
  compresses?: boolean;
  /** Malformed blocks to try. */
  damaged?: number;
}

const SEED = 20_263;

/** Runs the whole suite over one codec. `make` gives a new instance or always the same. */
export function codecContract(facts: CodecFacts, make: () => Codec): void {
  const { name, title = name, compresses = true, damaged = 3000 } = facts;
  describe(`codec contract: ${title}`, () => {
    it("has a name and an id of one byte", () => {
      const codec = make();
      assert.equal(codec.name, name);
      assert.ok(Number.isInteger(codec.id) && codec.id >= 1 && codec.id <= 255);
    });

    it("gives back every source, in a target as long as the source", () => {
      const codec = make();
      const source = fc.record({
        kind: fc.nat(9),
        length: fc.oneof(
          fc.integer({ min: 1, max: 70 }),
          fc.integer({ min: 1, max: 5000 }),
          fc.constantFrom(255, 256, 257, 4095, 4096, 4097, 16_384, 65_535, 65_536, 65_537, 200_000),
        ),
        seed: fc.integer(),
      });
      fc.assert(
        fc.property(source, ({ kind, length, seed }) =>
          roundTrip(codec, sample(kind, length, new Prng(seed))),
        ),
        { seed: SEED, numRuns: 250 },
      );
    });

    it("gives back every source of 1 to 300 bytes", () => {
      const codec = make();
      const prng = new Prng(SEED);
      for (let length = 1; length <= 300; length++) roundTrip(codec, sample(length % 10, length, prng));
    });

    it("reads what another instance wrote", () => {
      const source = sample(3, 3000, new Prng(1));
      const block = compressed(make(), source);
      const target = new Uint8Array(source.length);
      assert.equal(make().decompress(block, target), source.length);
      assert.deepEqual(target, source);
    });

    it("keeps blocks independent of what it did before", () => {
      const codec = make();
      const prng = new Prng(2);
      const sources = Array.from({ length: 20 }, (_, i) => sample(i % 10, prng.between(1, 6000), prng));
      const blocks = sources.map((source) => compressed(codec, source));
      for (const i of [19, 3, 0, 7, 12]) {
        const target = new Uint8Array(sources[i].length);
        assert.equal(codec.decompress(blocks[i], target), target.length);
        assert.deepEqual(target, sources[i]);
      }
    });

    it("writes nothing outside of target, and says 0 when the result does not fit", () => {
      const codec = make();
      for (const kind of [0, 1, 3, 5]) {
        const source = sample(kind, 700, new Prng(kind));
        const size = compressed(codec, source).length;
        for (const room of [0, 1, 2, 5, size - 20, size - 2, size - 1, size, size + 1]) {
          if (room < 0) continue;
          const { whole, target } = guarded(room);
          const written = codec.compress(source, target);
          if (room < size) assert.equal(written, 0, `${room} of ${size} bytes`);
          // A codec may need more room to work than its result takes, but not more than the bound.
          else assert.ok(written === size || written === 0, `${written} in ${room} of ${size} bytes`);
          assert.ok(untouched(whole, room));
        }
      }
    });

    it("refuses a target too small for what a block holds, and takes a larger one", () => {
      const codec = make();
      const source = sample(3, 1000, new Prng(4));
      const block = compressed(codec, source);
      for (const room of [0, 1, 15, 16, 500, 998, 999]) {
        const { whole, target } = guarded(room);
        assert.throws(() => codec.decompress(block, target), isCode("EBADMSG"), `${room} bytes`);
        assert.ok(untouched(whole, room));
      }
      for (const room of [1000, 1001, 1500, 4096, 100_000]) {
        const { whole, target } = guarded(room);
        assert.equal(codec.decompress(block, target), 1000);
        assert.deepEqual(target.subarray(0, 1000), source);
        assert.ok(untouched(whole, room));
      }
    });

    it("leaves source as it was", () => {
      const codec = make();
      const source = sample(4, 5000, new Prng(5));
      const copy = source.slice();
      const block = compressed(codec, source);
      const blockCopy = block.slice();
      codec.decompress(block, new Uint8Array(5000));
      assert.deepEqual(source, copy);
      assert.deepEqual(block, blockCopy);
    });

    for (const [kind, view] of Object.entries(VIEWS)) {
      it(`works on ${kind}`, () => {
        const codec = make();
        for (const length of [1, 300, 4096, 10_000]) {
          const bytes = sample(3, length, new Prng(length));
          const source = view(length);
          source.set(bytes);
          const packed = view(codec.maxCompressedLength(length));
          const size = codec.compress(source, packed);
          assert.ok(size > 0);
          const block = view(size);
          block.set(packed.subarray(0, size));
          const target = view(length);
          assert.equal(codec.decompress(block, target), length);
          assert.deepEqual(Uint8Array.from(target), bytes);
        }
      });
    }

    if (compresses) {
      it("makes repetitive data much smaller", () => {
        const codec = make();
        for (const length of [1000, 4096, 65_536]) {
          assert.ok(compressed(codec, sample(1, length, new Prng(6))).length < length / 10);
        }
      });
    }

    it(`survives ${damaged} damaged blocks (seed ${SEED})`, () => {
      const codec = make();
      const prng = new Prng(SEED);
      for (let round = 0; round < damaged; round++) damagedBlock(codec, prng);
    });

    it("refuses misuse", () => {
      const codec = make();
      const bytes = new Uint8Array(100);
      const wrong = [[1, 2], "text", new ArrayBuffer(10), new Uint16Array(8), null];
      assert.throws(() => codec.compress(new Uint8Array(0), bytes), isCode("EINVAL"));
      assert.throws(() => codec.decompress(new Uint8Array(0), bytes), isCode("EBADMSG"));
      for (const value of wrong as unknown as Uint8Array[]) {
        assert.throws(() => codec.compress(value, bytes), isCode("EINVAL"));
        assert.throws(() => codec.compress(bytes, value), isCode("EINVAL"));
        assert.throws(() => codec.decompress(value, bytes), isCode("EINVAL"));
        assert.throws(() => codec.decompress(bytes, value), isCode("EINVAL"));
      }
      for (const n of [0, -1, 1.5, Number.NaN, 2 ** 40]) {
        assert.throws(() => codec.maxCompressedLength(n), isCode("EINVAL"), String(n));
      }
    });
  });
}

const VIEWS: Record<string, (length: number) => Uint8Array> = {
  "a Buffer": (length) => Buffer.alloc(length),
  "a view at an odd offset": (length) => new Uint8Array(new ArrayBuffer(length + 9), 3, length),
  "a resizable buffer": (length) =>
    new Uint8Array(new ArrayBuffer(length, { maxByteLength: length + 65_536 }), 0, length),
  "a length-tracking view": (length) =>
    new Uint8Array(new ArrayBuffer(length, { maxByteLength: length + 65_536 })),
};
if (CAN_SHARE) {
  VIEWS["a SharedArrayBuffer"] = (length) => new Uint8Array(new SharedArrayBuffer(length + 8), 5, length);
  VIEWS["a growable SharedArrayBuffer"] = (length) =>
    new Uint8Array(new SharedArrayBuffer(length, { maxByteLength: length + 65_536 }));
}

/** `source` compressed into a buffer of the longest length it could take. */
export function compressed(codec: Codec, source: Uint8Array): Uint8Array {
  const target = new Uint8Array(codec.maxCompressedLength(source.length));
  const size = codec.compress(source, target);
  assert.ok(size > 0 && size <= target.length, `${codec.name}: ${source.length} bytes became ${size}`);
  return target.slice(0, size);
}

function roundTrip(codec: Codec, source: Uint8Array): void {
  const block = compressed(codec, source);
  const { whole, target } = guarded(source.length);
  assert.equal(codec.decompress(block, target), source.length);
  assert.equal(Buffer.compare(target, source), 0, `${source.length} bytes differ`);
  assert.ok(untouched(whole, source.length));
}

/** One block that was cut, changed or made up: an error of the right kind, or a result within bounds. */
function damagedBlock(codec: Codec, prng: Prng): void {
  const source = sample(prng.below(10), prng.between(1, 600), prng);
  let block = prng.chance(0.15) ? sample(0, prng.between(1, 100), prng) : compressed(codec, source);
  if (prng.chance(0.4)) block = block.slice(0, prng.between(1, block.length));
  for (let flips = prng.below(4); flips > 0; flips--) block[prng.below(block.length)] ^= 1 << prng.below(8);
  const room = prng.chance(0.5) ? source.length : prng.below(source.length + 50);
  const { whole, target } = guarded(room);
  try {
    const written = codec.decompress(block, target);
    assert.ok(Number.isInteger(written) && written >= 1 && written <= room, `${written} of ${room}`);
  } catch (error) {
    if (!isCode("EBADMSG")(error)) throw error;
  }
  assert.ok(untouched(whole, room), `wrote around a target of ${room} bytes (guard ${GUARD})`);
}
