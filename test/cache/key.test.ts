import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Prng } from "../../src/base/index.ts";
import { decodeKey, EncodedKey, isKey, KEY_BYTES_MAX } from "../../src/cache/key.ts";
import type { CacheKey } from "../../src/cache/types.ts";

const encoded = new EncodedKey();

function bytesOf(key: CacheKey): string {
  assert.ok(encoded.encode(key));
  return Buffer.from(encoded.bytes.subarray(0, encoded.length)).toString("hex");
}

describe("keys as bytes", () => {
  const KEYS: CacheKey[] = [
    "",
    "1",
    1,
    "a",
    "ä",
    "€",
    "😀",
    "\u0000",
    "\ufeff",
    "\ud800",
    "\udc00",
    "\udc00\ud800",
    "\ufffd",
    "a\ud83d",
    0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    Number.MIN_VALUE,
    2 ** 53,
    new Uint8Array(0),
    new Uint8Array([49]),
    new Uint8Array([0xff, 0xfe, 0]),
  ];

  it("no two keys have the same bytes, and each comes back", () => {
    assert.equal(new Set(KEYS.map(bytesOf)).size, KEYS.length);
    for (const key of KEYS) {
      encoded.encode(key);
      assert.deepEqual(decodeKey(encoded.bytes, encoded.length), key);
    }
  });

  it("strings are UTF-8", () => {
    for (const text of ["plain", "größer", "日本語", "😀 mixed ñ 中"]) {
      assert.equal(bytesOf(text), Buffer.from(text).toString("hex"));
    }
  });

  it("bytes are a key's if, and only if, they are what the key of them is encoded as", () => {
    const isEncoded = (bytes: Uint8Array): boolean => {
      try {
        const key = decodeKey(bytes, bytes.length);
        const fits = encoded.encode(key);
        return fits && encoded.length === bytes.length && bytes.every((byte, i) => byte === encoded.bytes[i]);
      } catch {
        return false;
      }
    };
    for (const key of KEYS) assert.ok(isKey(Buffer.from(bytesOf(key), "hex"), bytesOf(key).length / 2));
    // Lead and continuation bytes at the edges of what they may be, and those that begin other kinds of keys.
    const edge = fc.constantFrom(
      ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xaf, 0xb0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
      ...[0xe0, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xf8, 0xfc, 0xfd, 0xfe, 0xff],
    );
    const double = fc.double().chain((value) => {
      const whole = new Uint8Array(Float64Array.of(value).buffer);
      const flip = fc.record({ at: fc.nat({ max: 7 }), bits: fc.constantFrom(0, 0x80, 0xff, 1) });
      return flip.map(({ at, bits }) =>
        Uint8Array.of(0xfe, ...whole.map((byte, i) => (i === at ? byte ^ bits : byte))),
      );
    });
    const bytes = fc.oneof(
      fc.array(edge, { maxLength: 8 }).map((list) => Uint8Array.from(list)),
      fc.uint8Array({ maxLength: 12 }),
      double,
    );
    let keys = 0;
    fc.assert(
      fc.property(bytes, (list) => {
        const expected = isEncoded(list);
        keys += expected ? 1 : 0;
        assert.equal(isKey(list, list.length), expected, Buffer.from(list).toString("hex"));
      }),
      { numRuns: 20_000, seed: 20_260 },
    );
    assert.ok(keys > 2000 && keys < 18_000, `${keys} of 20,000`);
    const long = new Uint8Array(KEY_BYTES_MAX + 1).fill(0x61);
    assert.equal(isKey(long, KEY_BYTES_MAX), true);
    assert.equal(isKey(long, KEY_BYTES_MAX + 1), false);
  });

  it("any string comes back, lone surrogates too", () => {
    const text = fc.string({ unit: "binary", maxLength: 50 });
    const units = fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 20 });
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          units.map((codes) => String.fromCharCode(...codes)),
        ),
        (key) => {
          assert.ok(encoded.encode(key));
          assert.equal(decodeKey(encoded.bytes, encoded.length), key);
        },
      ),
      { seed: 7, numRuns: 2000 },
    );
  });

  it("0 and -0 are one key, as in a Map", () => {
    assert.equal(bytesOf(0), bytesOf(-0));
  });

  it("the longest key, and one byte more", () => {
    assert.ok(encoded.encode("x".repeat(KEY_BYTES_MAX)));
    assert.ok(!encoded.encode("x".repeat(KEY_BYTES_MAX + 1)));
    assert.ok(encoded.encode(`${"x".repeat(KEY_BYTES_MAX - 2)}ä`));
    assert.ok(!encoded.encode(`${"x".repeat(KEY_BYTES_MAX - 1)}ä`));
    assert.ok(!encoded.encode("€".repeat(KEY_BYTES_MAX / 2)));
    assert.ok(encoded.encode(new Uint8Array(KEY_BYTES_MAX - 1)));
    assert.ok(!encoded.encode(new Uint8Array(KEY_BYTES_MAX)));
  });

  for (const wrong of [undefined, null, true, 1n, Symbol("x"), {}, ["a"], new Uint16Array(2)]) {
    it(`${String(typeof wrong)} ${Object.prototype.toString.call(wrong)} is no key`, () => {
      assert.throws(() => encoded.encode(wrong as never), {
        code: "EINVAL",
        message: /a key must be a string/,
      });
    });
  }
});

describe("hash of keys", () => {
  it("what lay behind the key before does not matter", () => {
    const [a, b] = [new EncodedKey(), new EncodedKey()];
    a.encode("x".repeat(100));
    for (const text of ["", "a", "ab", "abc", "abcd", "abcde"]) {
      a.encode(text);
      b.encode(text);
      assert.deepEqual([a.k0, a.k1], [b.k0, b.k1]);
    }
  });

  it("a million keys of the usual kinds: 64 bits do not meet, 32 bits meet as often as chance has it", () => {
    const both = new Set<bigint>();
    const lows = new Set<number>();
    const highs = new Set<number>();
    const count = 50_000;
    for (let i = 0; i < count; i++) {
      for (const key of [`user:${i}`, i, `/product/${i}/reviews?page=2`, Uint8Array.of(i, i >> 8, i >> 16)]) {
        encoded.encode(key);
        both.add((BigInt(encoded.k0) << 32n) | BigInt(encoded.k1 >>> 0));
        lows.add(encoded.k0);
        highs.add(encoded.k1);
      }
    }
    const n = 4 * count;
    const expected = (n * n) / 2 / 2 ** 32;
    assert.equal(both.size, n);
    for (const set of [lows, highs])
      assert.ok(n - set.size < 1.5 * expected, `${n - set.size} of ${expected}`);
  });

  it("each bit of the key moves about half of the bits of the hash", () => {
    const prng = new Prng(3);
    const key = Uint8Array.from({ length: 24 }, () => prng.below(256));
    const flipped = new EncodedKey();
    for (let bit = 0; bit < key.length * 8; bit++) {
      let moved = 0;
      for (let round = 0; round < 64; round++) {
        for (let i = 0; i < key.length; i++) key[i] = prng.below(256);
        encoded.encode(key);
        key[bit >> 3] ^= 1 << (bit & 7);
        flipped.encode(key);
        moved += ones(encoded.k0 ^ flipped.k0) + ones(encoded.k1 ^ flipped.k1);
      }
      assert.ok(Math.abs(moved / 64 - 32) < 4, `bit ${bit} moves ${moved / 64} of 64`);
    }
  });
});

function ones(word: number): number {
  let count = 0;
  for (let w = word; w !== 0; w &= w - 1) count++;
  return count;
}
