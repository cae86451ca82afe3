import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { REAL_TIME, realTimeUses } from "./real-time.ts";
import { readTree } from "./sources.ts";

describe("real time in tests", () => {
  it("only the listed files sleep or look at the time that passes, and each of them does", () => {
    const uses = realTimeUses(readTree(["test"], [".ts"]));
    const others = uses.filter(({ path }) => REAL_TIME[path] === undefined);
    assert.deepEqual(
      others.map(({ path, line, what }) => `${path}:${line} ${what}: wait for an event or with until`),
      [],
    );
    const needless = Object.keys(REAL_TIME).filter((path) => !uses.some((use) => use.path === path));
    assert.deepEqual(needless, [], "take it off the list");
  });

  for (const text of [
    "setTimeout(f, 5);",
    "globalThis.setTimeout(f, 5);",
    "setInterval(f, 5);",
    "Atomics.wait(words, 0, 0, 5);",
    "const start = performance.now();",
    "const ms = Date.now() - start;",
    'import { setTimeout as sleep } from "node:timers/promises";',
  ]) {
    it(`caught: ${text}`, () => {
      assert.equal(realTimeUses(new Map([["test/a.ts", text]])).length, 1);
    });
  }

  it("events and dates are fine", () => {
    const text = `import { setImmediate } from "node:timers/promises";
      Atomics.wait(words, 0, 0); Date.now() - 61_000; Date.now() + 5; clock.now(); t.mock.timers.tick(5);`;
    assert.deepEqual(realTimeUses(new Map([["test/a.ts", text]])), []);
  });
});
