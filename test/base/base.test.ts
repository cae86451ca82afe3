/** Errors, options and the seeded generator. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  assert as assertThat,
  integerOption,
  Prng,
  powerOfTwoAtLeast,
  show,
  ZbudError,
} from "../../src/base/index.ts";
import { isCode } from "../support/is-code.ts";

describe("ZbudError", () => {
  it("is an Error with a code, a message that ends with it, and the cause", () => {
    const cause = new Error("beneath");
    const error = new ZbudError("EBADMSG", "line 3 is damaged", { cause });
    assert.ok(error instanceof Error);
    assert.equal(error.name, "ZbudError");
    assert.equal(error.code, "EBADMSG");
    assert.equal(error.message, "line 3 is damaged (EBADMSG)");
    assert.equal(error.cause, cause);
    assert.match(String(error.stack), /:\d+:\d+/);
  });

  it("assert throws ECORRUPT and says what was to hold", () => {
    assertThat(true, "never said");
    assert.throws(() => assertThat(false, "the list has an end"), isCode("ECORRUPT", "the list has an end"));
  });
});

describe("powerOfTwoAtLeast", () => {
  it("is the least power of two that is the value or more", () => {
    for (const [value, power] of [
      [0, 1],
      [0.5, 1],
      [1, 1],
      [2, 2],
      [3, 4],
      [3000, 4096],
      [4096, 4096],
    ]) {
      assert.equal(powerOfTwoAtLeast(value), power);
    }
    for (let exponent = 1; exponent < 52; exponent++) {
      const power = 2 ** exponent;
      assert.equal(powerOfTwoAtLeast(power), power);
      assert.equal(powerOfTwoAtLeast(power + 1), 2 * power);
    }
  });
});

describe("show", () => {
  it("puts any value on one short line", () => {
    const values: [unknown, string][] = [
      ["a\nb", '"a\\nb"'],
      [5, "5"],
      [-0.5, "-0.5"],
      [Number.NaN, "NaN"],
      [undefined, "undefined"],
      [null, "null"],
      [10n, "10n"],
      [true, "true"],
      [[1, 2], "an array of 2"],
      [{}, "Object"],
      [new Map(), "Map"],
      [Object.create(null), "an object"],
      [(): number => 1, "a function"],
      [Symbol("s"), "Symbol(s)"],
    ];
    for (const [value, text] of values) assert.equal(show(value), text);
    assert.ok(show("x".repeat(10_000)).length < 60);
    assert.ok(!show(`${"x".repeat(39)}\n${"y".repeat(100)}`).includes("\n"));
  });
});

describe("integerOption", () => {
  it("gives an integer in its range, both ends included", () => {
    for (const value of [1, 2, 64]) assert.equal(integerOption("chunks", value, 1, 64), value);
  });

  it("names the option, the value and the range of anything else", () => {
    for (const value of [0, 65, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "8", null, undefined, {}, 8n]) {
      assert.throws(
        () => integerOption("chunks", value, 1, 64),
        isCode("EINVAL", "chunks", "1", "64", show(value)),
      );
    }
  });
});

describe("Prng", () => {
  it("gives the same run for the same seed, and another for another", () => {
    const run = (seed: number): number[] => {
      const prng = new Prng(seed);
      return Array.from({ length: 20 }, () => prng.uint32());
    };
    assert.deepEqual(run(1), run(1));
    assert.notDeepEqual(run(1), run(2));
    assert.notDeepEqual(run(0), new Array(20).fill(0));
    assert.deepEqual(run(1).slice(0, 3), [270369, 67634689, 2647435461], "xorshift32 with shifts 13, 17, 5");
  });

  it("stays in its bounds and reaches all of them", () => {
    const prng = new Prng(7);
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const value = prng.between(-2, 2);
      assert.ok(Number.isInteger(value) && value >= -2 && value <= 2);
      seen.add(value);
      const below = prng.below(2 ** 32);
      assert.ok(below >= 0 && below < 2 ** 32);
    }
    assert.equal(seen.size, 5);
    let hits = 0;
    for (let i = 0; i < 10_000; i++) if (prng.chance(0.25)) hits++;
    assert.ok(hits > 2200 && hits < 2800, `${hits} of 10000 with probability 0.25`);
    assert.equal(prng.chance(0), false);
    assert.equal(prng.chance(1), true);
  });
});
