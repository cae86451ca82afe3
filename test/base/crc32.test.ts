import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32, crc32ByTables } from "../../src/base/crc32.ts";
import { Prng } from "../../src/base/index.ts";

describe("CRC-32", () => {
  for (const [name, sum] of Object.entries({ "the platform's": crc32, "by tables": crc32ByTables })) {
    it(`${name} has the known values`, () => {
      const text = (words: string): Uint8Array => new TextEncoder().encode(words);
      assert.equal(sum(new Uint8Array(0)), 0);
      assert.equal(sum(text("123456789")), 0xcbf4_3926);
      assert.equal(sum(text("The quick brown fox jumps over the lazy dog")), 0x414f_a339);
      assert.equal(sum(new Uint8Array(32)), 0x190a_55ad);
      assert.equal(sum(new Uint8Array(32).fill(255)), 0xff6c_ab0b);
    });
  }

  it("is the same by tables for every length and place, in one go or in two", () => {
    const prng = new Prng(1);
    const bytes = new Uint8Array(5000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = prng.below(256);
    for (let length = 0; length < 600; length++) {
      const from = prng.below(4000);
      const some = bytes.subarray(from, from + length);
      const whole = crc32ByTables(some);
      assert.equal(whole, crc32(some), `${length} bytes from ${from}`);
      const cut = prng.below(length + 1);
      assert.equal(crc32ByTables(some.subarray(cut), crc32ByTables(some.subarray(0, cut))), whole);
    }
  });
});
