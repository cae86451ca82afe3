/** A store never takes more than its pages would as they are: whatever their sizes, in whatever order they go. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mostForRaw, type RawCase, randomCase, WORST } from "./raw-bound.ts";

/** Memory in use is at most this times the bytes of the pages, and 64 KiB besides. */
const TIMES = 1.03;

function check(each: RawCase): void {
  const { times, when } = mostForRaw(each);
  assert.ok(times <= TIMES, `${times.toFixed(4)} times the pages: ${when}; ${JSON.stringify(each)}`);
}

describe("a page store never takes more than the pages as they are", () => {
  for (const each of WORST) {
    it(`${each.sizes} from ${each.low} to ${each.high} bytes, ${each.order}, ${each.held} held`, () => {
      check(each);
    });
  }

  it("whatever is searched for", () => {
    const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(seeds, (seed) => check(randomCase(seed, 800))),
      { numRuns: 60 },
    );
  });
});
