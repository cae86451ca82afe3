import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng, ZbudError } from "../../src/base/index.ts";
import { type Codec, createLz4, getCodec } from "../../src/codecs/index.ts";
import { compressed } from "../contracts/codec.ts";
import { reference } from "./reference.ts";
import { GUARD, guarded, sample, untouched } from "./samples.ts";

/** `ZBUD_FUZZ_SEED=7 npm run test:unit -- lz4-fuzz` replays a run. */
const SEED = Number(process.env.ZBUD_FUZZ_SEED ?? 190_742);
const BLOCKS = 1_000_000;
const ROOM_MAX = 2000;
/** A block of this test takes microseconds; this is what a slow machine's pauses are allowed. */
const BLOCK_MS_MAX = 1000;

const dictionary = sample(3, 3000, new Prng(SEED));

const TARGETS: [string, Codec, Uint8Array, number][] = [
  ["without a dictionary", getCodec("lz4"), new Uint8Array(0), BLOCKS],
  ["with a dictionary", createLz4({ dictionary }), dictionary, BLOCKS / 10],
];

describe(`malformed lz4 blocks (seed ${SEED})`, () => {
  for (const [title, codec, history, blocks] of TARGETS) {
    it(`${blocks} blocks ${title}: EBADMSG or a result within bounds, as the format has it`, (t) => {
      const prng = new Prng(SEED);
      const seeds = Array.from({ length: 400 }, (_, i) => sample(i % 10, prng.between(1, 500), prng));
      const good = seeds.map((source) => compressed(codec, source));
      const { whole, target } = guarded(ROOM_MAX);
      const targets = Array.from({ length: ROOM_MAX }, (_, room) => target.subarray(0, room));
      const expected = new Uint8Array(ROOM_MAX);
      let refused = 0;
      let slowest = 0;
      for (let i = 0; i < blocks; i++) {
        const block = malformed(prng, good);
        const room = prng.chance(0.3) ? prng.below(80) : prng.below(ROOM_MAX);
        target.fill(GUARD, room, room + 64);
        const start = performance.now();
        let size: number;
        try {
          size = codec.decompress(block, targets[room]);
        } catch (error) {
          if (!(error instanceof ZbudError && error.code === "EBADMSG")) throw error;
          size = -1;
          refused++;
        }
        slowest = Math.max(slowest, performance.now() - start);
        assert.ok(guardsUntouched(whole, target, room), `block ${i} wrote around its target`);
        const right = reference(block, expected.subarray(0, room), history);
        if (size !== right || (size > 0 && !equal(target, expected, size))) {
          assert.fail(
            `block ${i} gave ${size}, not ${right}: ${Buffer.from(block).toString("hex")} in ${room}`,
          );
        }
        if (i % 5000 === 0) stillWorks(codec, seeds[i % seeds.length]);
      }
      t.diagnostic(`${refused} of ${blocks} refused; slowest block ${slowest.toFixed(1)} ms`);
      assert.ok(slowest < BLOCK_MS_MAX);
      assert.ok(refused > blocks / 10 && refused < blocks, "the mix has both kinds");
    });
  }

  it("lengths beyond anything are refused at once, however long the block", () => {
    const codec = getCodec("lz4");
    const target = new Uint8Array(1 << 20);
    const huge = new Uint8Array(1_052_000).fill(255);
    const start = performance.now();
    for (const token of [0xf0, 0x0f, 0xff]) {
      huge[0] = token;
      for (const length of [2, 3, 5, 100, 70_000, huge.length]) {
        assert.throws(() => codec.decompress(huge.subarray(0, length), target), { code: "EBADMSG" });
      }
    }
    // Each 0 is a token without literals, or one byte of an offset of 0.
    assert.throws(() => codec.decompress(new Uint8Array(1_000_000), target), { code: "EBADMSG" });
    // More input than any block of 1 MiB has.
    assert.throws(() => codec.decompress(new Uint8Array(3_000_000), target), { code: "EBADMSG" });
    assert.ok(performance.now() - start < BLOCK_MS_MAX);
  });
});

/** One block: damaged, random, or made by hand to be as wrong as the format permits. */
function malformed(prng: Prng, good: readonly Uint8Array[]): Uint8Array {
  const block = good[prng.below(good.length)];
  switch (prng.below(6)) {
    case 0:
      return block.subarray(0, prng.between(1, block.length));
    case 1:
    case 2: {
      const changed = block.slice();
      for (let flips = prng.between(1, 4); flips > 0; flips--) {
        changed[prng.below(changed.length)] ^= 1 << prng.below(8);
      }
      return changed;
    }
    case 3:
      return sample(prng.chance(0.5) ? 0 : 8, prng.between(1, 60), prng);
    case 4: {
      const changed = block.slice(0, prng.between(1, block.length));
      changed[prng.below(changed.length)] = prng.chance(0.5) ? 255 : 0;
      return changed;
    }
    default:
      return sequences(prng);
  }
}

/** Well-formed sequences with offsets and lengths at and beyond the edges. */
function sequences(prng: Prng): Uint8Array {
  const bytes: number[] = [];
  for (let count = prng.between(1, 6); count > 0; count--) {
    const literals = pick(prng, [0, 1, 4, 14, 15, 16, 17, 270, 300]);
    const match = pick(prng, [0, 1, 14, 15, 16, 17, 31, 32, 33, 270, 525, 3000]);
    bytes.push((Math.min(literals, 15) << 4) | Math.min(match, 15));
    extend(bytes, literals);
    // Sometimes fewer than promised.
    const present = prng.chance(0.9) ? literals : prng.below(literals + 1);
    for (let i = 0; i < present; i++) bytes.push(prng.below(256));
    if (count === 1 && prng.chance(0.7)) break;
    const offset = pick(prng, [
      0,
      1,
      2,
      3,
      7,
      8,
      9,
      15,
      16,
      17,
      31,
      literals,
      literals + 1,
      40,
      3001,
      65_535,
    ]);
    bytes.push(offset & 255, offset >> 8);
    extend(bytes, match);
  }
  return Uint8Array.from(bytes);
}

function extend(bytes: number[], length: number): void {
  if (length < 15) return;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) bytes.push(255);
  bytes.push(rest);
}

function pick(prng: Prng, values: readonly number[]): number {
  return values[prng.below(values.length)];
}

function guardsUntouched(whole: Uint8Array, target: Uint8Array, room: number): boolean {
  if (!untouched(whole, ROOM_MAX)) return false;
  const end = Math.min(room + 64, ROOM_MAX);
  for (let i = room; i < end; i++) if (target[i] !== GUARD) return false;
  return true;
}

function equal(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function stillWorks(codec: Codec, source: Uint8Array): void {
  const back = new Uint8Array(source.length);
  assert.equal(codec.decompress(compressed(codec, source), back), source.length);
  assert.deepEqual(back, source);
}
