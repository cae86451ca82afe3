/** Tests that fail, so that what runs tests in browsers is seen to notice. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

describe("planted", () => {
  const wrong: Record<string, () => void | Promise<void>> = {
    ok: () => assert.ok(0),
    fail: () => assert.fail("wanted"),
    equal: () => assert.equal(0, -0),
    notEqual: () => assert.notEqual(Number.NaN, Number.NaN),
    "deepEqual: a byte": () => assert.deepEqual(new Uint8Array([1, 2]), new Uint8Array([1, 3])),
    "deepEqual: a length": () => assert.deepEqual([1], [1, 2]),
    "deepEqual: a key": () => assert.deepEqual({ a: 1 }, { a: 1, b: undefined }),
    "deepEqual: a prototype": () => assert.deepEqual([], {}),
    "deepEqual: a map": () => assert.deepEqual(new Map([[1, { a: 1 }]]), new Map([[1, { a: 2 }]])),
    "deepEqual: a set": () => assert.deepEqual(new Set([1]), new Set([2])),
    "deepEqual: bytes": () => assert.deepEqual(Uint8Array.of(1).buffer, Uint8Array.of(2).buffer),
    notDeepEqual: () => assert.notDeepEqual({ a: [1] }, { a: [1] }),
    match: () => assert.match("a", /b/),
    "throws: nothing": () => assert.throws(() => {}),
    "throws: another message": () => assert.throws(() => JSON.parse("{"), /zbud/),
    "throws: another class": () => assert.throws(() => JSON.parse("{"), RangeError),
    "throws: refused": () =>
      assert.throws(
        () => JSON.parse("{"),
        () => false,
      ),
    "rejects: nothing": () => assert.rejects(Promise.resolve(1)),
    "an exception": () => JSON.parse("{"),
    "a rejection": () => Promise.reject(new Error("wanted")),
  };
  for (const [name, run] of Object.entries(wrong)) it(name, run);
});
