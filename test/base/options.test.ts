import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  choiceOption,
  clockOption,
  flagOption,
  powerOfTwoAtLeast,
  sizeOption,
  ZbudError,
} from "../../src/base/index.ts";

function message(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof ZbudError);
    assert.equal(error.code, "EINVAL");
    return error.message;
  }
  return assert.fail("nothing was thrown");
}

describe("options of one kind are checked in one place", () => {
  it("a flag is true or false, and nothing that merely counts as such", () => {
    assert.equal(flagOption("shared", true), true);
    assert.equal(flagOption("shared", false), false);
    for (const value of [undefined, null, 0, 1, "true"]) {
      assert.match(
        message(() => flagOption("shared", value)),
        /^shared must be true or false, not /,
      );
    }
  });

  it("a choice is one of its names, and the message has them all", () => {
    assert.equal(choiceOption("lock", "own", ["own", "caller"]), "own");
    assert.match(
      message(() => choiceOption("lock", "mine", ["own", "caller"])),
      /^lock must be "own" or "caller", not "mine"/,
    );
    assert.match(
      message(() => choiceOption("a", 1, ["x", "y", "z"])),
      /^a must be "x", "y" or "z", not 1/,
    );
    assert.match(
      message(() => choiceOption("a", undefined, ["x"])),
      /^a must be "x", not undefined/,
    );
    assert.match(
      message(() => choiceOption("a", "constructor", ["x"])),
      /^a must be "x"/,
    );
  });

  it("a clock is a function, and the computer's if none is given", (test) => {
    const clock = (): number => 5;
    assert.equal(clockOption(clock), clock);
    assert.equal(clockOption(undefined, clock), clock);
    const computers = clockOption(undefined);
    test.mock.timers.enable({ apis: ["Date"], now: 1234 });
    assert.equal(computers(), 1234);
    for (const value of [null, 5, "now", new Date()]) {
      assert.match(
        message(() => clockOption(value)),
        /^clock must be a function that gives milliseconds, not /,
      );
    }
  });

  it("a size that is a share of nothing takes no percentage, and does not offer it", () => {
    assert.equal(sizeOption("pageSize", "4KiB", 1, 1 << 20, null), 4096);
    const text = message(() => sizeOption("pageSize", "20%", 1, 1 << 20, null));
    assert.match(text, /^pageSize must be a whole number of bytes, or a size such as "256MiB", not "20%"/);
  });
});

it("a power of two not below a number is exact at both sides of each power", () => {
  for (let power = 1; power < 2 ** 32; power *= 2) {
    assert.equal(powerOfTwoAtLeast(power), power);
    assert.equal(powerOfTwoAtLeast(power + 1), 2 * power);
    if (power > 2) assert.equal(powerOfTwoAtLeast(power - 1), power);
  }
});
