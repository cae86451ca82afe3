import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { describe, it } from "node:test";
import { memoryBytes, sizeOption, sizeRangeOption, ZbudError } from "../../src/base/index.ts";

const read = (value: unknown): number => sizeOption("maxBytes", value, 1, 2 ** 40, () => 1000);

describe("size options", () => {
  const GOOD: [unknown, number][] = [
    [4096, 4096],
    ["4096", 4096],
    ["4k", 4096],
    ["256MiB", 2 ** 28],
    ["256 mb", 2 ** 28],
    [" 1.5GiB ", 1.5 * 2 ** 30],
    ["0.25t", 2 ** 38],
    ["100b", 100],
    ["20%", 200],
    ["0.5 %", 5],
    ["100%", 1000],
  ];
  for (const [value, bytes] of GOOD) {
    it(`${JSON.stringify(value)} is ${bytes}`, () => assert.equal(read(value), bytes));
  }

  const BAD = ["", "x", "4kk", "-1", "1e3", "0%", "101%", "%", "1/2", 1.5, Number.NaN, null, undefined, {}];
  for (const value of BAD) {
    it(`${JSON.stringify(value) ?? "undefined"} is refused`, () => {
      assert.throws(() => read(value), { code: "EINVAL", message: /^maxBytes must be .* not / });
    });
  }

  it("out of range: the message names the range, the text and its bytes", () => {
    assert.throws(
      () => sizeOption("maxBytes", "1k", 2048, 4096),
      (error: unknown) =>
        error instanceof ZbudError &&
        error.message === 'maxBytes must be from 2048 to 4096 bytes, not "1k", which is 1024 (EINVAL)',
    );
    assert.throws(() => sizeOption("maxBytes", 5000, 2048, 4096), /not 5000 /);
  });

  it("this process's memory is known, and at most the machine's", () => {
    const bytes = memoryBytes();
    assert.ok(Number.isInteger(bytes) && bytes > 2 ** 24 && bytes <= totalmem(), String(bytes));
  });
});

describe("options that are a range of sizes", () => {
  const range = (value: unknown): object => sizeRangeOption("maxBytes", value, 1024, 2 ** 30);

  it("two sizes, from the first to the second", () => {
    assert.deepEqual(range({ min: "64MiB", max: 2 ** 28 }), { min: 2 ** 26, max: 2 ** 28 });
    assert.deepEqual(range({ min: 4096, max: "4k" }), { min: 4096, max: 4096 });
  });

  const BAD: [value: unknown, message: RegExp][] = [
    [
      { min: "2MiB", max: "1MiB" },
      /^maxBytes\.min must be at most maxBytes\.max, not "2MiB", which is more than "1MiB"/,
    ],
    [{ max: "1MiB" }, /^maxBytes\.min must be a whole number of bytes.* not undefined/],
    [{ min: "1MiB" }, /^maxBytes\.max must be a whole number of bytes.* not undefined/],
    [{ min: 10, max: 2048 }, /^maxBytes\.min must be from 1024 to 1073741824 bytes, not 10/],
    [{ min: "1MiB", max: "2TiB" }, /^maxBytes\.max must be from .* not "2TiB", which is/],
    [{ min: "1MiB", max: "2MiB", step: 1 }, /step/],
    ["1MiB", /options of maxBytes must be an object such as \{ min: … \}, not "1MiB"/],
    [null, /must be an object/],
  ];
  for (const [value, message] of BAD) {
    it(`${JSON.stringify(value)} is refused`, () => {
      assert.throws(() => range(value), { code: "EINVAL", message });
    });
  }
});
